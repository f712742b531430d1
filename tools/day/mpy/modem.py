"""A modem in virtual time, as far as `links.cellular` speaks with it: key, AT, PPP. What can be
wrong with one is tools/modem's to show; this one is only slow. Runs in MicroPython."""

from costs import MODEM_BOOT_MS, REGISTER_MS

_ON_MS = 300
_OFF_MS = 2500


class Modem:
    """A SIM7600 on a chip's time. `coverage` and `dbm` may be set at any time; `registrations`
    counts. `meter` hears of its states."""

    def __init__(self, chip, meter):
        self._chip = chip
        self._meter = meter
        self.coverage = True
        self.dbm = -75
        self.registrations = 0
        self.on = False
        self._answers_us = self._registers_us = self._pressed_us = 0
        self._registered = self._data = False
        self._out = b""
        self._in = b""

    def key(self, pressed):
        """The power key."""
        if pressed:
            self._pressed_us = self._chip.now()
            return
        ms = (self._chip.now() - self._pressed_us) // 1000
        if not self.on and ms >= _ON_MS:
            self.on = True
            self._answers_us = self._chip.now() + MODEM_BOOT_MS * 1000
            self._registers_us = self._answers_us + REGISTER_MS * 1000
            self._meter.set("cellular", "search")
        elif self.on and ms >= _OFF_MS:
            self._off()

    def _off(self):
        self.on = self._registered = self._data = False
        self._out = self._in = b""
        self._meter.set("cellular", "off")

    def _register(self):
        now = self._chip.now()
        if self.coverage and not self._registered and now >= self._registers_us:
            self._registered = True
            self.registrations += 1
            self._meter.set("cellular", "idle")
        return self._registered

    # machine.UART

    IRQ_RXIDLE = 0x1000

    def init(self, baudrate):
        pass

    def irq(self, handler=None, trigger=0):
        pass

    def any(self):
        return len(self._out)

    def read(self, n):
        data, self._out = self._out[:n], self._out[n:]
        return data

    def write(self, data):
        if not self.on or self._chip.now() < self._answers_us:
            return len(data)
        if data == b"+++":
            self._data = False
            self._out += b"\r\nOK\r\n"
        elif not self._data:
            line = bytes(data).decode().strip()
            self._out += ("\r\n%s\r\n" % self._answer(line[2:])).encode()
        return len(data)

    def _answer(self, command):
        if command in ("+CEREG?", "+CGREG?", "+CREG?"):
            return "%s: 0,%d\r\n\r\nOK" % (command[:-1], 1 if self._register() else 2)
        if command == "+CPIN?":
            return "+CPIN: READY\r\n\r\nOK"
        if command == "+CSQ":
            return "+CSQ: %d,99\r\n\r\nOK" % ((self.dbm + 113) // 2)
        if command == "+COPS?":
            return '+COPS: 0,0,"Operator",7\r\n\r\nOK'
        if command == "+CCLK?":
            return "ERROR"
        if command == "+CPOF":
            self._chip.at(2000, self._off)
        if command.startswith("D"):
            self._data = True
            return "CONNECT"
        return "OK"

    # network.PPP

    SEC_NONE, SEC_PAP, SEC_CHAP = 0, 1, 2

    def PPP(self, stream):
        """network.PPP, which is one on this modem."""
        self._up_us = None
        return self

    def connect(self, **more):
        self._up_us = self._chip.now() + 1000000

    def isconnected(self):
        return self._data and self._registered and self._chip.now() >= (self._up_us or 0)

    def ifconfig(self):
        return ("10.0.0.2", "255.255.255.255", "10.0.0.1", "10.0.0.1")

    def active(self, on=None):
        return self.isconnected()

    def config(self, **more):
        pass

    def status(self):
        return -1
