"""What is kept on flash of a trial, and its end: loaded for it."""

from micropython import const

_MUTE = const(10)  # links that came up without an answer, over all boots


def kept(app, image):
    """What is kept: Slots, or Images."""
    if image:
        from .image import Images

        return Images(app.settings.state)
    from .slots import Slots

    return Slots()


async def look(app, trial, now, late):
    """Keep what is new of the Trial at the uptime `now`; end it if it has shown enough, or is too
    `late` for that, or too many links gave no answer. Raises OSError."""
    slots = kept(app, trial.image)
    _stand(app, trial, slots)
    if _confirmed(app, trial, slots):
        return
    mute = _mute(trial, slots)
    if not late and mute <= _MUTE:
        slots.note(mute=mute)
        return
    from .go import restart

    slots.undo("no answer over a link that is up")
    app.trial = None  # which is not watched any more: a recording may have to end first
    await restart(app, "undone", reason=slots.last[2])


def excuse(app, trial):
    """Before a wanted reset: keep what is new of the Trial, and have that boot not count. Raises
    OSError."""
    slots = kept(app, trial.image)
    _stand(app, trial, slots)
    if not _confirmed(app, trial, slots):
        boots = slots.value.get("boots", 0)
        slots.note(mute=_mute(trial, slots), boots=max(0, boots - 1))


def _stand(app, trial, slots):
    if trial.stood and trial.end_ms:
        trial.end_ms = 0
        slots.note(stood=1)


def _confirmed(app, trial, slots):
    if not (trial.answered and trial.stood):
        return False
    version = slots.value.get("version")
    slots.confirm()
    app.up.emit("update", state="applied", version=version)
    app.trial = None
    return True


def _mute(trial, slots):
    links, trial.links = trial.links, 0
    return slots.value.get("mute", 0) + (0 if trial.answered else links)
