"""The modem: AT commands, SIM, registration, data mode, and what can be wrong with them.

Answers are those of 3GPP TS 27.007 and V.250 with each family's own power commands and boot
messages; where they come from stands beside them. Time is model time: `speed` model seconds
pass in a real one.
"""

import os
import random
import re
import select
import socket
import termios
import threading
import time
import tty
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Family:
    """What a family has of its own.

    `ready`: what it says once booted; `boot_s`; `on_s` and `off_s`: how long the key must be
    pressed; `off`: its power-down command and what that is answered with; `own`: commands of
    its own that are answered with OK.
    """

    model: str
    ready: tuple
    boot_s: float
    on_s: float
    off_s: float
    off: str
    off_says: str
    own: str = r"\+(CNMP|CMNB|QCFG)=.*"


# RDY, +CFUN: 1, SMS DONE, PB DONE: SIMCom's and Quectel's AT command manuals, "summary of
# URC"; NORMAL POWER DOWN: SIMCom, POWERED DOWN: Quectel. Times: see firmware/uploader/links.
FAMILIES = {
    "sim7600": Family(
        "SIM7600G-H", ("RDY", "+CPIN: READY", "SMS DONE", "PB DONE"), 11, 0.3, 2.5, "+CPOF", ""
    ),
    "a7670": Family(
        "A7670E-LASE",
        ("*ATREADY: 1", "+CPIN: READY", "SMS DONE", "PB DONE"),
        8,
        0.1,
        2.5,
        "+CPOF",
        "",
    ),
    "sim7670": Family(
        "SIM7670G-MNGV", ("*ATREADY: 1", "+CPIN: READY", "PB DONE"), 8, 0.1, 2.5, "+CPOF", ""
    ),
    "sim7000": Family(
        "SIM7000G",
        ("RDY", "+CFUN: 1", "+CPIN: READY", "SMS Ready"),
        5,
        1.0,
        1.2,
        "+CPOWD=1",
        "NORMAL POWER DOWN",
    ),
    "sim7080": Family(
        "SIM7080G",
        ("RDY", "+CFUN: 1", "+CPIN: READY", "SMS Ready"),
        5,
        1.0,
        1.2,
        "+CPOWD=1",
        "NORMAL POWER DOWN",
    ),
    "ec25": Family(
        "EC25", ("RDY", "+CFUN: 1", "+CPIN: READY"), 10, 0.5, 0.65, "+QPOWD=1", "POWERED DOWN"
    ),
    "bg95": Family(
        "BG95-M3", ("RDY", "APP RDY", "+CPIN: READY"), 5, 0.5, 0.65, "+QPOWD=1", "POWERED DOWN"
    ),
}


@dataclass
class World:
    """SIM, network and faults; tests change them as they go."""

    sim: str = "READY"  # READY, SIM PIN, SIM PUK, absent, failure
    pin: str = "1234"
    tries: int = 3
    cpinr: bool = True  # whether it knows AT+CPINR
    sim_busy_s: float = 0
    register_s: float = 3  # until registered; stat before that is 2 (searching)
    stat: int = 1  # 1 home, 3 denied, 5 roaming; 0 never
    rssi: int = 21
    operator: str = "Test Net"
    act: int = 7
    nitz: str | None = "26/11/24,12:00:00+04"  # None: the network sent no time
    apn: str | None = None  # the only one that is let in
    auth: tuple | None = None  # (security, user, key) that PPP must bring
    dial: str = r"D\*99#|D\*99\*\*\*1#"  # what it lets dial
    ppp: bool = True  # whether PPP is answered
    silent: bool = False  # says nothing at all
    noise: bool = False  # garbage after power-up
    urcs: bool = False  # URCs in the middle of answers
    echo: bool = True
    baud: int = 115200
    stuck: bool = False  # ignores AT until its power is cut or its key pressed long
    mute_in_data: bool = False  # no answer to PPP's end


@dataclass
class Log:
    """What happened, for tests: `commands` in their order, `stray` AT text in data mode,
    `pins` (PINs tried), `events`."""

    commands: list = field(default_factory=list)
    stray: list = field(default_factory=list)
    pins: list = field(default_factory=list)
    events: list = field(default_factory=list)


