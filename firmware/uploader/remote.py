"""Settings that the service changes: nested and partial as it sends them, or by flat names.

Device API, "Device settings", and the service's guides: groups `connection`, `upload`, `audio`,
`power`, whose names differ from those of the configuration. What was taken is kept by the leaves'
names, so that a later answer may bring one leaf alone; what follows for the configuration is
derived from all of them each time. null takes a setting back to what `config.json` says.

It is needed seldom: whoever loads it lets it go again.
"""

import json

from . import config
from .errors import ConfigError
from .journal import Durable

# The service's names (with their group where alone they say too little) and the leaf that each
# is. As text, because MicroPython keeps names that stand in code for ever.
LEAVES = """{
"allow_roaming": "allow_roaming",
"auto_sleep_minutes": "auto_sleep_minutes",
"cellular_heartbeat_enabled": "cellular_heartbeat_enabled",
"cellular_idle_timeout_seconds": "cellular_idle_timeout_s",
"codec": "audio_codec",
"daily_data_limit_mb": "daily_data_limit_mb",
"enabled_connections.cellular": "cellular_enabled",
"enabled_connections.wifi": "wifi_enabled",
"low_battery_threshold_percent": "low_battery_threshold_percent",
"mode": "mode",
"network_preference": "network_preference",
"off_peak_end": "off_peak_end",
"off_peak_hours.enabled": "off_peak_enabled",
"off_peak_hours.end": "off_peak_end",
"off_peak_hours.start": "off_peak_start",
"off_peak_start": "off_peak_start",
"pause_on_low_battery": "pause_on_low_battery",
"radio_idle_timeout_s": "radio_idle_timeout_s",
"sample_rate_khz": "sample_rate_khz",
"streaming_chunk_kb": "streaming_chunk_kb",
"streaming_enabled": "streaming_enabled",
"streaming_flush_interval_seconds": "streaming_flush_interval_seconds",
"timezone": "timezone",
"upload_delay_minutes": "upload_delay_minutes",
"upload_network_preference": "network_preference",
"wifi_heartbeat_enabled": "wifi_heartbeat_enabled",
"wifi_idle_timeout_seconds": "wifi_idle_timeout_s"
}"""
# Leaves that are no key of the configuration, and what they may be: [least, most] or a choice.
_RANGES = """{
"auto_sleep_minutes": [0, 1440],
"streaming_chunk_kb": [64, 1024],
"streaming_flush_interval_seconds": [0, 255]
}"""
_ORDERS = """{
"auto": null,
"wifi_preferred": ["wifi", "cellular"],
"4g_preferred": ["cellular", "wifi"],
"wifi_only": ["wifi"],
"4g_only": ["cellular"]
}"""
_RADIOS = ("wifi", "cellular")


def recall(settings):
    """Let hold again what the service changed in earlier boots. To be called before anything is
    made that `settings` decide about."""
    kept = _kept(settings).value
    if kept:
        wanted = _derived(settings, kept)
        for key in wanted:
            settings.own.setdefault(key, settings.values[key])
        config.amend(settings, wanted)


def take(settings, wanted, save):
    """Let the settings of an answer (a dict) hold, as far as they can; `save(call)` makes
    `call()` write to flash. Returns the names of those that changed, and of those that can't be
    honoured."""
    durable = _kept(settings)
    kept = dict(durable.value)
    leaves = {}
    ignored = []
    _flatten(wanted, "", json.loads(LEAVES), leaves, ignored)
    changed = []
    for names in [("off_peak_start", "off_peak_end")] + [(name,) for name in leaves]:
        part = {n: leaves.pop(n) for n in names if n in leaves}
        part = {n: part[n] for n in part if part[n] != kept.get(n)}
        if not part:
            continue
        trial = dict(kept)
        trial.update(part)
        trial = {n: trial[n] for n in trial if trial[n] is not None}
        try:
            for name in part:
                _check(settings, name, part[name])
            _hold(settings, trial)
            kept = trial
            changed += part
        except ConfigError:
            ignored += part
    durable.value.clear()
    durable.value.update(kept)
    save(durable.save)
    return changed, ignored


