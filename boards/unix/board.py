"""The desktop as a device: what `make simulator` runs. A tone in place of a microphone."""

import asyncio
import os
import socket
import time

from uploader.links.host import HostLink

NAME = "unix"
STORAGE = "/captures"
LED_PIN = None
BUTTON_PIN = None
MICROPHONE = {"rate": 16000}
CAMERA = None
mount = None
battery = None
_WAVE = b"\x00\x10" * 32 + b"\x00\xf0" * 32


class Tone:
    """A 250 Hz square wave at 16 kHz, 16 bit, mono, at the pace of real time: what machine.I2S
    does in its non-blocking mode."""

    def __init__(self):
        self._given = []
        self._task = asyncio.create_task(self._fill())

    def irq(self, handler):
        """Call `handler(self)` for each buffer that is full."""
        self._handler = handler

    def readinto(self, buf):
        """Have `buf` filled, after those that wait already."""
        self._given.append(buf)
        return len(buf)

    async def _fill(self):
        due = time.ticks_ms()
        while True:
            while not self._given:
                await asyncio.sleep_ms(5)
            buf = self._given[0]
            due = time.ticks_add(due, len(buf) // 32)
            await asyncio.sleep_ms(max(0, time.ticks_diff(due, time.ticks_ms())))
            for at in range(0, len(buf), len(_WAVE)):
                buf[at : at + len(_WAVE)] = _WAVE[: len(buf) - at]
            self._given.pop(0)
            if self._handler:
                self._handler(self)

    def deinit(self):
        """End it."""
        self._task.cancel()


make_microphone = Tone


class Loopback:
    """What set-up has in place of an access point: this machine's loopback, at ports that were
    free. The networks are made up, as the tone is."""

    air = [["Workshop", -48, False], ["Neighbours", -71, False], ["Station", -80, True]]

    def __init__(self):
        self.web_port, self.dns_port = _free_port(), _free_port()

    def open(self, name, key):
        """Nothing to do; the address."""
        return "127.0.0.1"

    def scan(self):
        """[[name, dBm, open]]."""
        return self.air

    def close(self):
        """Nothing to do."""


def _free_port():
    while True:
        port = 20000 + int.from_bytes(os.urandom(2), "little") % 12000
        probe = socket.socket()
        try:
            probe.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
            return port
        except OSError:
            continue
        finally:
            probe.close()


make_radio = Loopback


def links(settings, clock, on_event):
    """The desktop's own network."""
    return [HostLink()]
