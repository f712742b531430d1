"""The choice between the app and set-up, made at every boot and let go after it."""

import sys

from .known import CONFIG, exists, marked, recall, remember

_TRIALS = 3


def app():
    """The app of this device, once its configuration has passed its trial; None if there is
    none, or the device was set up instead."""
    known = recall()
    tried = known.get("trial")
    if tried is not None and tried >= _TRIALS:
        remember(trial=None, reason="the device restarted again and again while it tried it")
        known = recall()
    if "reason" in known or not exists(CONFIG) or _held():
        from .mode import run

        run()
        return None
    if tried is not None:
        remember(trial=tried + 1)
    if exists("/update.go"):
        from updates.only import make, wanted

        if wanted():
            return make()
    # What sends takes the least memory, and is what a trial takes.
    if tried is not None or marked("send"):
        from sender import make
    else:
        from app import make

    made = make()
    if tried is not None:
        from .proving import prove

        prove(made)
    for name in ("", ".boot", ".known", ".proving"):
        sys.modules.pop("setup" + name, None)
    return made


def _held():
    """True if the button is held as the power comes on, for two seconds."""
    try:
        import machine

        # In deep sleep, and while something is sent, a press is for a recording.
        switched_on = machine.reset_cause() in (machine.PWRON_RESET, machine.HARD_RESET)
        if not switched_on or marked("send", "record"):
            return False
        from board import BUTTON_PIN

        if BUTTON_PIN is None:
            return False
        pin = machine.Pin(BUTTON_PIN, machine.Pin.IN, machine.Pin.PULL_UP)
    except ImportError:
        return False
    import time

    for _ in range(20):
        if pin.value():
            return False
        time.sleep_ms(100)
    return True
