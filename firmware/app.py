"""What a device runs: boot, recover, record on a button or a command, upload, sleep when idle.

A module of its own beside `main.py`, because that one is compiled on the device at each boot.
"""

import asyncio

from recorders.control import Control
from running import Running

from uploader import memory

_MINUTE_S = 60


class App(Running):
    """A device that records, and uploads where there is memory for both (see `Running`)."""

    _rest = None

    def __init__(self, board, settings, clock=None, make_watchdog=None, boot=None, http=None):
        super().__init__(board, settings, clock, make_watchdog, boot, http)
        self.control = Control(board, settings, self.up, self.emit)
        if self.boot.get("up"):
            self.control.past = self.boot["kept"].get("past", 0)

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
            try:
                self.stop() if self.control.recording else self.start()
            except Exception as e:  # no memory to look for room, say: the next press may do
                self.emit("error", reason="%s: %s" % (type(e).__name__, e), exception=e)

    # Watching over it

    async def _watch(self):
        """Feed the watchdog as long as everything shows life, and let the LED tell."""
        watchdog = self.watchdog()
        samples = -1
        stuck_since = None
        while True:
            now = self.clock.uptime_ms()
            alive = self.alive()
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
            if samples > _MINUTE_S * self.settings.audio_rate:
                self.proof = True
            self.update()
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

    async def run(self):
        """Run for ever."""
        boot = self.boot
        self.load("power").tell(boot, self.board.NAME, self.emit)
        self.load("updates.boot").look(self)
        if boot["by"] == "pin":
            self.start()
        if not self.up.roomy and "kept" in boot:
            self.load("elsewhere").part(self)
        kept = boot.get("kept", {})
        wanted = kept.pop("wanted", None)  # what the boot before, which sent, was asked for
        if wanted:
            self.load("power").save(kept)  # once: not again after whatever reset comes next
        if wanted == "button":
            self.start()
        elif wanted:
            self.command(*wanted)
        tasks = [asyncio.create_task(self.control.run()), self.light()]
        if not self.only_records:
            self.uploads = asyncio.create_task(self.up.run())
        if getattr(self.board, "BUTTON_PIN", None) is not None:
            tasks.append(asyncio.create_task(self._button()))
        try:
            await self._watch()
        finally:
            for task in tasks + [self.uploads, self.updating]:
                if task:
                    task.cancel()
            self.close()


def make():
    """Make the app of this device, or None with a line that says why not."""
    return memory.borrow("start").make(App)
