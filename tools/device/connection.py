"""Talking to a device with mpremote's own transport; errors that say what to do."""

import contextlib
import io
import json
import sys
import textwrap
import time
from pathlib import Path

import serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport
from serial.tools import list_ports

MIN_VERSION = (1, 26)  # of MicroPython; boards/README.md says why
# A product that starts from files may answer Ctrl-C only after a scan (2.5 s), a name that is
# not found (14 s), or an import from slow flash.
_PATIENCE_S = 60
_STALL_S = 30  # within an exchange: on a host that is busy, say
TRY_S = 2
TOLD_S = 5
_QUIET_S = 0.3
_PROMPT = b">>> "
_SILENCE_S = 120  # importing the product from slow flash takes minutes at worst
_MARK = "~~~"


class DeviceError(Exception):
    """Something that the person can act on; the text says what happened and what to do."""


def ports() -> list[str]:
    """Serial ports with something on USB behind them."""
    return sorted(p.device for p in list_ports.comports() if p.vid is not None)


def choose(port: str | None) -> str:
    """The port to use: the one that was named, or the only one that there is."""
    if port:
        if not Path(port).exists():
            found = ", ".join(ports()) or "none"
            raise DeviceError(
                f"There is no port {port}. Ports with a USB device: {found}. Is the cable a data "
                "cable, and the board's USB bridge known to the system?"
            )
        return port
    found = ports()
    if not found:
        raise DeviceError(
            "No USB serial device was found. Connect the board with a data cable, or name its "
            "port: PORT=/dev/ttyUSB0."
        )
    if len(found) > 1:
        named = " or PORT=".join(found)
        raise DeviceError(f"Several devices are connected; name one: PORT={named}.")
    return found[0]


_INFO = """
import sys, gc
i = sys.implementation
answer = {
    "version": list(i.version[:3]), "platform": sys.platform,
    "machine": getattr(i, "_machine", ""), "mpy": getattr(i, "_mpy", 0) & 0xff,
}
"""
# The watchdog that main.py started can't be stopped, but given more time (MicroPython's
# machine.WDT): an hour, after which a device that was left at its prompt runs again. It starts
# it, then makes the app.
_STRETCH = """
try:
    _trial
    with open("/config.json") as f:
        import json
        if json.load(f).get("watchdog_s", 120):
            import machine
            machine.WDT(timeout=3600000)
except Exception:
    pass
"""


