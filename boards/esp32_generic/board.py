"""Any ESP32 with an I2S microphone and a button wired to it; WiFi only."""

from recorders import parts

NAME = "ESP32_GENERIC"
STORAGE = "/captures"  # on the internal flash's littlefs
LED_PIN = 2
BUTTON_PIN = 0
MICROPHONE = {"id": 0, "sck": 14, "ws": 15, "sd": 32}
CAMERA = None
mount = None
battery = None


def links(settings, clock, on_event):
    """The ways to the network that the settings have what is needed for."""
    return parts.present(parts.wifi(settings, clock))
