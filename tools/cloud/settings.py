"""A device's settings: nested groups, deep-merged, partial.

Public reference, "Update Device" and "Patch Device Settings" (names and examples), device
management guide (ranges and defaults). Every field may be left out: what is missing stays.
"""

import re
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from .models import Count, Percent, whole


class Group(BaseModel):
    """Unknown names are refused, so that a misspelt one is seen; so is null, but for
    `off_peak_hours`: what it would mean is undocumented. (A default is not validated.)"""

    model_config = ConfigDict(extra="forbid", strict=True)


def _clock_time(value: str) -> str:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        raise ValueError("must be HH:MM")
    return value


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("must be an IANA time zone")
    return value


def _idle(value: int) -> int:
    if value and value < 10:
        raise ValueError("must be 0 (always on) or 10-2540 seconds")
    return value


# The patterns are for the OpenAPI document; the validators say what is wrong in words.
ClockTime = Annotated[
    str,
    AfterValidator(_clock_time),
    Field(json_schema_extra={"pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}),
]
Zone = Annotated[
    str,
    AfterValidator(_zone),
    Field(json_schema_extra={"enum": sorted(available_timezones())}),
]
Idle = Annotated[
    whole(ge=0, le=2540),
    AfterValidator(_idle),
    Field(json_schema_extra={"anyOf": [{"const": 0}, {"minimum": 10, "maximum": 2540}]}),
]


class Radios(Group):
    """Which radios are on; Bluetooth always is."""

    wifi: bool = None
    cellular: bool = None


class Power(Group):
    """Seconds without traffic after which a radio goes off: 10-2540, 0 = never. Whether a
    heartbeat may wake it: that name is *unknown*, the guide only says that there is one."""

    wifi_idle_timeout_seconds: Idle = None
    cellular_idle_timeout_seconds: Idle = None
    wifi_heartbeat_enabled: bool = None
    cellular_heartbeat_enabled: bool = None


class Connection(Group):
    """The `connection` group."""

    enabled_connections: Radios = None
    upload_network_preference: Annotated[
        list[Literal["wifi", "ble", "cellular"]], Field(max_length=3)
    ] = None
    power_management: Power = None


class OffPeak(Group):
    """Hours of the day, in a zone, in which uploads happen."""

    enabled: bool
    start: ClockTime
    end: ClockTime
    timezone: Zone


class Upload(Group):
    """The `upload` group. `off_peak_hours` null: none."""

    mode: Literal["ble_only", "auto", "wifi_preferred", "4g_preferred", "wifi_only", "4g_only"] = (
        None
    )
    streaming_enabled: bool = None
    streaming_chunk_kb: whole(ge=64, le=1024) = None
    streaming_flush_interval_seconds: whole(ge=0, le=255) = None
    upload_delay_minutes: Count = None
    daily_data_limit_mb: whole(ge=0, le=10000) = None
    allow_roaming: bool = None
    pause_on_low_battery: bool = None
    off_peak_hours: OffPeak | None = None


class Audio(Group):
    """The `audio` group."""

    codec: Literal["opus", "aac", "wav"] = None
    sample_rate_khz: Literal[16, 24, 48] = None
    bitrate_kbps: whole(ge=8, le=320) = None


class PowerGroup(Group):
    """The `power` group."""

    auto_sleep_minutes: Count = None
    low_battery_threshold_percent: Percent = None


class Settings(Group):
    """All groups."""

    connection: Connection = None
    upload: Upload = None
    audio: Audio = None
    power: PowerGroup = None


DEFAULTS = {
    "connection": {
        "enabled_connections": {"wifi": True, "cellular": True},
        "upload_network_preference": ["wifi", "ble", "cellular"],
        "power_management": {
            "wifi_idle_timeout_seconds": 180,
            "cellular_idle_timeout_seconds": 180,
        },
    },
    "upload": {
        "mode": "auto",
        "streaming_enabled": False,
        "streaming_chunk_kb": 256,
        "streaming_flush_interval_seconds": 0,
        "upload_delay_minutes": 0,
        "daily_data_limit_mb": 0,
        "allow_roaming": False,
        "pause_on_low_battery": True,
        "off_peak_hours": None,
    },
    "audio": {"codec": "opus", "sample_rate_khz": 16, "bitrate_kbps": 32},
    "power": {"auto_sleep_minutes": 30, "low_battery_threshold_percent": 20},
}


def merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`base` with `change` merged in, group by group; lists and null replace what was there."""
    merged = dict(base)
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged
