"""Devices: registered, bound to an end user, configured, heard from."""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from .commands import Commands, wrap
from .errors import Refusal
from .firmware import Firmware
from .management import (
    ActiveRecording,
    BoundDevice,
    Config,
    CreateDevice,
    Device,
    DeviceSettings,
    RecordingState,
    State,
)
from .models import Heartbeat, Refreshed, Token
from .settings import DEFAULTS, Settings, merge
from .shared import Shared
from .state import new_id

_STALE = timedelta(minutes=15)  # service-today: "older than 15 minutes count as stale"


class _Kept(BaseModel):
    """A dict as a document."""

    value: dict[str, Any] = {}


class Devices:
    """Every device, and what its heartbeats bring and get."""

    def __init__(self, shared: Shared, commands: Commands, firmware: Firmware):
        self._shared = shared
        self._state = shared.state
        self._commands = commands
        self._firmware = firmware

    def create(self, wanted: CreateDevice) -> tuple[Device, bool]:
        """Register a serial number: the device, and whether it is new."""
        with self._shared.lock:
            for device in self.all():
                if device.serial_number == wanted.serial_number:
                    return device, False
            fields = wanted.model_dump(exclude_none=True)
            device = self._add(new_id("dev"), **fields, model=wanted.device_type)
        return self.get(device.id), True

    def ensure(self, device_id: str, end_user_id: str):
        """Have this device, bound to this end user."""
        with self._shared.lock:
            device = self._state.get("device", device_id, Device)
            if device is None:
                device = self._add(device_id, serial_number=device_id)
            device.status, device.end_user_id = "bound", end_user_id
            device.bound_at = device.bound_at or self._shared.now()
            self._save(device)

    def all(self) -> list[Device]:
        """Every device, in the order in which they came."""
        return [self._seen(d) for d in self._state.all("device", Device)]

    def get(self, device_id: str) -> Device:
        """A device with all its settings and what its last heartbeat said. Raises 404."""
        device = self._state.get("device", device_id, Device)
        if device is None:
            raise Refusal(404, "No such device.")
        return self._seen(device)

    def bind(self, device_id: str, end_user_id: str) -> BoundDevice:
        """Bind a device and give it a token. Raises 409 if it is bound: unbind it first."""
        with self._shared.lock:
            device = self.get(device_id)
            if device.status == "bound":
                raise Refusal(409, "The device is bound; unbind it first.")
            device.status, device.end_user_id = "bound", end_user_id
            device.bound_at = self._shared.now()
            self._save(device)
            token = self._state.issue_token(device_id, end_user_id)
        return BoundDevice(**self.get(device_id).model_dump(), device_token=token)

    def unbind(self, device_id: str) -> Device:
        """Release a device, which revokes its tokens; nothing if it is not bound."""
        with self._shared.lock:
            device = self.get(device_id)
            if device.status == "bound":
                device.status, device.end_user_id, device.bound_at = "unbound", None, None
                self._save(device)
                self._state.revoke_tokens(device_id)
        return self.get(device_id)

    def refresh(self, device_id: str, token: Token) -> Refreshed:
        """Rotate a device's token: no other is valid from then on."""
        if device_id != token.device_id:
            raise Refusal(403, "The token belongs to another device.")
        with self._shared.lock:
            self._state.revoke_tokens(device_id)
            self._state.set_token_state(token.token, "rotated")
            fresh = self._state.issue_token(token.device_id, token.end_user_id)
        return Refreshed(device_token=fresh)

    def state(self, device_id: str) -> State:
        """What a device does now, from its heartbeats and commands."""
        device = self.get(device_id)
        said = device.recording_state
        active = bool(said) and said.device_state == "recording"
        recording = ActiveRecording(active=active)
        if active:
            recording.started_at = self._recording_since(device_id)
            recording.initiated_by = "local"
            for command in self._commands.of(device_id):
                if command.type == "start_recording" and command.executed_at:
                    if command.executed_at >= recording.started_at:
                        recording.initiated_by = "remote"
                    break
        last = device.last_heartbeat_at
        return State(
            device_id=device_id,
            online=last is not None and self._shared.now() - last < _STALE,
            recording=recording,
            battery_percent=device.battery_percent,
            storage_used_mb=device.storage_used_mb,
            storage_total_mb=device.storage_total_mb,
            last_heartbeat_at=last,
        )

    def _recording_since(self, device_id):
        since = None
        for beat in reversed(self._state.beats(device_id)):
            if beat.said.device_state not in (None, "recording"):
                break
            since = beat.at
        return since

    def update(self, device_id: str, **fields) -> Device:
        """Change `firmware_version` or `metadata`."""
        with self._shared.lock:
            device = self.get(device_id)
            for name, value in fields.items():
                if value is not None:
                    setattr(device, name, value)
            self._save(device)
        return self.get(device_id)

    def settings(self, device_id: str) -> DeviceSettings:
        """All settings that hold for a device."""
        device = self.get(device_id)
        return DeviceSettings(
            device_id=device_id, settings=device.settings, updated_at=device.updated_at
        )

    def change_settings(self, device_id: str, change: Settings) -> DeviceSettings:
        """Merge some settings in; the next heartbeat's answer carries them."""
        return self._change(device_id, self._own(device_id), _said(change))

    def replace_settings(self, device_id: str, wanted: Settings) -> DeviceSettings:
        """Set the device's settings to these and otherwise to what is inherited."""
        wanted = _said(wanted)
        everything = merge(merge(DEFAULTS, self.project_settings()), wanted)
        return self._change(device_id, {}, wanted, everything)

    def _change(self, device_id, base, change, told=None):
        with self._shared.lock:
            device = self.get(device_id)
            self._state.put("own_settings", device_id, _Kept(value=merge(base, change)))
            self.push(device_id, told or change)
            self._save(device)
        return self.settings(device_id)

    def push(self, device_id: str, raw: dict):
        """Have the next heartbeat's answer carry these settings, as they are."""
        due = self._state.get("push", device_id, _Kept) or _Kept()
        self._state.put("push", device_id, _Kept(value=merge(due.value, raw)))

    def project_settings(self) -> dict:
        """What the project sets for all its devices."""
        kept = self._state.get("project_settings", "", _Kept)
        return kept.value if kept else {}

    def set_project_settings(self, settings: Settings):
        """Set what the project sets; every device that does not set it itself is told."""
        said = _said(settings)
        self._state.put("project_settings", "", _Kept(value=said))
        for device in self.all():
            self.push(device.id, merge(said, self._own(device.id)))

    def config(self, device_id: str) -> Config:
        """What holds for a device, and which level said what."""
        return Config(
            device_id=device_id,
            settings=self.get(device_id).settings,
            levels={
                "defaults": DEFAULTS,
                "project": self.project_settings(),
                "device": self._own(device_id),
            },
        )

    def beat(self, device_id: str, said: Heartbeat) -> dict:
        """Take a heartbeat; its answer: commands, settings and a manifest where there are any.
        Raises 400 or 422 for a field that the service is set not to know."""
        behaviour = self._shared.behaviour
        for name in ("diagnostics", "status_flags"):
            meets = getattr(behaviour, name)
            if getattr(said, name) is not None and meets != "accept":
                raise Refusal(int(meets), f"{name}: unknown field", field=name)
        with self._shared.lock:
            self._state.add_beat(device_id, self._shared.now(), said)
            self.update(device_id, firmware_version=said.firmware_version)
            self._commands.observe(device_id, said)
            self._firmware.observe(device_id, said.firmware_version)
            answer = {"status": "ok"}
            answer.update(wrap(self._commands.deliver(device_id), behaviour.commands))
            answer.update(self._firmware.deliver(device_id))
            due = self._state.get("push", device_id, _Kept) or _Kept()
            self._state.delete("push", device_id)
            told = due.value
            if behaviour.settings_always:
                told = merge(self.get(device_id).settings, told)
            if told:
                nested = behaviour.settings == "device"
                answer |= {"device": {"settings": told}} if nested else {"settings": told}
        return answer

    def _add(self, device_id, **fields):
        now = self._shared.now()
        device = Device(id=device_id, created_at=now, updated_at=now, **fields)
        self._state.put("device", device_id, device)
        return device

    def _save(self, device):
        device.updated_at = self._shared.now()
        self._state.put("device", device.id, device)

    def _own(self, device_id):
        kept = self._state.get("own_settings", device_id, _Kept)
        return kept.value if kept else {}

    def _seen(self, device):
        device.settings = merge(merge(DEFAULTS, self.project_settings()), self._own(device.id))
        beats = self._state.beats(device.id, 1)
        if beats:
            said = beats[0].said
            device.last_heartbeat_at = beats[0].at
            for name in ("battery_percent", "storage_used_mb", "storage_total_mb"):
                setattr(device, name, getattr(said, name))
            device.signal_strength_dbm = said.signal_strength_dbm
            device.recording_state = RecordingState(
                device_state=said.device_state,
                pending_recordings=said.pending_recordings,
                flags=said.status_flags,
                connection_type=said.connection_type or [],
            )
        return device


def _said(settings: Settings) -> dict:
    # `off_peak_hours: null` means none; what was not said at all is left out.
    return settings.model_dump(exclude_unset=True)
