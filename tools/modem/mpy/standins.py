"""What the unix port lacks of a board: a UART, the modem's pins, and a time that does not depend on
what else runs here. Runs in MicroPython."""

import asyncio
import select
import socket
import sys
import termios
import time

import virtual
from chip import Chip

from uploader.clock import Clock
from uploader.links.modem import Pins

_STEP_US = 10000


def install():
    """Let `import network` find what stands in for it here."""
    from ppp_standin import PPP

    class Network:
        pass

    Network.PPP = PPP
    sys.modules["network"] = Network


class Shared(Chip):
    """A chip whose time is the modem's, too: it passes while no task can run, as far as the modem
    is told, and never because this machine has something else to do. While there is a `network`,
    a function that says whether there is, what is at its other end gets as much real time."""

    def __init__(self, control, network=None):
        super().__init__()
        self._control = control
        self._network = network

    def idle(self, limit_us=None):
        """As Chip's; sooner over if the modem says something."""
        to = self.next_us()
        if limit_us is not None and (to is None or to > self.us + limit_us):
            to = self.us + limit_us
        if to is None or to > self.us + _STEP_US:
            to = self.us + _STEP_US
        if to - self.us < 1000:
            return super().idle(limit_us)
        if self._network and self._network():
            time.sleep_ms((to - self.us) // 1000)
        self._control.tell("until %d" % to)
        self._pass(int(self._control.hear()), True)
        return True


def shared_clock(control, network=None, **more):
    """A Clock on the modem's time, which is asyncio's from now on, and the chip that has it."""
    chip = Shared(control, network)
    virtual.install(chip)
    return Clock(ticks_ms=chip.ticks_ms, sleep_ms=virtual.sleep_ms, **more), chip


class Uart:
    """machine.UART on a pty. Its interrupt for an idle line runs between other tasks, as the
    scheduler's does: not while one of them blocks. `chip` has the time."""

    IRQ_RXIDLE = 0x1000

    def __init__(self, path, chip):
        self._file = open(path, "r+b")
        self._fd = self._file.fileno()
        termios.setraw(self._fd)
        attributes = termios.tcgetattr(self._fd)
        # Reads return what is there (termios(3): VTIME is 5, VMIN 6 on Linux).
        attributes[6][5] = attributes[6][6] = 0
        termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
        self._poll = select.poll()
        self._poll.register(self._file, 1)
        self._chip = chip
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
            await asyncio.sleep_ms(10)
            if self._handler and self.any():
                self._handler(self)

    def now(self):
        return self._chip.us / 1000000

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

    def hear(self):
        """A line of what it answers."""
        return self._socket.readline()

    def pins(self, power=True):
        return Pins(
            key=lambda on: self.tell("key %d" % on),
            reset=lambda on: self.tell("reset %d" % on),
            power=(lambda on: self.tell("power %d" % on)) if power else None,
        )
