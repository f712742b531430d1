"""A new firmware on trial: what it has to show before it is confirmed, and when it is given up.

It is confirmed once the microphone was opened, the store was recovered, it ran for `stood_s`, and
the service answered it, whatever it said. A link that is up for `confirm_s` without an answer (both
in /update.json), or as often as `_MUTE` times, ends the trial. A device that stays offline stays on
trial, and keeps what it has: see main.py for how boots are counted.
"""

from micropython import const

from . import offer

_STOOD_S = const(60)
_CONFIRM_S = const(900)
_MUTE = const(10)
_STUCK_MS = const(20000)
_ANSWERED = ("created", "sent", "completed")


class Trial:
    """The trial of an app's firmware. `begin` raises whatever is wrong with it."""

    def __init__(self, app, slots):
        self._app = app
        self._slots = slots
        self._up_ms = None  # uptime since which a link is up without an answer
        self._answered = False
        self._links = 0
        self._seen_ms = app.clock.uptime_ms()
        self._wanted = offer.provisioned()

    def ms(self, key, default):
        """What provisioning says of a time, in ms; `default` seconds if it says nothing of use."""
        value = self._wanted.get(key)
        return 1000 * (value if type(value) is int and value > 0 else default)

    @property
    def confirm_ms(self):
        """How long a link may be up without an answer."""
        return self.ms("confirm_s", _CONFIRM_S)

    def begin(self):
        """Open the microphone, recover the store: before either is in use."""
        app = self._app
        from recorders import microphone

        stream = microphone.of(app.board, app.settings.audio_rate)
        if stream:
            stream.deinit()
        for _ in app.store.pending():
            pass
        if not self._slots.value.get("stood"):  # it would sleep before
            end = app.clock.uptime_ms() + self.ms("stood_s", _STOOD_S) + _STUCK_MS
            app.awake_ms = max(app.awake_ms, end)
        app.up.report()

    def note(self, event, info):
        """Take notice of what the app is told."""
        reason = info.get("reason") or ""
        if event in _ANSWERED or event == "heartbeat" and info["state"] == "sent":
            self._answered = True
        elif event in ("heartbeat", "retry", "token") and reason[:3].isdigit():
            self._answered = True  # an error, but the service's
        elif event == "link" and info.get("state") == "up":
            self._links += 1
            self._is_up()
        elif event == "heartbeat":  # a link that was up before: it failed on the way
            self._is_up()
        elif event == "link" and info.get("state") == "down":
            self._up_ms = None

    def stuck(self, now):
        """True if this does not go on any more, as with a heap that is full: the watchdog's."""
        return now - self._seen_ms > _STUCK_MS

    def _is_up(self):
        if self._up_ms is None:
            self._up_ms = self._app.clock.uptime_ms()

    async def run(self):
        """Watch over it until it is confirmed or given up."""
        app, slots = self._app, self._slots
        begun = app.clock.uptime_ms()
        seen = 0
        while True:
            await app.clock.sleep(1)
            self._seen_ms = now = app.clock.uptime_ms()
            if not slots.value.get("stood") and now - begun > self.ms("stood_s", _STOOD_S):
                slots.note(stood=1)
            if self._answered and slots.value.get("stood"):
                break
            if self._answered:
                continue
            if self._links > seen:
                seen = self._links
                slots.note(mute=slots.value.get("mute", 0) + 1)
            late = self._up_ms is not None and now - self._up_ms > self.confirm_ms
            if late or slots.value.get("mute", 0) > _MUTE:
                from .go import restart

                slots.undo("no answer over a link that is up")
                await restart(app, "undone", reason=slots.last[2])
        version = slots.value.get("version")
        slots.confirm()
        app.up.emit("update", state="applied", version=version)
        app.trial = None
