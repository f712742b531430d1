"""The product with everything loaded: recorder, WiFi, cellular, policy, heartbeat. Imported from
launch.py with CONFIG and what it is to do: `records`, `sends` or `boots`, each a module.

Both that and what a chip has and this machine lacks are as small here as can be: they are in the
heap that is measured.
"""

import gc
import sys


class Part:
    """Whatever a chip has: a Pin, an ADC, a UART, an SDCard at which nothing happens, a WLAN that
    is connected at once, an RTC of which only the memory is asked for."""

    IN = OUT = PULL_UP = ATTN_11DB = IRQ_RXIDLE = 1
    STA_IF = PWRON_RESET = WDT_RESET = DEEPSLEEP_RESET = SOFT_RESET = 0
    HARD_RESET = 1  # what `reset_cause` says
    up = False
    kept = b""

    def __init__(self, *_, **__):
        pass

    def value(self, *_, **__):
        return 1

    active = config = reset_cause = value

    def any(self, *_, **__):
        return 0

    init = write = any

    def read_uv(self):
        return 2000000

    def scan(self):
        return [(b"home", b"123456", 1, -50, 3, False)]

    def connect(self, *_, **__):
        self.up = True

    def disconnect(self):
        self.up = False

    def isconnected(self):
        return self.up

    def status(self, *what):
        return -50 if what else 1010 if self.up else 1000

    def ipconfig(self, what=None):
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "0.0.0.0")

    ifconfig = ipconfig

    def memory(self, *data):
        if data:
            Part.kept = data[0]
        return self.kept


Part.Pin = Part.ADC = Part.UART = Part.SDCard = Part.RTC = Part.WLAN = Part


def main(config, what):
    run = __import__(what).run
    sys.modules["machine"] = sys.modules["network"] = Part()
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
