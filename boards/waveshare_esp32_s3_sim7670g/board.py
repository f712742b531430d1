"""Waveshare ESP32-S3-SIM7670G-4G: ESP32-S3 with a SIMCom SIM7670G, SD card, MAX17048 gauge."""

import machine
from recorders import parts
from recorders.modem import Modem

from uploader.links import modems
from uploader.mount import mounter

NAME = "Waveshare ESP32-S3-SIM7670G-4G"
STORAGE = "/sd/captures"
LED_PIN = None
BUTTON_PIN = 0
MICROPHONE = None
MODEM = True
CAMERA = None
# Boards marked V2.0 on the back have the gauge elsewhere than the first ones.
_GAUGE_PINS = ((3, 2), (15, 16))  # (SDA, SCL)
_GAUGE = 0x36  # MAX17048 datasheet: slave address
_SOC = 0x04  # MAX17048 datasheet: state of charge, percent in the high byte
# MAX17048 datasheet: the charge's rate of change, signed, 0.208 % an hour a step.
_RATE = 0x16
_CHARGES = 5  # steps: less may be the gauge's own doubt


def _read(register):
    for sda, scl in _GAUGE_PINS:
        try:
            i2c = machine.I2C(0, sda=machine.Pin(sda), scl=machine.Pin(scl))
            return i2c.readfrom_mem(_GAUGE, register, 2)
        except OSError:
            pass
    return None


def battery():
    """The cell's state by the MAX17048, 0 to 100, None if it does not answer."""
    state = _read(_SOC)
    return state and min(100, state[0])


def charging():
    """True while the cell's charge grows by more than 1 % an hour."""
    rate = _read(_RATE)
    return bool(rate) and _CHARGES <= rate[0] << 8 | rate[1] < 0x8000


mount = mounter(lambda: machine.SDCard(slot=1, width=1, sck=5, cmd=4, data=(6,)), "/sd")


def links(settings, clock, on_event):
    """The ways to the network that the settings have what is needed for."""
    modem = Modem(modems.sim7670(), tx=18, rx=17)
    return parts.present(parts.wifi(settings, clock), modem.link(settings, clock, on_event))
