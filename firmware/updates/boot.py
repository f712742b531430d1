"""What updates left to be seen to at a boot: a trial, an outcome to tell, a download to go on."""

import asyncio
import os

from uploader import memory


def look(app):
    """See to it; a Trial that is to be told of events goes to `app.trial`."""
    paths = ["/slot.0", "/slot.1"] + [app.settings.state + "/update." + i for i in "01"]
    if [path for path in paths if _there(path)]:
        _look(app)
    memory.forget("updates.slots", "updates.offer", "updates.trial", "updates.boot", "updates")


def _there(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def _look(app):
    from . import offer, slots

    kept = slots.Slots()
    if kept.on_trial:
        from .trial import Trial

        app.trial = Trial(app, kept)
        app.trial.begin()
        asyncio.create_task(app.trial.run())
    elif kept.last and kept.last[1] == "undone" and not kept.value.get("told"):
        kept.note(told=1)
        app.up.emit("update", state="undone", version=kept.last[0], reason=kept.last[2])
    app.go_on = bool(offer.Kept(app.settings.state).value.get("url"))
