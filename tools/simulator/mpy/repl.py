"""MicroPython's REPL over standard input and output, for the unix port:
repl.py ROOT MODE REASON RTC.

What mpremote and a person at a terminal use of it: the friendly prompt, the raw REPL (Ctrl-A,
code, Ctrl-D; docs "reference/repl"), Ctrl-C, and soft reset. ROOT becomes the device's "/". MODE
is `boot` (boot.py and main.py are run), or `raw` (as after a soft reset from the raw REPL). REASON
is why it boots, an ESP_RST_ name, RTC the file that its RTC memory is in. Exits with 75 for a soft
reset from the raw REPL, 77 for the end of a deep sleep, 76 for any other reset. The watchdog is the
simulator's: a hang can't end itself.
"""

import io
import sys
import time

import micropython
import vfs

sys.path.append(sys.argv[0].rsplit("/", 1)[0] + "/../../chip/mpy")

from chip import Asleep, Chip
from esp32board import Board

ROOT, MODE, REASON, RTC = sys.argv[1:5]
RAW_RESET, RESET, WOKEN = 75, 76, 77
WINDOW = 2048
# Told to the simulator, which keeps them from whoever is at the other end: Ctrl-C interrupts
# only what runs.
WAITING, RUNNING = b"\x16", b"\x17"
# The watchdog: armed, between two of the one, for so many milliseconds; fed.
WATCH, FED = b"\x15", b"\x14"


class Kept(dict):
    """What outlives a program: its RTC memory in a file, for each boot is a process of its own."""

    def __init__(self, path):
        super().__init__()
        self._file = open(path, "r+b")  # "/" will be another's
        data = self._file.read()
        if data:
            super().__setitem__("rtc", data[2 : 2 + int.from_bytes(data[:2], "big")])

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        if key == "rtc":
            self._file.seek(0)
            self._file.write(len(value).to_bytes(2, "big") + value)
            self._file.flush()


class Simulated(Chip):
    """A chip in real time, whose resets the simulator makes. Deep sleep takes its time, and
    for ever if nothing was set to wake it."""

    def __init__(self):
        super().__init__(time.ticks_ms)
        self.kept = Kept(RTC)

    def halt(self, end):
        if isinstance(end, Asleep):
            if end.ms is None:
                out("asleep, and nothing will wake it but a reset\r\n")
            while end.ms is None:
                time.sleep(1)
            time.sleep_ms(end.ms)
            sys.exit(WOKEN)
        sys.exit(RESET)


class Watchdog:
    """machine.WDT."""

    def __init__(self, id=0, timeout=5000):
        out(WATCH + b"%d" % timeout + WATCH)

    def feed(self):
        out(FED)


class Micropython:
    """The module micropython, whose `kbd_intr` has Ctrl-C be a character as any, as on a chip:
    the unix port would have it end the process."""

    def __getattr__(self, name):
        return getattr(micropython, name)

    def kbd_intr(self, c):
        out(WAITING if c < 0 else RUNNING)


def out(text):
    sys.stdout.buffer.write(text if isinstance(text, bytes) else text.encode())


def byte():
    while True:
        try:
            data = sys.stdin.buffer.read(1)
        except KeyboardInterrupt:
            continue  # nothing was running; the character itself comes too
        if not data:
            sys.exit(0)
        return data


def read_code():
    """(code up to Ctrl-D, what to say before running it); (None, "") if Ctrl-B left the raw
    REPL."""
    code = b""
    while True:
        c = byte()
        if c == b"\x04":
            return code, "OK"
        if c == b"\x03":
            code = b""
        elif c == b"\x02":
            return None, ""
        elif c == b"\x01":
            code = b""
            out("raw REPL; CTRL-B to exit\r\n>")
        elif c == b"\x05" and not code:
            # Raw-paste mode (docs "reference/repl") is asked for with "A" and Ctrl-A.
            byte()
            byte()
            return paste(), ""
        else:
            code += c


def paste():
    """Code in raw-paste mode: Ctrl-A for each window taken, Ctrl-D at the end."""
    out(b"R\x01" + bytes((WINDOW & 255, WINDOW >> 8)))
    code = bytearray()
    while True:
        c = byte()
        if c == b"\x04":
            out(b"\x04")
            return bytes(code)
        if c == b"\x03":
            code = bytearray()
        else:
            code += c
            if len(code) % WINDOW == 0:
                out(b"\x01")


def run(code, name, space):
    """Run code; True unless it raised. What it raised is printed."""
    try:
        out(RUNNING)
        exec(compile(code, name, "exec"), space)
        out(WAITING)
        return True
    except SystemExit:
        raise
    except BaseException as e:
        out(WAITING)
        sys.print_exception(e, sys.stdout)
        return False


def raw(space):
    out(WAITING)
    out("raw REPL; CTRL-B to exit\r\n>")
    while True:
        code, say = read_code()
        if code is None:
            return
        if not code.strip():
            out("OK\r\nMPY: soft reboot\r\n")
            sys.exit(RAW_RESET)
        out(say)
        error = b""
        try:
            out(RUNNING)
            exec(compile(code.decode(), "<stdin>", "exec"), space)
            out(WAITING)
        except SystemExit:
            raise
        except BaseException as e:
            out(WAITING)
            text = io.StringIO()
            sys.print_exception(e, text)
            error = text.getvalue().encode()
        out(b"\x04" + error + b"\x04>")


def friendly(space):
    version = ".".join(map(str, sys.implementation.version[:3]))
    banner = "MicroPython %s; simulator\r\n>>> " % version
    out(banner)
    line = b""
    while True:
        c = byte()
        if c == b"\x01":
            raw(space)
            out(banner)
        elif c == b"\x02":
            out(banner)
        elif c == b"\x03":
            line = b""
            out("\r\n>>> ")
        elif c == b"\x04":
            out("MPY: soft reboot\r\n")
            sys.exit(RESET)
        elif c in b"\r\n":
            out("\r\n")
            code, line = line.decode(), b""
            try:
                value = eval(code, space)
                if value is not None:
                    out(repr(value) + "\r\n")
            except SyntaxError:
                run(code, "<stdin>", space)
            except SystemExit:
                raise
            except BaseException as e:
                sys.print_exception(e, sys.stdout)
            out(">>> ")
        else:
            line += c
            out(c)


def main():
    board = Board(Simulated(), REASON)
    board.machine.WDT = Watchdog
    board.install()
    sys.modules["micropython"] = Micropython()
    vfs.umount("/")
    vfs.mount(vfs.VfsPosix(ROOT), "/")
    sys.path[:] = ["", ".frozen", "/lib"]
    space = {"__name__": "__main__"}
    doing = [lambda: raw(space)] if MODE == "raw" else [lambda: boot(space)]
    while True:
        try:
            # What comes while it boots waits for what it interrupts.
            if doing:
                doing.pop()()
            out(WAITING)
            friendly(space)
        except KeyboardInterrupt:
            # It came as what it was meant for ended: on a chip it would only be a character.
            pass


def boot(space):
    for name in ("/boot.py", "/main.py"):
        try:
            with open(name) as f:
                code = f.read()
        except OSError:
            continue
        run(code, name[1:], space)


main()
