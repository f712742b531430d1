"""A modem's power: on from whatever state it was left in, off, and the ladder of recoveries
(radio off and on, reset, power cycle)."""

from ..errors import LinkError
from .at import At, AtError, AtTimeoutError

_RUNGS = ("redial", "radio", "reset", "power_cycle")


class Pins:
    """The board's lines to the modem, each a callable or None: `key(pressed)`, `reset(active)`
    and `power(on)` take a bool, `carrier()` returns False once the carrier is lost (DCD)."""

    def __init__(self, key=None, reset=None, power=None, carrier=None):
        self.key = key
        self.reset = reset
        self.power = power
        self.carrier = carrier


class Modem:
    """The modem at `uart` (a machine.UART), of the family `profile` (a Profile), at the lines
    `pins`. `at` speaks to it; `tell(step, **info)` hears of each step; `on_urc(line)` of what
    the modem says unasked. `on` is True, False, or None while unknown: it may have been left
    running."""

    def __init__(self, uart, profile, pins, clock, tell, on_urc):
        self.at = At(uart, clock, on_urc)
        self.uart = uart
        self.profile = profile
        self.pins = pins
        self.on = None
        self._clock = clock
        self._tell = tell
        self._rung = 0

    def climb(self):
        """Have the next `recover` try something harder: an attempt failed."""
        self._rung = min(self._rung + 1, len(_RUNGS) - 1)

    def recovered(self):
        """Begin at the foot of the ladder again: an attempt succeeded."""
        self._rung = 0

    async def wake(self):
        """Make the modem answer: it may be on, off, at another baud rate, or still in data
        mode because only the board was reset. Raises LinkError, AtError, AtTimeoutError."""
        profile, sync = self.profile, self.at.sync
        usual, others = profile.bauds[:1], profile.bauds[1:]
        if self.pins.power:
            self.pins.power(True)
        found = False
        if self.on is not False:
            found = await sync(usual, 2) or await self.at.escape() or await sync(others, 1)
        if not found:
            self._tell("power_on")
            await self._pulse(self.pins.key, profile.on_ms)
            end = self._clock.uptime_ms() + profile.boot_s * 1000
            while not found and self._clock.uptime_ms() < end:
                found = await sync(usual, 2)
            if not (found or await sync(others, 1)):
                raise LinkError("the modem does not answer", "no_modem")
        self.on = True
        command = self.at.command
        await command("E0")
        await command("+CMEE=2")  # errors in words (TS 27.007 section 9.1)

    async def recover(self):
        """Do what the present rung of the ladder says; nothing on the lowest."""
        rung = _RUNGS[self._rung]
        if not self._rung:
            return
        self._tell("recover", rung=rung)
        try:
            if rung == "radio":
                await self.at.command("+CFUN=4", 15)  # TS 27.007 section 8.2: radio off
                await self._clock.sleep(2)
                return
        except (AtError, AtTimeoutError):
            rung = "reset"
        try:
            if rung == "reset":
                if self.pins.reset:
                    await self._pulse(self.pins.reset, self.profile.reset_ms)
                else:
                    await self.at.command("+CFUN=1,1", 10)
                await self._boot()
                return
        except (AtError, AtTimeoutError):
            pass
        await self.power_off()

    async def _boot(self):
        """Wait until it answers again; whether it does is for `wake` to say."""
        end = self._clock.uptime_ms() + self.profile.boot_s * 1000
        await self._clock.sleep(2)
        while self._clock.uptime_ms() < end:
            if await self.at.sync(self.profile.bauds[:1], 1):
                return

    async def power_off(self):
        """Switch it off, politely first."""
        profile = self.profile
        if self.on is None and not await self.at.sync(profile.bauds[:1], 2):
            # Off, or left in data mode by a reset of the board alone. The key must not be
            # pressed to find out: it would switch a modem on that is off.
            if not await self.at.escape():
                self._is_off()
                return
        self._tell("power_off")
        try:
            await self.at.command(profile.off, 5)
        except AtError:
            pass
        except AtTimeoutError:
            await self._pulse(self.pins.key, profile.off_ms)
        # Off when it no longer answers.
        end = self._clock.uptime_ms() + profile.off_s * 1000
        while self._clock.uptime_ms() < end:
            await self._clock.sleep(1)
            if await self.at.sync(profile.bauds[:1], 1) is None:
                break
        self._is_off()

    async def cut(self):
        """Switch it off by its lines alone, without a word to it."""
        self._tell("power_cut")
        await self._pulse(self.pins.key, self.profile.off_ms)
        await self._clock.sleep(self.profile.off_s)
        self._is_off()

    def _is_off(self):
        if self.pins.power:
            self.pins.power(False)
        self.on = False

    async def _pulse(self, line, ms):
        if line:
            line(True)
            await self._clock.sleep_ms(ms)
            line(False)
