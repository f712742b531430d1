"""What updates left to be seen to at a boot: a trial, an outcome to tell, a download to go on."""

import asyncio
import os

from uploader import memory


def look(app):
    """See to it; a Trial that is to be told of events goes to `app.trial`."""
    state = app.settings.state
    if _there("/slot") or _there(state + "/update") or _there(state + "/image"):
        _look(app)
    names = "slots offer trial boot image bundle".split()
    memory.forget("updates", *["updates." + name for name in names])


def _there(path):
    for i in "01":
        try:
            os.stat(path + "." + i)
            return True
        except OSError:
            pass
    return False


def _look(app):
    from . import offer, slots

    kept = slots.Slots()
    if kept.on_trial:
        _try(app, kept)
    elif kept.last and kept.last[1] == "undone" and not kept.value.get("told"):
        kept.note(told=1)
        app.up.emit("update", state="undone", version=kept.last[0], reason=kept.last[2])
    if not app.trial and _there(app.settings.state + "/image"):
        _image(app)
    app.go_on = bool(offer.Kept(app.settings.state).value.get("url"))


def _try(app, kept):
    from .trial import Trial

    app.trial = Trial(app, kept)
    app.trial.begin()
    asyncio.create_task(app.trial.run())


def _image(app):
    from .image import Images

    kept = Images(app.settings.state)
    if kept.on_trial:
        _try(app, kept)
        # Sleep would end the trial: the bootloader goes back at any boot.
        app.awake_ms = max(app.awake_ms, app.trial.confirm_ms)
        return
    reason = kept.back()
    if reason:
        app.up.emit("update", state="undone", version=kept.last[0], reason=reason)
