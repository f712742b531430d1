"""The loop's waits: what for, until when, and with the links powered down once they were idle."""

from micropython import const

_DAY_S = const(86400)
# A pass's longest step without an event: a modem's recovery and registration.
_STEP_S = const(900)


class Waiting:
    """Waits by `clock`, powering down `links` (a LinkManager). `why` says what is waited for:
    `retry`, `link` (none works or may be used), `deferred`, `heartbeat`, `recording`, `storage`,
    `error`; `deadline_ms` is the uptime by which the loop shows life again."""

    def __init__(self, clock, links):
        self.why = ""
        self.deadline_ms = 0
        self._clock = clock
        self._links = links
        self._on = False
        self._end_ms = None
        self.show_life()

    def left_s(self):
        """Seconds until the present wait ends by itself, None if it does not; 0 while something
        is under way."""
        if not self._on or self._end_ms is None:
            return None if self._on else 0
        return max(0, self._end_ms - self._clock.uptime_ms()) / 1000

    async def rest(self, event, seconds, why):
        """Wait for `event`, at most so many seconds (None: for ever)."""
        self.why = why
        self._end_ms = None
        if seconds is not None:
            self._end_ms = self._clock.uptime_ms() + int(seconds * 1000)
        try:
            while not event.is_set():
                due = self._links.idle_s()
                if due == 0:
                    await self._links.down()
                    continue
                self._on = True
                left = self.left_s()
                if left == 0:
                    return
                if left is not None:
                    due = left if due is None else min(due, left)
                self.show_life(due)
                await self._clock.wait(event, _DAY_S if due is None else due)
                self._on = False
        finally:
            self._on = False
            self.show_life()

    def show_life(self, seconds=0):
        """Promise the next sign of life: after a wait of `seconds` (None: without an end, a
        day) and a pass's longest step. What happens during a wait, a recording, say, changes
        nothing of what was promised for its end."""
        if seconds == 0 and self._on:
            return
        seconds = _DAY_S if seconds is None else seconds
        self.deadline_ms = self._clock.uptime_ms() + int(seconds + _STEP_S) * 1000
