"""Reads and checks the configuration, and says what is wrong with it.

It is needed seldom and some 7 KB large: whoever loads it lets it go again.
"""

import json

from .errors import ConfigError
from .settings import Settings, minutes_of

# Each key and its default, whose type is the key's; numbers as [default, least, most]; texts
# with a choice as {"of": [...]}, the first being the default. What each is for: README of
# firmware/. The settings that govern uploads have the names that the service uses. As text,
# because MicroPython keeps names that stand in code for ever.
KEYS = """{
"allow_insecure": false,
"allow_roaming": false,
"api_url": "",
"apn": "",
"apn_auth": {"of": ["none", "pap", "chap"]},
"apn_password": "",
"apn_user": "",
"awake_s": [20, 5, 86400],
"audio_buffer_ms": [0, 0, 10000],
"audio_codec": {"of": ["wav", "flac", "adpcm", "none"]},
"audio_rate": [16000, 8000, 48000],
"backoff_max_s": [300, 1, 86400],
"cellular_idle_timeout_s": [-1, -1, 2540],
"chunk_bytes": [4096, 512, 65536],
"daily_data_limit_mb": [0, 0, 1048576],
"delete_when_full": false,
"device_name": "",
"device_token": "",
"dns_servers": [],
"diagnostics": false,
"empty_battery_percent": [5, 0, 100],
"heartbeat_minutes": [0, 0, 1440],
"heartbeat_radios": ["wifi", "cellular"],
"low_battery_threshold_percent": [20, 0, 100],
"low_space_bytes": [65536, 0, 1073741824],
"max_connections": [2, 1, 8],
"min_record_s": [10, 0, 86400],
"min_signal_dbm": [-140, -140, 0],
"network_preference": ["wifi", "cellular"],
"ntp_server": "pool.ntp.org",
"off_peak_end": "",
"off_peak_start": "",
"offline_max_s": [10800, 60, 86400],
"pause_on_low_battery": true,
"queue_order": {"of": ["oldest", "newest", "priority"]},
"radio_idle_timeout_s": [180, 0, 2540],
"root_bundle": "",
"record_schedule": [],
"roots": [],
"same_user": false,
"segment_bytes": [0, 0, 1073741824],
"segment_seconds": [0, 0, 86400],
"sim_pin": "",
"sleep_min_s": [60, 5, 86400],
"sleep_when_idle": false,
"stall_timeout_s": [30, 1, 600],
"state": "",
"stills_every_s": [0, 0, 86400],
"storage": "",
"sync_bytes": [32768, 512, 16777216],
"timezone": "+00:00",
"token_refresh_days": [0, 0, 365],
"upload_delay_minutes": [0, 0, 10080],
"verify_sha256": true,
"voice_pre_roll_ms": [-1, -1, 10000],
"voice_silence_s": [5, 1, 600],
"voice_start": false,
"voice_threshold_db": [12, 3, 60],
"watchdog_s": [120, 0, 3600],
"wifi": [],
"wifi_idle_timeout_s": [-1, -1, 2540]
}"""
_REQUIRED = ("api_url", "device_token", "roots", "storage")
_NAMES = {str: "a string", int: "a whole number", bool: "true or false", list: "a list"}


def check(values, base="", pin=None):
    """The Settings of a configuration; defaults filled in.

    `values` is a dict. Relative paths in `storage`, `state`, `roots` and `root_bundle` are
    taken from `base`. `pin` tells whether the board has a pin that wakes it, None if that is
    not known.
    Raises ConfigError, whose one line names the key, for an unknown or missing key, a wrong
    type, a number out of range, an http:// address without `allow_insecure`.
    """
    if not isinstance(values, dict):
        raise ConfigError("the configuration is not a JSON object")
    keys = json.loads(KEYS)
    for key in values:
        if key not in keys:
            raise ConfigError("unknown key %r; the keys are: %s" % (key, ", ".join(sorted(keys))))
    for key in sorted(keys):
        _check_key(key, keys, values)
    settings = Settings(keys)
    settings.values["pin"] = pin
    _check_service(settings)
    _check_files(settings, base)
    _check_networks(settings)
    _check_times(settings)
    return settings


