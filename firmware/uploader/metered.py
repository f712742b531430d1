"""A socket that counts, between TLS and the network: what a metered link is charged for."""

import io
import select

from micropython import const

_POLL = const(3)  # MP_STREAM_POLL, py/stream.h
_CLOSE = const(4)  # MP_STREAM_CLOSE


class Metered(io.IOBase):
    """Passes on to the non-blocking socket `sock`; `count(n)` is told of every byte moved."""

    def __init__(self, sock, count):
        self._sock = sock
        self._count = count
        self._poll = select.poll()
        self._poll.register(sock)

    def readinto(self, buf):
        """As a socket's: the number read, 0 at the end, None if it would block."""
        n = self._sock.readinto(buf)
        if n:
            self._count(n)
        return n

    def write(self, buf):
        """As a socket's: the number written, None if it would block."""
        n = self._sock.write(buf)
        if n:
            self._count(n)
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
