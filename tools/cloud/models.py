"""The device API's requests and answers, as its reference has them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

CONTENT_TYPES = {
    "audio": [
        "audio/opus",
        "audio/wav",
        "audio/mpeg",
        "audio/mp4",
        "audio/webm",
        "audio/ogg",
        "audio/flac",
    ],
    "image": ["image/jpeg", "image/png"],
    "video": ["video/mp4"],
}


class Request(BaseModel):
    """A request body: unknown fields are refused, and so are a device token's forbidden ones."""

    model_config = ConfigDict(extra="forbid")


class CreateRecording(Request):
    """`POST /recordings` by a device token."""

    name: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    metadata: dict[str, Any] = {}


class UploadUrl(Request):
    """`POST /recordings/{id}/upload-url`."""

    type: Literal["audio", "image", "video"]
    content_type: str | None = None
    file_size_bytes: Annotated[int, Field(ge=0)] | None = None
    captured_at: datetime | None = None

    @model_validator(mode="after")
    def _allowed(self):
        if self.content_type is None:
            self.content_type = CONTENT_TYPES[self.type][0]
        if self.content_type not in CONTENT_TYPES[self.type]:
            raise ValueError(f"content_type must be one of {CONTENT_TYPES[self.type]}")
        return self


DeviceState = Literal[
    "idle", "recording", "syncing", "uploading", "charging", "lowBattery", "storageFull", "error"
]


class Heartbeat(Request):
    """`POST /devices/me/heartbeat`."""

    battery_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    storage_used_mb: Annotated[float, Field(ge=0)] | None = None
    storage_total_mb: Annotated[float, Field(ge=0)] | None = None
    signal_strength_dbm: int | None = None
    firmware_version: Annotated[str, Field(max_length=32)] | None = None
    device_name: Annotated[str, Field(max_length=64)] | None = None
    device_state: DeviceState | None = None
    pending_recordings: Annotated[int, Field(ge=0)] | None = None
    status_flags: Annotated[int, Field(ge=0, lt=64)] | None = None
    connection_type: list[Literal["wifi", "4g", "ble"]] | None = None


class Command(BaseModel):
    """A remote command in a heartbeat's answer; the envelope is undocumented, and ours."""

    id: str
    type: Literal["start_recording", "stop_recording"]
    params: dict[str, Any] = {}
    grant_token: str
    expires_at: datetime


class Media(BaseModel):
    """One of a recording's files."""

    id: str
    type: str
    content_type: str
    status: Literal["pending", "uploaded"] = "pending"
    file_size_bytes: int | None = None
    captured_at: datetime | None = None


class Recording(BaseModel):
    """A recording, as the service answers it."""

    id: str
    device_id: str
    end_user_id: str
    name: str | None = None
    status: Literal["pending", "uploaded", "processing", "completed", "failed"] = "pending"
    duration_ms: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    transcription_id: str | None = None
    media: list[Media] = []
    metadata: dict[str, Any] = {}
    created_at: datetime


class Grant(BaseModel):
    """The answer of upload-url."""

    media_id: str
    upload_url: str
    expires_at: datetime
    headers: dict[str, str]


class Token(BaseModel):
    """A device token and whose it is."""

    token: str
    device_id: str
    end_user_id: str
    state: Literal["active", "rotated", "revoked"] = "active"


class Refreshed(BaseModel):
    """The answer of token/refresh."""

    device_token: str


class ErrorBody(BaseModel):
    """What went wrong."""

    code: str
    message: str
    details: dict[str, Any] | None = None


class ErrorAnswer(BaseModel):
    """The error envelope."""

    error: ErrorBody
