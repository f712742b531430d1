"""What the unix port lacks of a board: a UART, network.WLAN, the modem's pins, and a faster
clock. Runs in MicroPython."""

import asyncio
import select
import socket
import termios
import time

from uploader.clock import Clock
from uploader.links.cellular import Pins


def fast_clock(speed, **more):
    """A Clock on which `speed` seconds pass in a real one."""

    async def sleep_ms(ms):
        await asyncio.sleep_ms(max(1, int(ms / speed)))

    start = time.ticks_ms()
    period = time.ticks_add(0, -1)

    def ticks():
        return int(time.ticks_diff(time.ticks_ms(), start) * speed) & period

    return Clock(ticks_ms=ticks, sleep_ms=sleep_ms, **more)


class Uart:
    """machine.UART on a pty. Its interrupt for an idle line runs between other tasks, as the
    scheduler's does: not while one of them blocks. `now()` is the time on a clock on which
    `speed` seconds pass in a real one."""

    IRQ_RXIDLE = 0x1000

    def __init__(self, path, speed=1):
        self._file = open(path, "r+b")
        self._fd = self._file.fileno()
        termios.setraw(self._fd)
        attributes = termios.tcgetattr(self._fd)
        # Reads return what is there (termios(3): VTIME is 5, VMIN 6 on Linux).
        attributes[6][5] = attributes[6][6] = 0
        termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
        self._poll = select.poll()
        self._poll.register(self._file, 1)
        self._speed = speed
        self._start = time.ticks_ms()
        self._handler = None
        self._pump = None
        self.ppp = None
        self.crashed = False

    def init(self, baudrate):
        attributes = termios.tcgetattr(self._fd)
        # 460800 is missing from the module; its number is termios.h's.
        speed = 0x1004 if baudrate == 460800 else getattr(termios, "B%d" % baudrate)
        attributes[4] = attributes[5] = speed
        termios.tcsetattr(self._fd, termios.TCSANOW, attributes)

    def any(self):
        return len(self._poll.poll(0))

    def read(self, n):
        return self._file.read(n)

    def write(self, data):
        if data == b"+++" and self.ppp and self.ppp.isconnected():
            # What happened on boards (micropython#16887).
            self.crash("hung up before PPP was down")
        return self._file.write(data)

    def irq(self, handler=None, trigger=0):
        self._handler = handler
        if handler and self._pump is None:
            self._pump = asyncio.create_task(self._interrupts())

    async def _interrupts(self):
        while True:
            await asyncio.sleep_ms(1)
            if self._handler and self.any():
                self._handler(self)

    def now(self):
        return time.ticks_diff(time.ticks_ms(), self._start) * self._speed / 1000

    def crash(self, why):
        self.crashed = True
        raise SystemExit(why + ": the board crashed")


class Control:
    """The wires to the emulator that are not the serial line."""

    def __init__(self, port):
        self._socket = socket.socket()
        self._socket.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])

    def tell(self, line):
        self._socket.write(line.encode() + b"\n")

    def pins(self, power=True):
        return Pins(
            key=lambda on: self.tell("key %d" % on),
            reset=lambda on: self.tell("reset %d" % on),
            power=(lambda on: self.tell("power %d" % on)) if power else None,
        )


class WLAN:
    """network.WLAN's station. `air` is {ssid: (key, dBm)}, `dhcp` whether addresses are given,
    `hidden` the names that no scan shows. `told(up)` hears of the association."""

    def __init__(self, air=None, dhcp=True, hidden=(), told=None):
        self.air = air or {}
        self.dhcp = dhcp
        self.hidden = hidden
        self.tried = []
        self._told = told or (lambda up: None)
        self._active = False
        self._ssid = None
        self._status = 1000

    def active(self, value=None):
        if value is not None:
            self._active = value
            if not value:
                self._leave()
        return self._active

    def scan(self):
        if not self._active:
            raise OSError("Wifi Not Started")
        return [
            (ssid.encode(), b"", 1, self.air[ssid][1], 3, False)
            for ssid in self.air
            if ssid not in self.hidden
        ]

    def config(self, **_):
        pass

    def connect(self, ssid, key=None):
        self.tried.append(ssid)
        self._ssid = None
        if ssid not in self.air:
            self._status = 201
        elif self.air[ssid][0] != (key or ""):
            self._status = 202
        else:
            self._ssid = ssid
            self._status = 1010 if self.dhcp else 1001
            if self.dhcp:
                self._told(True)

    def disconnect(self):
        self._leave()

    def _leave(self):
        if self._ssid:
            self._told(False)
        self._ssid = None
        self._status = 1000

    def isconnected(self):
        if self._ssid and self._ssid not in self.air:
            self._leave()
            self._status = 200
        return self._ssid is not None and self.dhcp

    def status(self, what=None):
        if what == "rssi":
            if self._ssid is None:
                raise OSError("not associated")
            return self.air[self._ssid][1]
        self.isconnected()
        return self._status
