"""What the unix port lacks of a board: a UART, network.PPP, the modem's pins, and
a faster clock. Runs in MicroPython."""

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
    """machine.UART on a pty."""

    IRQ_RXIDLE = 1

    def __init__(self, path):
        self._file = open(path, "r+b")
        self._fd = self._file.fileno()
        termios.setraw(self._fd)
        attributes = termios.tcgetattr(self._fd)
        # Reads return what is there (termios(3): VTIME is 5, VMIN 6 on Linux).
        attributes[6][5] = attributes[6][6] = 0
        termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
        self._poll = select.poll()
        self._poll.register(self._file, 1)
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
        if data == b"+++" and self.ppp and self.ppp.up:
            # What happened on boards (micropython#16887).
            self.crashed = True
            raise SystemExit("hung up before PPP was down: the board crashed")
        return self._file.write(data)

    def irq(self, handler, trigger):
        self.handler = handler


class PPP:
    """network.PPP as documented (library/network.PPP.rst), with its misbehaviours on demand:
    `hang_on_disconnect` never ends, `keep_quiet` stays connected when the line is gone."""

    SEC_NONE, SEC_PAP, SEC_CHAP = 0, 1, 2
    hang_on_disconnect = False
    keep_quiet = False
    made = 0

    def __init__(self, uart):
        if not hasattr(uart, "irq") or not hasattr(uart, "IRQ_RXIDLE"):
            raise TypeError("the stream needs irq() and IRQ_RXIDLE")
        PPP.made += 1
        self._uart = uart
        uart.ppp = self
        self._in = b""
        self.up = False
        self._address = "0.0.0.0"
        self._connecting = False

    def connect(self, security=0, user=None, key=None):
        if self._connecting:
            raise OSError(16)  # EBUSY
        self._connecting = True
        self._security = security
        self._auth = "%s:%s" % (user, key)
        self._uart.irq(self.poll, self._uart.IRQ_RXIDLE)
        self._send(b"\xc0\x21configure")

    def _send(self, frame):
        self._uart.write(b"~" + frame + b"~")

    def poll(self, _=None):
        while self._uart.any():
            data = self._uart.read(256)
            if not data:
                break
            self._in += data
        while True:
            start = self._in.find(b"~")
            end = self._in.find(b"~", start + 1)
            if start < 0 or end < 0:
                break
            frame, self._in = self._in[start + 1 : end], self._in[end + 1 :]
            self._frame(frame)
        if b"NO CARRIER" in self._in:
            self._in = b""
            if not self.keep_quiet:
                self.up = False

    def _frame(self, frame):
        protocol, body = frame[:2], frame[2:]
        if body == b"ack configure":
            if self._security == self.SEC_NONE:
                self._send(b"\x80\x21")
            else:
                kind = b"\xc0\x23" if self._security == self.SEC_PAP else b"\xc2\x23"
                self._send(kind + self._auth.encode())
        elif protocol in (b"\xc0\x23", b"\xc2\x23") and body == b"ack":
            self._send(b"\x80\x21authenticated")
        elif protocol == b"\x80\x21":
            self._address = body.split()[-1].decode()
            self.up = True
        elif body == b"ack terminate":
            self.up = False

    def isconnected(self):
        self.poll()
        return self.up

    def disconnect(self):
        if self.hang_on_disconnect:
            return
        self._send(b"\xc0\x21terminate")

    def status(self):
        return int(self.up)

    def ipconfig(self, what):
        assert what == "addr4"
        return self._address, "255.255.255.255"


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
