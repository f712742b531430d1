"""Talking to a device with mpremote's own transport; errors that say what to do."""

import contextlib
import json
import textwrap
from pathlib import Path

import serial
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport
from serial.tools import list_ports

MIN_VERSION = (1, 24)
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


class Device:
    """A connected device in its raw REPL, from `with Device(port) as d:` on.

    What ran on it is interrupted, not reset, so that it can be asked; `restart` lets it go on.
    """

    def __init__(self, port: str | None):
        self.port = choose(port)

    def __enter__(self):
        try:
            self.transport = SerialTransport(self.port, 115200, timeout=3)
        except (OSError, serial.SerialException, TransportError) as e:
            raise DeviceError(
                f"{self.port} can't be opened ({e}). Is a terminal, an IDE or another command "
                "using it? Are you allowed to (group dialout)?"
            ) from e
        try:
            self.transport.enter_raw_repl(soft_reset=False, timeout_overall=8)
        except (TransportError, OSError) as e:
            self.close()
            raise DeviceError(
                f"No MicroPython answers at {self.port}. If the board is new, put MicroPython on "
                "it: make flash PORT=... BOARD=.... If it hangs, press its reset button and try "
                "again."
            ) from e
        try:
            self.info = self.ask(
                """
                import sys, gc
                i = sys.implementation
                answer = {
                    "version": list(i.version[:3]), "platform": sys.platform,
                    "machine": getattr(i, "_machine", ""), "mpy": getattr(i, "_mpy", 0) & 0xff,
                }
                """
            )
            if tuple(self.info["version"][:2]) < MIN_VERSION:
                version = ".".join(map(str, self.info["version"]))
                raise DeviceError(
                    f"MicroPython {version} is too old; {MIN_VERSION[0]}.{MIN_VERSION[1]} or newer "
                    "is needed: make flash PORT=... BOARD=...."
                )
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Leave the raw REPL and close the port."""
        with contextlib.suppress(Exception):
            if self.transport.in_raw_repl:
                self.transport.exit_raw_repl()
        with contextlib.suppress(Exception):
            self.transport.close()

    def run(self, code: str) -> str:
        """Run code; what it printed. Raises DeviceError with what it raised."""
        try:
            return self.transport.exec(textwrap.dedent(code)).decode(errors="replace")
        except TransportExecError as e:
            raise explain(e.error_output) from e
        except (TransportError, OSError) as e:
            raise DeviceError(f"The connection to {self.port} broke: {e}") from e

    def ask(self, code: str, **values):
        """Run code that sets `answer`; that, as JSON carries it. `values` are made known to it
        first, without being shown anywhere."""
        head = "".join(f"{name} = {value!r}\n" for name, value in values.items())
        # Beside the device's own prints, the answer is told by its mark.
        tail = f"\nimport json\nprint({_MARK!r} + json.dumps(answer))\n"
        out = self.run(head + textwrap.dedent(code) + tail)
        for line in out.splitlines():
            if line.startswith(_MARK):
                return json.loads(line[len(_MARK) :])
        raise DeviceError(f"The device gave no answer, but: {out[-300:]}")

    def restart(self):
        """Reset the device, so that it runs its main.py again."""
        with contextlib.suppress(TransportError, OSError):
            self.transport.exec_raw_no_follow("import machine\nmachine.reset()\n")
        self.transport.in_raw_repl = False


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
