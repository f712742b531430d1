"""Sleeping, waking, and what outlives both: loaded at boot and for a sleep, then forgotten.

RTC memory (machine.RTC().memory(), ports/esp32/machine_rtc.c): 2,048 bytes, RTC_NOINIT_ATTR. They
outlive deep sleep, the watchdog, a panic and a reset; nothing initialises them, so after a power-on
they hold anything. What is kept there is one line of the journal, with its CRC and a version.
"""

from micropython import const

from uploader import __version__, journal, memory

_VERSION = const(1)
_MAX = const(2048)  # MICROPY_HW_RTC_USER_MEM_MAX
# Resets within so long, without an upload or a minute's recording, may be a boot loop.
_WINDOW_S = const(7200)
RESETS = 5  # in a row are one
WAKES = ("timer", "pin", "wake")
# Marks of resets from one boot to the other, see `switch`.
SWITCHES = ("send", "record")


def load():
    """The dict that was kept; an empty one if it is not whole, or of another version."""
    try:
        import machine

        kept = journal.decode(machine.RTC().memory())
        if isinstance(kept, dict) and kept.get("v") == _VERSION:
            return kept
    except (ImportError, AttributeError):
        pass
    return {"v": _VERSION}


def save(kept):
    """Keep a dict that JSON can carry; what counts the least is left out if it is too large."""
    data = journal.encode(kept)
    if len(data) > _MAX and kept.get("up"):
        kept["up"].pop("counts", None)
        data = journal.encode(kept)
    try:
        import machine

        machine.RTC().memory(data)
    except (ImportError, AttributeError):
        pass


def mark(why):
    """Note that the next reset is our own, and wanted: it counts for no boot loop."""
    kept = load()
    kept["mark"] = why
    save(kept)


def begin(board, now_s):
    """What `App` is to know of this boot, at `now_s` of the machine's clock, as a dict: `by` (see
    `_cause`) and, of our own reset, `mark`; `resets`, how many came one after the other; `pin`,
    whether a pin can wake the board; `kept`, which `save` takes; of a wake or a switch, `up`: what
    the last `sleep` or `switch` kept, and `slept_s`."""
    kept = load()
    told = kept.pop("mark", None)
    by = _cause(told)
    boot = {"by": by, "mark": told if by == "reset" else None, "pin": wakes(board), "kept": kept}
    up = kept.pop("up", None)
    if by in WAKES or boot["mark"] in SWITCHES:
        boot["up"] = up
        if up:
            slept = now_s - up["at"]
            boot["slept_s"] = slept if slept >= 0 else up["seconds"] or 0
    elif by in ("power", "watchdog", "crash"):
        since = min(kept.get("since", now_s), now_s)
        recent = now_s - since <= _WINDOW_S
        kept["resets"] = kept.get("resets", 0) + 1 if recent else 1
        kept["since"] = since if recent else now_s
    boot["resets"] = kept.get("resets", 0)
    save(kept)
    return boot


def _cause(told):
    """Why this boot happened: `power` (switched on, or the supply broke down), `watchdog`,
    `timer`, `pin` or another `wake`, `reset` (our own: it was marked), `crash` (any other hard
    reset), `soft`; None where it is not known. ports/esp32/modmachine.c: a brown-out reads as
    power-on, a panic as machine.reset()."""
    try:
        import machine

        cause = machine.reset_cause()
        if cause == machine.DEEPSLEEP_RESET:
            wake = machine.wake_reason()
            if wake == machine.TIMER_WAKE:
                return "timer"
            return "pin" if wake in (machine.PIN_WAKE, machine.EXT1_WAKE) else "wake"
        if cause == machine.HARD_RESET:
            return "reset" if told else "crash"
        names = {machine.PWRON_RESET: "power", machine.WDT_RESET: "watchdog"}
        return "soft" if cause == machine.SOFT_RESET else names.get(cause)
    except (ImportError, AttributeError):
        return None


def wakes(board):
    """Let the board's button wake it; False without one, or if its pin can't."""
    button = getattr(board, "BUTTON_PIN", None)
    if button is None:
        return False
    try:
        import esp32
        import machine

        esp32.wake_on_ext0(machine.Pin(button, machine.Pin.IN), 0)
        return True
    except (ImportError, AttributeError, ValueError):
        return False


def tell(boot, name, emit):
    """Tell by `emit(event, **info)` of the boot of the board `name`, and why it was."""
    by = boot["by"]
    if boot.get("mark") in SWITCHES:
        return
    if boot.get("up"):
        emit("wake", by=by, why=boot["kept"].get("why"), slept_s=boot["slept_s"])
        return
    emit("boot", version=__version__, board=name, by=by, why=boot.get("mark"))
    if boot["resets"] >= RESETS:
        emit("boot_loop", resets=boot["resets"], state="only_records")


def proved(boot):
    """Forget the resets: the boot of which `begin` told did something of use."""
    boot["resets"] = boot["kept"]["resets"] = 0
    save(boot["kept"])


def go_on():
    """Let the next boot be as any: what a person says at the REPL after a boot loop."""
    save({"v": _VERSION, "mark": "go_on"})


def sleep(boot, up, now_s, seconds):
    """Deep sleep for `seconds` (None: until a pin wakes it), at `now_s` of the machine's clock;
    what the Uploader `up` knows is kept. Returns at once where nothing would wake the board."""
    import machine

    _keep(boot["kept"], up, now_s, seconds)
    # Without a time, and with 0, only a pin wakes it.
    if seconds is not None:
        machine.deepsleep(max(1, int(seconds * 1000)))
    elif boot["pin"]:
        machine.deepsleep()


def switch(app, mark):
    """Reset into the boot that sends (`mark` is `send`) or the one that records (`record`); what
    the Running `app` knows is kept. See `elsewhere`."""
    import machine

    if app.trial:
        app.trial.excuse()
    kept, clock = app.boot["kept"], app.clock
    kept["mark"], kept["failed"] = mark, app.log.failed
    more = {"boot": clock.boot, "ms": clock.uptime_ms(), "awake_ms": app.awake_ms}
    _keep(kept, app.up, clock.machine_s(), 0, more)
    machine.reset()


def _keep(kept, up, now_s, seconds, more=()):
    from uploader import asleep

    kept["up"] = asleep.pack(up)
    kept["up"].update(more)
    kept["up"].update({"at": now_s, "seconds": seconds})
    save(kept)
    memory.forget(asleep.__name__)


def doze(seconds):
    """Light sleep, where the port has it; False where not. Radios have to be off."""
    import machine

    if not hasattr(machine, "lightsleep"):
        return False
    machine.lightsleep(int(seconds * 1000))
    return True
