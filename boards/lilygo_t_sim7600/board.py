"""LILYGO T-SIM7600: ESP32 with a SIMCom SIM7600, SD card, lithium-ion cell."""

import machine
from recorders import parts
from recorders.cell import CellAdc
from recorders.modem import Modem

from uploader.links import modems
from uploader.mount import mounter

NAME = "LILYGO T-SIM7600"
STORAGE = "/sd/captures"
LED_PIN = 12
BUTTON_PIN = None
MICROPHONE = {"id": 0, "sck": 18, "ws": 19, "sd": 23}
MODEM = True
CAMERA = None
battery = CellAdc(35)
mount = mounter(lambda: machine.SDCard(slot=2, sck=14, miso=2, mosi=15, cs=13), "/sd")


def links(settings, clock, on_event):
    """The ways to the network that the settings have what is needed for."""
    # Low is flight mode, in which the modem answers but has no radio.
    parts.line(25)(True)
    modem = Modem(modems.sim7600(), tx=27, rx=26, key=parts.line(4))
    return parts.present(parts.wifi(settings, clock), modem.link(settings, clock, on_event))
