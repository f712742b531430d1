"""Sending a heartbeat, and what its answer brings: loaded for one, with the Heartbeat as `own`."""

import asyncio
import json
from binascii import crc32

from . import heartbeat, memory
from .errors import ApiError

_UNKNOWN = (400, 422)
_OFFERS = ("firmware", "ota", "firmware_update", "manifest")
_ENVELOPES = ("commands", "remote_commands", "command", "data")


async def beat(own, api):
    """As Heartbeat.beat."""
    pending = 0
    for entry in own.store.entries():
        pending += own.store.waits(entry)
        await asyncio.sleep_ms(0)  # each is read, and a recording may be under way
    known = facts(own, pending)
    fields = {k: known[k] for k in known if known[k] is not None}
    if not own.flags:
        fields.pop("status_flags")
    report = own.diagnostics and own.diagnostics.due(own.links.current)
    if report:
        fields["diagnostics"] = report
    answer = await _sent(own, api, fields)
    for name in _OFFERS:
        if isinstance(answer.get(name), dict):
            own.offer = answer[name]
    _keep_settings(own, answer)
    return _take_commands(own, answer)


async def _sent(own, api, fields):
    try:
        answer = await api.heartbeat(fields)
    except ApiError as e:
        return await _without(own, api, fields, e)
    own.failures = 0
    if "diagnostics" in fields:
        own.diagnostics.sent()
    return answer


async def _without(own, api, fields, error):
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
            own.diagnostics.refused()
        else:
            own.flags = False
        return answer
    raise error


def facts(own, pending=None):
    """As Heartbeat.facts; `pending` if it was counted already."""
    settings, store, device = own.settings, own.store, own.device
    percent = device.battery() if device.battery else None
    link = own.links.current
    free, total = store.space.sizes()
    low = percent is not None and percent < settings.low_battery_threshold_percent
    full = free < settings.low_space_bytes
    charging = bool(device.charging and device.charging())
    pending = store.count_pending() if pending is None else pending
    connection = link.connection if link else None
    flags = charging + 2 * low + 4 * full + 8 * (connection == "wifi")
    flags += 16 * (connection == "4g") + 32 * bool(pending and not own.deferred)
    return {
        "battery_percent": percent,
        "storage_used_mb": (total - free) // 1000000,
        "storage_total_mb": total // 1000000,
        "signal_strength_dbm": link.signal_dbm() if link else None,
        "firmware_version": device.firmware_version and device.firmware_version[:32],
        "device_name": settings.device_name[:64] or None,
        "device_state": _state(own, full, low, charging, pending),
        "pending_recordings": pending,
        "status_flags": flags,
        "connection_type": [connection] if connection else None,
    }


def _state(own, full, low, charging, pending):
    # What the device does goes before what it is; what needs somebody's hand before both.
    if own.store.is_recording():
        return "recording"
    if full:
        return "storageFull"
    if low and not charging:
        return "lowBattery"
    if own.trouble:
        return "error"
    if own.waiting:
        return "syncing"
    if pending and not own.deferred:
        return "uploading"
    return "charging" if charging else "idle"


def _take_commands(own, answer):
    if not [key for key in _ENVELOPES if answer.get(key)]:
        return []
    from . import commands

    try:
        return commands.take(answer, own.settings, own.store, own.emit)
    finally:
        memory.forget(commands.__name__)


def _keep_settings(own, answer):
    wanted = answer.get("settings")
    if wanted is None and isinstance(answer.get("device"), dict):
        wanted = answer["device"].get("settings")
    if isinstance(wanted, dict):
        own.want(wanted, crc32(json.dumps(wanted).encode()))


def settle(own):
    """As Heartbeat.settle, with room made."""
    wanted, own.wanted = own.wanted, None
    with_reserve = own.store.space.with_reserve
    changed, ignored = heartbeat.remote(lambda r: r.take(own.settings, wanted, with_reserve))
    if changed:
        own.links.override()  # what was refused may be allowed now
    if changed or ignored:
        names = ",".join(sorted(changed))
        own.emit("settings", names=names, ignored=",".join(sorted(ignored)) or None)
    return bool(changed)
