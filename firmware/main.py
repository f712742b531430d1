"""What a device runs at boot: chooses whose firmware, watches over one on trial, runs it.

`board.py` (from boards/) has what is particular to the hardware, `/config.json` what is
particular to the device; without that it is set up first (setup/). `app` stays reachable from the
REPL after Ctrl-C: `app.status()`.

There are two slots, /lib and /lib2, each with a whole firmware. /slot.0 and /slot.1, written in
turn, each a line of JSON and its CRC-32, say which is run; the newer valid one holds:
`[serial, {"run": slot, "try": slot, "boots": n, "stood": 1, "version": of the one on trial, "why":
text}]`. What is on trial is given up after three boots without a confirmation; those by the wake
from deep sleep do not count, nor, once it has `stood`, those by power-on. No update can mend this
file, so it trusts nothing that it reads and imports nothing of a slot before the watchdog runs.
"""

import asyncio
import json
import sys
from binascii import crc32

import machine

_BOOTS = 3


def _read():
    best = [0, {}]
    for path in ("/slot.0", "/slot.1"):
        try:
            with open(path, "rb") as f:
                line = f.read(1024)
            body = line[:-10]
            if b"%s %08x\n" % (body, crc32(body)) == line:
                found = json.loads(body)
                if found[0] > best[0] and found[1]["run"] in ("/lib", "/lib2"):
                    best = found
        except (OSError, ValueError, TypeError, KeyError, IndexError):
            pass
    return best


def _write(serial, state):
    body = json.dumps([serial, state], separators=(",", ":")).encode()
    with open("/slot.%d" % (serial & 1), "wb") as f:
        f.write(b"%s %08x\n" % (body, crc32(body)))


def _choose():
    """(the slot to run or None for what sys.path has, whether it is on trial)."""
    serial, state = _read()
    slot = state.get("run")
    if state.get("try") not in ("/lib", "/lib2"):
        return slot, False
    cause = machine.reset_cause()
    counted = cause != machine.DEEPSLEEP_RESET
    if state.get("stood") and cause == machine.PWRON_RESET:
        counted = False
    if counted:
        boots = state.get("boots", 0)
        if boots >= _BOOTS:
            why = state.get("why") or "%d boots without a confirmation" % boots
            last = [state.get("version"), "undone", why, state.get("id")]
            _write(serial + 1, {"run": slot, "last": last})
            return slot, False
        state["boots"] = boots + 1
        _write(serial + 1, state)
    return state["try"], True


def _watch(trial):
    # Without a configuration somebody is at work on it, and there is nothing to watch.
    seconds = 0
    try:
        with open("/config.json") as f:
            seconds = json.load(f).get("watchdog_s", 120)
    except (OSError, ValueError, AttributeError):
        pass
    if type(seconds) is not int or not 0 <= seconds <= 3600:
        seconds = 120
    if seconds or trial:
        machine.WDT(timeout=(seconds or 120) * 1000)


def _failed(e):
    """What is on trial ended by an exception: noted, for the next boot to know."""
    sys.print_exception(e)
    try:
        serial, state = _read()
        state["why"] = ("%s: %s" % (type(e).__name__, e))[:60]
        _write(serial + 1, state)
    except Exception:
        pass
    machine.reset()


try:
    _slot, _trial = _choose()
except Exception as e:  # flash that can't be written: then nothing is on trial
    sys.print_exception(e)
    _slot, _trial = _read()[1].get("run"), False
if _slot:
    sys.path.insert(0, _slot)
_watch(_trial)
try:
    from setup.boot import app as _app

    app = _app()
    del _app
    if _trial and not app:
        raise RuntimeError("the app could not be made")
    if not _trial:
        del _read, _write, _choose, _watch, _failed
    if app:
        try:
            asyncio.run(app.run())
        finally:
            app.close()
except Exception as e:
    if not _trial:
        raise
    _failed(e)
