"""A board of stand-ins: `machine`, `esp32`, `network` and, if asked for, `socket` as the firmware
imports them, over one chip."""

import sys

from chip import Chip
from i2s import I2SMaker
from lwip import Net
from reset import Esp32, Machine, Pin
from sdcard import SDCardMaker, Socket
from wlan import Network, Wlan


class Board:
    """`chip`, `machine`, `wlan`, `card` (where cards are put), `net`."""

    def __init__(self, chip=None, reason="POWERON", wake=0):
        self.chip = chip or Chip()
        self.machine = Machine(self.chip, reason, wake)
        self.machine.Pin = type("Pin", (Pin,), {"chip": self.chip})
        self.machine.I2S = I2SMaker(self.chip)
        self.card = Socket()
        self.machine.SDCard = SDCardMaker(self.card)
        self.esp32 = Esp32(self.chip)
        self.wlan = self.radio()
        self.network = Network(self.wlan)
        self.net = Net(self.chip)

    def radio(self):
        """The WLAN of the board."""
        return Wlan(self.chip)

    def install(self, sockets=False):
        """Be what `import machine` and the like give from now on; returns itself."""
        sys.modules["machine"] = self.machine
        sys.modules["esp32"] = self.esp32
        sys.modules["network"] = self.network
        if sockets:
            sys.modules["socket"] = self.net
        return self
