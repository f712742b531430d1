"""What a service offers, what is kept of it, and what became of it.

`<state>/update.0` and `.1` (see journal.Durable) hold `url`, `version`, `size`, `crc` of what is to
be fetched; `tries` and `next` (Unix seconds) of what failed; `failed`: [version, crc, reason] of
the last that is not tried again. `/update.json` is what provisioning wrote: `keys` (hex), `metered`
(whether links whose bytes are charged for may be used), `stood_s`, `confirm_s` (see trial).
"""

import json

from micropython import const

from uploader.journal import Durable

TRIES = const(10)
# There is such a file where the next boot is to do the update alone: see `only`.
ALONE = "/update.go"
_FIRST_S = const(60)
_MOST_S = const(6 * 3600)
# The likely names of each part of a manifest; the service's shape is not public.
_NAMES = """{
"url": ["url", "download_url", "firmware_url", "signed_url"],
"version": ["version", "firmware_version"],
"size": ["size", "size_bytes", "file_size_bytes", "file_size"],
"crc": ["crc32", "crc", "checksum"]
}"""
_MAX_URL = const(2048)


def parse(offered):
    """The `url`, `version`, `size` and `crc` (numbers, None if not said) of a manifest in any of
    the likely shapes, as a dict; None of what is none."""
    names = json.loads(_NAMES)
    found = {}
    for part in names:
        found[part] = None
        for name in names[part]:
            if offered.get(name) is not None:
                found[part] = offered[name]
                break
    found["crc"] = _number(found["crc"], 16)
    found["size"] = _number(found["size"], 10)
    url = found["url"]
    if not isinstance(url, str) or len(url) > _MAX_URL or not isinstance(found["version"], str):
        return None
    found["version"] = found["version"][:32]
    return found


def _number(value, base):
    if isinstance(value, str):
        try:
            return int(value, base)
        except ValueError:
            return None
    return value if type(value) is int else None


def provisioned():
    """What /update.json says, a dict; {} without one."""
    try:
        with open("/update.json") as f:
            found = json.load(f)
    except (OSError, ValueError):
        found = None
    return found if isinstance(found, dict) else {}


class Kept:
    """What is kept of offers in the directory `state`; saving raises OSError."""

    def __init__(self, state):
        self._durable = Durable(state + "/update")
        self.value = self._durable.value

    def take(self, found):
        """Keep a parsed offer. The same as before brings a new URL alone: what failed of it is
        still known. False for one that failed for good."""
        v = self.value
        if self.failed(found):
            return False
        same = (found["version"], found["crc"]) == (v.get("version"), v.get("crc"))
        if not same:
            v.pop("tries", None)
            v.pop("next", None)
        v.pop("asked", None)
        v.update(found)
        self._durable.save()
        return True

    def failed(self, found):
        """The reason if this offer failed for good."""
        last = self.value.get("failed")
        if last and last[0] == found["version"] and last[1] == found["crc"]:
            return last[2]

    def due(self, now):
        """True if there is something to fetch, and not too early (`now` in Unix seconds)."""
        v = self.value
        wait = v.get("next", 0) - now
        # A clock that was wrong when it failed must not put it off for ever.
        return bool(v.get("url")) and not 0 < wait <= _MOST_S

    def again(self, now):
        """It failed for now: it is tried again later, TRIES times. Seconds until then, None if
        there were enough."""
        v = self.value
        v["tries"] = v.get("tries", 0) + 1
        if v["tries"] >= TRIES:
            return None
        wait = min(_FIRST_S << v["tries"], _MOST_S)
        v["next"] = now + wait
        self._durable.save()
        return wait

    def expired(self):
        """The URL is no longer good. True if another should be asked for, which is so once."""
        v = self.value
        v.pop("url", None)
        first = not v.get("asked")
        v["asked"] = 1
        self._durable.save()
        return first

    def end(self, reason=None):
        """Forget the offer: done, or failed for good for this reason."""
        v = self.value
        failed = [v.get("version"), v.get("crc"), reason[:60]] if reason else v.get("failed")
        v.clear()
        if failed:
            v["failed"] = failed
        self._durable.save()
