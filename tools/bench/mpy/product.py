"""The product with everything loaded: recorder, WiFi, cellular, policy, heartbeat. Imported from
launch.py with CONFIG and what it is to do: `records`, `sends` or `boots`, each a module.

Both that and what a chip has and this machine lacks are as small here as can be: they are in the
heap that is measured.
"""

import gc
import sys


class Part:
    """A Pin, an ADC, a UART, an SDCard that nothing happens at."""

    IN = OUT = PULL_UP = ATTN_11DB = IRQ_RXIDLE = 1

    def __init__(self, *_, **__):
        pass

    def value(self, *_):
        return 1

    def read_uv(self):
        return 2000000

    def any(self):
        return 0

    def init(self, *_, **__):
        pass

    def write(self, data):
        return len(data)


class Wlan:
    """A WLAN that is connected at once."""

    def __init__(self, *_):
        self._up = False

    def active(self, *_):
        return True

    def scan(self):
        return [(b"home", b"123456", 1, -50, 3, False)]

    def connect(self, *_, **__):
        self._up = True

    def disconnect(self):
        self._up = False

    def isconnected(self):
        return self._up

    def status(self, *what):
        return -50 if what else 1010 if self._up else 1000

    def config(self, *_, **__):
        return 1

    def ifconfig(self):
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "0.0.0.0")

    def ipconfig(self, what):
        return ("127.0.0.1", "255.0.0.0")


class Rtc:
    """machine.RTC(), of which only the memory is asked for."""

    data = b""

    def memory(self, *data):
        if data:
            Rtc.data = data[0]
        return Rtc.data


class Namespace:
    """A module without a file."""


def stand_in():
    machine, network = Namespace(), Namespace()
    machine.Pin = machine.ADC = machine.UART = machine.SDCard = Part
    machine.RTC = Rtc
    machine.reset_cause = lambda: 2
    machine.PWRON_RESET, machine.HARD_RESET, machine.WDT_RESET = 1, 2, 3
    machine.DEEPSLEEP_RESET, machine.SOFT_RESET = 4, 5
    network.WLAN = Wlan
    network.STA_IF = 0
    sys.modules["machine"], sys.modules["network"] = machine, network


def main(config, what):
    run = __import__(what).run
    stand_in()
    # As the product does when it runs; before that the heap grows as it would on a device.
    gc.threshold(4096)
    import board

    board.mount = None
    import power

    from uploader import load_config, memory

    settings = load_config(config)
    power.save({"v": 1, "mark": "send" if what == "sends" else "record"})
    boot = power.begin(board, 0)
    memory.forget("power")
    run(board, settings, boot)


main(*sys.argv[3:5])
