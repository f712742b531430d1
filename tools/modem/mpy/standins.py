"""What the unix port lacks of a board: a UART, the modem's pins, and a faster clock. Runs in
MicroPython."""

import asyncio
import select
import socket
import sys
import termios
import time

from uploader.clock import Clock
from uploader.links.modem import Pins


def install():
    """Let `import network` find what stands in for it here."""
    from ppp_standin import PPP

    class Network:
        pass

    Network.PPP = PPP
    sys.modules["network"] = Network


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
