"""The desktop as a device: what `make simulator` runs. A tone in place of a microphone."""

import io
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


class Tone(io.IOBase):
    """A 250 Hz square wave at 16 kHz, 16 bit, mono, at the pace of real time."""

    def __init__(self):
        self._start = time.ticks_ms()
        self._read = 0
        self._wave = (b"\x00\x10" * 32 + b"\x00\xf0" * 32) * 16

    def _due(self):
        return time.ticks_diff(time.ticks_ms(), self._start) * 32 - self._read

    def readinto(self, buf):
        """As machine.I2S's."""
        n = min(len(buf), self._due() & ~1, len(self._wave))
        buf[:n] = self._wave[:n]
        self._read += n
        return n

    def ioctl(self, request, arg):
        """The stream protocol's: readable once there is a buffer's worth."""
        if request != 3:  # MP_STREAM_POLL
            return -1  # 0 would be an answer: to "which file descriptor?", say
        return arg & 1 if self._due() >= 2048 else 0

    def deinit(self):
        """As machine.I2S's."""


make_microphone = Tone


def links(settings, clock, on_event):
    """The desktop's own network."""
    return [HostLink()]
