"""The update alone, for one boot: where memory is short it does not fit beside the app.

The app, before it resets, counts a try and leaves /update.go for setup.boot to see. What is here
does for `go.Update` what an app does; whatever comes of it, a reset leads back to the app.
"""

import asyncio
import os

from micropython import const

from uploader import memory

from .offer import ALONE, provisioned

_MOST_S = const(900)
_DOWN_S = const(60)


class Only:
    """An app with nothing but links. `control` and `up` are itself."""

    trial = policy = None
    only_records = False
    alone = roomy = True

    def __init__(self, board, settings):
        from recorders.log import Log

        from uploader.clock import Clock, set_machine_time
        from uploader.links.manager import LinkManager

        self.board = board
        self.settings = settings
        self.clock = Clock(set_machine=set_machine_time)
        self.log = Log(settings.state + "/log", None, 10)
        self.up = self.control = self
        if provisioned().get("metered"):
            from uploader.policy import Policy

            self.policy = Policy(settings, self.clock)
        told = board.links(settings, self.clock, self.log.event)
        self.links = LinkManager(told, settings, self.clock, self.policy, self.emit)

    def emit(self, event, **info):
        """Tell an event."""
        self.log.event(event, info)

    def report(self):
        """The app's next heartbeat asks for a new URL."""

    @property
    def busy(self):
        """True if the button is pressed: the app is wanted."""
        pin = getattr(self.board, "BUTTON_PIN", None)
        if pin is None:
            return False
        from machine import Pin

        return not Pin(pin, Pin.IN, Pin.PULL_UP).value()

    def load(self, name):
        """A module."""
        return __import__(name)

    async def _feed(self):
        import machine

        watchdog = machine.WDT(timeout=self.settings.watchdog_s * 1000)
        while True:
            watchdog.feed()
            await self.clock.sleep(1)

    async def _do(self):
        from .go import Update

        if self.settings.watchdog_s:
            asyncio.create_task(self._feed())
        await asyncio.wait_for(Update(self).run(), _MOST_S)

    async def run(self):
        """Do it, and reset."""
        import machine

        try:
            await self._do()
        except Exception as e:  # the heap was full, say: the app tries it again later
            self.emit("update", state="failed", reason="%s: %s" % (type(e).__name__, e))
        finally:
            try:
                await asyncio.wait_for(self.links.down(), _DOWN_S)  # a modem would stay on
            except Exception:
                pass
            self.load("power").mark("update")
            machine.reset()

    def close(self):
        """Nothing to do."""


def wanted():
    """True if the app asked for this, which it did for one boot."""
    try:
        os.remove(ALONE)
        return True
    except OSError:
        return False


# What of the module comes with its import and has no use here: 25 KB.
_UNUSED = "uploader store entry space credentials device waiting"


def lighten():
    """Let go of what an update needs nothing of."""
    import uploader

    for name in ("Uploader", "Store", "Device"):
        if hasattr(uploader, name):
            delattr(uploader, name)
    memory.forget(*["uploader." + name for name in _UNUSED.split()])


def make():
    """Make it."""
    import board

    from uploader import load_config

    lighten()
    try:
        if board.mount:
            board.mount()
    except Exception as e:  # then it fails, and is counted, for want of its `state`
        print("no storage: %s" % e)
    return Only(board, load_config("/config.json"))
