"""A new firmware on trial: what it has to show before it is confirmed, and when it is given up.

It is confirmed once the microphone was opened, the store was recovered (both: see boot), it ran for
`stood_s`, and the service answered it, whatever it said. A link that is up for `confirm_s` without
an answer (both in /update.json), or too often (see ended), ends the trial. A device that stays
offline stays on trial, and keeps what it has: see main.py for how boots are counted.

This stays loaded beside recording and sending; what is done with it is in `ended`.
"""

from micropython import const

from uploader import memory

STUCK_MS = const(20000)
_ANSWERED = ("created", "sent", "completed")


class Trial:
    """The trial of an app's firmware, or of the `image` of MicroPython that runs it. It has to run
    until the uptime `end_ms` (0: it did); `confirm_ms` is how long a link may be up without an
    answer. `answered` tells that one came, `links` counts those that came up and were not looked
    at yet."""

    def __init__(self, app, image, end_ms, confirm_ms):
        self._app = app
        self.image = image
        self.end_ms = end_ms
        self.confirm_ms = confirm_ms
        self._up_ms = None  # uptime since which a link is up without an answer
        self.answered = False
        self.links = 0
        self._seen_ms = app.clock.uptime_ms()

    def note(self, event, info):
        """Take notice of what the app is told."""
        reason = info.get("reason") or ""
        state = info.get("state")
        if event in _ANSWERED or event == "heartbeat" and state == "sent":
            self.answered = True
        elif event in ("heartbeat", "retry", "token") and reason[:3].isdigit():
            self.answered = True  # an error, but the service's
        elif event == "link" and state == "down":
            self._up_ms = None
        elif event == "heartbeat" or event == "link" and state == "up":
            # A heartbeat that failed on its way shows a link that was up before.
            self.links += event == "link"
            if self._up_ms is None:
                self._up_ms = self._app.clock.uptime_ms()

    def stuck(self, now):
        """True if this does not go on any more, as with a heap that is full: the watchdog's."""
        return now - self._seen_ms > STUCK_MS

    @property
    def stood(self):
        """True once it has run for long enough."""
        return self.end_ms <= self._app.clock.uptime_ms()

    def excuse(self):
        """Have the reset that follows, a wanted one, not count; see `ended`."""
        memory.borrow("updates.ended").excuse(self._app, self)

    async def run(self):
        """Watch over it until it is confirmed or given up."""
        app, up = self._app, self._app.up
        while app.trial is self:
            await app.clock.sleep(1)
            self._seen_ms = now = app.clock.uptime_ms()
            since = self._up_ms
            late = since is not None and not self.answered and now - since > self.confirm_ms
            news = self.links or 0 < self.end_ms < now or self.answered and self.stood
            # Where memory is short nothing more can be loaded beside a link, or a microphone.
            if late or news and (up.roomy or not (up.links.current or app.control.busy)):
                await memory.borrow("updates.ended").look(app, self, now, late)
