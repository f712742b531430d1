"""When a device may sleep, its battery, and what ends a boot loop: loaded where it is of use."""

import machine
from micropython import const

# The longest light sleep at a time, s: the watchdog and the LED want to be seen to.
_DOZE_S = const(10)
# A boot loop: so long without a reset, ms, and what caused it is tried again.
_CALM_MS = const(3600000)
_BATTERY_MS = const(60000)
# A cell's voltage sags while a modem sends: it is empty if it still is after so long.
_SAG_MS = const(10000)
# So long the board sleeps until the battery is looked at again, s.
_CHARGE_S = const(3600)
_END_S = const(10)


class Rest:
    """Looks after the App `app` now and then: `await look()`."""

    def __init__(self, app):
        self._app = app
        self._battery_ms = 0
        self._sagged = True  # what is seen first counts: no radio is on yet

    async def look(self):
        """Sleep if that may be: deeply, and then this does not return, or lightly."""
        app = self._app
        now = app.clock.uptime_ms()
        boot = app.boot
        if app.only_records and now > _CALM_MS and not app.control.under_way:
            power = self._power()
            power.proved(boot)
            power.mark("calm")
            machine.reset()
        if now >= self._battery_ms:
            self._battery_ms = now + _BATTERY_MS
            await self._look_at_battery()
        if app.settings.sleep_when_idle and now >= app.awake_ms and not self._sagged:
            await self._sleep()

    def _power(self):
        return self._app.load("power")

    def _next(self):
        """(seconds, what for) until there is something to do, seconds None if nothing will be by
        itself, 0 while something is under way."""
        waiting, control = self._app.up.waiting, self._app.control
        if control.busy or self._app.updating:
            return 0, "recording"
        seconds, due = waiting.left_s(), control.due_s()
        if due is not None and (seconds is None or due < seconds):
            return due, "schedule"
        return seconds, waiting.why

    async def _sleep(self):
        """Sleep until there is something to do: deeply if that is far enough away, else lightly
        once no radio is on. Not where nothing would end it."""
        app = self._app
        seconds, why = self._next()
        if seconds == 0 or (seconds is None and not app.boot["pin"]):
            return
        least = app.settings.sleep_min_s
        if seconds is not None and seconds < least:
            links = app.up.links
            if links.current is None and links.idle_s() is None and seconds > 1:
                self._power().doze(min(seconds - 0.5, _DOZE_S))
            return
        await app.up.links.down()
        seconds, why = self._next()
        if seconds is None or seconds >= least // 2:
            self._sleep_deeply(seconds, why)

    def _sleep_deeply(self, seconds, why):
        app = self._app
        app.emit("sleep", seconds=seconds and int(seconds), why=why)
        kept = app.boot["kept"]
        kept["why"], kept["past"], kept["failed"] = why, app.control.past, app.log.failed
        self._power().sleep(app.boot, app.up, app.clock.machine_s(), seconds)

    async def _look_at_battery(self):
        """Where it is empty end the recording and sleep, until it is charged."""
        app = self._app
        kept = app.boot["kept"]
        percent = app.board.battery and app.board.battery()
        charging = getattr(app.board, "charging", None)
        charging = charging and charging()
        least = app.settings.empty_battery_percent
        if kept.get("empty"):
            least = max(least, app.settings.low_battery_threshold_percent)
        if percent is None or charging or percent >= least:
            self._sagged = False
            if kept.pop("empty", None):
                app.emit("battery", state="charged", percent=percent)
            return
        if not (self._sagged or kept.get("empty")):
            self._sagged = True
            self._battery_ms = app.clock.uptime_ms() + _SAG_MS
            return
        if not kept.get("empty"):
            app.emit("battery", state="empty", percent=percent)
        kept["empty"] = 1
        app.control.stop()
        end = app.clock.uptime_ms() + _END_S * 1000
        while app.control.busy and app.clock.uptime_ms() < end:
            await app.clock.sleep_ms(100)
        app.close()
        await app.up.links.down()
        self._sleep_deeply(_CHARGE_S, "battery")
