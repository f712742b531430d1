"""The commands' arguments, checked before anything is written."""

import json
import os

from uploader import layout, media
from uploader.errors import StorageError
from uploader.recording import check_about, check_time


class UsageError(Exception):
    """Bad usage; the text is the one line to print."""


def options_of(args, known):
    """Split `args` into a dict of the `known` --options, each with a value, and the rest."""
    found, rest = {}, []
    args = list(args)
    while args:
        arg = args.pop(0)
        if not arg.startswith("--") or arg == "--":
            rest.append(arg)
            continue
        name, equals, value = arg[2:].partition("=")
        if name not in known:
            raise UsageError(
                "unknown option --%s; known here: %s"
                % (name, ", ".join("--" + k for k in known) or "none")
            )
        if name in found:
            raise UsageError("--%s is given twice" % name)
        if not equals:
            if not args:
                raise UsageError("--%s needs a value" % name)
            value = args.pop(0)
        found[name] = value
    return found, rest


def parse_add(args):
    """The fields and files of `add`, checked before anything is written."""
    found, names = options_of(args, ("name", "started-at", "ended-at", "metadata"))
    if not names:
        raise UsageError("add needs at least one FILE")
    for key in ("started-at", "ended-at"):
        usable_time("--" + key, found.get(key))
    metadata = None
    if "metadata" in found:
        text = found["metadata"]
        try:
            if text[:1] == "@":
                with open(text[1:]) as f:
                    text = f.read()
            metadata = json.loads(text)
        except (OSError, ValueError):
            metadata = None
        if not isinstance(metadata, dict):
            raise UsageError('--metadata is neither a JSON object, like {"room": "12"}, nor @FILE')
    try:
        check_about(found.get("name"), metadata)
    except StorageError as e:
        raise UsageError("--%s" % e)
    return found, metadata, [parse_file(name) for name in names]


def parse_file(text):
    """(path, content_type, captured_at) of FILE[=CONTENT_TYPE[@CAPTURED_AT]]."""
    path, content_type, captured_at = text, None, ""
    i = text.rfind("=")
    # A path may have an = of its own; a content type has a slash after it.
    if i >= 0 and ("/" in text[i:] or not is_file(text)):
        path = text[:i]
        content_type, at, captured_at = text[i + 1 :].partition("@")
        if at:
            usable_time("CAPTURED_AT", captured_at or "(nothing)")
    if not is_file(path):
        raise UsageError("%s is not a file that can be read" % path)
    if content_type is None:
        name = path.lower()
        for usual in (".jpeg", ".opus", ".webm", ".flac"):
            if name.endswith(usual):
                name = {".jpeg": ".jpg", ".opus": ".opu", ".webm": ".wbm", ".flac": ".fla"}[usual]
        content_type = layout.content_type_of(name)
        if content_type is None:
            raise UsageError(
                "%s: unknown extension; say FILE=CONTENT_TYPE with one of: %s"
                % (path, ", ".join(media.content_types()))
            )
    if content_type not in media.content_types():
        raise UsageError(
            "content type %r is not allowed; allowed: %s"
            % (content_type, ", ".join(media.content_types()))
        )
    return path, content_type, captured_at


def usable_time(what, value):
    """Raise UsageError unless `value` is None or an ISO 8601 time."""
    try:
        check_time(what, value)
    except StorageError as e:
        raise UsageError(str(e))


def is_file(path):
    """True if `path` is a regular file that can be opened."""
    try:
        if os.stat(path)[0] & 0x8000 == 0:
            return False
        open(path, "rb").close()
        return True
    except OSError:
        return False


def parse_drain(args):
    """(seconds that `drain` may take, how often it may fail)."""
    found, rest = options_of(args, ("timeout", "tries"))
    if rest:
        raise UsageError("drain takes no %r" % rest[0])
    seconds = number("--timeout", found.get("timeout", "300"), "a whole number of seconds")
    return seconds, number("--tries", found.get("tries", "10000000"), "a whole number")


def number(name, text, what):
    """The value of an option, from 1 on."""
    if not text.isdigit() or not 0 < int(text) <= 10000000:
        raise UsageError("%s must be %s, not %r" % (name, what, text))
    return int(text)


def parse_none(args):
    """A command without arguments."""
    found, rest = options_of(args, ())
    if rest:
        raise UsageError("this command takes no %r" % rest[0])


def parse_id(args):
    """The local id that `requeue`, `adopt` or `discard` is about."""
    found, rest = options_of(args, ())
    if len(rest) != 1 or not rest[0].isdigit() or len(rest[0]) > 6:
        raise UsageError("give the local id of one recording, like 000042")
    return "%06d" % int(rest[0])