class Device:
    """A connected device in its raw REPL, from `with Device(port) as d:` on.

    What ran on it is interrupted, not reset, so that it can be asked; `restart` lets it go on.
    A device that does not answer within seconds may still boot, or do what can't be
    interrupted: it is tried again for `patience_s`, and `told(text)` says so.
    """

    def __init__(self, port: str | None, patience_s: float = _PATIENCE_S, told=None):
        self.port = choose(port)
        self._patience_s = patience_s
        self._told = told or (lambda text: print(text, file=sys.stderr))

    def __enter__(self):
        try:
            self.transport = SerialTransport(self.port, 115200, timeout=_STALL_S)
        except (OSError, serial.SerialException, TransportError) as e:
            raise DeviceError(
                f"{self.port} can't be opened ({e}). Is a terminal, an IDE or another command "
                "using it? Are you allowed to (group dialout)?"
            ) from e
        try:
            self._interrupt()
        except (TransportError, OSError) as e:
            self.close()
            raise DeviceError(
                f"No MicroPython answers at {self.port}. If the board is new, put MicroPython on "
                "it: make flash PORT=... BOARD=.... If it hangs, press its reset button and try "
                "again."
            ) from e
        try:
            self.info = self.ask(_INFO + _STRETCH)
            check_version(tuple(self.info["version"]))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _interrupt(self):
        """Ctrl-C until the prompt is there and all is quiet, then the raw REPL. Ctrl-B leads to
        the prompt from a raw REPL that another tool left, too. The raw REPL is asked for but
        once: a device that answers late would answer each time that it was asked."""
        port = self.transport.serial
        bears, port.timeout = port.timeout, _QUIET_S
        start = asked = time.monotonic()
        port.write(b"\r\x03\x02")
        heard = b""
        told = False
        while True:
            data = port.read(256)
            heard = (heard + data)[-len(_PROMPT) :]
            if not data and heard == _PROMPT:
                break
            now = time.monotonic()
            if now - start > self._patience_s:
                raise TransportError("no prompt")
            if now - asked > TRY_S:
                asked = now
                port.write(b"\r\x03\x02")
                if not told and now - start > TOLD_S:
                    told = True
                    self._told(f"{self.port} does not answer yet; it may still boot. Waiting.")
        port.timeout = bears
        self.transport.enter_raw_repl(soft_reset=False)

    def close(self):
        """Leave the raw REPL and close the port."""
        with contextlib.suppress(Exception):
            if self.transport.in_raw_repl:
                self.transport.exit_raw_repl()
        with contextlib.suppress(Exception):
            self.transport.close()

    def run(self, code: str, hear=None) -> str:
        """Run code; what it printed. Raises DeviceError with what it raised.

        What takes long should print as it goes: a device that is silent for long is given up.
        `hear(byte)` is told of each byte.
        """
        out = io.BytesIO()

        def take(data):
            out.write(data)
            if hear:
                hear(data)

        try:
            _, error = self.transport.exec_raw(textwrap.dedent(code), _SILENCE_S, take)
            if error:
                raise explain(error.decode(errors="replace"))
            # As without a consumer: what ends the output on the wire is not part of it.
            return out.getvalue().replace(b"\x04", b"").decode(errors="replace")
        except (TransportError, OSError) as e:
            raise DeviceError(f"The connection to {self.port} broke: {e}") from e

    def ask(self, code: str, hear=None, **values):
        """Run code that sets `answer`; that, as JSON carries it. `values` are made known to it
        first, without being shown anywhere; `hear` is that of `run`."""
        head = "".join(f"{name} = {value!r}\n" for name, value in values.items())
        # Beside the device's own prints, the answer is told by its mark.
        tail = f"\nimport json\nprint({_MARK!r} + json.dumps(answer))\n"
        out = self.run(head + textwrap.dedent(code) + tail, hear)
        self._said, mark, rest = out.partition(_MARK)
        if mark:
            return json.loads(rest.splitlines()[0])
        raise DeviceError(f"The device gave no answer, but: {out[-300:]}")

    def told(self) -> str:
        """What the device printed while it was last asked, on one line: why it has no app, say."""
        return " ".join(self._said.split())

    def renew(self):
        """Have MicroPython begin anew, with all memory free, and main.py left out. Raises
        DeviceError."""
        try:
            self.transport.exit_raw_repl()
            self.transport.enter_raw_repl(soft_reset=True)
        except (TransportError, OSError) as e:
            raise DeviceError(f"{self.port} does not begin anew: {e}") from e

    def restart(self):
        """Reset the device, so that it runs its main.py again."""
        with contextlib.suppress(TransportError, OSError):
            self.transport.exec_raw_no_follow(
                "import machine\ntry:\n import power\n power.mark('tools')\n"
                # Whoever asks next may interrupt that, but not keep it from the reset.
                "except BaseException:\n pass\nmachine.reset()\n"
            )
        self.transport.in_raw_repl = False


def check_version(version: tuple[int, ...]):
    """Raise DeviceError if that MicroPython is older than MIN_VERSION."""
    if version[:2] < MIN_VERSION:
        raise DeviceError(
            f"MicroPython {'.'.join(map(str, version))} is too old: {minimum()} or newer is "
            "needed. Flash the newest release of the board's image: make flash PORT=... BOARD=...."
        )


def minimum() -> str:
    """MIN_VERSION as text."""
    return ".".join(map(str, MIN_VERSION))


def explain(error: str) -> DeviceError:
    """A DeviceError for what code raised on the device."""
    last = error.strip().splitlines()[-1] if error.strip() else "?"
    if "ENOSPC" in error or "Errno 28" in error or "OSError: 28" in error:
        return DeviceError(
            "The device's flash is full. Upload or pull what it holds (make status, make pull), "
            "or erase it."
        )
    if "MemoryError" in error:
        return DeviceError("The device ran out of memory. Reset it and try again.")
    return DeviceError(f"The device said: {last}")
