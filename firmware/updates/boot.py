"""What updates left to be seen to at a boot: a trial, an outcome to tell, a download to go on."""

import asyncio
import os

from micropython import const

from uploader import memory

_STOOD_S = const(60)
_CONFIRM_S = const(900)


def look(app):
    """See to it; a Trial that is to be told of events goes to `app.trial`."""
    state = app.settings.state
    if _there("/slot") or _there(state + "/update") or _there(state + "/image"):
        _look(app)
    names = "slots offer trial boot image bundle".split()
    memory.forget("updates", *["updates." + name for name in names])
    if not app.up.roomy:
        memory.forget("recorders.microphone")


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


def _ms(wanted, key, default):
    """What provisioning says of a time, in ms; `default` seconds if it says nothing of use."""
    value = wanted.get(key)
    return 1000 * (value if type(value) is int and value > 0 else default)


def begin(app, kept, image, wanted):
    """The Trial of what is `kept` (Slots, or an Images), after the microphone was opened and the
    store recovered, before either is in use; `wanted` is what provisioning says. Raises whatever
    is wrong with them."""
    from recorders import microphone

    from .trial import STUCK_MS, Trial

    stream = microphone.of(app.board, app.settings.audio_rate)
    if stream:
        stream.deinit()
    for _ in app.store.pending():
        pass
    end_ms = 0
    if not kept.value.get("stood"):
        end_ms = app.clock.uptime_ms() + _ms(wanted, "stood_s", _STOOD_S)
        app.awake_ms = max(app.awake_ms, end_ms + STUCK_MS)  # it would sleep before
    app.up.report()
    return Trial(app, image, end_ms, _ms(wanted, "confirm_s", _CONFIRM_S))


def _try(app, kept, image=False):
    from . import offer

    app.trial = begin(app, kept, image, offer.provisioned())
    asyncio.create_task(app.trial.run())


def _image(app):
    from .image import Images

    kept = Images(app.settings.state)
    if kept.on_trial:
        _try(app, kept, True)
        # Sleep would end the trial: the bootloader goes back at any boot.
        app.awake_ms = max(app.awake_ms, app.trial.confirm_ms)
        return
    reason = kept.back()
    if reason:
        app.up.emit("update", state="undone", version=kept.last[0], reason=reason)
