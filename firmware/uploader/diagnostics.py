"""What went wrong since the boot, small enough for a heartbeat: counts, not stories.

The service knows a `diagnostics` object of its own chips' (`schema_version` 1); its full schema is
not public, so this one has its own fields beside the documented ones, and is left out for good
once the service refused it. Then it goes with the next recording's metadata instead.
"""

import json
from binascii import crc32

from micropython import const

from . import memory
from .journal import Durable

_KINDS = const(8)  # of each sort
_MAX_METADATA = const(512)  # bytes as JSON
_HOUR_MS = const(3600000)
_METERED = const(2048)  # bytes an hour over links whose bytes are charged for
_TROUBLE = ("retry", "storage", "error", "microphone", "quarantined", "memory", "gone", "token")


class Diagnostics:
    """Counts what is told of in events. `settings`, `store`; `device` (a Device) knows the
    `reset_cause` and the firmware's version. `slots` is how the files begin that tell which
    firmware runs (main.py)."""

    def __init__(self, settings, store, device, slots="/slot"):
        self._store = store
        self._kept = slots, settings.state + "/update"
        self._update = None  # of updates, once that was read
        self._device = device
        self._learned = Durable(settings.state + "/diag")
        self._counts = {"errors": {}, "links": {}, "roots": {}, "updates": {}}
        self._gaps = [0, 0]  # their count and their milliseconds
        self._least = {}
        self._mark = self._told = None  # hash of what the last report said, and of one sent
        self._hour_ms = 0
        self._hour_bytes = 0

    def note(self, event, info):
        """Count an event."""
        if event == "update":
            self._update = None
        if event == "gap":
            self._gaps = [self._gaps[0] + 1, self._gaps[1] + info["ms"]]
        elif event == "link" and info.get("code"):
            self._add("links", info["code"], 1)
        elif event == "certificate":
            root = info.get("root")
            self._add("roots", info.get("host", "refused"), root[:32] if root else 1)
        elif event == "update" and info["state"] in ("applied", "undone", "failed"):
            self._add("updates", info["state"], (info.get("version") or info["reason"])[:40])
        elif event in _TROUBLE and info.get("state") not in ("recovered", "rotated"):
            reason = info.get("reason") or ""
            self._add("errors", "http_" + reason[:3] if reason[:3].isdigit() else event, 1)

    def _add(self, sort, key, value):
        counts = self._counts[sort]
        if key in counts or len(counts) < _KINDS:
            both = isinstance(value, int) and isinstance(counts.get(key), int)
            counts[key[:40]] = counts[key] + value if both else value

    def kept(self):
        """What deep sleep would forget, for `resume`."""
        return [self._counts, self._gaps, self._told]

    def resume(self, kept):
        """Go on from what `kept` said."""
        self._counts, self._gaps, self._told = kept

    def sent(self):
        """The service took what `due` returned last."""
        self._told = self._mark

    def refused(self):
        """The service does not take it: never send it in a heartbeat again."""
        self._learned.value["off"] = 1
        self._store.space.with_reserve(self._learned.save)
        self.due(None)

    def due(self, link):
        """The object for a heartbeat over `link`, None if there is nothing new, no room, or
        the service does not take it."""
        report = self._report()
        about = [report[k] for k in sorted(report) if k not in _MOVING]
        self._mark = crc32(json.dumps(about).encode())
        if self._mark == self._told:
            return None
        if self._learned.value.get("off"):
            # Made small: what tells the least goes first.
            for name in ("roots", "least", "links", "update", "errors"):
                if len(json.dumps(report)) > _MAX_METADATA:
                    report.pop(name, None)
            self._store.aside["diagnostics"] = report
            self._told = self._mark
            return None
        if link and link.metered and not self._fits(len(json.dumps(report))):
            return None
        return report

    def _fits(self, size):
        now = self._store.clock.uptime_ms()
        if now - self._hour_ms >= _HOUR_MS:
            self._hour_ms = now
            self._hour_bytes = 0
        # The field's name and what JSON puts around it, too.
        if self._hour_bytes + size + 20 > _METERED:
            return False
        self._hour_bytes += size + 20
        return True

    def _report(self):
        now = memory.figures()
        for key in now:
            self._least[key] = min(now[key], self._least.get(key, now[key]))
        self._least.pop("alloc", None)
        report = {
            "schema_version": 1,
            "uptime_ms": self._store.clock.uptime_ms(),
            "firmware_build_id": self._device.firmware_version,
            "reset": self._device.reset_cause,
            "gaps": self._gaps[0],
            "gaps_ms": self._gaps[1],
            "least": dict(self._least),
        }
        for sort in self._counts:
            if self._counts[sort]:
                report[sort] = dict(self._counts[sort])
        if self._update is None:
            self._update = _update(*[Durable(path).value for path in self._kept])
        if self._update:
            report["update"] = self._update
        return report


def _update(slot, wanted):
    """The slot that runs, the version on trial or to be fetched, [version, outcome, reason] of the
    last update: of what updates.slots and updates.offer keep. {} where there never was one."""
    if not slot and not wanted:
        return {}
    found = {"slot": slot.get("try") or slot.get("run") or "/lib"}
    if slot.get("try"):
        found["trial"] = slot.get("version")
    if wanted.get("url"):
        found["pending"] = wanted.get("version")
    if slot.get("last"):
        found["last"] = slot["last"][:3]
    return found


_MOVING = ("uptime_ms", "least")  # what changes without anything having happened
