"""Counting what metered links are charged for: bytes a day, kept through reboots."""

import io
import select

from micropython import const

from .journal import Durable

# Taken from the day's limit in advance, so that a power cut forgets no byte that was sent:
# what was taken and not used counts as used. The cap is kept, to at most so much less.
_LEASE = const(262144)
_POLL = const(3)  # MP_STREAM_POLL, py/stream.h
_CLOSE = const(4)  # MP_STREAM_CLOSE


class DataMeter:
    """Bytes sent and received today over metered links, in two files `meter.*` of
    `settings.state`, seldom written. Days end at midnight of `settings.timezone`; while
    `clock` does not know the time the day goes on."""

    def __init__(self, settings, clock):
        self._settings = settings
        self._clock = clock
        self._durable = Durable(settings.state + "/meter")
        value = self._durable.value
        self._day = value.get("day", 0)
        self._used = self._leased = value.get("bytes", 0)

    def used(self):
        """Bytes sent and received today."""
        self._turn()
        return self._used

    def add(self, n):
        """Count `n` bytes."""
        self._turn()
        self._used += n
        if self._used > self._leased:
            self._leased = self._used + _LEASE
            self._save()

    def settle(self):
        """Give back what was taken in advance, when the link goes down."""
        if self._leased > self._used:
            self._leased = self._used
            self._save()

    def _turn(self):
        now = self._clock.now()
        if now is None:
            return
        day = (now + self._settings.offset_s(now)) // 86400
        # Days before are of a clock that was wrong for a while.
        if day > self._day or day < self._day - 1:
            if self._day:
                self._used = self._leased = 0
            self._day = day

    def _save(self):
        self._durable.value = {"day": self._day, "bytes": self._leased}
        try:
            self._durable.save()
        except OSError:
            pass  # a full flash is emptied by uploading: that must not end it


class MeteredSocket(io.IOBase):
    """A non-blocking socket `sock` whose bytes `meter` (a DataMeter) counts. It lies between
    TLS and the network, since TLS's own bytes are charged for, too."""

    def __init__(self, sock, meter):
        self._sock = sock
        self._meter = meter
        self._poll = select.poll()
        self._poll.register(sock)

    def readinto(self, buf):
        """As a socket's: the number read, 0 at the end, None if it would block."""
        n = self._sock.readinto(buf)
        if n:
            self._meter.add(n)
        return n

    def write(self, buf):
        """As a socket's: the number written, None if it would block."""
        n = self._sock.write(buf)
        if n:
            self._meter.add(n)
        return n

    def ioctl(self, request, arg):
        """The stream protocol's: readiness, and closing."""
        if request == _POLL:
            self._poll.modify(self._sock, arg)
            for _, events in self._poll.ipoll(0):
                return events
            return 0
        if request == _CLOSE:
            self._sock.close()
            return 0
        return -1

    def setblocking(self, flag):
        """As a socket's."""
        self._sock.setblocking(flag)

    def close(self):
        """As a socket's."""
        self._sock.close()