def _check_key(key, keys, values):
    """Make keys[key], a default with its limits, the value that the key has."""
    limits = keys[key]
    default = limits
    choice = None
    if isinstance(limits, dict):
        choice = limits["of"]
        default = choice[0]
    elif isinstance(limits, list) and limits and isinstance(limits[0], int):
        default = limits[0]
    if key in _REQUIRED and key not in values:
        raise ConfigError("missing key %r" % key)
    value = values.get(key, default)
    # By type(), for a bool is an int, but 1 connection is not True connections.
    if type(value) is not type(default):
        raise ConfigError("key %r must be %s" % (key, _NAMES[type(default)]))
    if choice and value not in choice:
        raise ConfigError("key %r must be one of: %s" % (key, ", ".join(choice)))
    if type(value) is int and not limits[1] <= value <= limits[2]:
        raise ConfigError("key %r must be %d to %d" % (key, limits[1], limits[2]))
    if value == "" and key in _REQUIRED:
        raise ConfigError("key %r is empty" % key)
    keys[key] = value


def _check_service(settings):
    settings.values["api_url"] = settings.api_url.rstrip("/")
    scheme = settings.api_url.split("://")[0]
    if scheme == "http" and not settings.allow_insecure:
        raise ConfigError("key 'api_url': http:// is refused unless allow_insecure is true")
    if scheme not in ("http", "https") or "://" not in settings.api_url or "@" in settings.api_url:
        raise ConfigError("key 'api_url' must look like https://host/path")
    for c in settings.device_token:
        if not 32 < ord(c) < 127:
            raise ConfigError("key 'device_token' has a space or an unprintable character")
    if len(settings.device_token) > 512:
        raise ConfigError("key 'device_token' is longer than 512 characters")
    if scheme == "https" and not settings.roots:
        raise ConfigError("key 'roots' is empty: no server could be trusted")


def _check_files(settings, base):
    settings.values["storage"] = _path(base, settings.storage)
    settings.values["state"] = _path(base, settings.state) if settings.state else settings.storage
    if settings.root_bundle:
        settings.values["root_bundle"] = _path(base, settings.root_bundle)
    roots = []
    for root in settings.roots:
        if not isinstance(root, str):
            raise ConfigError("key 'roots' must be a list of paths")
        roots.append(_path(base, root))
        check_root(roots[-1])
    settings.values["roots"] = roots


def _check_networks(settings):
    for link in settings.network_preference:
        # ble is the service's name for uploads through a phone, which is not this module's.
        if link not in ("wifi", "cellular", "ble"):
            raise ConfigError("key 'network_preference' lists wifi, cellular (and ble) only")
    for network in settings.wifi:
        ok = isinstance(network, dict) and isinstance(network.get("ssid"), str)
        ok = ok and 0 < len(network["ssid"].encode()) <= 32  # IEEE 802.11 section 9.4.2.2
        key = network.get("key", "") if ok else None
        # WPA2-Personal: 8 to 63 characters, or the 64 hex digits of the key itself.
        if not ok or not isinstance(key, str) or (key and not 8 <= len(key) <= 64):
            raise ConfigError(
                'key \'wifi\' is a list of {"ssid": "...", "key": "..."}; '
                "a key has 8 to 63 characters"
            )
    if settings.sim_pin and not (settings.sim_pin.isdigit() and 4 <= len(settings.sim_pin) <= 8):
        raise ConfigError("key 'sim_pin' must be 4 to 8 digits")  # 3GPP TS 31.101
    for key in ("radio_idle_timeout_s", "wifi_idle_timeout_s", "cellular_idle_timeout_s"):
        if 0 < settings.values[key] < 10:
            raise ConfigError("key %r must be 0 (always on) or 10 to 2540" % key)
    if 0 < settings.audio_buffer_ms < 32:
        raise ConfigError("key 'audio_buffer_ms' must be 0 (by the memory) or 32 to 10000")
    for radio in settings.heartbeat_radios:
        if radio not in ("wifi", "cellular"):
            raise ConfigError("key 'heartbeat_radios' lists wifi and cellular only")


