"""A modem that answers registers: its SIM, its settings, the network. Loaded for that."""

from binascii import hexlify
from hashlib import sha256

from micropython import const

from ..dates import parse_iso
from ..errors import LinkError
from ..journal import Durable
from .at import AtError, fields

_DENIED_S = const(30)
_SIM_S = const(10)
_POLL_S = const(1)
_HOME = const(1)
_DENIED = const(3)
_ROAMING = const(5)
# Access technologies of AT+COPS? (3GPP TS 27.007 section 7.3).
_TECHNOLOGY = {0: "GSM", 2: "UTRAN", 3: "EDGE", 7: "LTE", 8: "EC-GSM", 9: "NB-IoT"}


class Registration:
    """Has `modem` (see `modem`) register. Of the `settings` it reads `apn`, `sim_pin` and
    `state`."""

    def __init__(self, modem, settings, clock):
        self._command = modem.at.command
        self._profile = modem.profile
        self._settings = settings
        self._clock = clock

    async def run(self):
        """Register, and look around: (whether in a foreign network, signal in dBm, (Unix seconds,
        uptime in ms), operator, technology), all but the first None where they are unknown.
        Raises LinkError, AtError, AtTimeoutError."""
        await self._sim()
        await self._setup()
        roams = await self._register()
        return (roams,) + await self._look()

    async def _sim(self):
        """Wait for the SIM; enter its PIN at most once if that was wrong before."""
        end = self._clock.uptime_ms() + _SIM_S * 1000
        while True:
            try:
                (state,) = await self._command("+CPIN?", 5, "+CPIN:")
            except AtError as e:
                text = e.text.lower()
                if "not inserted" in text or text == "10":
                    raise LinkError("no SIM", "no_sim")
                if "failure" in text or text == "13":
                    raise LinkError("the SIM failed", "sim_failed")
                state = text  # busy (14), or the modem is still booting
            except ValueError:
                state = ""
            if state == "READY":
                return
            if state == "SIM PIN":
                await self._enter_pin()
            elif "PUK" in state:
                raise LinkError("the SIM is locked and wants its PUK", "sim_puk")
            elif self._clock.uptime_ms() > end:
                raise LinkError("the SIM is not ready: %s" % (state or "?"), "sim_failed")
            await self._clock.sleep(_POLL_S)

    async def _enter_pin(self):
        pin = self._settings.sim_pin
        if not pin:
            raise LinkError("the SIM wants a PIN; set sim_pin", "sim_pin")
        tried = Durable(self._settings.state + "/pin")
        mark = hexlify(sha256(pin.encode()).digest()[:8]).decode()
        if tried.value.get("tried") == mark and not await self._all_tries_left():
            raise LinkError("sim_pin is wrong; it is not tried again, for a SIM locks", "sim_pin")
        # On flash before it is tried: a power cut must not make a second try of it.
        tried.value["tried"] = mark
        tried.save()
        try:
            await self._command('+CPIN="%s"' % pin, 5, None, True)
        except AtError:
            raise LinkError("sim_pin is wrong", "sim_pin")
        tried.value.clear()
        tried.save()

    async def _all_tries_left(self):
        """True if the SIM says that no PIN was wrong lately (TS 27.007 section 8.65)."""
        try:
            for line in await self._command('+CPINR="SIM PIN"', 5, "+CPINR:"):
                name, left, default = fields(line)[:3]
                if name == "SIM PIN":
                    return left == default
        except (AtError, ValueError):
            pass
        return False

    async def _setup(self):
        await self._command("+CFUN=1", 15)
        for setting in self._profile.setup + ("+CTZU=1",):
            try:
                await self._command(setting)
            except AtError:
                pass  # an older firmware without it
        if self._settings.apn:
            await self._command('+CGDCONT=1,"IP","%s"' % self._settings.apn)

    async def _register(self):
        """Wait for registration (TS 27.007 sections 7.2, 10.1.20, 10.1.22); whether the network
        is a foreign one."""
        start = self._clock.uptime_ms()
        denied = None
        while True:
            state = 0
            for name in ("+CEREG", "+CGREG", "+CREG"):
                try:
                    (line,) = await self._command(name + "?", 5, name + ":")
                    state = int(fields(line)[1])
                except (AtError, ValueError, IndexError):
                    continue
                if state in (_HOME, _ROAMING):
                    return state == _ROAMING
                if state == _DENIED:
                    break
            now = self._clock.uptime_ms()
            denied = (denied or now) if state == _DENIED else None
            if denied and now - denied > _DENIED_S * 1000:
                raise LinkError("the network denies registration", "denied")
            if now - start > self._profile.register_s * 1000:
                text = "not registered in %d s" % self._profile.register_s
                raise LinkError(text, "not_registered")
            await self._clock.sleep(_POLL_S)

    async def _look(self):
        """Signal, time, operator and technology, while the modem can still be asked."""
        dbm = time = operator = technology = None
        try:
            (line,) = await self._command("+CSQ", 5, "+CSQ:")
            rssi = int(fields(line)[0])
            dbm = -113 + 2 * rssi if 0 <= rssi <= 31 else None  # TS 27.007 section 8.5
        except (AtError, ValueError):
            pass
        try:
            (line,) = await self._command("+COPS?", 10, "+COPS:")
            parts = fields(line)
            operator = parts[2] if len(parts) > 2 else None
            technology = _TECHNOLOGY.get(int(parts[3])) if len(parts) > 3 else None
        except (AtError, ValueError):
            pass
        try:
            (line,) = await self._command("+CCLK?", 5, "+CCLK:")
            time = (_clock_time(line), self._clock.uptime_ms())
        except (AtError, ValueError):
            pass
        return dbm, time, operator, technology


def _clock_time(line):
    """Unix seconds of `+CCLK: "yy/MM/dd,hh:mm:ss±zz"`, zz in quarter hours (TS 27.007 section
    8.15). Raises ValueError."""
    text = line.strip().strip('"')
    # Two digits of the year: 80 or 70 is what a modem shows that was never told the time.
    if len(text) < 17 or text[2] != "/" or text[0] > "6":
        raise ValueError
    zone = text[17:] or "+00"
    quarters = int(zone[1:])
    return parse_iso(
        "20%s-%s-%sT%s%s%02d:%02d"
        % (text[:2], text[3:5], text[6:8], text[9:17], zone[0], quarters // 4, quarters % 4 * 15)
    )
