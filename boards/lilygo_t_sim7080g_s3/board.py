"""LILYGO T-SIM7080G-S3: ESP32-S3 with a SIMCom SIM7080G, whose power an AXP2101 switches."""

import machine
from recorders import parts
from recorders.modem import Modem

from uploader.links import modems
from uploader.mount import mounter

NAME = "LILYGO T-SIM7080G-S3"
STORAGE = "/sd/captures"
LED_PIN = None
BUTTON_PIN = 0
MICROPHONE = None
# Pins of the OV2640 for a MicroPython build with a camera module.
MODEM = True
CAMERA = {
    "data_pins": [14, 47, 48, 21, 13, 11, 10, 9],
    "vsync_pin": 16,
    "href_pin": 17,
    "sda_pin": 2,
    "scl_pin": 1,
    "pclk_pin": 12,
    "xclk_pin": 8,
    "reset_pin": 18,
}


class Axp2101:
    """What this board needs of its power chip (registers as in lewisxhe/XPowersLib)."""

    _ADDRESS = 0x34

    def __init__(self):
        self._i2c = machine.I2C(0, sda=machine.Pin(15), scl=machine.Pin(7))

    def _read(self, register):
        return self._i2c.readfrom_mem(self._ADDRESS, register, 1)[0]

    def _write(self, register, value):
        self._i2c.writeto_mem(self._ADDRESS, register, bytes([value]))

    def _bit(self, register, bit, on):
        value = self._read(register) & ~(1 << bit)
        self._write(register, value | (1 << bit) if on else value)

    def modem(self, on):
        """DC3, the modem's supply, 3.0 V: 100 mV steps from 1.6 V, whose code is 88."""
        if on:
            self._write(0x84, self._read(0x84) & 0x80 | 88 + (3000 - 1600) // 100)
        self._bit(0x80, 2, on)

    def card(self):
        """ALDO3, the SD card's supply, 3.3 V: 100 mV steps from 0.5 V."""
        self._write(0x94, self._read(0x94) & 0xE0 | (3300 - 500) // 100)
        self._bit(0x90, 2, True)

    def begin(self):
        """Without its thermistor the chip would not charge: its TS pin is not measured."""
        self._bit(0x30, 1, False)

    def percent(self):
        """The cell's state, 0 to 100, None if there is no cell, or the chip does not answer."""
        try:
            percent = self._read(0xA4)
        except OSError:
            return None
        return percent if percent <= 100 else None

    def charging(self):
        """True while the cell takes current: bits 5 to 7 of STATUS2 are 1 (XPowersLib,
        isCharging)."""
        try:
            return self._read(0x01) >> 5 == 1
        except OSError:
            return False


_pmu = Axp2101()
_pmu.begin()
_pmu.card()
battery = _pmu.percent
charging = _pmu.charging
mount = mounter(lambda: machine.SDCard(slot=1, width=1, sck=38, cmd=39, data=(40,)), "/sd")


def links(settings, clock, on_event):
    """The ways to the network that the settings have what is needed for."""
    modem = Modem(modems.sim7080(), tx=5, rx=4, key=parts.line(41), power=_pmu.modem)
    return parts.present(parts.wifi(settings, clock), modem.link(settings, clock, on_event))
