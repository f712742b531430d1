"""The pty and the process behind it."""

import os
import select
import signal
import subprocess
import tempfile
import threading
import time
import tty
from pathlib import Path

from tools import micropython

_REPL = Path(__file__).parent / "mpy/repl.py"
# See mpy/repl.py.
_RAW_RESET, _RESET, _WOKEN = 75, 76, 77
_WAITING, _RUNNING, _WATCH, _FED = 0x16, 0x17, 0x15, 0x14


class Simulator:
    """A device whose file system is the directory `root`, at `path`, a pty, from `with
    Simulator(root) as s:` on. It boots at once: boot.py and main.py are run if they are there.
    `output` is what it has printed so far."""

    def __init__(self, root: Path, heap: str = "2m"):
        self.root = root
        self.output = b""
        self._heap = heap
        self._stop = False
        self._child = None
        self._ready = False  # there is somebody to take what the host sends
        self._running = False  # and it runs something that Ctrl-C would interrupt
        self._cut = False
        self._limit = None  # how the watchdog is being armed, digits so far
        self.watched_s = None  # within which it has to be fed
        self.feeds = 0  # how often it was
        self._fed = 0.0

    def __enter__(self):
        self.root.mkdir(parents=True, exist_ok=True)
        self._rtc = tempfile.NamedTemporaryFile(prefix="rtc-")
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._spawn("boot", "POWERON")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop = True
        self._thread.join(10)
        self._child.kill()
        self._child.wait()
        self._rtc.close()
        os.close(self._master)
        os.close(self._slave)

    def cut(self):
        """Have the power fail: what is written stays, and it boots at once."""
        self._cut = True
        self._child.kill()

    def _spawn(self, mode, reason):
        self._ready = self._running = False
        self.watched_s = self._limit = None
        self._child = micropython.start(
            *(_REPL, self.root.resolve(), mode, reason, self._rtc.name),
            heap=self._heap,
            text=False,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )

    def _run(self):
        while not self._stop:
            out = self._child.stdout.fileno()
            # What the host sends waits until there is somebody to take it.
            sources = [self._master, out] if self._ready else [out]
            ready = select.select(sources, [], [], 0.05)[0]
            # What it has said and was not read yet may have fed it.
            hungry = self.watched_s and time.monotonic() - self._fed > self.watched_s
            if hungry and out not in ready:
                self.output += b"\r\nthe watchdog bit\r\n"
                self._child.kill()
            # First what it said, for that says whether a Ctrl-C would interrupt anything.
            if out in ready:
                data = os.read(out, 4096)
                if not data:
                    self._ended()
                    continue
                data = bytes(filter(self._is_text, data))
                self.output += data
                os.write(self._master, data)
            if self._master in ready:
                self._from_host(os.read(self._master, 4096))

    def _is_text(self, c):
        """Whether a byte is for the host, and not for us."""
        if c == _WATCH:
            if self._limit is None:
                self._limit = ""
            else:
                self.watched_s, self._limit = int(self._limit) / 1000, None
                self._fed = time.monotonic()
        elif self._limit is not None:
            self._limit += chr(c)
        elif c == _FED:
            self._fed = time.monotonic()
            self.feeds += 1
        elif c in (_WAITING, _RUNNING):
            self._ready = True
            self._running = c == _RUNNING
        else:
            return True
        return False

    def _from_host(self, data):
        # Ctrl-C interrupts what runs, as the UART's interrupt character does.
        if b"\x03" in data and self._running:
            self._child.send_signal(signal.SIGINT)
        try:
            self._child.stdin.write(data)
        except BrokenPipeError:
            pass

    def _ended(self):
        code = self._child.wait()
        reasons = {_RESET: "SW", _WOKEN: "DEEPSLEEP", -signal.SIGKILL: "TASK_WDT"}
        if not self._stop:
            raw = code == _RAW_RESET
            reason = "POWERON" if self._cut else reasons.get(code, "POWERON")
            self._cut = False
            self._spawn("raw" if raw else "boot", reason)
