"""Wall time, waiting and the chance in it, all injectable.

Wall time is kept as an offset to an uptime that never jumps, so whoever else sets the
machine's clock during a drain can't move it. It is unknown until a source is believed:
a machine clock before the last time that was known is one that nobody set, and one far
beyond it is garbage. `timesync` asks the sources; which of them is believed is decided here.
"""

import asyncio
import os
import time
from binascii import hexlify

from micropython import const

# 2026-01-01T00:00:00Z in Unix seconds: older than this module, so no clock may show less.
FLOOR = const(1767225600)
# Unix seconds of 2000-01-01, the epoch of MicroPython's esp32 port.
_Y2000 = const(946684800)
# How far ahead of the last known time a machine clock is believed.
_AHEAD = const(366 * 86400)
_AHEAD_OF_FLOOR = const(10 * 366 * 86400)
# Servers' clocks may differ by so much before a time counts as going back.
_SLACK_S = const(60)
# The server's Date is when it began to answer: closer than this it says nothing new.
_FINE_S = const(2)


class Clock:
    """The device's time.

    `machine_time()` gives the machine clock in Unix seconds, `ticks_ms()` a wrapping
    millisecond counter, `await sleep_ms(n)` waits, `random()` gives floats in [0, 1) for
    jitter; tests give their own. `set_machine(unix_seconds)` sets the machine's clock, which
    certificates' dates are checked against; without it that clock is left alone. `boot` is
    text that names this boot.

    `machine_s()` is the machine's clock, whatever it shows.

    `floor` is a time (Unix seconds) that has certainly passed; `source` tells who the present
    one is from: `machine`, `modem`, `sntp`, `server`, or None while it is unknown. `estimated`
    tells that the machine's is known to be off, see `estimate`.
    """

    def __init__(
        self,
        machine_time=None,
        ticks_ms=None,
        sleep_ms=None,
        set_machine=None,
        boot=None,
        random=None,
    ):
        self.random = random or _uniform
        self.machine_s = machine_time or unix_time
        self._ticks = ticks_ms or time.ticks_ms
        self.sleep_ms = sleep_ms or asyncio.sleep_ms
        self._set_machine = set_machine
        self._last_tick = self._ticks()
        self._up_ms = 0
        self._offset = None  # Unix seconds minus uptime in seconds
        self.source = None
        self.estimated = False
        # Names this boot: a time that was counted in uptime can be told only by its own boot.
        self.boot = boot or hexlify(os.urandom(4)).decode()
        self.floor = 0
        self.start_from(FLOOR)

    def start_from(self, known):
        """Never be before `known` (Unix seconds), the last time that was certain.

        The machine's clock is believed if it fits. While the time is unknown the machine's
        clock is set to `known`, so that certificates have a chance of being valid.
        """
        if known <= self.floor:
            return
        self.floor = known
        if self.source not in (None, "machine"):
            return
        now = self.machine_s()
        if 0 <= now - known <= (_AHEAD_OF_FLOOR if known == FLOOR else _AHEAD):
            self._offset = now - self.uptime_ms() // 1000
            self.source = "machine"
        else:
            self.doubt()

    def estimate(self):
        """The board woke from deep sleep: meanwhile the machine's clock ran by an oscillator that
        is off by percents (ESP-IDF, "System Time": the internal 150 kHz one). Until a source says
        better the time is an estimate."""
        self.estimated = True

    def resume(self, boot, uptime_ms):
        """Go on as the boot of that name at that uptime: a wanted reset, during which the
        machine's clock ran on, makes no other boot of it."""
        if self._offset is not None:
            self._offset += (self.uptime_ms() - uptime_ms) // 1000
        self.boot, self._up_ms = boot, uptime_ms

    def doubt(self):
        """Forget the time: certificates say that it can't be right."""
        self._offset = None
        self.source = None
        if self._set_machine:
            self._set_machine(self.floor)

    def uptime_ms(self):
        """Milliseconds since this object was made; never wraps, never jumps."""
        now = self._ticks()
        self._up_ms += time.ticks_diff(now, self._last_tick)
        self._last_tick = now
        return self._up_ms

    def now(self):
        """Unix seconds, or None while the time is unknown."""
        if self._offset is None:
            return None
        return self._offset + self.uptime_ms() // 1000

    def set(self, unix_seconds, source):
        """Believe `source` (`modem`, `sntp`, `server`); False if its time is refused because
        it lies before the last that was known."""
        if unix_seconds < self.floor - _SLACK_S:
            return False
        unix_seconds = max(unix_seconds, self.floor)
        self._offset = unix_seconds - self.uptime_ms() // 1000
        self.source = source
        self.estimated = False
        if self._set_machine:
            self._set_machine(unix_seconds)
        return True

    def refine(self, unix_seconds):
        """Take the server's Date (RFC 9110 section 6.6.1): it came over verified TLS."""
        now = self.now()
        if now is not None and abs(now - unix_seconds) <= _FINE_S:
            self.source = "server"
            self.estimated = False
        else:
            self.set(unix_seconds, "server")

    def follow(self):
        """Set the machine's clock right if the time is known and somebody moved it; True if
        it had been moved."""
        now = self.now()
        if now is None or not self._set_machine or abs(self.machine_s() - now) <= _SLACK_S:
            return False
        self._set_machine(now)
        return True

    def stamp(self, ms=0):
        """The moment `ms` milliseconds ago for the store: ISO 8601 text, or what can become that
        later.

        Until a source has confirmed the time it is `[boot, uptime in ms]`, with the machine
        clock's Unix seconds as a third where those are believed, and 1 as a fourth if they are an
        estimate; see `resolve`.
        """
        now, stamp = self.now(), [self.boot, self.uptime_ms() - ms]
        if now is None:
            return stamp
        now -= ms // 1000
        if self.source != "machine":
            return iso(now)
        return stamp + ([now, 1] if self.estimated else [now])

    def resolve(self, stamp):
        """ISO 8601 text of a stamp, or None if it can't be known (never a guess).

        Stamps of this boot follow the clock as it is known now; those of another boot are
        what the machine's clock said then, if it was believed.
        """
        if isinstance(stamp, list):
            if stamp[:1] == [self.boot] and self._offset is not None:
                return iso(self._offset + stamp[1] // 1000)
            return iso(stamp[2]) if len(stamp) > 2 else None
        return stamp or None

    def guesses(self, stamp):
        """True if what `resolve` says of a stamp is an estimate."""
        return bool(stamp) and stamp[3:] == [1] and (self.estimated or stamp[0] != self.boot)

    async def sleep(self, seconds):
        """Wait, in slices that keep `uptime_ms` ahead of the tick counter's wrap."""
        end = self.uptime_ms() + int(seconds * 1000)
        while True:
            left = end - self.uptime_ms()
            if left <= 0:
                return
            await self.sleep_ms(min(left, 3600000))

    async def wait(self, event, seconds=None):
        """Wait until the asyncio.Event `event` is set, at most `seconds` (None: for ever). It
        stays set: what it stands for is the caller's to look at, and to clear."""
        while seconds is None:
            # By the day, for `uptime_ms` to keep ahead of the tick counter's wrap.
            if event.is_set():
                return
            await self.wait(event, 86400)
        either = asyncio.Event()
        tasks = [
            asyncio.create_task(_then(event.wait(), either)),
            asyncio.create_task(_then(self.sleep(seconds), either)),
        ]
        try:
            await either.wait()
        finally:
            for task in tasks:
                task.cancel()


async def _then(awaitable, event):
    await awaitable
    event.set()


def _uniform():
    return int.from_bytes(os.urandom(3), "big") / 16777216


def unix_time():
    """The machine's clock in Unix seconds, whatever epoch the port counts from."""
    return int(time.time()) + _epoch()


def _epoch():
    # Unix seconds of the moment that the port counts from.
    return _Y2000 if time.gmtime(0)[0] == 2000 else 0


def _gmtime(unix_seconds):
    return time.gmtime(unix_seconds - _epoch())


def set_machine_time(unix_seconds):
    """Set the machine's clock (`machine.RTC`), where the port has one that can be set."""
    try:
        from machine import RTC

        t = _gmtime(unix_seconds)
        RTC().datetime((t[0], t[1], t[2], t[6], t[3], t[4], t[5], 0))
    except (ImportError, AttributeError):
        pass  # the desktop's clock is the desktop's


def iso(unix_seconds):
    """`2026-01-31T23:59:59Z` for Unix seconds (ISO 8601, UTC)."""
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % _gmtime(unix_seconds)[:6]
