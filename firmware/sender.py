"""The boot that sends, of a board on which recording and sending do not fit the memory side by
side: an ESP32 without PSRAM.

The App resets into it when a link is wanted (see `elsewhere`); once there is nothing more to send,
or something else to do, it resets into the App. RTC memory carries what the one knows to the other
(see `power.switch`).
"""

import asyncio
import json

from running import Running

from uploader import memory

_TICK_MS = 200
_PATIENCE_S = 20  # a longer wait is for the boot that records
_ROOM = 700  # of what RTC memory holds, for a command


class _Control:
    """What stands for the App's Control: it records nothing. `start` goes back to who does."""

    recording = wanted = None
    _pin = None

    def __init__(self, board):
        pin = getattr(board, "BUTTON_PIN", None)
        if pin is not None:
            from machine import Pin

            self._pin = Pin(pin, Pin.IN, Pin.PULL_UP)

    def start(self, *_):
        self.wanted = "button"

    @property
    def busy(self):
        """True once a recording is wanted."""
        if self._pin and not self._pin.value():
            self.wanted = "button"
        return self.wanted is not None

    def ends_in_s(self):
        """Nothing is recorded."""

    def status(self):
        """Nothing is known."""
        return {}

    def end(self):
        """Nothing is to be ended."""


class Sender(Running):
    """A device that sends (see `Running`)."""

    _poor = False  # memory ran out

    def __init__(self, board, settings, clock=None, make_watchdog=None, boot=None, http=None):
        self.control = _Control(board)
        super().__init__(board, settings, clock, make_watchdog, boot, http)

    def start(self):
        """Have the other boot record."""
        self.control.start()

    def stop(self):
        """Have it record nothing."""
        self.control.wanted = None

    def command(self, name, command):
        """Leave a remote command, `start_recording` or `stop_recording`, to the other boot."""
        if name == "start_recording":
            if len(json.dumps(command).encode()) > _ROOM:
                command["params"].pop("metadata", None)
            self.control.wanted = name, command
        else:
            self.stop()

    def _event(self, name, info):
        # The next boot begins with a heap that has not grown.
        self._poor = self._poor or name == "memory"
        super()._event(name, info)

    async def run(self):
        """Send what is to be sent, and reset."""
        self.load("power").tell(self.boot, self.board.NAME, self.emit)
        self.emit("sender", state="begun")
        self.load("updates.boot").look(self)
        self.uploads = asyncio.create_task(self.up.run())
        light = self.light()
        try:
            await self._watch()
        finally:
            for task in (light, self.uploads, self.updating):
                if task:
                    task.cancel()

    async def _watch(self):
        watchdog = self.watchdog()
        due = self.boot.get("kept", {}).pop("due", None)
        ends_ms = None if due is None else self.clock.uptime_ms() + due * 1000
        while True:
            if watchdog and self.alive():
                watchdog.feed()
            if self.led:
                self.led.state = self.state()
            if (
                self.only_records
                or self.control.busy
                or (ends_ms and self.clock.uptime_ms() > ends_ms)
            ):
                break
            self.update()
            left_s = self.up.waiting.left_s()
            # A reset would end the trial of an image.
            stays = self.updating or (self.trial and self.trial.image)
            patience_s = 0 if self._poor else _PATIENCE_S
            if not stays and (left_s is None or left_s > patience_s):
                break
            await self.clock.sleep_ms(_TICK_MS)
        await self._back()

    async def _back(self):
        self.uploads.cancel()
        self.up.let_go()  # a modem's code may have to come, to power it off
        await self.up.links.down()
        power = self.load("power")
        kept = self.boot["kept"]
        kept["wanted"] = self.control.wanted
        if self.proof:
            self.boot["resets"] = kept["resets"] = 0
        power.switch(self, "record")


def make():
    """Make the sender of this device, or None with a line that says why not."""
    return memory.borrow("start").make(Sender)
