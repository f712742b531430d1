"""The device's heartbeat: what it reports, and what the answer may bring.

Device API, `POST /devices/me/heartbeat`. The name of the flags field is undocumented, and so is
what `diagnostics` may hold: each is left out once the service refused it. What sends one, and what
reads what an answer brings, is loaded for it: `beating`, `commands`, `remote`.
"""

import asyncio

from . import memory


class Heartbeat:
    """Reports what `store`, `links` (a LinkManager) and `device` (a Device) know, and takes what
    the answer brings. `emit(event, **info)` tells of commands and settings. `offer` is the manifest
    of an update that an answer brought, a dict, None once somebody saw to it. `flags`, `failures`
    (in a row), `trouble` (the last that was heard of uploads was bad), `waiting` (the service
    verifies what it has), `wanted` (settings that an answer brought, not looked at yet) and
    `diagnostics` (a Diagnostics or None) are for `beating`."""

    offer = None

    def __init__(self, settings, store, links, device, emit):
        self.settings = settings
        self.store = store
        self.links = links
        self.device = device
        self.emit = emit
        self.clock = store.clock
        self.flags = True
        self._next_ms = 0
        self.failures = 0
        self.trouble = False
        self.waiting = False
        self.deferred = False  # what is pending waits for its time, by the owner's rules
        self._last = None
        self.wanted = None
        self.diagnostics = None
        if settings.diagnostics:
            from .diagnostics import Diagnostics

            self.diagnostics = Diagnostics(settings, store, device)

    def due_s(self):
        """Seconds until the next one is due; 0 if it is."""
        return max(0, self._next_ms - self.clock.uptime_ms()) / 1000

    def left_s(self):
        """Seconds until one is due and a link for it is up, or may be tried; None without one."""
        links, least = self.links, None
        for link in links.in_order():
            if self.may_use(link):
                until = 0 if link is links.current else links.cool.get(link.name, (0, 0))[1]
                least = until if least is None else min(least, until)
        if least is None:
            return None
        until = max(self._next_ms, least)
        return max(0, until - self.clock.uptime_ms()) / 1000

    def hurry(self):
        """Let one be due now."""
        self._next_ms = 0

    def skip(self):
        """Let the next one be due an interval from now."""
        s = self.settings.heartbeat_minutes * 60
        s = min(s << min(self.failures, 10), self.settings.patience_s(s))
        self._next_ms = self.clock.uptime_ms() + s * 1000

    def failed(self):
        """The last one did not go through: where the board sleeps, the next waits longer."""
        self.failures += 1
        self.skip()

    def kept(self):
        """What deep sleep would forget, for `resume`, and what can be spared of it."""
        counts = self.diagnostics.kept() if self.diagnostics else None
        return [self.due_s(), self.failures, self.flags, self.trouble, self._last], counts

    def resume(self, beat, counts, since_ms):
        """Go on from what `kept` said at `since_ms` of the uptime."""
        due_s, self.failures, self.flags, self.trouble, self._last = beat
        self._next_ms = since_ms + int(due_s * 1000)
        if counts and self.diagnostics:
            self.diagnostics.resume(counts)

    def may_use(self, link):
        """True if the settings allow heartbeats over a link."""
        return link.name not in ("wifi", "cellular") or link.name in self.settings.heartbeat_radios

    def note(self, event, info):
        """Take notice of an Uploader's event."""
        if event in ("storage", "error", "microphone", "token", "certificate"):
            state = info.get("state")
            if state != "not_rotated":  # the token in use stays good
                self.trouble = state not in ("rotated", "moved", "recovered")
            if state == "moved":
                self.hurry()
        elif event == "proof":
            self.waiting = info["state"] == "waiting"
        elif event in ("deferred", "ended", "created", "sent"):
            self.deferred = event == "deferred"
        elif event in ("completed", "quarantined", "retry"):
            self.waiting = False
            self.trouble = self.trouble and event != "completed"
        if self.diagnostics:
            self.diagnostics.note(event, info)

    async def beat(self, api):
        """Send one by `api`, a DeviceApi. Returns the commands to act on, pairs of a name and
        the command's dict, each command once. Raises ApiError, TransportError, StorageError."""
        self.skip()
        try:
            return await _beating().beat(self, api)
        except asyncio.CancelledError:
            self.hurry()  # a recording came between: still due
            raise

    def facts(self):
        """The request's fields; None where the device does not know."""
        return _beating().facts(self)

    def want(self, settings, crc):
        """Keep settings that an answer brought, their CRC-32 being `crc`, unless it is no news."""
        if crc != self._last:
            self._last, self.wanted = crc, settings

    def settle(self, make_room):
        """Let settings hold that answers brought since the last time. What reads them takes
        15 KB for a moment, for which `make_room()` is called before. True if any did. Raises
        StorageError."""
        if self.wanted is None:
            return False
        make_room()
        return _beating().settle(self)


def _beating():
    return memory.borrow(__name__.rpartition(".")[0] + ".beating")


def recall(settings):
    """Let hold again what the service changed in earlier boots. To be called before anything
    is made that `settings` decide about."""
    remote(lambda remote: remote.recall(settings))


def remote(call):
    """What `call(remote)` returns, the module `remote` being loaded for it."""
    from . import remote as module

    try:
        return call(module)
    finally:
        package = __name__.rpartition(".")[0]
        memory.forget(module.__name__, package + ".config", package + ".zones")
