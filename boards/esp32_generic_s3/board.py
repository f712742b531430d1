"""Any ESP32-S3 with an I2S microphone and a button wired to it; WiFi only."""

from recorders import parts

NAME = "ESP32_GENERIC_S3"
STORAGE = "/captures"  # on the internal flash's littlefs
LED_PIN = None
BUTTON_PIN = 0
MICROPHONE = {"id": 0, "sck": 5, "ws": 6, "sd": 7}
CAMERA = None
mount = None
battery = None


def links(settings, clock, on_event):
    """The ways to the network that the settings have what is needed for."""
    return parts.present(parts.wifi(settings, clock))
