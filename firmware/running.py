"""What both boots of a device share: see `app` for the one that records, `sender` for the other."""

import asyncio
import sys

from micropython import kbd_intr
from recorders.log import Log

from uploader import Clock, Device, Store, Uploader, __version__, memory
from uploader.clock import iso, set_machine_time

RESETS = 5  # in a row are a boot loop: as in power
# What keeps a board awake for `awake_s`, because more may follow.
_STIR = ("completed", "ended", "command", "settings")


class Running:
    """A device that runs. `board` is the board's module, `settings` the Settings.
    `make_watchdog(ms)` makes what `machine.WDT` does; without it there is none. `boot` is what
    `power.begin` tells of this boot; without it the device never sleeps. `clock` and `http` (see
    Uploader) are made if left out. Subclasses have `command(name, command)` for remote commands,
    `control` with what records, and `run()`."""

    # Of updates: the trial that this firmware is on, the task of one that is under way, the
    # uploads' task, which rests meanwhile, and the one that waits to go on with it.
    trial = updating = uploads = alone = again = None
    go_on = False  # with the update that is kept on flash
    led = _trouble = None
    proof = False  # something of use was done since the boot

    def __init__(self, board, settings, clock=None, make_watchdog=None, boot=None, http=None):
        self.board = board
        self.settings = settings
        self.clock = clock or Clock(set_machine=set_machine_time)
        self.boot = boot = boot or {"by": None, "resets": 0}
        up = boot.get("up")
        if up and boot["by"] == "reset":
            self.clock.resume(up["boot"], up["ms"] + boot["slept_s"] * 1000)
        elif "up" in boot and boot["by"] != "reset":
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
            Device(board.battery, __version__, getattr(board, "charging", None), boot["by"]),
            http,
        )
        self._make_watchdog = make_watchdog
        # Uptime until which it stays awake: somebody may be there, or more may follow.
        self.awake_ms = 0 if boot["by"] == "timer" else settings.awake_s * 1000
        if up:
            self.load("uploader.asleep").unpack(self.up, up, boot["slept_s"])
            self.log.failed = boot["kept"].get("failed")
            if boot["by"] == "reset":
                self.awake_ms = up["awake_ms"]

    def watchdog(self):
        """A watchdog that has begun, or None."""
        # On trial the chooser has one running already.
        seconds = self.settings.watchdog_s or (self.trial and 120)
        return self._make_watchdog(seconds * 1000) if self._make_watchdog and seconds else None

    def alive(self):
        """False if what uploads, or what watches over a trial, shows no life any more."""
        now = self.clock.uptime_ms()
        alive = self.only_records or now < self.up.waiting.deadline_ms
        return alive and not (self.trial and self.trial.stuck(now))

    def update(self):
        """Begin with an update that was offered, or go on with one, while nothing is uploaded."""
        beat = self.up.heartbeat
        offered = self.go_on or (beat and beat.offer)
        # Also while what is pending waits for its time: it may have to for days.
        resting = self.up.idle or self.up.waiting.left_s() != 0
        if offered and resting and not self.updating:
            self.updating = asyncio.create_task(self.load("updates.go").go(self))

    def load(self, name):
        """A module that is needed for a moment."""
        return memory.borrow(name)

    @property
    def only_records(self):
        """True in a boot loop: uploads, which a device can do without for a while, are left out."""
        return self.boot["resets"] >= RESETS

    def light(self):
        """Have the LED, if there is one, show `state()`; its task or None."""
        pin = getattr(self.board, "LED_PIN", None)
        if pin is None:
            return None
        from recorders.led import Led
        from recorders.parts import line

        self.led = Led(line(pin), self.clock)
        return asyncio.create_task(self.led.run())

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
        if name in ("token", "certificate"):
            if info.get("state") not in ("rotated", "not_rotated", "moved"):
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
        now = self.clock.now()
        return iso(now) if now is not None else "+%ds" % (self.clock.uptime_ms() // 1000)

    def status(self):
        """What there is to know, as a dict that JSON can carry."""
        status = memory.borrow("status")
        try:
            return status.of(self, self._now)
        finally:
            if not self.up.roomy:
                memory.forget("uploader.owner")

    def doctor(self):
        """Print what an upload needs, a line each: ok, or what to do. After Ctrl-C."""
        import doctor

        # Its own links, not those that lead to the other boot (see `elsewhere`).
        links = self.up.links
        links.links = [getattr(link, "link", link) for link in links.links]
        try:
            doctor.run(self)
        finally:
            memory.forget("doctor", "recorders.trial")

    def close(self):
        """End what is being recorded, as it should be: Ctrl-C does not reach tasks, and the next
        one not this."""
        kbd_intr(-1)
        try:
            self.control.end()
        finally:
            kbd_intr(3)
