"""The serial line: a pty of one's own, or one that somebody else has made."""

import os
import re
import termios
import tty

_SPEEDS = {getattr(termios, n): int(n[1:]) for n in dir(termios) if re.fullmatch(r"B\d+", n)}


class Line:
    """`path` is what the device opens. With `other`, the path of a pty whose master somebody
    else has, the line is that one, and its baud rate is not known."""

    def __init__(self, other=None):
        self._slave = None
        if other is None:
            self._fd, self._slave = os.openpty()
            tty.setraw(self._slave)
            self.path = os.ttyname(self._slave)
        else:
            self._fd = os.open(other, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(self._fd)
            self.path = other
        os.set_blocking(self._fd, False)
        self._out = bytearray()
        self.written = 0  # bytes so far

    def fileno(self) -> int:
        """For a selector."""
        return self._fd

    def baud(self) -> int | None:
        """The device's baud rate, None if it can't be known."""
        if self._slave is None:
            return None
        return _SPEEDS.get(termios.tcgetattr(self._fd)[4])

    def waiting(self) -> int:
        """Bytes that the other side has not taken yet."""
        return len(self._out)

    def read(self) -> bytes:
        """What is there."""
        try:
            return os.read(self._fd, 4096)
        except OSError:  # nothing; or nobody has it open (EIO)
            return b""

    def write(self, data: bytes):
        """Send as soon as the other side takes it."""
        self._out += data
        self.written += len(data)
        self.flush()

    def flush(self):
        """Send what waits, as much as goes."""
        while self._out:
            try:
                del self._out[: os.write(self._fd, self._out)]
            except OSError:
                return

    def close(self):
        """Nothing more comes or goes."""
        for fd in (self._fd, self._slave):
            if fd is not None:
                os.close(fd)