def _check_times(settings):
    sign = settings.timezone[:1]
    minutes = minutes_of(settings.timezone[1:])
    # `zone` is between which Unix seconds `timezone_s` holds; None for ever.
    settings.values["zone"] = None
    if sign not in ("+", "-") or minutes is None or minutes > 14 * 60:
        from .zones import span

        if span(settings.timezone, 0) is None:
            raise ConfigError(
                "key 'timezone' must be an offset from UTC, like +02:00, or a zone, like "
                "Europe/Berlin"
            )
        settings.values["zone"] = 0, 0
        minutes = 0
    settings.values["timezone_s"] = (minutes if sign == "+" else -minutes) * 60
    for key in ("off_peak_start", "off_peak_end"):
        if settings.values[key] and minutes_of(settings.values[key]) is None:
            raise ConfigError("key %r must be a time of day, like 22:30" % key)
    if settings.record_schedule:
        from . import schedule

        try:
            schedule.check(settings.record_schedule)
        except ValueError as e:
            raise ConfigError("key 'record_schedule': %s" % e)
    if settings.sleep_when_idle and settings.values.get("pin") is False:
        if not (settings.heartbeat_minutes or settings.record_schedule):
            raise ConfigError(
                "key 'sleep_when_idle': nothing would wake this board, which has no button that"
                " can: set heartbeat_minutes or record_schedule"
            )
    if bool(settings.off_peak_start) != bool(settings.off_peak_end):
        raise ConfigError("keys 'off_peak_start' and 'off_peak_end' go together")


def amend(settings, changes):
    """Let `changes` (a dict of keys and values) hold, all of them or, if together they are
    not valid, those that are by themselves; returns the dict of those that now hold."""
    try:
        apply(settings, changes)
        return changes
    except ConfigError:
        pass
    held = {}
    # Two that only go together, then each of the others.
    for names in [("off_peak_start", "off_peak_end")] + [(key,) for key in changes]:
        part = {key: changes[key] for key in names if key in changes and key not in held}
        try:
            apply(settings, part)
            held.update(part)
        except ConfigError:
            pass
    return held


def apply(settings, changes):
    """Let `changes` (a dict of keys and values) hold. Raises ConfigError, and then none does."""
    keys = json.loads(KEYS)
    trial = Settings(dict(settings.values))
    for key in changes:
        if key not in keys:
            raise ConfigError("unknown key %r" % key)
        _check_key(key, keys, changes)
        trial.values[key] = keys[key]
    _check_networks(trial)
    _check_times(trial)
    settings.values.update(trial.values)


def load(path, pin=None):
    """Read Settings from a JSON file; `pin` as for `check`. Raises ConfigError, its text beginning
    with the path."""
    try:
        with open(path) as f:
            values = json.load(f)
    except OSError:
        raise ConfigError("%s: the file can't be read" % path)
    except ValueError:
        raise ConfigError("%s: not valid JSON" % path)
    cut = path.rfind("/")
    try:
        return check(values, path[: cut + 1], pin)
    except ConfigError as e:
        raise ConfigError("%s: %s" % (path, e))


def check_root(path):
    """Raise ConfigError unless `path` is a root certificate in DER form."""
    try:
        with open(path, "rb") as f:
            head = f.read(2)
    except OSError:
        raise ConfigError("key 'roots': %s can't be read" % path)
    # A DER certificate is an ASN.1 SEQUENCE with a long-form length (X.690 section 8.1).
    if len(head) < 2 or head[0] != 0x30 or head[1] not in (0x81, 0x82):
        raise ConfigError("key 'roots': %s is not a certificate in DER form (PEM?)" % path)


def _path(base, path):
    return path if path.startswith("/") or not base else base + path
