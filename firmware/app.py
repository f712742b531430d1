"""What a device runs: boot, recover, record on a button or a command, upload, sleep when idle.

A module of its own beside `main.py`, because that one is compiled on the device at each boot.
"""

import asyncio
import sys

from recorders.control import Control
from recorders.log import Log

from uploader import Clock, Device, Store, Uploader, __version__, load_config, memory
from uploader.clock import unix_time
from uploader.errors import ConfigError, StorageError

CONFIG = "/config.json"
# What keeps a board awake for `awake_s`, because more may follow.
_STIR = ("completed", "ended", "command", "settings")
_MINUTE_S = 60
RESETS = 5  # in a row are a boot loop: as in power


class App:
    """A device. `board` is the board's module, `settings` the Settings. `make_watchdog(ms)`
    makes what `machine.WDT` does; without it there is none. `boot` is what `power.begin` tells of
    this boot; without it the device never sleeps. `clock` and `http` (see Uploader) are made if
    left out."""

    # Of updates: the trial that this firmware is on, the task of one that is under way, and the
    # uploads' task, which rests meanwhile.
    trial = updating = uploads = alone = None
    go_on = False  # with the update that is kept on flash

    def __init__(self, board, settings, clock=None, make_watchdog=None, boot=None, http=None):
        self.board = board
        self.settings = settings
        self.clock = clock or Clock(set_machine=_set_machine_time)
        self.boot = boot or {"by": None, "resets": 0}
        if "up" in self.boot:
            self.clock.estimate()  # it woke from deep sleep
        keep = 40 if memory.roomy() else 10
        self.log = Log(settings.state.rstrip("/") + "/log", self._now, keep)
        self.store = Store(settings, self.clock, board.mount)
        self.up = Uploader(
            settings,
            self.store,
            board.links(settings, self.clock, self._event),
            self._event,
            self.command,
            Device(board.battery, __version__, getattr(board, "charging", None), self.boot["by"]),
            http,
        )
        self.led = None
        self._make_watchdog = make_watchdog
        self._trouble = None
        # Uptime until which it stays awake: somebody may be there, or more may follow.
        self.awake_ms = 0 if self.boot["by"] == "timer" else settings.awake_s * 1000
        self.proof = False  # something of use was done since the boot
        self._rest = None
        self.control = Control(board, settings, self.up, self.emit)
        if self.boot.get("up"):
            self.load("uploader.asleep").unpack(self.up, self.boot["up"], self.boot["slept_s"])
            self.control.past = self.boot["kept"].get("past", 0)
            self.log.failed = self.boot["kept"].get("failed")

    # Recording

    def start(self):
        """Begin a recording; nothing happens if one is under way."""
        if self.updating:
            self.updating.cancel()
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

    # Watching over it

    async def _watch(self):
        """Feed the watchdog as long as everything shows life, and let the LED tell."""
        watchdog = None
        # On trial the chooser has one running already.
        seconds = self.settings.watchdog_s or (self.trial and 120)
        if self._make_watchdog and seconds:
            watchdog = self._make_watchdog(seconds * 1000)
        samples = -1
        stuck_since = None
        while True:
            now = self.clock.uptime_ms()
            alive = self.only_records or now < self.up.waiting.deadline_ms
            recording = self.control.recording
            if recording and self.control.samples == samples:
                # A microphone that gives nothing for so long is stuck.
                stuck_since = stuck_since or now
                alive = alive and now - stuck_since < 30000
            else:
                stuck_since = None
            samples = self.control.samples if recording else -1
            if watchdog and alive and not (self.trial and self.trial.stuck(now)):
                watchdog.feed()
            if self.led:
                self.led.state = self.state()
            if samples > _MINUTE_S * self.settings.audio_rate:
                self.proof = True
            beat = self.up.heartbeat
            offered = self.go_on or (beat and beat.offer)
            if offered and self.up.idle and not self.updating:
                self.updating = asyncio.create_task(self.load("updates.go").go(self))
            if self.proof and self.boot["resets"] and self.up.waiting.left_s() != 0:
                self.load("power").proved(self.boot)  # not beside an open connection
            if self._rests():
                await self._rest.look()
            await self.clock.sleep(1)

    def _rests(self):
        """True where there is a use for what looks after sleep, a boot loop and the battery."""
        if "kept" not in self.boot:
            return False
        wished = self.settings.sleep_when_idle or self.only_records or self.board.battery
        if wished and not self._rest:
            from resting import Rest

            self._rest = Rest(self)
        return wished

    def load(self, name):
        """A module that is needed for a moment."""
        __import__(name)
        module = sys.modules[name]
        if not self.up.roomy:
            memory.forget(name)
        return module

    @property
    def only_records(self):
        """True in a boot loop: uploads, which a device can do without for a while, are left out."""
        return self.boot["resets"] >= RESETS

    def state(self):
        """What the LED shows: one of `recorders.led.PATTERNS`."""
        if self.control.recording:
            return "recording"
        if self.updating:
            return "updating"
        if self._trouble:
            return self._trouble
        if not self.up.idle:
            return "uploading" if self.up.links.current else "waiting"
        return "idle"

    def emit(self, name, **info):
        """Tell an event of the product's own."""
        # Not by the uploader's: that is a sign of life of its own.
        if self.up.heartbeat:
            self.up.heartbeat.note(name, info)
        self._event(name, info)

    def _event(self, name, info):
        self.log.event(name, info)
        if self.trial:
            self.trial.note(name, info)
        if name in _STIR:
            self.awake_ms = self.clock.uptime_ms() + self.settings.awake_s * 1000
            self.proof = self.proof or name == "completed"
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
        self.load("power").tell(self.boot, self.board.NAME, self.emit)
        self.load("updates.boot").look(self)
        if self.boot["by"] == "pin":
            self.start()
        tasks = [asyncio.create_task(self.control.run())]
        if not self.only_records:
            self.uploads = asyncio.create_task(self.up.run())
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
            for task in tasks + [self.uploads, self.updating]:
                if task:
                    task.cancel()
            self.close()

    def close(self):
        """End what is being recorded, as it should be: Ctrl-C does not reach tasks."""
        self.control.end()


def _set_machine_time(unix_seconds):
    from uploader.clock import set_machine_time

    set_machine_time(unix_seconds)


def make():
    """Make the app of this device, or None with a line that says what is missing, or that it is
    in a boot loop which leaving out the uploads did not end."""
    import board
    import machine
    import power

    try:
        boot = power.begin(board, unix_time())
        memory.forget("power")
        if boot["resets"] >= 2 * RESETS:
            print("boot_loop resets=%d state=repl: power off and on, or" % boot["resets"])
            print("import power; power.go_on(), and a reset")
            return None
        settings = load_config(CONFIG, boot["pin"])
        return App(board, settings, None, lambda ms: machine.WDT(timeout=ms), boot)
    except ConfigError as e:
        print("not provisioned: %s" % e)
    except StorageError as e:
        print("no storage: %s" % e)
    return None
