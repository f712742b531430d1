"""Links that only the other boot brings up: for a board on which recording and sending do not fit
the memory side by side (an ESP32 without PSRAM). Loaded by the boot that records, see `sender` for
the other."""

from updates.later import later
from uploader.errors import LinkError

_AFTER_MS = 10000  # a recording, or switching on: another one may follow
_AGAIN_MS = 30000  # since the other boot gave up
_BEFORE_S = 60  # a recording that the schedule wants
_LATER_S = 1800


class _Recording:
    """A Refusal (see `policy`)."""

    rule = "recording"
    reason = "a recording is under way"
    wait_s = 10


class Elsewhere:
    """Stands for `link`, a link of the App `app`: to bring it up is to reset into the boot that
    sends."""

    def __init__(self, link, app):
        self.link = link
        self._app = app
        wait_ms = _AGAIN_MS if _is_back(app) else _AFTER_MS
        self._least_ms = app.clock.uptime_ms() + (0 if app.boot["by"] == "timer" else wait_ms)

    def __getattr__(self, name):
        return getattr(self.link, name)

    def is_up(self):
        """False."""
        return False

    async def up(self, *_):
        """Reset once nothing is recorded, or soon to be. Raises LinkError when a recording begins,
        which needs the memory that whoever asks for a link holds."""
        app = self._app
        while not self._may():
            if app.control.under_way:
                raise LinkError(_Recording.reason, "refused", _Recording)
            app.up.waiting.show_life()
            await app.clock.sleep(1)
        app.emit("sender", state="wanted")
        kept, due = app.boot["kept"], app.control.due_s()
        kept["due"], kept["past"] = due, app.control.past
        app.close()  # of a voice that was listened for
        app.load("power").switch(app, "send")

    def _may(self):
        app, control = self._app, self._app.control
        if control.under_way or (app.trial and not app.trial.stood):
            return False
        least_ms, due_s = self._least_ms, control.due_s()
        if control.ended_ms is not None:
            least_ms = max(least_ms, control.ended_ms + _AFTER_MS)
        return app.clock.uptime_ms() >= least_ms and (due_s is None or due_s >= _BEFORE_S)

    async def down(self):
        """Nothing to do."""


def _is_back(app):
    return app.boot["mark"] == "record"


def part(app):
    """Let the links of an App be those of the other boot; do what that one wants done."""
    app.up.links.links = [Elsewhere(link, app) for link in app.up.links.links]
    if app.go_on and _is_back(app):
        app.go_on = False
        import asyncio

        app.again = asyncio.create_task(later(app, _LATER_S))
