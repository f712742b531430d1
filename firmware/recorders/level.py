"""How loud it is, and whether there is a microphone at all."""

import math
from array import array

from micropython import const

from . import native

_MOST = const(16384)  # samples at once: their sum fits 31 bits
_FLOOR_DB = const(-97)  # one unit of 16 bits


class Level:
    """Looks at mono 16-bit PCM, buffer by buffer.

    After `feed(buf)`: `low` and `high`, the extremes (-32768 to 32767), and `dbfs()`.
    `kernel` is what native.load gives.
    """

    def __init__(self, kernel=None, emit=None):
        self.low = self.high = 0
        self._kernel = kernel or native.load("level", emit)
        self._sums = array("i", [0, 0, 0, 0, 32768])
        self._mean = 0

    def feed(self, buf):
        """Measure a buffer of whole samples; returns its length in samples."""
        sums = self._sums
        mv = memoryview(buf)
        n = len(buf) // 2
        self.low, self.high = 32767, -32768
        total = away = at = 0
        while at < n:
            part = min(n - at, _MOST)
            self._kernel.measure(mv[2 * at :], part, sums)
            self.low = min(self.low, sums[0] - 32768)
            self.high = max(self.high, sums[1] - 32768)
            total += sums[2] // 64
            away += sums[3] // 64
            at += part
        if n:
            self._mean = away * 64 / n
            # Microphones have an offset. The next buffer is measured from this one's middle.
            sums[4] = min(max(total * 64 // n, 0), 65535)
        return n

    def dbfs(self):
        """The last buffer's level in dB; 0 is a sine wave that just fits (AES17).

        Of the mean, not the power: noise reads 1 dB less. -97 is silence.
        """
        # The mean of a sine wave is 2 / pi of its peak.
        peak = self._mean * math.pi / 2 / 32768
        return max(20 * math.log10(peak), _FLOOR_DB) if peak else _FLOOR_DB


class Watch:
    """Tells a microphone that gives nothing but one value, or nothing but full scale: a broken
    wire looks like that, silence in a room never does."""

    def __init__(self, limit_ms=30000):
        self._limit_ms = limit_ms
        self.trouble = None
        self._kind = None
        self._ms = 0

    def feed(self, level, ms):
        """Take the Level of `ms` milliseconds of sound.

        Returns `constant` or `full_scale` once it has been so for the limit, `recovered` when
        it is no more, None otherwise. `trouble` is what it is now, or None.
        """
        kind = None
        if level.low == level.high:
            kind = "constant"
        elif level.low <= -32767 and level.high >= 32766 and level.dbfs() > 3:
            kind = "full_scale"
        self._ms = self._ms + ms if kind == self._kind else ms
        self._kind = kind
        if kind is None:
            was, self.trouble = self.trouble, None
            return "recovered" if was else None
        if self._ms < self._limit_ms or self.trouble == kind:
            return None
        self.trouble = kind
        return kind
