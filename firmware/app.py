"""What a device runs: boot, recover, record on a button or a command, upload, sleep when idle.

A module of its own beside `main.py`, because that one is compiled on the device at each boot.
"""

import asyncio
import sys

from recorders.control import Control
from recorders.log import Log

from uploader import Clock, Device, Store, Uploader, __version__, load_config, memory
from uploader.errors import ConfigError, StorageError

CONFIG = "/config.json"


class App:
    """A device. `board` is the board's module, `settings` the Settings. `make_watchdog(ms)`
    makes what `machine.WDT` does, `deep_sleep(ms)` sleeps (None: until the button); without
    one there is none. `clock` and `http` (see Uploader) are made if left out."""

    def __init__(self, board, settings, clock=None, make_watchdog=None, deep_sleep=None, http=None):
        self.board = board
        self.settings = settings
        self.clock = clock or Clock(set_machine=_set_machine_time)
        keep = 40 if memory.roomy() else 10
        self.log = Log(settings.state.rstrip("/") + "/log", self._now, keep)
        self.store = Store(settings, self.clock, board.mount)
        self.up = Uploader(
            settings,
            self.store,
            board.links(settings, self.clock, self._event),
            self._event,
            self.command,
            Device(board.battery, __version__, getattr(board, "charging", None), _reset_cause()),
            http,
        )
        self.led = None
        self._make_watchdog = make_watchdog
        self._deep_sleep = deep_sleep
        self._trouble = None
        self.control = Control(board, settings, self.up, self._emit)

    # Recording

    def start(self):
        """Begin a recording; nothing happens if one is under way."""
        self.control.start("button")

    def stop(self):
        """End the recording that is under way."""
        self.control.stop()

    def command(self, name, command):
        """Act on a remote command, `start_recording` or `stop_recording`."""
        self.control.command(name, command)

    async def _button(self):
        from machine import Pin
        from recorders.button import Button

        pin = Pin(self.board.BUTTON_PIN, Pin.IN, Pin.PULL_UP)
        button = Button(lambda: pin.value() == 0, self.clock)
        while True:
            await button.press()
            self.stop() if self.control.recording else self.start()

    def _woken_by_button(self):
        if getattr(self.board, "BUTTON_PIN", None) is None:
            return False
        import machine

        return machine.wake_reason() == machine.PIN_WAKE

    # Watching over it

    async def _watch(self):
        """Feed the watchdog as long as everything shows life, and let the LED tell."""
        watchdog = None
        if self._make_watchdog and self.settings.watchdog_s:
            watchdog = self._make_watchdog(self.settings.watchdog_s * 1000)
        samples = -1
        stuck_since = None
        idle_since = None
        while True:
            now = self.clock.uptime_ms()
            alive = now < self.up.waiting.deadline_ms
            recording = self.control.recording
            if recording and self.control.samples == samples:
                # A microphone that gives nothing for so long is stuck.
                stuck_since = stuck_since or now
                alive = alive and now - stuck_since < 30000
            else:
                stuck_since = None
            samples = self.control.samples if recording else -1
            if watchdog and alive:
                watchdog.feed()
            if self.led:
                self.led.state = self.state()
            idle_since = (idle_since or now) if self._idle() else None
            awake_ms = self.settings.awake_s * 1000
            if idle_since is not None and now - idle_since > awake_ms and self._may_sleep():
                await self._sleep()
                idle_since = None
            await self.clock.sleep(1)

    def _idle(self):
        return self.up.idle and not self.control.busy

    def _may_sleep(self):
        """True where that is wished and something will wake the board."""
        button = getattr(self.board, "BUTTON_PIN", None)
        wakes = button is not None or self._due_ms() is not None
        return self.settings.sleep_when_idle and wakes

    def _due_ms(self):
        """Milliseconds until the next heartbeat or recording by schedule; None if neither."""
        beat = self.up.heartbeat
        due = [s for s in (beat and beat.due_s(), self.control.due_s()) if s is not None]
        return int(min(due) * 1000) if due else None

    async def _sleep(self):
        """Deep sleep until the button or the next heartbeat, unless something is to be done
        by the time that the links are down."""
        await self.up.links.down()
        due_ms = self._due_ms()
        if not self._idle() or due_ms == 0:
            return
        self._event("sleep", {"seconds": due_ms // 1000 if due_ms else None})
        if self._deep_sleep:
            self._deep_sleep(due_ms)

    def state(self):
        """What the LED shows: one of `recorders.led.PATTERNS`."""
        if self.control.recording:
            return "recording"
        if self._trouble:
            return self._trouble
        if not self.up.idle:
            return "uploading" if self.up.links.current else "waiting"
        return "idle"

    def _emit(self, name, **info):
        # Not by the uploader's: that is a sign of life of its own.
        if self.up.heartbeat:
            self.up.heartbeat.note(name, info)
        self._event(name, info)

    def _event(self, name, info):
        self.log.event(name, info)
        if name in ("token", "certificate") and info.get("state") not in ("rotated", "moved"):
            self._trouble = "needs_owner"
        elif name == "low_space":
            self._trouble = "storage_full"
        elif name in ("storage", "error", "microphone"):
            self._trouble = "error" if info.get("state") != "recovered" else None
        elif name == "deferred" and info.get("rule") == "battery":
            self._trouble = "low_battery"
        elif name == "completed":
            self._trouble = None
        if name == "error" and info.get("exception"):
            sys.print_exception(info["exception"])

    def _now(self):
        from uploader.clock import iso

        now = self.clock.now()
        return iso(now) if now is not None else "+%ds" % (self.clock.uptime_ms() // 1000)

    def status(self):
        """What there is to know, as a dict that JSON can carry."""
        import status

        try:
            return status.of(self, self._now)
        finally:
            if not self.up.roomy:
                memory.forget("status", "uploader.owner")

    def doctor(self):
        """Print what an upload needs, a line each: ok, or what to do. After Ctrl-C."""
        import doctor

        try:
            doctor.run(self)
        finally:
            memory.forget("doctor", "recorders.trial")

    async def run(self):
        """Run for ever."""
        self._event("boot", {"version": __version__, "board": self.board.NAME})
        if self._woken_by_button():
            self.start()
        tasks = [asyncio.create_task(self.up.run()), asyncio.create_task(self.control.run())]
        if getattr(self.board, "BUTTON_PIN", None) is not None:
            tasks.append(asyncio.create_task(self._button()))
        if getattr(self.board, "LED_PIN", None) is not None:
            from recorders.led import Led
            from recorders.parts import line

            self.led = Led(line(self.board.LED_PIN), self.clock)
            tasks.append(asyncio.create_task(self.led.run()))
        try:
            await self._watch()
        finally:
            for task in tasks:
                task.cancel()
            self.close()

    def close(self):
        """End what is being recorded, as it should be: Ctrl-C does not reach tasks."""
        self.control.end()


def _reset_cause():
    """Why this boot happened (MicroPython's machine.reset_cause), None where it is not known."""
    try:
        import machine

        cause = machine.reset_cause()
    except (ImportError, AttributeError):
        return None
    for name in ("PWRON_RESET", "HARD_RESET", "WDT_RESET", "DEEPSLEEP_RESET", "SOFT_RESET"):
        if getattr(machine, name, None) == cause:
            return name[:-6].lower()
    return str(cause)


def _set_machine_time(unix_seconds):
    from uploader.clock import set_machine_time

    set_machine_time(unix_seconds)


def deep_sleep(board):
    """What `App` sleeps with on `board`: until the button or, given `ms`, until then. Returns
    at once where neither would wake it."""

    def sleep(ms):
        import machine

        button = getattr(board, "BUTTON_PIN", None)
        if button is not None:
            import esp32

            try:
                esp32.wake_on_ext0(machine.Pin(button, machine.Pin.IN), 0)
            except ValueError:
                button = None  # not one of the pins that can
        # Without a time, and with 0, only a pin wakes it.
        if ms:
            machine.deepsleep(ms)
        elif button is not None:
            machine.deepsleep()

    return sleep


def make():
    """Make the app of this device, or None with a line that says what is missing."""
    import board
    import machine

    try:
        settings = load_config(CONFIG)
        return App(
            board,
            settings,
            make_watchdog=lambda ms: machine.WDT(timeout=ms),
            deep_sleep=deep_sleep(board),
        )
    except ConfigError as e:
        print("not provisioned: %s" % e)
    except StorageError as e:
        print("no storage: %s" % e)
    return None
