"""What there is to know of a device: loaded when asked."""

import sys

from uploader import __version__, memory, owner
from uploader.journal import Durable


def of(app, now):
    """The status of an App as a dict that JSON can carry; `now()` is its time as text."""
    link = app.up.links.current
    credentials = app.store.credentials
    return {
        "board": app.board.NAME,
        "version": __version__,
        "firmware": sys.version,
        "uptime_s": app.clock.uptime_ms() // 1000,
        "time": now() if app.clock.now() is not None else None,
        "time_source": app.clock.source,
        "link": link.name if link else None,
        "signal_dbm": link.signal_dbm() if link else None,
        "battery_percent": app.board.battery() if app.board.battery else None,
        "token": "needs_new_token" if credentials.lost else "in use",
        "device_id": credentials.device_id,
        "binding": credentials.binding,
        "state": app.state(),
        "ends_in_s": app.control.ends_in_s(),
        "recorder": app.control.status(),
        "queue": owner.status(app.store),
        "update": _update(app),
        "memory": memory.figures(),
        "log": list(app.log.kept())[-20:],
    }


def _update(app):
    """The slot that is run, the one on trial, what came of the last update, what is to come; of
    MicroPython's images what came of the last, and the version that is tried."""
    from updates import offer, slots

    try:
        kept = slots.Slots()
        image = Durable(app.settings.state + "/image").value  # see updates.image
        wanted = offer.Kept(app.settings.state).value
        return {
            "slot": kept.on_trial or kept.run,
            "on_trial": bool(kept.on_trial),
            "last": kept.last and kept.last[:3],
            "pending": wanted.get("version") if wanted.get("url") else None,
            "tries": wanted.get("tries", 0),
            "failed": wanted.get("failed"),
            "image": image.get("last") and image["last"][:3],
            "image_tried": image.get("version") if image.get("try") else None,
        }
    finally:
        memory.forget("updates.slots", "updates.offer", "updates")
