"""Recordings on flash: the durable queue. What is kept in which file is in `layout`."""

import asyncio
import os
from binascii import hexlify

from micropython import const

from . import journal, layout, memory
from .clock import Clock, set_machine_time
from .credentials import Credentials
from .entry import Entry
from .errors import StorageError, StorageFullError
from .space import Space

_SCAN = const(16)  # recordings found by one listing of the directory
_ROOMY_SCAN = const(64)  # ... with PSRAM
_LAST = const(999999)
_KEEP_TIME_S = const(6 * 3600)
_MAX_PRIORITY = const(9)


class Store:
    """The recordings in the directory `settings.storage`, made if missing.

    `clock` is a Clock, one of the machine's if left out. `mount()`, if given, makes the file
    system be there; it is called now and at each `reopen`. `credentials` are the ones in force,
    `space` is the room on the storage (a Space), `ended` an asyncio.Event that is set whenever
    something became due: a recording ended, or a file of a live one. Raises StorageError if
    the storage can't be used.
    """

    def __init__(self, settings, clock=None, mount=None):
        self.settings = settings
        self.clock = clock or Clock(set_machine=set_machine_time)
        self.directory = settings.storage.rstrip("/")
        self.ended = asyncio.Event()
        self.space = Space(self.directory, settings, self.emit, self._make_room)
        self._listeners = []
        self.urgent = True  # whether an urgent recording may be among the pending
        self.aside = {}  # for the metadata of the next recording that is created
        self._mount = mount
        self._scan = _ROOMY_SCAN if memory.roomy() else _SCAN
        self.reopen()
        self.space.guard(layout.make_directory, settings.state)
        provisioned = (settings.state + "/token", settings.device_token, settings.same_user)
        self.credentials = self.space.with_reserve(Credentials, *provisioned)

    def reopen(self):
        """Begin anew with what is on the storage now, say after a card was put back in.

        Recordings that were open are interrupted ones from here on. Raises StorageError.
        """
        self._recording = []  # those begun by this process and not ended
        self._protected = None  # number of the recording whose upload is about to begin
        self.space.reset()
        if self._mount:
            self.space.guard(self._mount)
        self.space.guard(layout.make_directory, self.directory)
        self._own = journal.Durable(self.directory + "/store")
        if "id" not in self._own.value:
            self._own.value["id"] = hexlify(os.urandom(4)).decode()
            self.space.guard(self._own.save)
        self._next = self._own.value.get("next", 1)
        self.clock.start_from(self._own.value.get("time", 0))
        for seq, _ in layout.names(self.directory):
            if seq >= self._next:
                self._next = seq + 1
        self.space.reserve()
        self.space.free_bytes()

    def listen(self, emit):
        """Have `emit(event, **info)` told what happens to the recordings, beside others."""
        self._listeners.append(emit)

    def emit(self, event, **info):
        """Tell the listeners."""
        for listener in self._listeners:
            listener(event, **info)

    def begin(
        self, name=None, started_at=None, metadata=None, priority=0, live=False, urgent=False
    ):
        """Begin a Recording and return it; it is on flash when this returns.

        `name` is text, `started_at` ISO 8601 text or a stamp of the clock (the present moment
        if left out, none at all if ""), `metadata` a dict that JSON can carry, `priority` 0 to
        9 (the highest).
        Of a `live` one each file is uploaded as soon as it is closed, while the recording goes
        on; the service then learns neither its end nor that it was interrupted. An `urgent`
        one waits for no delay and no off-peak hours. Raises StorageError, StorageFullError.
        """
        from .recording import Recording, begin_line

        begin = begin_line(self, name, started_at, metadata, priority)
        if urgent:
            begin["urgent"] = self.urgent = True
        if self._next > _LAST:
            raise StorageError("all numbers up to %d are used" % _LAST)
        # Room for ending and draining comes before anything new.
        while not self.space.reserve():
            if not self._make_room():
                raise StorageFullError("no space for a recording on " + self.directory)
        self.space.written(0)
        recording = Recording(self, self._next, live)
        self._next += 1
        self._recording.append(recording)
        path = self.path(recording.seq, ".rec")
        try:
            self.space.with_room(journal.append, path, {"begin": begin})
        except StorageError:
            self._recording.remove(recording)
            self.space.remove(path)
            raise
        return recording

    def is_recording(self, live=True):
        """True while a recording is under way; `live` False leaves live ones out."""
        for recording in self._recording:
            if live or not recording.live:
                return True
        return False

    def recording_ended(self, recording):
        """Told by a Recording that it ended."""
        self.recording_failed(recording)
        self.file_due("ended", id=recording.id)

    def recording_failed(self, recording):
        """Told by a Recording that it is over, be it that its end could not be written: then it is
        an interrupted one. Whoever uploads finds out what is wrong with the storage."""
        if recording in self._recording:
            self._recording.remove(recording)
        self.ended.set()

    def file_due(self, event, **info):
        """Tell `event`, and whoever waits that there is something to upload."""
        self.ended.set()
        self.emit(event, **info)

    def capture_id(self, entry):
        """Text that names a capture for ever: this store's id and the recording's number."""
        return "%s-%s" % (self._own.value["id"], entry.id)

    def keep_time(self):
        """Keep the clock's time for the next boot if a server, proved by its certificate, has
        confirmed it; at most every six hours. Raises StorageError."""
        if self.clock.source == "server":
            now = self.clock.now()
            if now - self._own.value.get("time", 0) >= _KEEP_TIME_S:
                self._own.value["time"] = now
                self.space.with_reserve(self._own.save)

    # Reading the queue

    def entries(self, newest_first=False, under_way=False):
        """Generate an Entry for each recording on flash; of those being recorded only the live
        ones, unless `under_way`.

        Memory does not grow with their number: the directory is listed again every 16
        recordings, or 64 with PSRAM. Raises StorageError.
        """
        # Sorted by key, which for newest first is the negated number.
        sign = -1 if newest_first else 1
        after = -_LAST - 1
        while True:
            found = []
            for seq, _ in layout.names(self.directory):
                key = seq * sign
                if key > after and key not in found:
                    found.append(key)
                    if len(found) > self._scan:
                        found.remove(max(found))
            if not found:
                return
            for key in sorted(found):
                after = key
                recording = None
                for r in self._recording:
                    if r.seq == key * sign:
                        recording = r
                if under_way or recording is None or recording.live:
                    yield Entry(self, key * sign, recording is not None)

    def pending(self, order="oldest"):
        """Generate the entries that are to be uploaded: `oldest` first, `newest` first, or by
        `priority` (highest first, the oldest of each first).

        On the way, leftovers of a deletion that was cut are removed, recordings that were
        never ended are recovered, and what can't be is quarantined. Raises StorageError.
        """
        if order != "priority":
            for entry in self.entries(order == "newest"):
                entry = self._due(entry)
                if entry:
                    yield entry
            return
        levels = 0
        for entry in self.entries():
            levels |= 1 << entry.priority
        for level in range(_MAX_PRIORITY, -1, -1):
            if levels & 1 << level:
                for entry in self.entries():
                    if entry.priority == level:
                        entry = self._due(entry)
                        if entry:
                            yield entry

    def _due(self, entry):
        """The entry if it is to be uploaded, made ready for that; else None."""
        if entry.done:
            self.remove(entry.seq)
        elif entry.bad is not None:
            pass
        elif entry.begin is None:
            from .recovery import manifest_lost

            manifest_lost(self, entry)
        elif entry.strange or entry.begin.get("v") != layout.VERSION:
            self.quarantine(entry, "written by another version of this module")
        elif self.is_held(entry):
            pass
        elif entry.live or entry.whole():
            return entry
        else:
            from .recovery import recover

            try:
                if recover(self, entry):
                    return Entry(self, entry.seq)
            except (ArithmeticError, LookupError, TypeError, ValueError) as e:
                # Beyond what it can read, above 2 GB, say: the others go on.
                self.quarantine(entry, "it can't be recovered: %s" % e, True)
        return None

    def is_held(self, entry):
        """True if the recording was made under another end user's binding than the present
        one."""
        return entry.binding != self.credentials.binding

    def entry(self, local_id):
        """The Entry of a local id, like `000042`. Raises StorageError if there is none."""
        if local_id.isdigit():
            for seq, _ in layout.names(self.directory):
                if seq == int(local_id):
                    return Entry(self, seq)
        raise StorageError("there is no recording %s" % local_id)

    def count_pending(self):
        """How many recordings wait for their upload. Reads only; raises StorageError."""
        return sum(self.waits(entry) for entry in self.entries())

    def waits(self, entry):
        """True if an entry waits for its upload."""
        return entry.bad is None and not entry.done and not self.is_held(entry)

    def media(self, seq):
        """Generate what follows the number in the name of each of a recording's media files
        on flash, in the directory's order. Raises StorageError."""
        for s, rest in layout.names(self.directory):
            if s == seq and rest[0] != ".":
                yield rest

    def path(self, seq, rest):
        """Where a recording's file lies: `rest` is `.rec`, `.sta`, or `00.opu` for media."""
        return "%s/%06d%s" % (self.directory, seq, rest)

    # Changing it

    def append(self, path, *values):
        """Append durable lines, if need be into the room kept. Raises StorageError,
        StorageFullError."""
        self.space.with_reserve(journal.append, path, *values)

    def quarantine(self, entry, reason, damaged=False):
        """Put an entry out of the queue's way; nothing of it is deleted. `damaged` tells that
        the reason lies with its files. Raises StorageError."""
        entry.note("bad", reason[:200], damaged)
        self.emit("quarantined", id=entry.id, reason=reason)

    def protect(self, seq):
        """Let recording `seq`, whose upload is about to begin, not be deleted to make room;
        None ends that."""
        self._protected = seq

    def remove(self, seq, entry=None):
        """Delete a recording's files, in an order that a power cut anywhere can't misread:
        media first, then the manifest, last the state.

        With its `entry`, a recording that is just as its manifest says is deleted without a
        listing of the directory. Raises StorageError.
        """
        if seq == self._next - 1 and self._own.value.get("next", 0) < self._next:
            # Once its files are gone nothing else would tell that the number was used.
            self._own.value["next"] = self._next
            self.space.with_reserve(self._own.save)
        if entry and entry.known():
            for file in entry.files():
                rest = layout.media_name(file["index"], file["content_type"])
                self.space.remove(self.path(seq, rest))
        else:
            while True:
                # In portions: a recording may have more files than fit the heap as names.
                found = []
                for rest in self.media(seq):
                    found.append(rest)
                    if len(found) == _SCAN:
                        break
                if not found:
                    break
                for rest in found:
                    self.space.remove(self.path(seq, rest))
        self.space.remove(self.path(seq, ".rec"))
        self.space.remove(self.path(seq, ".sta"))
        self.space.freed()

    def _make_room(self):
        """Delete the oldest recording whose upload has not begun, if the owner's settings
        allow that; False if nothing was deleted."""
        if self.settings.delete_when_full:
            for entry in self.entries():
                if entry.recording_id is None and entry.seq != self._protected and not entry.live:
                    entry.note("done")
                    self.remove(entry.seq)
                    self.emit("deleted", id=entry.id, reason="the storage is full")
                    return True
        return False
