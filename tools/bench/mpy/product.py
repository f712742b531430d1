"""The product with everything loaded: recorder, WiFi, cellular, policy, heartbeat. Imported from
launch.py with CONFIG and `records`, `sends` or `boot`.

`records` is the boot in which a recording of a second is made, `sends` the one that uploads it over
WiFi. Both tell what is left on flash. `boot` tells how many files the code
was read from until the product ran, and their bytes. What a chip has and this machine lacks is as
small here as can be: it is in the heap that is measured.
"""

import asyncio
import gc
import json
import os
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


class Microphone:
    """16 kHz, 16 bit, mono: machine.I2S in its non-blocking mode, without a sound."""

    def __init__(self):
        self._given = []
        self._task = asyncio.create_task(self._fill())

    def irq(self, handler):
        self._handler = handler

    def readinto(self, buf):
        self._given.append(buf)
        return len(buf)

    async def _fill(self):
        while True:
            await asyncio.sleep_ms(128)
            if self._given:
                buf = self._given.pop(0)
                buf[-8:] = bytes(8)
                self._handler(self)

    def deinit(self):
        self._task.cancel()


class Rtc:
    """machine.RTC(), of which only the memory is asked for."""

    data = b""

    def memory(self, *data):
        if data:
            Rtc.data = data[0]
        return Rtc.data


class Namespace:
    """A module without a file."""


class Counting:
    """A file system that counts what is opened of another."""

    def __init__(self, inner):
        self._inner = inner
        self.files = self.bytes = 0

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def stat(self, path):
        return self._inner.stat(path)

    def open(self, path, mode):
        self.files += 1
        self.bytes += self._inner.stat(path)[6]
        return self._inner.open(path, mode)


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


def count(path):
    import vfs

    counting = Counting(vfs.VfsPosix(path))
    vfs.mount(counting, "/code")
    sys.path[:] = ["/code", ".frozen"]
    return counting


async def record(app):
    task = asyncio.create_task(app.run())
    await asyncio.sleep_ms(200)
    app.start()
    await asyncio.sleep_ms(1200)
    app.stop()
    while app.control.recording:
        await asyncio.sleep_ms(100)
    task.cancel()


async def send(sender):
    task = asyncio.create_task(sender.run())
    for _ in range(300):
        await asyncio.sleep_ms(100)
        if not left(sender.settings):
            break
    await asyncio.sleep(2)  # a heartbeat may be under way
    task.cancel()


def left(settings):
    """Recordings on flash."""
    return [n for n in os.listdir(settings.storage) if n.endswith(".rec")]


def main(config, what):
    counting = count(sys.path[0]) if what == "boot" else None
    stand_in()
    # As the product does when it runs; before that the heap grows as it would on a device.
    gc.threshold(4096)
    import board

    board.mount = None
    board.make_microphone = Microphone
    import power

    from uploader import load_config, memory

    settings = load_config(config)
    power.save({"v": 1, "mark": "send" if what == "sends" else "record"})
    boot = power.begin(board, 0)
    memory.forget("power")
    if what == "sends":
        from sender import Sender

        asyncio.run(send(Sender(board, settings, boot=boot)))
    else:
        from app import App

        app = App(board, settings, boot=boot)
        asyncio.run(booted(app) if counting else record(app))
    if counting:
        print(json.dumps({"files": counting.files, "bytes": counting.bytes}))
    else:
        print(json.dumps({"left": left(settings)}))


async def booted(app):
    task = asyncio.create_task(app.run())
    await asyncio.sleep_ms(200)
    task.cancel()


main(*sys.argv[3:5])
