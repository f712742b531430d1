"""Remote commands in a heartbeat's answer: which are new, in time, and to be acted on.

Public reference, "Create Recording Command". The envelope is undocumented: several are taken. There
is no acknowledgement: the service infers from the next heartbeat's `device_state` that a command
was executed. It is needed seldom: whoever loads it lets it go again.
"""

import json

from micropython import const

from .dates import parse_iso
from .journal import Durable

# `factory_reset` exists, too, and is refused: it would take recordings with it.
_KNOWN = ("start_recording", "stop_recording", "trigger_upload")
_KEEP_IDS = const(8)
_LIFE_S = const(300)  # of a command that names no end
_DURATION_S = const(3600)
_LONGEST_S = const(86400)
_MAX_METADATA = const(1024)  # bytes as JSON


def take(answer, settings, store, emit):
    """The commands to act on, each once: pairs of a name and the command's dict, whose
    `params` are complete. Others are told of by `emit`. Raises StorageError."""
    done = Durable(settings.state + "/cmd")
    taken = []
    for command in _of(answer):
        ident = command.get("id")
        if not isinstance(ident, (str, int)):
            continue
        ident = str(ident)[:64]
        known = done.value.get("ids", [])
        if ident in known:
            continue
        # Done at most once: on flash before it is acted on.
        done.value["ids"] = (known + [ident])[-_KEEP_IDS:]
        store.space.with_reserve(done.save)
        name = command.get("type") or command.get("command") or command.get("name")
        state, ignored = "taken", None
        if name not in _KNOWN:
            state = "refused"
        elif _expired(command, store.clock.now()):
            state = "expired"
        else:
            command["params"], ignored = _params(command.get("params"))
            taken.append((name, command))
        emit("command", id=ident, name=str(name)[:32], state=state, ignored=ignored)
    return taken


def _of(answer):
    if isinstance(answer.get("data"), dict):
        answer = answer["data"]
    for key in ("commands", "remote_commands", "command", "data"):
        value = answer.get(key)
        if isinstance(value, dict):
            value = [value]
        if isinstance(value, list):
            return [c for c in value if isinstance(c, dict)]
    return []


def _expired(command, now):
    if now is None:
        return False
    for key, life_s in (("expires_at", 0), ("created_at", _LIFE_S)):
        try:
            return parse_iso(command[key]) + life_s <= now
        except (KeyError, TypeError, ValueError, AttributeError):
            pass  # not said, or not in a way that can be read
    return False


def _params(given):
    """(the params with their defaults, the names of those that can't be taken or None)."""
    given = given if isinstance(given, dict) else {}
    params = {"max_duration_sec": _DURATION_S, "upload_immediately": True, "metadata": None}
    ignored = []
    for name in given:
        value = given[name]
        ok = False
        if name == "max_duration_sec":
            ok = type(value) is int and 0 < value <= _LONGEST_S
        elif name == "upload_immediately":
            ok = isinstance(value, bool)
        elif name == "metadata":
            ok = isinstance(value, dict) and len(json.dumps(value).encode()) <= _MAX_METADATA
        if ok:
            params[name] = value
        elif value is not None:
            ignored.append(name)
    return params, ",".join(ignored) or None
