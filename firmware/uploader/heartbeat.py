"""The device's heartbeat: what it reports, and what the answer may bring.

Device API, `POST /devices/me/heartbeat`. The name of the flags field is undocumented, and so is
what `diagnostics` may hold: each is left out once the service refused it. What an answer brings is
seldom there, so what reads it is loaded for it: `commands`, `remote`.
"""

import asyncio
import json
from binascii import crc32

from . import memory
from .errors import ApiError

_UNKNOWN = (400, 422)
_OFFERS = ("firmware", "ota", "firmware_update", "manifest")
_ENVELOPES = ("commands", "remote_commands", "command", "data")


class Heartbeat:
    """Reports what `store`, `links` (a LinkManager) and `device` (a Device) know, and takes what
    the answer brings. `emit(event, **info)` tells of commands and settings. `offer` is the manifest
    of an update that an answer brought, a dict, None once somebody saw to it."""

    offer = None

    def __init__(self, settings, store, links, device, emit):
        self._settings = settings
        self._store = store
        self._links = links
        self._device = device
        self._emit = emit
        self._clock = store.clock
        self._flags = True
        self._next_ms = 0
        self.failures = 0  # in a row
        self._trouble = False  # the last that was heard of uploads was bad
        self._waiting = False  # the service verifies what it has
        self._last = None  # hash of the last settings that an answer brought
        self._wanted = None  # settings that an answer brought, not looked at yet
        self._diagnostics = None
        if settings.diagnostics:
            from .diagnostics import Diagnostics

            self._diagnostics = Diagnostics(settings, store, device)

    def due_s(self):
        """Seconds until the next one is due; 0 if it is."""
        return max(0, self._next_ms - self._clock.uptime_ms()) / 1000

    def left_s(self):
        """Seconds until one is due and a link for it is up, or may be tried; None without one."""
        links, least = self._links, None
        for link in links.in_order():
            if self.may_use(link):
                until = 0 if link is links.current else links.cool.get(link.name, (0, 0))[1]
                least = until if least is None else min(least, until)
        if least is None:
            return None
        until = max(self._next_ms, least)
        return max(0, until - self._clock.uptime_ms()) / 1000

    def hurry(self):
        """Let one be due now."""
        self._next_ms = 0

    def skip(self):
        """Let the next one be due an interval from now."""
        s = self._settings.heartbeat_minutes * 60
        s = min(s << min(self.failures, 10), self._settings.patience_s(s))
        self._next_ms = self._clock.uptime_ms() + s * 1000

    def failed(self):
        """The last one did not go through: where the board sleeps, the next waits longer."""
        self.failures += 1
        self.skip()

    def kept(self):
        """What deep sleep would forget, for `resume`, and what can be spared of it."""
        counts = self._diagnostics.kept() if self._diagnostics else None
        return [self.due_s(), self.failures, self._flags, self._trouble, self._last], counts

    def resume(self, beat, counts, since_ms):
        """Go on from what `kept` said at `since_ms` of the uptime."""
        due_s, self.failures, self._flags, self._trouble, self._last = beat
        self._next_ms = since_ms + int(due_s * 1000)
        if counts and self._diagnostics:
            self._diagnostics.resume(counts)

    def may_use(self, link):
        """True if the settings allow heartbeats over a link."""
        return link.name not in ("wifi", "cellular") or link.name in self._settings.heartbeat_radios

    def note(self, event, info):
        """Take notice of an Uploader's event."""
        if event in ("storage", "error", "microphone", "token", "certificate"):
            self._trouble = info.get("state") not in ("rotated", "moved", "recovered")
            if info.get("state") == "moved":
                self.hurry()
        elif event == "proof":
            self._waiting = info["state"] == "waiting"
        elif event in ("completed", "quarantined", "retry"):
            self._waiting = False
            self._trouble = self._trouble and event != "completed"
        if self._diagnostics:
            self._diagnostics.note(event, info)

    async def beat(self, api):
        """Send one by `api`, a DeviceApi. Returns the commands to act on, pairs of a name and
        the command's dict, each command once. Raises ApiError, TransportError, StorageError."""
        self.skip()
        facts = self.facts()
        fields = {k: facts[k] for k in facts if facts[k] is not None}
        if not self._flags:
            fields.pop("status_flags")
        report = self._diagnostics and self._diagnostics.due(self._links.current)
        if report:
            fields["diagnostics"] = report
        try:
            answer = await self._sent(api, fields)
        except asyncio.CancelledError:
            self._next_ms = self._clock.uptime_ms()  # a recording came between: still due
            raise
        for name in _OFFERS:
            if isinstance(answer.get(name), dict):
                self.offer = answer[name]
        self._keep_settings(answer)
        return self._take_commands(answer)

    async def _sent(self, api, fields):
        try:
            answer = await api.heartbeat(fields)
        except ApiError as e:
            return await self._without(api, fields, e)
        self.failures = 0
        if "diagnostics" in fields:
            self._diagnostics.sent()
        return answer

    async def _without(self, api, fields, error):
        # Which field the service does not know is found by leaving out one after the other.
        for name in ("diagnostics", "status_flags"):
            if error.status not in _UNKNOWN:
                break
            if fields.pop(name, None) is None:
                continue
            try:
                answer = await api.heartbeat(fields)
            except ApiError as e:
                error = e
                continue
            if name == "diagnostics":
                self._diagnostics.refused()
            else:
                self._flags = False
            return answer
        raise error

    def facts(self):
        """The request's fields; None where the device does not know."""
        settings, store, device = self._settings, self._store, self._device
        percent = device.battery() if device.battery else None
        link = self._links.current
        free, total = store.space.sizes()
        low = percent is not None and percent < settings.low_battery_threshold_percent
        full = free < settings.low_space_bytes
        charging = bool(device.charging and device.charging())
        pending = store.count_pending()
        connection = link.connection if link else None
        flags = charging + 2 * low + 4 * full + 8 * (connection == "wifi")
        flags += 16 * (connection == "4g") + 32 * bool(pending)
        return {
            "battery_percent": percent,
            "storage_used_mb": (total - free) // 1000000,
            "storage_total_mb": total // 1000000,
            "signal_strength_dbm": link.signal_dbm() if link else None,
            "firmware_version": device.firmware_version and device.firmware_version[:32],
            "device_name": settings.device_name[:64] or None,
            "device_state": self._state(full, low, charging, pending),
            "pending_recordings": pending,
            "status_flags": flags,
            "connection_type": [connection] if connection else None,
        }

    def _state(self, full, low, charging, pending):
        # What the device does goes before what it is; what needs somebody's hand before both.
        if self._store.is_recording():
            return "recording"
        if full:
            return "storageFull"
        if low and not charging:
            return "lowBattery"
        if self._trouble:
            return "error"
        if self._waiting:
            return "syncing"
        if pending:
            return "uploading"
        return "charging" if charging else "idle"

    def _take_commands(self, answer):
        if not [key for key in _ENVELOPES if answer.get(key)]:
            return []
        from . import commands

        try:
            return commands.take(answer, self._settings, self._store, self._emit)
        finally:
            memory.forget(commands.__name__)

    def _keep_settings(self, answer):
        wanted = answer.get("settings")
        if wanted is None and isinstance(answer.get("device"), dict):
            wanted = answer["device"].get("settings")
        if isinstance(wanted, dict):
            mark = crc32(json.dumps(wanted).encode())
            if mark != self._last:
                self._last = mark
                self._wanted = wanted

    def settle(self, make_room):
        """Let settings hold that answers brought since the last time. What reads them takes
        15 KB for a moment, for which `make_room()` is called before. True if any did. Raises
        StorageError."""
        wanted, self._wanted = self._wanted, None
        if wanted is None:
            return False
        make_room()
        with_reserve = self._store.space.with_reserve
        changed, ignored = _remote(lambda r: r.take(self._settings, wanted, with_reserve))
        if changed:
            self._links.override()  # what was refused may be allowed now
        if changed or ignored:
            names = ",".join(sorted(changed))
            self._emit("settings", names=names, ignored=",".join(sorted(ignored)) or None)
        return bool(changed)


def recall(settings):
    """Let hold again what the service changed in earlier boots. To be called before anything
    is made that `settings` decide about."""
    _remote(lambda remote: remote.recall(settings))


def _remote(call):
    from . import remote

    try:
        return call(remote)
    finally:
        package = __name__.rpartition(".")[0]
        memory.forget(remote.__name__, package + ".config", package + ".zones")
