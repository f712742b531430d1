"""A cellular modem: AT commands to registration, then PPP (MicroPython's network.PPP).

What goes wrong is met with the ladder of `modem`: each failed `up` climbs one rung, a success
climbs down. A link that is not wanted is powered off.
"""

import gc

from micropython import const

from ..errors import LinkError
from ..memory import borrow
from .at import AtError, AtTimeoutError
from .modem import Modem

_PPP_S = const(30)
_ADDRESS_MS = const(1000)
_NO_ADDRESS = "0.0.0.0"
_DIAL_S = const(30)
_NEAR = __name__.rpartition(".")[0] + "."


class CellularLink:
    """The link over the modem at `uart` (a machine.UART), whose family's Profile is `profile`
    (see `modems`) and whose lines are `pins` (a Pins). Of the `settings` it reads `apn`,
    `apn_user`, `apn_password`, `apn_auth`, `sim_pin` and `state`. `on_event(event, info)` gets
    the event `modem` at each step."""

    name = "cellular"
    metered = True
    connection = "4g"

    def __init__(self, uart, profile, pins, settings, clock, on_event=None):
        self.modem = Modem(uart, profile, pins, clock, self._tell, self._urc)
        self._at = self.modem.at
        self._settings = settings
        self._clock = clock
        self._on_event = on_event
        self._ppp = None
        self._old = []  # PPPs that never came up and are not done yet
        self._looked_ms = 0  # uptime at which PPP was last asked for its address
        self._roams = False
        self._dbm = None
        self._time = None  # (Unix seconds, uptime in ms)
        self.operator = None
        self.technology = None
        self.address = None

    async def up(self, may=None, quiet=False):
        """Power up, register, dial, bring PPP up. `may()` is asked once the modem is
        registered, before a byte is charged for; the Refusal that it returns ends the attempt.

        Raises LinkError; its `code` is one of `no_modem no_sim sim_pin sim_puk sim_failed
        not_registered denied refused no_carrier no_ppp modem`.
        """
        try:
            await self.modem.recover()
            await self.modem.wake()
            await self._register()
            refusal = may() if may else None
            if refusal:
                raise LinkError(refusal.reason, "refused", refusal)
            await self._dial()
            self.modem.recovered()
        except (LinkError, AtError, AtTimeoutError, OSError) as e:
            if isinstance(e, OSError):  # of network.PPP: no memory for it, say
                e = LinkError("PPP: %s" % e, "no_ppp")
            elif not isinstance(e, LinkError):
                e = LinkError(str(e), "modem")
            # What only a person can mend is no reason to climb.
            if e.code not in ("no_sim", "sim_pin", "sim_puk", "refused"):
                self.modem.climb()
            await self._hang_up()
            raise e

    async def down(self):
        """Hang up and power the modem off."""
        await self._hang_up()
        if self.modem.on is not False:
            await self.modem.power_off()

    def is_up(self):
        """True while PPP has an address. A lost carrier may show only in that nothing moves."""
        if self._ppp is None or not self._ppp.isconnected():
            return False
        # Asked for now and then, as the answer is four new strings.
        now = self._clock.uptime_ms()
        if now - self._looked_ms >= _ADDRESS_MS:
            self._looked_ms = now
            self.address = self._has_address()
        carrier = self.modem.pins.carrier
        return self.address is not None and (carrier is None or carrier())

    def _has_address(self):
        # Connected is not enough: it stays so when IPCP ends while LCP lasts, without an address
        # (ports/esp32/network_ppp.c: any network protocol that is open will do).
        try:
            address = self._ppp.ifconfig()[0]
        except OSError:
            return None
        return None if address == _NO_ADDRESS else address

    def name_servers(self):
        """The address of the name server that PPP was told (RFC 1877)."""
        server = self._ppp.ifconfig()[3] if self._ppp else _NO_ADDRESS
        return [server] if server != _NO_ADDRESS else []

    def roaming(self):
        """True if the modem is registered in a foreign network."""
        return bool(self.modem.on) and self._roams

    def signal_dbm(self):
        """RSSI in dBm when the modem was last asked, None if unknown."""
        return self._dbm if self.modem.on else None

    async def network_time(self):
        """Unix seconds by the network's time (NITZ, 3GPP TS 22.042), None if it sent none."""
        if self._time is None:
            return None
        unix, at_ms = self._time
        return unix + (self._clock.uptime_ms() - at_ms) // 1000

    # Steps of `up`

    async def _register(self):
        registration = borrow(_NEAR + "registration")
        found = await registration.Registration(self.modem, self._settings, self._clock).run()
        self._roams, self._dbm, self._time, self.operator, self.technology = found
        self._tell(
            "registered",
            operator=self.operator,
            technology=self.technology,
            signal_dbm=self._dbm,
            roaming=self.roaming(),
        )

    async def _dial(self):
        """Data mode, then PPP."""
        error = None
        for dial in self.modem.profile.dial:
            try:
                if await self._at.command(dial, _DIAL_S):
                    break
            except AtError as e:
                error = e
        else:
            raise LinkError("no carrier: %s" % error, "no_carrier")
        # A PPP object that failed is thrown away, so each call has a new one (micropython#6541).
        import network

        self._ppp = network.PPP(self.modem.uart)
        settings = self._settings
        if settings.apn_auth == "none":
            self._ppp.connect()
        else:
            security = self._ppp.SEC_PAP if settings.apn_auth == "pap" else self._ppp.SEC_CHAP
            self._ppp.connect(security=security, user=settings.apn_user, key=settings.apn_password)
        if not await self._until(self._is_connected, _PPP_S):
            raise LinkError("PPP did not come up in %d s" % _PPP_S, "no_ppp")
        self._looked_ms = self._clock.uptime_ms()
        self._tell("connected", address=self.address)

    def _is_connected(self):
        self.address = self._has_address() if self._ppp.isconnected() else None
        return self.address is not None

    async def _hang_up(self):
        ppp, self._ppp = self._ppp, None
        self.address = None
        if ppp is None:
            return
        try:
            if ppp.isconnected():
                # Not `disconnect()`: where the other end is gone, lwIP's thread then waits for
                # itself, and the next call never returns (1.26, ports/esp32/network_ppp.c:
                # pppapi_free in the status callback). And hanging up while it is connected has
                # crashed boards (micropython#16887).
                ppp.active(False)
            else:
                # lwIP goes on negotiating for up to a minute: the object has to outlive that.
                self._old.append(ppp)
            # It must not read what the modem says to us now, nor silence the next one's line
            # when it is collected.
            ppp.config(stream=None)
        except OSError:
            pass
        self._old = [old for old in self._old if old.status() >= 0]
        gc.collect()
        if not await self._at.escape():
            await self.modem.cut()

    async def _until(self, true, seconds):
        end = self._clock.uptime_ms() + seconds * 1000
        while not true():
            if self._clock.uptime_ms() > end:
                return False
            await self._clock.sleep_ms(50)
        return True

    def _urc(self, line):
        if line.startswith("+CPIN: NOT"):
            self._tell("urc", line=line)

    def _tell(self, step, **info):
        if self._on_event:
            info["step"] = step
            self._on_event("modem", info)
