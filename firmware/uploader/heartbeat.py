"""The device's heartbeat: what it reports, and what the answer may bring.

Device API, `POST /devices/me/heartbeat`. The envelope of remote commands, their
acknowledgement and the name of the flags field are undocumented: several shapes are taken, none
is acknowledged, and the flags are left out once the service refused them.
"""

from .clock import parse_iso
from .durable import Durable
from .errors import ApiError

COMMANDS = ("start_recording", "stop_recording")
# The settings that the service may change (its names for them, device API "Device settings").
_SETTINGS = (
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
    """Of an Uploader `up`. `on_command(name, command)` gets each remote command once;
    `battery` and `version` as the Uploader was given them."""

    def __init__(self, up, on_command=None, battery=None, version=None):
        self._up = up
        self._clock = up.clock
        self._on_command = on_command
        self._battery = battery
        self._version = version
        self._done = Durable(up.config.state + "/cmd")
        self._kept = Durable(up.config.state + "/remote")
        self._flags = True
        self._next_ms = 0
        self._apply(self._kept.value)

    def due_s(self):
        """Seconds until the next one is due; 0 if it is."""
        return max(0, self._next_ms - self._clock.uptime_ms()) / 1000

    async def beat(self):
        """Send one. Raises ApiError, TransportError, OSError."""
        api = self._up.api
        self._next_ms = self._clock.uptime_ms() + self._up.config.heartbeat_minutes * 60000
        facts = self.facts()
        fields = {k: facts[k] for k in facts if facts[k] is not None}
        if not self._flags:
            fields.pop("status_flags", None)
        try:
            answer = await api.heartbeat(fields)
        except ApiError as e:
            if e.status not in (400, 422) or "status_flags" not in fields:
                raise
            self._flags = False
            fields.pop("status_flags")
            answer = await api.heartbeat(fields)
        self._take_settings(answer.get("settings"))
        for command in _commands(answer):
            self._take_command(command)

    def facts(self):
        """The request's fields; None where the device does not know."""
        up = self._up
        percent = self._battery() if self._battery else None
        link = up.network.current
        free, total = up.store.space()
        low = percent is not None and percent < up.config.low_battery_threshold_percent
        full = free < up.config.low_space_bytes
        pending = up.store.count_pending()
        connection = link.connection if link else None
        state = "uploading" if pending else "idle"
        if up.store.is_recording():
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
            "firmware_version": self._version and self._version[:32],
            "device_name": up.config.device_name[:64] or None,
            "device_state": state,
            "pending_recordings": pending,
            "status_flags": flags + 32 * bool(pending),
            "connection_type": [connection] if connection else None,
        }

    def _take_command(self, command):
        name = command.get("type") or command.get("command") or command.get("name")
        ident = command.get("id")
        if name not in COMMANDS or not isinstance(ident, (str, int)):
            return
        done = self._done.value.get("ids", [])
        ident = str(ident)[:64]
        if ident in done:
            return
        # Done at most once: on flash before it is acted on.
        self._done.value["ids"] = (done + [ident])[-_KEEP_IDS:]
        self._done.save()
        if self._expired(command.get("expires_at")):
            self._up.emit("command", id=ident, name=name, state="expired")
            return
        self._up.emit("command", id=ident, name=name, state="taken")
        if self._on_command:
            self._on_command(name, command)

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
        changed = self._apply(wanted)
        if changed:
            self._kept.value.update(changed)
            self._kept.save()
            self._up.emit("settings", names=",".join(sorted(changed)))

    def _apply(self, wanted):
        """Make the wanted settings hold, as far as they are valid; the changed ones."""
        values = self._up.config.values
        changed = {k: wanted[k] for k in _SETTINGS if k in wanted and wanted[k] != values.get(k)}
        if not changed:
            return None
        from .config import amend

        changed = amend(self._up.config, changed)
        if changed:
            self._up.network.override()  # what was refused may be allowed now
        return changed


def _commands(answer):
    """The commands of a heartbeat's answer, whichever way they are wrapped."""
    for key in ("commands", "remote_commands", "command"):
        value = answer.get(key)
        if isinstance(value, dict):
            value = [value]
        if isinstance(value, list):
            return [c for c in value if isinstance(c, dict)]
    return []
