"""The AT engine: commands to a modem and what it says (3GPP TS 27.007; ITU-T V.250).

Survives echo on or off, unsolicited result codes (URCs) in the middle of an answer, noise
after power-up, a baud rate that is not the expected one, and a modem that says nothing.
"""

from micropython import const

from ..errors import UploaderError

_MAX_LINE = const(512)
_POLL_MS = const(10)
_FINAL = ("OK", "ERROR", "NO CARRIER", "NO DIALTONE", "BUSY", "NO ANSWER", "COMMAND NOT SUPPORT")


class AtError(UploaderError):
    """The modem refused a command. `text` is what it said after `+CME ERROR:` or its final
    result code, "" for a bare ERROR."""

    def __init__(self, command, text):
        super().__init__("AT%s: %s" % (command, text or "ERROR"))
        self.text = text


class AtTimeoutError(UploaderError):
    """The modem did not answer in time."""


class At:
    """Talks to the modem at `uart` (`any`, `read`, `write`, and `init(baudrate=)` like
    machine.UART). `clock` gives `uptime_ms` and `sleep_ms`; `on_urc(line)` is told of what
    nobody asked for. Commands with a secret are `hide`den in errors."""

    def __init__(self, uart, clock, on_urc=None):
        self.uart = uart
        self._clock = clock
        self._on_urc = on_urc
        self._in = b""

    async def command(self, command, timeout_s=5, prefix=None, hide=False):
        """Send `AT` + `command`; the answer's lines before OK, as a list of str.

        With a `prefix` only the lines that begin with it are the answer, without the prefix,
        and all others are URCs. Raises AtError, AtTimeoutError.
        """
        self.flush()
        self.uart.write(b"AT" + command.encode() + b"\r")
        shown = command.split("=")[0] if hide else command
        lines = []
        end = self._clock.uptime_ms() + int(timeout_s * 1000)
        while True:
            line = await self._line(end)
            if line is None:
                raise AtTimeoutError("AT%s: no answer in %d s" % (shown, timeout_s))
            if line == "OK" or line.startswith("CONNECT"):
                if line != "OK":
                    lines.append(line)
                return lines
            if line.startswith("+CME ERROR:") or line.startswith("+CMS ERROR:"):
                raise AtError(shown, line[11:].strip())
            if line in _FINAL:
                raise AtError(shown, "" if line == "ERROR" else line)
            if line == "AT" + command:
                continue  # echo
            if prefix is None:
                lines.append(line)
            elif line.startswith(prefix):
                lines.append(line[len(prefix) :].strip())
            elif self._on_urc:
                self._on_urc(line)

    async def sync(self, bauds, tries=3):
        """Find the baud rate at which the modem answers; it, or None if it does not."""
        for baud in bauds:
            self.uart.init(baudrate=baud)
            for _ in range(tries):
                try:
                    await self.command("", 0.5)
                    return baud
                except AtTimeoutError:
                    pass
                except AtError:
                    # It answered, if only to the noise before.
                    return baud
        return None

    async def escape(self):
        """Out of data mode (V.250 section 5: a second of silence on both sides of +++), and
        hang up. True if the modem answered."""
        await self._clock.sleep(1.1)
        self.flush()
        self.uart.write(b"+++")
        await self._clock.sleep(1.1)
        try:
            await self.command("H", 3)
            return True
        except AtError:
            return True
        except AtTimeoutError:
            return False

    def flush(self):
        """Forget what has come so far; whole lines among it are URCs."""
        self._fill()
        while True:
            line, end, rest = self._in.partition(b"\n")
            if not end:
                break
            self._in = rest
            line = _text(line)
            if line and self._on_urc:
                self._on_urc(line)
        self._in = b""

    async def _line(self, end):
        """The next line that is not empty, or None at uptime `end`."""
        while True:
            self._fill()
            line, found, rest = self._in.partition(b"\n")
            if found:
                self._in = rest
                line = _text(line)
                if line:
                    return line
                continue
            if self._clock.uptime_ms() >= end:
                return None
            await self._clock.sleep_ms(_POLL_MS)

    def _fill(self):
        while self.uart.any():
            data = self.uart.read(256)
            if not data:
                break
            self._in += data
            if len(self._in) > _MAX_LINE and b"\n" not in self._in:
                self._in = b""  # no modem speaks so: a wrong baud rate


def _text(line):
    # What is not printable ASCII is noise around the words.
    return bytes(c for c in line if 32 <= c < 127).decode().strip()


def fields(text):
    """The comma-separated parameters of an answer, quotes taken off."""
    out = []
    part = ""
    quoted = False
    for c in text:
        if c == '"':
            quoted = not quoted
        elif c == "," and not quoted:
            out.append(part.strip())
            part = ""
        else:
            part += c
    out.append(part.strip())
    return out
