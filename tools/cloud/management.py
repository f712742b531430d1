"""What an API key's calls carry: devices, commands, downloads, firmware, webhooks.

Shapes are the public API reference's (docs.bota.dev, "Devices", "Recordings", "Uploads",
"Webhooks"); where its pages are silent, that is said.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .models import DeviceState, Metadata, Recording, Request, Text, whole
from .settings import Settings

Version = Annotated[str, Field(min_length=1, max_length=32)]
CommandType = Literal["start_recording", "stop_recording", "trigger_upload", "factory_reset"]
CommandStatus = Literal["pending", "delivered", "executed", "failed", "expired", "cancelled"]
AssignmentStatus = Literal["pending", "delivered", "applied", "failed", "cancelled"]


class CreateDevice(Request):
    """`POST /devices`: registers a serial number, or finds it."""

    serial_number: Annotated[str, Field(min_length=1, max_length=200)]
    device_type: Text | None = None
    firmware_version: Version | None = None
    metadata: Metadata | None = None


class UpdateDevice(Request):
    """`PATCH /devices/{id}`."""

    firmware_version: Version | None = None
    metadata: Metadata | None = None
    settings: Settings | None = None


class Bind(Request):
    """`POST /devices/{id}/bind`."""

    end_user_id: Annotated[str, Field(min_length=1, max_length=200)]


class RecordingState(BaseModel):
    """What a device's last heartbeat said it does."""

    device_state: DeviceState | None
    pending_recordings: int | None
    flags: int | None
    connection_type: list[str]


class Device(BaseModel):
    """A device. `settings` are all of them, defaults included. The reference's examples name
    its kind `device_type` in some answers and `model` in others: both are there."""

    id: str
    serial_number: str
    device_type: str | None = None
    model: str | None = None
    firmware_version: str | None = None
    status: Literal["unbound", "bound"] = "unbound"
    end_user_id: str | None = None
    battery_percent: int | None = None
    storage_used_mb: float | None = None
    storage_total_mb: float | None = None
    signal_strength_dbm: int | None = None
    last_heartbeat_at: datetime | None = None
    recording_state: RecordingState | None = None
    metadata: Metadata = {}
    settings: dict[str, Any] = {}
    created_at: datetime
    bound_at: datetime | None = None
    updated_at: datetime


class BoundDevice(Device):
    """The answer of bind: the one time that the token is shown."""

    device_token: str


class ActiveRecording(BaseModel):
    """Whether a device records. Heartbeats name no recording, so `recording_id` stays null."""

    active: bool
    recording_id: str | None = None
    started_at: datetime | None = None
    initiated_by: Literal["local", "remote"] | None = None


class State(BaseModel):
    """`GET /devices/{id}/state`."""

    device_id: str
    online: bool
    recording: ActiveRecording
    battery_percent: int | None
    storage_used_mb: float | None
    storage_total_mb: float | None
    last_heartbeat_at: datetime | None


class DeviceSettings(BaseModel):
    """The answers of `/devices/{id}/settings`."""

    device_id: str
    settings: dict[str, Any]
    updated_at: datetime


class Config(BaseModel):
    """`GET /devices/{id}/config`: what holds for a device, and which level said what. *Path
    and shape unknown*: only that configuration is hierarchical is documented."""

    device_id: str
    settings: dict[str, Any]
    levels: dict[Literal["defaults", "project", "device"], dict[str, Any]]


class Params(Request):
    """A command's parameters; those of `start_recording` only."""

    max_duration_sec: whole(ge=1, le=86400) = 3600
    upload_immediately: Annotated[bool, Field(strict=True)] = True
    metadata: Metadata | None = None


class CreateCommand(Request):
    """`POST /devices/{id}/commands`. That a life in seconds can be given is documented, its
    name is *unknown*: `ttl_seconds` here."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"type": {"not": {"const": "start_recording"}}}},
            "then": {"properties": {"params": {"maxProperties": 0}}},
        }
    )

    type: CommandType
    params: Params | None = None
    idempotency_key: Text | None = None
    ttl_seconds: whole(ge=1, le=86400) = 300

    @model_validator(mode="after")
    def _only_a_start_has_params(self):
        if self.params and self.params.model_fields_set and self.type != "start_recording":
            raise ValueError(f"{self.type} takes no params")
        return self


class Command(BaseModel):
    """A command and its life."""

    id: str
    device_id: str
    type: CommandType
    status: CommandStatus = "pending"
    params: dict[str, Any] = {}
    grant_token: str
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    expires_at: datetime
    delivered_at: datetime | None = None
    executed_at: datetime | None = None
    created_at: datetime


class Commands(BaseModel):
    """A page of commands, newest first."""

    data: list[Command]
    has_more: bool
    next_cursor: str | None


class Devices(BaseModel):
    """A page of devices."""

    data: list[Device]
    has_more: bool


class Recordings(BaseModel):
    """A page of recordings, newest first."""

    data: list[Recording]
    has_more: bool


class DownloadUrl(Request):
    """`POST /recordings/{id}/download-url`."""

    media_id: Text


class Download(BaseModel):
    """A pre-signed URL to fetch a file with."""

    download_url: str
    media_id: str
    content_type: str
    file_size_bytes: int
    expires_at: datetime


class Release(BaseModel):
    """A firmware release. *Shape unknown*: documented are its version and its `.bin`, which are
    handed in at the portal; size and CRC-32 are parts of the manifest."""

    id: str
    version: str
    size_bytes: int
    crc32: str
    created_at: datetime


class Releases(BaseModel):
    """Every release."""

    data: list[Release]


class Assign(Request):
    """`POST /devices/{id}/firmware`."""

    release_id: Text


class Assignment(BaseModel):
    """A release assigned to a device. *Shape unknown* but for its states."""

    id: str
    device_id: str
    release_id: str
    version: str
    status: AssignmentStatus = "pending"
    created_at: datetime


class Assignments(BaseModel):
    """A device's assignments, newest first."""

    data: list[Assignment]


EventType = Literal["recording.created", "recording.uploaded", "*"]


class CreateWebhook(Request):
    """`POST /webhook-endpoints`. The reference asks for HTTPS; here HTTP does on loopback."""

    url: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?$")]
    events: Annotated[list[EventType], Field(min_length=1, max_length=3)]
    description: Text | None = None
    metadata: Metadata | None = None


class Webhook(BaseModel):
    """A registered URL."""

    id: str
    url: str
    events: list[EventType]
    description: str | None = None
    status: Literal["enabled"] = "enabled"
    metadata: Metadata | None = None
    created_at: datetime


class NewWebhook(Webhook):
    """The answer of the registration: the one time that the secret is shown."""

    secret: str


class Event(BaseModel):
    """What a webhook is sent."""

    id: str
    type: EventType
    created_at: datetime
    data: dict[str, Any]


class Deleted(BaseModel):
    """The answer of a deletion. *Shape unknown*."""

    id: str
    deleted: Literal[True] = True
