"""The device's heartbeat: what it reports, and what the answer may bring.

Device API, `POST /devices/me/heartbeat`. The envelope of remote commands, their
acknowledgement and the name of the flags field are undocumented: several shapes are taken, none
is acknowledged, and the flags are left out once the service refused them.
"""

from .clock import parse_iso
from .errors import ApiError
from .journal import Durable

COMMANDS = ("start_recording", "stop_recording")
# The settings that the service may change (its names for them, device API "Device settings").
_REMOTE = (
    "allow_roaming",
    "daily_data_limit_mb",
    "low_battery_threshold_percent",
    "network_preference",
    "off_peak_end",
    "off_peak_start",
    "pause_on_low_battery",
    "radio_idle_timeout_s",
    "timezone",
    "upload_delay_minutes",
)
_KEEP_IDS = 6


class Heartbeat:
    """Reports what `store`, `links` (a LinkManager) and `device` (a Device) know by `api`, and
    takes what the answer brings. `emit(event, **info)` tells of commands and settings."""

    def __init__(self, settings, store, api, links, device, emit):
        self._settings = settings
        self._store = store
        self._api = api
        self._links = links
        self._device = device
        self._emit = emit
        self._clock = store.clock
        self._done = Durable(settings.state + "/cmd")
        self._flags = True
        self._next_ms = 0

    def due_s(self):
        """Seconds until the next one is due; 0 if it is."""
        return max(0, self._next_ms - self._clock.uptime_ms()) / 1000

    async def beat(self):
        """Send one. Returns the commands to act on, pairs of a name (one of COMMANDS) and the
        command's dict, each command once. Raises ApiError, TransportError, StorageError."""
        self._next_ms = self._clock.uptime_ms() + self._settings.heartbeat_minutes * 60000
        facts = self.facts()
        fields = {k: facts[k] for k in facts if facts[k] is not None}
        if not self._flags:
            fields.pop("status_flags", None)
        try:
            answer = await self._api.heartbeat(fields)
        except ApiError as e:
            if e.status not in (400, 422) or "status_flags" not in fields:
                raise
            self._flags = False
            fields.pop("status_flags")
            answer = await self._api.heartbeat(fields)
        self._take_settings(answer.get("settings"))
        taken = [(_name(c), c) for c in _commands(answer) if self._take_command(c)]
        return taken

    def facts(self):
        """The request's fields; None where the device does not know."""
        settings, store, device = self._settings, self._store, self._device
        percent = device.battery() if device.battery else None
        link = self._links.current
        free, total = store.space.sizes()
        low = percent is not None and percent < settings.low_battery_threshold_percent
        full = free < settings.low_space_bytes
        pending = store.count_pending()
        connection = link.connection if link else None
        state = "uploading" if pending else "idle"
        if store.is_recording():
            state = "recording"
        elif full:
            state = "storageFull"
        elif low:
            state = "lowBattery"
        flags = 2 * low + 4 * full + 8 * (connection == "wifi") + 16 * (connection == "4g")
        return {
            "battery_percent": percent,
            "storage_used_mb": (total - free) // 1000000,
            "storage_total_mb": total // 1000000,
            "signal_strength_dbm": link.signal_dbm() if link else None,
            "firmware_version": device.firmware_version and device.firmware_version[:32],
            "device_name": settings.device_name[:64] or None,
            "device_state": state,
            "pending_recordings": pending,
            "status_flags": flags + 32 * bool(pending),
            "connection_type": [connection] if connection else None,
        }

    def _take_command(self, command):
        """True if the command is to be acted on: known, new, and not expired."""
        name = _name(command)
        ident = command.get("id")
        if name not in COMMANDS or not isinstance(ident, (str, int)):
            return False
        done = self._done.value.get("ids", [])
        ident = str(ident)[:64]
        if ident in done:
            return False
        # Done at most once: on flash before it is acted on.
        self._done.value["ids"] = (done + [ident])[-_KEEP_IDS:]
        self._store.space.with_reserve(self._done.save)
        expired = self._expired(command.get("expires_at"))
        self._emit("command", id=ident, name=name, state="expired" if expired else "taken")
        return not expired

    def _expired(self, expires_at):
        now = self._clock.now()
        if expires_at is None or now is None:
            return False
        try:
            return parse_iso(expires_at) <= now
        except ValueError:
            return False

    def _take_settings(self, wanted):
        if not isinstance(wanted, dict):
            return
        changed = _change(self._settings, wanted)
        if changed:
            kept = _kept(self._settings)
            kept.value.update(changed)
            self._store.space.with_reserve(kept.save)
            self._links.override()  # what was refused may be allowed now
            self._emit("settings", names=",".join(sorted(changed)))


def recall(settings):
    """Let hold again what the service changed in earlier boots. To be called before anything
    is made that `settings` decide about."""
    _change(settings, _kept(settings).value)


def _kept(settings):
    return Durable(settings.state + "/remote")


def _change(settings, wanted):
    """Let the wanted settings hold, as far as they are valid and the service may change them;
    the changed ones."""
    changed = {k: wanted[k] for k in _REMOTE if k in wanted and wanted[k] != settings.values.get(k)}
    if changed:
        from . import config

        try:
            changed = config.amend(settings, changed)
        finally:
            config.forget()
    return changed


def _name(command):
    return command.get("type") or command.get("command") or command.get("name")


def _commands(answer):
    """The commands of a heartbeat's answer, whichever way they are wrapped."""
    for key in ("commands", "remote_commands", "command"):
        value = answer.get(key)
        if isinstance(value, dict):
            value = [value]
        if isinstance(value, list):
            return [c for c in value if isinstance(c, dict)]
    return []