def _kept(settings):
    return Durable(settings.state + "/remote")


def _flatten(value, group, names, leaves, ignored):
    """Fill `leaves` from the nested dict `value`; the names of what is unknown go to `ignored`."""
    for key in value:
        inner = value[key]
        name = names.get(key) or names.get(group + "." + key)
        if key == "off_peak_hours" and inner is None:  # documented: there are none
            leaves.update(off_peak_start="", off_peak_end="", off_peak_enabled=None)
        elif isinstance(inner, dict):
            _flatten(inner, key, names, leaves, ignored)
        elif name:
            leaves[name] = inner
        else:
            ignored.append(key)


def _check(settings, name, value):
    """Raise ConfigError for a leaf that is wrong or that this device can't honour."""
    if value is None:
        return
    ranges = json.loads(_RANGES).get(name)
    ok = True
    if ranges:
        ok = type(value) is int and ranges[0] <= value <= ranges[1]
    elif name == "mode":
        ok = value in json.loads(_ORDERS)  # ble_only is a telephone's
    elif name == "sample_rate_khz":
        ok = value in (16, 24, 48) and ("audio_rate" in settings.values or value == 16)
    elif name == "audio_codec":
        ok = name in settings.values or value == "wav"
    elif name not in settings.values:
        ok = isinstance(value, bool)
    if not ok:
        raise ConfigError("%s can't be honoured" % name)


def _hold(settings, kept):
    """Make the configuration what follows from the leaves `kept`. Raises ConfigError, and then
    nothing has changed."""
    wanted = _derived(settings, kept)
    order = wanted.get("network_preference")
    there = [n for n in _RADIOS if (settings.wifi if n == "wifi" else settings.apn)]
    if order is not None and there and not [n for n in there if n in order]:
        raise ConfigError("no link would be left")
    changes = {k: settings.own[k] for k in settings.own if k not in wanted}
    for key in wanted:
        if wanted[key] != settings.values[key]:
            changes[key] = wanted[key]
    before = {k: settings.values[k] for k in changes}
    config.apply(settings, changes)
    for key in changes:
        if key in wanted:
            settings.own.setdefault(key, before[key])
        else:
            settings.own.pop(key)


def _derived(settings, kept):
    """The configuration's keys that follow from the leaves `kept`."""
    wanted = {n: kept[n] for n in kept if n in settings.values}
    if kept.get("off_peak_enabled") is False:
        wanted["off_peak_start"] = wanted["off_peak_end"] = ""
    own = settings.own.get("network_preference", settings.network_preference)
    order = json.loads(_ORDERS).get(kept.get("mode")) or kept.get("network_preference", own)
    order = [n for n in order if kept.get(n + "_enabled", True)]
    if order != own:
        wanted["network_preference"] = order
    beating = [n for n in _RADIOS if kept.get(n + "_heartbeat_enabled", True)]
    if len(beating) < len(_RADIOS):
        wanted["heartbeat_radios"] = beating
    if "streaming_enabled" in kept:
        on = kept["streaming_enabled"]
        wanted["segment_bytes"] = kept.get("streaming_chunk_kb", 256) * 1024 if on else 0
        wanted["segment_seconds"] = kept.get("streaming_flush_interval_seconds", 0) if on else 0
    if "sample_rate_khz" in kept and "audio_rate" in settings.values:
        wanted["audio_rate"] = kept["sample_rate_khz"] * 1000
    if "auto_sleep_minutes" in kept:
        minutes = kept["auto_sleep_minutes"]
        wanted["sleep_when_idle"] = minutes > 0
        if minutes:
            wanted["awake_s"] = minutes * 60
    return wanted
