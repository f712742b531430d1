"""The trial of a configuration that the page wrote: does the device reach the service with it?"""

import asyncio
import os

from uploader import memory

from .known import CONFIG, FORMER, remember

_MOST_S = 150
_MODEM_S = 600  # registration in a bad place
_FAILURES = 3  # of the network in a row: a wrong key stays wrong
_PAUSE_S = 2


def prove(app):
    """Return if `app` (an App that is not running, or None) reaches the service and its token is
    taken; else restart the device into set-up, with the reason."""
    reason = _unmade() if app is None else asyncio.run(attempt(app))
    if not reason:
        remember(trial=None, reason=None)
        try:
            os.remove(FORMER)
        except OSError:
            pass
        return
    print("set-up: it does not work: " + reason)
    remember(trial=None, reason=reason)
    import machine
    import power

    power.mark("set-up")
    machine.reset()


def _unmade():
    from uploader import load_config
    from uploader.errors import ConfigError

    try:
        load_config(CONFIG)
    except ConfigError as e:
        return str(e)
    return "the storage can't be opened; is the card in?"


async def attempt(app, s3_url=None, http=None):
    """Why the service is not reached within the time, in words, or None once it is. `http` is the
    doctor's."""
    import doctor

    clock = app.clock
    seconds = _MODEM_S if app.settings.apn else _MOST_S
    if app.settings.watchdog_s:
        import machine

        # main.py's is shorter; `App.run` sets its own.
        machine.WDT(timeout=(seconds + app.settings.watchdog_s) * 1000)
    end_ms = clock.uptime_ms() + seconds * 1000
    failures = 0
    try:
        while True:
            bad = []

            def tell(name, ok, text, bad=bad):
                if ok is False:
                    bad.append((name, text))

            left_s = (end_ms - clock.uptime_ms()) / 1000
            try:
                await asyncio.wait_for(doctor.reach(app, tell, s3_url, http), max(1, left_s))
            except asyncio.TimeoutError:
                bad.append(("network", "no answer within %d s" % seconds))
            if not bad:
                return None
            name, text = bad[0]
            failures = failures + 1 if name == "network" else 0
            hopeless = name == "token" or (failures >= _FAILURES and not app.settings.apn)
            if hopeless or clock.uptime_ms() + _PAUSE_S * 1000 >= end_ms:
                return "%s: %s" % (name, text)
            await clock.sleep(_PAUSE_S)
    finally:
        await app.up.links.down()
        memory.forget("doctor", "recorders.trial")
