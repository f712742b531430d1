"""AT commands and their answers (3GPP TS 27.007, V.250)."""

import re


class Commands:
    """Answers for a `modem`: its `family`, `world`, `log` and `power` decide, `say(line)` and
    `connect()` do. What the modem forgets when it goes off is here."""

    def __init__(self, modem):
        self._modem = modem
        self._world = modem.world
        self._registered_at = None
        self._busy_until = 0.0
        self._apn = None
        self.booted()
        self._busy_until = 0.0

    def booted(self):
        """As after power-up; the network is searched from now on."""
        self._in = b""
        self._unlocked = False
        self._numeric_errors = True
        self._radio = True
        self._registered_at = self._modem.now()
        self._busy_until = self._modem.now() + self._world.sim_busy_s
        self.echo = self._world.echo

    def forget(self):
        """Drop a line that has begun."""
        self._in = b""

    def receive(self, data: bytes):
        """What came in command mode."""
        self._in += data
        while b"\r" in self._in:
            line, _, self._in = self._in.partition(b"\r")
            text = line.decode("latin-1").strip()
            at = text.upper().find("AT")
            if at >= 0:
                self._command(text[at + 2 :])

    def _command(self, text):
        modem = self._modem
        modem.log.commands.append(text)
        if self._world.urcs:
            modem.say("+CGEV: NW DETACH")
        for pattern, answer in _COMMANDS:
            match = re.fullmatch(pattern, text)
            if match:
                self._answer(answer(self, *match.groups()))
                return
        if text == modem.family.off:
            modem.say("OK")
            if modem.family.off_says:
                modem.say(modem.family.off_says)
            modem.power.off()
        elif re.fullmatch(modem.family.own, text):
            modem.say("OK")
        elif re.fullmatch(self._world.dial, text):
            self._dial()
        else:
            modem.say("ERROR")

    def _answer(self, lines):
        for line in lines:
            self._modem.say(line)
            if self._world.urcs and not line.startswith(("OK", "ERROR", "+CME")):
                self._modem.say("+CREG: 1")

    def _dial(self):
        if self._stat() not in (1, 5) or (self._world.apn and self._apn != self._world.apn):
            self._modem.say("NO CARRIER")
            return
        self._modem.say("CONNECT 150000000")
        self._in = b""
        self._modem.connect()

    def _error(self, number, words):
        return [f"+CME ERROR: {words if not self._numeric_errors else number}"]

    def _stat(self):
        if not self._radio or self._world.stat == 0 or not self._sim_ready():
            return 0
        waited = self._modem.now() - self._registered_at
        return self._world.stat if waited >= self._world.register_s else 2

    def _sim_ready(self):
        return self._world.sim == "READY" or self._unlocked

    def _cpin(self):
        # TS 27.007 section 9.2.1: 10 SIM not inserted, 13 SIM failure, 14 SIM busy.
        if self._world.sim == "absent":
            return self._error(10, "SIM not inserted")
        if self._world.sim == "failure":
            return self._error(13, "SIM failure")
        if self._modem.now() < self._busy_until:
            return self._error(14, "SIM busy")
        state = "READY" if self._sim_ready() else self._world.sim
        return [f"+CPIN: {state}", "OK"]

    def _enter(self, pin):
        self._modem.log.pins.append(pin)
        if self._world.sim != "SIM PIN":
            return self._error(3, "operation not allowed")
        if pin == self._world.pin:
            self._unlocked = True
            self._world.tries = 3
            self._registered_at = self._modem.now()
            return ["OK"]
        self._world.tries -= 1
        if self._world.tries == 0:
            self._world.sim = "SIM PUK"
        return self._error(16, "incorrect password")

    def _retries(self):
        if not self._world.cpinr:
            return ["ERROR"]
        return [f"+CPINR: SIM PIN,{self._world.tries},3", "OK"]

    def _set_echo(self, value):
        self.echo = value == "1"
        return ["OK"]

    def _cmee(self, value):
        self._numeric_errors = value == "1"
        return ["OK"]

    def _cfun(self, value, reset):
        if reset:
            self._modem.say("OK")
            self._modem.power.reset()
            return []
        self._radio = value == "1"
        if self._radio:
            self._registered_at = self._modem.now()
        return ["OK"]

    def _reg(self, name):
        return [f"{name}: 0,{self._stat()}", "OK"]

    def _cops(self):
        if self._stat() not in (1, 5):
            return ["+COPS: 0", "OK"]
        return [f'+COPS: 0,0,"{self._world.operator}",{self._world.act}', "OK"]

    def _cclk(self):
        return [f'+CCLK: "{self._world.nitz or "80/01/06,00:00:12+00"}"', "OK"]

    def _context(self, apn):
        self._apn = apn
        return ["OK"]

    def _csq(self):
        return [f"+CSQ: {self._world.rssi},99", "OK"]

    def _model(self):
        return [self._modem.family.model, "OK"]

    def _ok(self):
        return ["OK"]


_COMMANDS = (
    (r"", Commands._ok),
    (r"E([01])", Commands._set_echo),
    (r"H", Commands._ok),
    (r"\+CMEE=([012])", Commands._cmee),
    (r"\+CPIN\?", Commands._cpin),
    (r'\+CPIN="?(\d+)"?', Commands._enter),
    (r'\+CPINR="SIM PIN"', Commands._retries),
    (r"\+CFUN=([014])(,1)?", Commands._cfun),
    (r"\+CTZU=1", Commands._ok),
    (r"(\+CEREG|\+CGREG|\+CREG)\?", Commands._reg),
    (r"\+CSQ", Commands._csq),
    (r"\+COPS\?", Commands._cops),
    (r"\+CCLK\?", Commands._cclk),
    (r'\+CGDCONT=1,"IP","([^"]*)"', Commands._context),
    (r"I|\+CGMM", Commands._model),
)
