"""An emulated ESP32 as a process, its console on a pty."""

import contextlib
import os
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import tty
from pathlib import Path

from tools.device.connection import DeviceError

MACHINE = "esp32-picsimlab"
NETWORK = "PICSimLabWifi"  # open; one of the three that this QEMU has on the air
HOST = "10.0.2.2"  # what a guest calls this machine's loopback: QEMU's user network
_WHERE = (
    "The emulator is QEMU with an ESP32 and its WiFi: lcgamboa's fork, the branch picsimlab-esp32 "
    "of github.com/lcgamboa/qemu. Build it with ./configure --target-list=xtensa-softmmu "
    "--enable-slirp --enable-gcrypt, and name it: QEMU=/path/to/qemu-system-xtensa."
)


def find() -> str:
    """The QEMU to use: QEMU= in the environment, else the one on PATH.

    Raises DeviceError, which says where people get one, if there is none or it lacks the
    ESP32 with WiFi.
    """
    name = os.environ.get("QEMU") or "qemu-system-xtensa"
    path = shutil.which(name)
    if path is None:
        raise DeviceError(f"There is no {name}. {_WHERE}")
    known = subprocess.run([path, "-M", "help"], capture_output=True, text=True).stdout
    if MACHINE not in known.split():
        raise DeviceError(f"{path} has no machine {MACHINE}. {_WHERE}")
    return path


class Chip:
    """An ESP32 that boots from the file `flash` (see flash.py), from `with Chip(flash) as c:` on.

    `path` is the console's pty, as a board's USB port would be. `uart1` is a pty to which the
    second UART goes (a modem's); `wifi` is whether there is a radio. `output` is what the
    console has said since the start, `log` a file in which that can be read as it comes,
    `booted_at` the moment of the start (time.monotonic).

    Its time is counted in instructions, 8 ns each (two cores take turns: some 60 million a second
    each), so that what is slow in the emulation, flash above all, does not look slow to the guest.
    Its watchdogs are off: they would bite whenever the host is busy.
    """

    def __init__(self, flash: Path, uart1: str | None = None, wifi: bool = True, log=None):
        self.output = b""
        self.path = None
        self._flash = flash
        self._uart1 = uart1
        self._wifi = wifi
        self._log = log or Path(os.devnull)
        self._process = self._thread = self._console = None
        self._stop = False
        self._said = threading.Condition()
        self._scratch = None

    def command(self, console: str) -> list[str]:
        """QEMU's command line; `console` is the unix socket at which the console is awaited."""
        line = [find(), "-M", MACHINE, "-display", "none", "-monitor", "none"]
        line += ["-accel", "tcg,thread=single", "-icount", "shift=3,align=off,sleep=on"]
        line += ["-drive", f"file={self._flash},if=mtd,format=raw"]
        line += ["-global", "driver=timer.esp32.timg,property=wdt_disable,value=true"]
        # Without WiFi a network that nothing is at: it has QEMU's main loop look up every second.
        # Where that misses that both cores are idle, the emulated time stands still.
        line += ["-nic", "user,model=esp32_wifi"] if self._wifi else ["-netdev", "user,id=idle"]
        line += ["-chardev", f"socket,id=console,path={console}", "-serial", "chardev:console"]
        if self._uart1:
            line += ["-chardev", f"serial,id=uart1,path={self._uart1}", "-serial", "chardev:uart1"]
        return line

    def __enter__(self):
        self._scratch = tempfile.TemporaryDirectory(prefix="chip-")
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        where = str(Path(self._scratch.name) / "console")
        log = Path(self._scratch.name) / "qemu.log"
        with socket.socket(socket.AF_UNIX) as listener, log.open("wb") as out:
            listener.bind(where)
            listener.listen(1)
            listener.settimeout(30)
            self.booted_at = time.monotonic()
            self._process = subprocess.Popen(
                self.command(where), stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
            try:
                while not select.select([listener], [], [], 0.2)[0]:
                    if self._process.poll() is not None:
                        raise DeviceError(f"QEMU ended at once: {log.read_text().strip()[-300:]}")
                self._console, _ = listener.accept()
            except BaseException:
                self.kill()
                raise
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        """A power cut: the process is killed, and what it had written to its flash stays."""
        if self._process and self._process.poll() is None:
            self._process.kill()
        if self._process:
            self._process.wait()
        self._stop = True
        if self._thread:
            self._thread.join(10)
            self._thread = None
        if self._console:
            self._console.close()
            self._console = None
        if self._scratch:
            os.close(self._master)
            os.close(self._slave)
            self._scratch.cleanup()
            self._scratch = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def send(self, data: bytes):
        """Type on the console."""
        self._console.sendall(data)

    def wait(self, text: bytes, seconds: float, since: int = 0) -> int:
        """Wait until the console has said `text` behind the first `since` bytes; where it ends.
        Raises TimeoutError, EOFError if the process ended."""
        end = time.monotonic() + seconds
        with self._said:
            while True:
                at = self.output.find(text, since)
                if at >= 0:
                    return at + len(text)
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"no {text.decode()!r} within {seconds:.0f} s")
                if not self.running:
                    raise EOFError("the emulator has ended")
                self._said.wait(min(left, 0.5))

    def _pump(self):
        # The console goes to the pty, where a tool may read it or not, and into `output`.
        os.set_blocking(self._master, False)
        with self._log.open("wb", buffering=0) as log:
            self._pump_into(log)

    def _pump_into(self, log):
        while not self._stop:
            ready = select.select([self._console, self._master], [], [], 0.1)[0]
            if self._console in ready:
                data = self._console.recv(65536)
                if not data:
                    return
                with self._said:
                    self.output += data
                    self._said.notify_all()
                log.write(data)
                with contextlib.suppress(BlockingIOError):
                    os.write(self._master, data)
            if self._master in ready:
                with contextlib.suppress(OSError):
                    self._console.sendall(os.read(self._master, 4096))
