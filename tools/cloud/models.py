"""What a device token's calls carry, as the API's reference has it: recordings, upload URLs,
heartbeats, tokens, errors. `management.py` has what an API key's calls carry beyond."""

import json
import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_serializer,
    model_validator,
)

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
_ISO = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def _iso(value):
    # pydantic alone also takes numbers, bare dates and times without a zone.
    if isinstance(value, datetime) or (isinstance(value, str) and _ISO.fullmatch(value)):
        return value
    raise ValueError("must be an ISO 8601 date and time with its zone")


def _whole(value):
    # JSON has one kind of number: 3.0 is a whole one (JSON Schema, "integer"); "3" and true
    # are none, though pydantic alone would take them.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("must be a whole number")
    return int(value) if value == value // 1 else value


def whole(**limits):
    """The type of a whole number within `limits` (pydantic's `ge`, `le`, `lt`)."""
    # The limits come first, or the OpenAPI document would not have them.
    return Annotated[int, Field(**limits), BeforeValidator(_whole)]


Timestamp = Annotated[datetime, BeforeValidator(_iso)]
Integer = whole()
Count = whole(ge=0)
Percent = whole(ge=0, le=100)
Number = Annotated[float, Field(strict=True, ge=0)]
Text = Annotated[str, Field(max_length=1000)]


def _encodable(value):
    # JSON can name lone surrogates, which no answer could repeat (RFC 8259 section 8.2).
    try:
        json.dumps(value).encode()
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ValueError("must be encodable as UTF-8")
    return value


Metadata = Annotated[dict[str, Any], AfterValidator(_encodable)]

RecordingStatus = Literal[
    "pending",
    "streaming",
    "uploaded",
    "processing",
    "completed",
    "failed",
    "integrity_failure",
]


class Request(BaseModel):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class CreateRecording(Request):
    """`POST /recordings`. `device_id` and `end_user_id` are an API key's to send (there
    `device_id` is required), a device token's are refused: they come from the token."""

    device_id: Text | None = None
    end_user_id: Text | None = None
    name: Text | None = None
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    metadata: Metadata = {}


def _of_type(kind: str) -> dict:
    # A default is documented for audio alone, and so is that the time may be left out.
    types = CONTENT_TYPES[kind]
    if kind == "audio":
        return {"properties": {"type": {"const": kind}, "content_type": {"enum": [*types, None]}}}
    fields = {"content_type": {"enum": types}, "captured_at": {"type": "string"}}
    return {"properties": {"type": {"const": kind}, **fields}, "required": list(fields)}


class UploadUrl(Request):
    """`POST /recordings/{id}/upload-url`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_of_type(t) for t in CONTENT_TYPES]})

    type: Literal["audio", "image", "video"]
    content_type: str | None = None
    file_size_bytes: Count | None = None
    captured_at: Timestamp | None = None

    @model_validator(mode="after")
    def _allowed(self):
        if self.type == "audio":
            self.content_type = self.content_type or "audio/opus"
        elif self.captured_at is None:
            raise ValueError("captured_at is required: it is optional for audio")
        if self.content_type not in CONTENT_TYPES[self.type]:
            raise ValueError(f"content_type must be one of {CONTENT_TYPES[self.type]}")
        return self


class Complete(Request):
    """`POST /recordings/{id}/upload-complete`: the body is optional, and so is its field."""

    content_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


DeviceState = Literal[
    "idle", "recording", "syncing", "uploading", "charging", "lowBattery", "storageFull", "error"
]


class Heartbeat(Request):
    """`POST /devices/me/heartbeat`. What `diagnostics` holds is not public: any object."""

    battery_percent: Percent | None = None
    storage_used_mb: Number | None = None
    storage_total_mb: Number | None = None
    signal_strength_dbm: Integer | None = None
    firmware_version: Annotated[str, Field(max_length=32)] | None = None
    device_name: Annotated[str, Field(max_length=64)] | None = None
    device_state: DeviceState | None = None
    pending_recordings: Count | None = None
    status_flags: whole(ge=0, lt=64) | None = None
    connection_type: list[Literal["wifi", "4g", "ble"]] | None = None
    diagnostics: Metadata | None = None


class Beat(BaseModel):
    """A heartbeat as it is kept: when it came and what it said."""

    at: datetime
    said: Heartbeat


class Media(BaseModel):
    """One of a recording's files."""

    id: str
    type: str
    content_type: str
    status: Literal["pending", "uploaded"] = "pending"
    file_size_bytes: int | None = None
    captured_at: datetime | None = None


class Recording(BaseModel):
    """A recording, as the service answers it. The two `content_sha256` fields are there only
    once a hash was declared."""

    id: str
    device_id: str
    end_user_id: str | None
    name: str | None = None
    status: RecordingStatus = "pending"
    duration_ms: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    transcription_id: str | None = None
    media: list[Media] = []
    metadata: Metadata = {}
    created_at: datetime
    content_sha256: str | None = None
    content_sha256_verified_at: datetime | None = None

    @model_serializer(mode="wrap")
    def _as_the_plain_flow_has_it(self, serialize):
        fields = serialize(self)
        if self.content_sha256 is None:
            fields.pop("content_sha256", None)
            fields.pop("content_sha256_verified_at", None)
        return fields


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
