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
    if 0 < trial.end_ms < now:
        trial.end_ms = 0
        slots.note(stood=1)
    links, trial.links = trial.links, 0
    if trial.answered:
        if not trial.end_ms:
            version = slots.value.get("version")
            slots.confirm()
            app.up.emit("update", state="applied", version=version)
            app.trial = None
        return
    mute = slots.value.get("mute", 0) + links
    if not late and mute <= _MUTE:
        slots.note(mute=mute)
        return
    from .go import restart

    slots.undo("no answer over a link that is up")
    await restart(app, "undone", reason=slots.last[2])