class Modem:
    """A modem of a `family` (of FAMILIES) at `path`, a pty, from `with Modem(...) as m:` on.

    `on` says whether it is running at the start, `data_mode` whether it is left in data mode,
    as after a reset of the board alone. Its lines (power key, reset, power) are driven by
    lines of text to the TCP port `control`: `key 1`, `key 0`, `reset 1`, `power 0`, and for
    the world around it `drop` (the carrier), `wifi 1`.
    """

    def __init__(self, family="sim7600", speed=20.0, on=False, data_mode=False, **world):
        self.family = FAMILIES[family]
        self.world = World(**world)
        self.log = Log()
        self.speed = speed
        self.wifi = False
        self.powered = True
        self.running = on or data_mode
        self.data_mode = data_mode
        self.ppp_up = False
        self._registered_at = self.now() if self.running else None
        self._boot_at = None
        self._key_at = None
        self._in = b""
        self._last = 0.0
        self._unlocked = False
        self._echo = self.world.echo
        self._apn = None
        self._escaping = None
        self._numeric_errors = True
        self._radio = True
        self._busy_until = 0.0
        self._stop = False
        self._rng = random.Random(1)

    def __enter__(self):
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._control = socket.create_server(("127.0.0.1", 0))
        self.control = self._control.getsockname()[1]
        self._peers = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop = True
        self._thread.join(10)
        for peer in self._peers:
            peer.close()
        self._control.close()
        os.close(self._master)
        os.close(self._slave)

    def now(self) -> float:
        """Model seconds."""
        return time.monotonic() * self.speed

    @property
    def link(self) -> str | None:
        """The way that traffic takes at this moment: `wifi`, `cellular` or None."""
        if self.wifi:
            return "wifi"
        return "cellular" if self.data_mode and self.ppp_up else None

    def drop(self):
        """Lose the carrier: back to command mode; traffic stalls, nobody is told but by the
        text that a PPP stack does not read."""
        if self.data_mode:
            self.data_mode = self.ppp_up = False
            self._say("NO CARRIER")
            self.log.events.append("dropped")

    # The loop

    def _run(self):
        lines = {}
        while not self._stop:
            watched = [self._master, self._control, *self._peers]
            for ready in select.select(watched, [], [], 0.002)[0]:
                if ready == self._master:
                    self._received(os.read(self._master, 4096))
                elif ready is self._control:
                    peer, _ = self._control.accept()
                    self._peers.append(peer)
                    lines[peer] = b""
                else:
                    data = ready.recv(4096)
                    if not data:
                        self._peers.remove(ready)
                        ready.close()
                        continue
                    *whole, lines[ready] = (lines[ready] + data).split(b"\n")
                    for line in whole:
                        self._line_of_control(line.decode())
            self._tick()

    def _tick(self):
        now = self.now()
        if self._boot_at is not None and now >= self._boot_at:
            self._boot_at = None
            self.running = True
            self._unlocked = False
            self._echo = self.world.echo
            self._radio = True
            self._registered_at = now
            self._busy_until = now + self.world.sim_busy_s
            self.log.events.append("booted")
            if self.world.noise:
                self._write(bytes(self._rng.randrange(256) for _ in range(60)))
            for line in self.family.ready:
                if line != "+CPIN: READY" or self.world.sim == "READY":
                    self._say(line)
        if self._escaping is not None and now - self._escaping >= 1.0:
            # V.250: +++ between two silences of a second leads to command mode.
            self._escaping = None
            if self.data_mode:
                self.data_mode = False
                self.log.events.append("escaped")
                self._say("OK")

    def _line_of_control(self, line):
        what, _, value = line.partition(" ")
        self.log.events.append(line)
        if what == "key":
            if value == "1":
                self._key_at = self.now()
            elif self._key_at is not None:
                self._pressed(self.now() - self._key_at)
                self._key_at = None
        elif what == "reset" and value == "1":
            self._off()
            self._start()
        elif what == "power":
            self.powered = value == "1"
            if not self.powered:
                self._off()
        elif what == "drop":
            self.drop()
        elif what == "wifi":
            self.wifi = value == "1"

    def _pressed(self, seconds):
        # A model second is short: the press is allowed a tenth less than it should have.
        if self.running:
            if seconds >= 0.9 * self.family.off_s:
                self._off()
        elif self.powered and seconds >= 0.9 * self.family.on_s:
            self._start()

    def _start(self):
        self._boot_at = self.now() + self.family.boot_s

    def _off(self):
        self.running = self.data_mode = self.ppp_up = False
        self._boot_at = None
        self.world.stuck = False
        self.log.events.append("off")

    # The serial line

    def _speed_fits(self):
        speeds = {getattr(termios, n): int(n[1:]) for n in dir(termios) if re.match(r"B\d+$", n)}
        return speeds.get(termios.tcgetattr(self._master)[4]) == self.world.baud

    def _write(self, data):
        if not self._speed_fits():
            data = bytes(b ^ 0xA5 for b in data)
        os.write(self._master, data)

    def _say(self, line):
        if self.running and not self.world.silent:
            self._write(b"\r\n" + line.encode() + b"\r\n")

    def _received(self, data):
        now = self.now()
        quiet = now - self._last
        self._last = now
        if not self.running or self.world.silent or self.world.stuck:
            return
        if not self._speed_fits():
            if not self.data_mode:
                self._write(b"\x00\xff\x15")
            return
        if self.data_mode:
            self._data(data, quiet)
            return
        self._escaping = None
        if self._echo:
            self._write(data)
        self._in += data
        while b"\r" in self._in:
            line, _, self._in = self._in.partition(b"\r")
            text = line.decode("latin-1").strip()
            at = text.upper().find("AT")
            if at >= 0:
                self._command(text[at + 2 :])

    # Data mode: PPP frames (RFC 1662: a flag byte 0x7e on both sides), without their checksums

    def _data(self, data, quiet):
        if data == b"+++" and quiet >= 1.0:
            self._escaping = self.now()
            return
        self._escaping = None
        self._in += data
        while True:
            start = self._in.find(b"~")
            stray = self._in[:start] if start >= 0 else self._in
            if stray:
                self.log.stray.append(stray)
                self._in = self._in[len(stray) :]
            end = self._in.find(b"~", 1)
            if end < 0:
                return
            frame, self._in = self._in[1:end], self._in[end + 1 :]
            self._frame(frame)

    def _frame(self, frame):
        protocol, body = frame[:2], frame[2:]
        if not self.world.ppp:
            return
        if protocol == b"\xc0\x21":  # LCP (RFC 1661)
            if body == b"terminate":
                self.ppp_up = False
                if self.world.mute_in_data:
                    return
                self.log.events.append("ppp down")
            self._write(b"~\xc0\x21ack " + body + b"~")
            if body == b"terminate":
                # The network ends the call once PPP is down.
                self.data_mode = False
                self._say("NO CARRIER")
        elif protocol in (b"\xc0\x23", b"\xc2\x23"):  # PAP (RFC 1334), CHAP (RFC 1994)
            kind = "pap" if protocol == b"\xc0\x23" else "chap"
            user, _, key = body.decode().partition(":")
            if self.world.auth == (kind, user, key):
                self._write(b"~" + protocol + b"ack~")
            else:
                self._write(b"~" + protocol + b"nak~")
        elif protocol == b"\x80\x21":  # IPCP (RFC 1332)
            if self.world.auth and body != b"authenticated":
                return
            self.ppp_up = True
            self.log.events.append("ppp up")
            self._write(b"~\x80\x21ack 10.0.0.2~")

    # Commands

    def _command(self, text):
        self.log.commands.append(text)
        if self.world.urcs:
            self._say("+CGEV: NW DETACH")
        for pattern, answer in _COMMANDS:
            match = re.fullmatch(pattern, text)
            if match:
                self._answer(answer(self, *match.groups()))
                return
        if text == self.family.off:
            self._say("OK")
            if self.family.off_says:
                self._say(self.family.off_says)
            self._off()
        elif re.fullmatch(self.family.own, text):
            self._say("OK")
        elif re.fullmatch(self.world.dial, text):
            self._dial()
        else:
            self._say("ERROR")

    def _answer(self, lines):
        for line in lines:
            self._say(line)
            if self.world.urcs and not line.startswith(("OK", "ERROR", "+CME")):
                self._say("+CREG: 1")

    def _dial(self):
        if self._stat() not in (1, 5) or (self.world.apn and self._apn != self.world.apn):
            self._say("NO CARRIER")
            return
        self._say("CONNECT 150000000")
        self.data_mode = True
        self.ppp_up = False
        self._in = b""

    def _error(self, number, words):
        return [f"+CME ERROR: {words if not self._numeric_errors else number}"]

    def _stat(self):
        if not self._radio or self.world.stat == 0 or not self._sim_ready():
            return 0
        waited = self.now() - (self._registered_at or 0)
        return self.world.stat if waited >= self.world.register_s else 2

    def _sim_ready(self):
        return self.world.sim == "READY" or self._unlocked

    def _cpin(self):
        # TS 27.007 section 9.2.1: 10 SIM not inserted, 13 SIM failure, 14 SIM busy.
        if self.world.sim == "absent":
            return self._error(10, "SIM not inserted")
        if self.world.sim == "failure":
            return self._error(13, "SIM failure")
        if self.now() < self._busy_until:
            return self._error(14, "SIM busy")
        state = "READY" if self._sim_ready() else self.world.sim
        return [f"+CPIN: {state}", "OK"]

    def _enter(self, pin):
        self.log.pins.append(pin)
        if self.world.sim != "SIM PIN":
            return self._error(3, "operation not allowed")
        if pin == self.world.pin:
            self._unlocked = True
            self.world.tries = 3
            self._registered_at = self.now()
            return ["OK"]
        self.world.tries -= 1
        if self.world.tries == 0:
            self.world.sim = "SIM PUK"
        return self._error(16, "incorrect password")

    def _retries(self):
        if not self.world.cpinr:
            return ["ERROR"]
        return [f"+CPINR: SIM PIN,{self.world.tries},3", "OK"]

    def _set_echo(self, value):
        self._echo = value == "1"
        return ["OK"]

    def _cmee(self, value):
        self._numeric_errors = value == "1"
        return ["OK"]

    def _cfun(self, value, reset):
        if reset:
            self._say("OK")
            self._off()
            self._start()
            return []
        self._radio = value == "1"
        if self._radio:
            self._registered_at = self.now()
        return ["OK"]

    def _reg(self, name):
        return [f"{name}: 0,{self._stat()}", "OK"]

    def _cops(self):
        if self._stat() not in (1, 5):
            return ["+COPS: 0", "OK"]
        return [f'+COPS: 0,0,"{self.world.operator}",{self.world.act}', "OK"]

    def _cclk(self):
        return [f'+CCLK: "{self.world.nitz or "80/01/06,00:00:12+00"}"', "OK"]

    def _context(self, apn):
        self._apn = apn
        return ["OK"]


_COMMANDS = (
    (r"", lambda m: ["OK"]),
    (r"E([01])", Modem._set_echo),
    (r"H", lambda m: ["OK"]),
    (r"\+CMEE=([012])", Modem._cmee),
    (r"\+CPIN\?", Modem._cpin),
    (r'\+CPIN="?(\d+)"?', Modem._enter),
    (r'\+CPINR="SIM PIN"', Modem._retries),
    (r"\+CFUN=([014])(,1)?", Modem._cfun),
    (r"\+CTZU=1", lambda m: ["OK"]),
    (r"(\+CEREG|\+CGREG|\+CREG)\?", Modem._reg),
    (r"\+CSQ", lambda m: [f"+CSQ: {m.world.rssi},99", "OK"]),
    (r"\+COPS\?", Modem._cops),
    (r"\+CCLK\?", Modem._cclk),
    (r'\+CGDCONT=1,"IP","([^"]*)"', Modem._context),
    (r"I|\+CGMM", lambda m: [m.family.model, "OK"]),
)
