"""The desktop as a board: store, upload and look at recordings from the command line."""

import asyncio
import json
import os
import sys
import time

sys.path.insert(0, __file__[: __file__.rfind("/") + 1] + "../../firmware")

from uploader import Store, Uploader, layout, load_config, owner
from uploader.errors import ConfigError, MediaTypeError, StorageError
from uploader.links.host import HostLink
from uploader.recording import check_about, check_time

USAGE = """\
micropython main.py CONFIG.json add [--name N] [--started-at T] [--ended-at T]
                                [--metadata JSON|@FILE] FILE[=CONTENT_TYPE[@CAPTURED_AT]] ...
micropython main.py CONFIG.json drain [--timeout S]
micropython main.py CONFIG.json status
micropython main.py CONFIG.json quarantined
micropython main.py CONFIG.json held
micropython main.py CONFIG.json requeue|adopt|discard ID

Times are ISO 8601 with a zone, like 2026-01-31T23:59:59Z. MicroPython takes arguments of up to
255 bytes: longer metadata goes into a file. Exit status: 0 done; 1 something is
left pending or the storage failed; 2 bad usage or configuration (nothing was written)."""


class UsageError(Exception):
    """Bad usage; the text is the one line to print."""


def main(argv):
    """Run one command; returns the exit status."""
    try:
        if len(argv) == 1 or argv[1] in ("-h", "--help"):
            print(USAGE)
            return 2 if len(argv) == 1 else 0
        if len(argv) < 3 or argv[2] not in COMMANDS:
            raise UsageError("usage: main.py CONFIG.json %s ..." % "|".join(sorted(COMMANDS)))
        parse, run = COMMANDS[argv[2]]
        options = parse(argv[3:])
        settings = load_config(argv[1])
        return run(settings, options)
    except (UsageError, ConfigError, MediaTypeError) as e:
        print("error: %s" % e, file=sys.stderr)
        return 2
    except StorageError as e:
        print("error: %s" % e, file=sys.stderr)
        return 1


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
                % (path, ", ".join(layout.content_types()))
            )
    if content_type not in layout.content_types():
        raise UsageError(
            "content type %r is not allowed; allowed: %s"
            % (content_type, ", ".join(layout.content_types()))
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


def add(settings, options):
    """Store a recording from files and print its local id."""
    found, metadata, files = options
    with Locked(settings):
        store = open_store(settings)
        recording = store.begin(found.get("name"), found.get("started-at", ""), metadata)
        buf = bytearray(settings.chunk_bytes)
        mv = memoryview(buf)
        for path, content_type, captured_at in files:
            writer = recording.add(layout.kind_of(content_type), content_type, captured_at)
            with open(path, "rb") as f:
                while True:
                    n = f.readinto(buf)
                    if not n:
                        break
                    writer.write(mv[:n])
            writer.close()
        recording.end(found.get("ended-at", ""))
        print(recording.id)
    return 0


def parse_drain(args):
    """Seconds that `drain` may take."""
    found, rest = options_of(args, ("timeout",))
    if rest:
        raise UsageError("drain takes no %r" % rest[0])
    text = found.get("timeout", "300")
    if not text.isdigit() or not 0 < int(text) <= 10000000:
        raise UsageError("--timeout must be a whole number of seconds, not %r" % text)
    return int(text)


def drain(settings, timeout_s):
    """Upload what is pending."""
    with Locked(settings):
        show = Terminal() if is_terminal() else Lines()
        up = Uploader(settings, open_store(settings), [HostLink()], show.event)
        empty = asyncio.run(up.drain(timeout_s))
        show.done()
        return 0 if empty else 1


class Lines:
    """One line per event, for a pipe."""

    def event(self, event, info):
        """Print an event."""
        print(self.text(event, info))

    def text(self, event, info):
        """An event as a line: its name, then key=value in a fixed order."""
        words = [event]
        for key in sorted(info):
            if info[key] is not None:
                value = str(info[key])
                words.append("%s=%s" % (key, json.dumps(value) if " " in value else value))
        return " ".join(words)

    def done(self):
        """Nothing is left to print."""


class Terminal(Lines):
    """Progress that overwrites itself, for a person."""

    def __init__(self):
        self._open = False
        self._start = time.ticks_ms()
        self._file = None

    def event(self, event, info):
        """Show an event."""
        if event == "progress":
            file = (info["id"], info["file"])
            if file != self._file:
                self._file = file
                self._start = time.ticks_ms()
            sent, size = info["sent"], info["size"] or 1
            ms = time.ticks_diff(time.ticks_ms(), self._start) or 1
            bar = "#" * (sent * 30 // size)
            text = "\r  %s file %d  [%-30s] %3d %%  %s of %s  %s/s\x1b[K" % (
                info["id"],
                info["file"],
                bar,
                sent * 100 // size,
                amount(sent),
                amount(info["size"]),
                amount(sent * 1000 // ms),
            )
            sys.stdout.write(text)
            self._open = True
            return
        self.done()
        print(self.text(event, info))

    def done(self):
        """End the line that progress was written on."""
        if self._open:
            print()
            self._open = False


def amount(n):
    """Bytes for a person: `1.2 MB`."""
    if n < 1000:
        return "%d B" % n
    if n < 1000000:
        return "%.1f kB" % (n / 1000)
    return "%.1f MB" % (n / 1000000)


def parse_none(args):
    """A command without arguments."""
    found, rest = options_of(args, ())
    if rest:
        raise UsageError("this command takes no %r" % rest[0])


def status(settings, _):
    """Print the queue as JSON."""
    print(json.dumps(owner.status(open_store(settings))))
    return 0


def parse_id(args):
    """The local id that `retry` or `discard` is about."""
    found, rest = options_of(args, ())
    if len(rest) != 1 or not rest[0].isdigit() or len(rest[0]) > 6:
        raise UsageError("give the local id of one recording, like 000042")
    return "%06d" % int(rest[0])


def quarantined(settings, _):
    """Print what is in quarantine, a line each: local id and reason."""
    for entry in owner.quarantined(open_store(settings)):
        print(entry.id, entry.bad)
    return 0


def requeue(settings, local_id):
    """Put a recording in quarantine back into the queue."""
    with Locked(settings):
        owner.requeue(open_store(settings), local_id)
    return 0


def discard(settings, local_id):
    """Delete a recording that is in quarantine."""
    with Locked(settings):
        owner.discard(open_store(settings), local_id)
    return 0


def held(settings, _):
    """Print the recordings of an earlier binding, a line each."""
    for entry in owner.held(open_store(settings)):
        print(entry.id, entry.begin.get("name") or "")
    return 0


def adopt(settings, local_id):
    """Let a held recording be uploaded under the present token."""
    with Locked(settings):
        owner.adopt(open_store(settings), local_id)
    return 0


COMMANDS = {
    "add": (parse_add, add),
    "drain": (parse_drain, drain),
    "status": (parse_none, status),
    "quarantined": (parse_none, quarantined),
    "requeue": (parse_id, requeue),
    "discard": (parse_id, discard),
    "held": (parse_none, held),
    "adopt": (parse_id, adopt),
}


def open_store(settings):
    """The store of a configuration."""
    return Store(settings)


class Locked:
    """Commands that change one storage take turns; a killed one's lock is taken over."""

    def __init__(self, settings):
        self._path = settings.storage.rstrip("/") + ".lock"

    def __enter__(self):
        tries = 0
        while not self._take():
            tries += 1
            if tries == 3:  # the first two clear away what a killed command left
                print("waiting for another command on this storage", file=sys.stderr)
            time.sleep_ms(0 if tries < 3 else 100)

    def __exit__(self, kind, value, trace):
        os.unlink(self._path + "/" + process())
        os.rmdir(self._path)

    def _take(self):
        try:
            os.mkdir(self._path)
        except OSError as e:
            if e.errno != 17:  # EEXIST
                raise StorageError("%s can't be made: %s" % (self._path, e))
            self._break()
            return False
        try:
            open(self._path + "/" + process(), "w").close()
            return True
        except OSError:
            return False  # taken for a dead one's in that instant

    def _break(self):
        try:
            holders = os.listdir(self._path)
            for holder in holders:
                if process(holder.partition("-")[0]) != holder:
                    os.unlink(self._path + "/" + holder)
            if not holders:
                os.rmdir(self._path)
        except OSError:
            pass  # another command was faster


def process(pid="self"):
    """A process's id and start time (proc(5), stat fields 1 and 22), "" if it is no more."""
    try:
        with open("/proc/%s/stat" % pid) as f:
            fields = f.read().split()
        return fields[0] + "-" + fields[21]
    except OSError:
        return ""


def is_terminal():
    """True if standard output is a terminal."""
    try:
        import termios

        termios.tcgetattr(1)
        return True
    except (ImportError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv))
