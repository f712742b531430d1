"""Recordings on flash: the durable queue.

Flat in one directory (a littlefs directory costs 8 KiB), with names that fit FAT's 8.3:
`000042.rec` the manifest, `00004200.opu` the media, `000042.sta` how far the upload got;
`store.0` and `store.1` hold the store's own id and the next number, `store.spr` is space put by
for the day when the flash is full. Files grow by whole lines (see `lines`) and are removed;
nothing is renamed or rewritten.
"""

import os
from binascii import hexlify

from micropython import const

from . import lines, media
from .clock import Clock, set_machine_time
from .credentials import Credentials
from .durable import Durable
from .entry import Entry, MediaReader
from .errors import DamagedError, StorageError, StorageFullError

_SCAN = const(16)  # recordings found by one listing of the directory
_DIR = const(0x4000)
_ENOENT = const(2)
_ENOSPC = const(28)
# What ending a recording and draining need when nothing else is left: on littlefs a block
# each for a manifest, a file's tail and two for the directory.
_SPARE = const(16384)
_SPARE_BLOCKS = const(4)
_LAST = const(999999)
_KEEP_TIME_S = const(6 * 3600)
VERSION = const(1)
_MAX_PRIORITY = const(9)


class Store:
    """The recordings below `path`, a directory, made if missing.

    `clock` is a `clock.Clock`; `sync_bytes` is how much a power cut may cost of a file
    being recorded; `binding` names the end user's binding that new recordings are made
    under. Below `low_space_bytes` of free space `on_event("low_space", info)` is called.
    `delete_when_full` lets the oldest recording that was not uploaded be deleted to make
    room for a new one; without it nothing ever is. `mount`, if given, is called first and
    again by `reopen`: it makes the file system be there. Raises StorageError if the storage
    can't be used.
    """

    def __init__(
        self,
        path,
        clock,
        sync_bytes=32768,
        binding=None,
        low_space_bytes=65536,
        delete_when_full=False,
        mount=None,
    ):
        self.clock = clock
        self.credentials = None
        self.sync_bytes = sync_bytes
        self.binding = binding
        self.on_event = None
        self.busy = None  # number of the recording whose upload is about to begin
        self._low_space = low_space_bytes
        self._delete_when_full = delete_when_full
        self._mount = mount
        self.directory = path.rstrip("/")
        self.reopen()

    @classmethod
    def from_config(cls, settings, clock=None, mount=None):
        """The Store that `settings` describe, with the `credentials` that are in force.

        Raises StorageError.
        """
        store = cls(
            settings.storage,
            clock or Clock(set_machine=set_machine_time),
            settings.sync_bytes,
            None,
            settings.low_space_bytes,
            settings.delete_when_full,
            mount,
        )
        store.guard(lambda: _make_directory(settings.state))
        path, token = settings.state + "/token", settings.device_token
        store.credentials = store.with_spare(lambda: Credentials(path, token, settings.same_user))
        store.binding = store.credentials.binding
        return store

    def reopen(self):
        """Begin anew with what is on the storage now, say after a card was put back in.

        Recordings that were open are interrupted ones from here on. Raises StorageError.
        """
        self._recording = []  # those begun by this process and not ended
        self._writers = []  # media files open for writing
        if self._mount:
            self.guard(self._mount)
        self.guard(lambda: _make_directory(self.directory))
        self._own = Durable(self.directory + "/store")
        if "id" not in self._own.value:
            self._own.value["id"] = hexlify(os.urandom(4)).decode()
            self.guard(self._own.save)
        self._next = self._own.value.get("next", 1)
        self.clock.start_from(self._own.value.get("time", 0))
        for seq, _ in self._names():
            if seq >= self._next:
                self._next = seq + 1
        self._told_low = False
        self._free = 0
        self.put_by()
        self.free_bytes()

    def begin(self, name=None, started_at=None, metadata=None, priority=0, live=False):
        """Begin a recording and return it; it is on flash when this returns.

        `name` is text, `started_at` ISO 8601 text (the present moment if left out, none at
        all if ""), `metadata` a dict that JSON can carry, `priority` 0 to 9 (the highest).
        Of a `live` one each file is uploaded as soon as it is closed, while the recording goes
        on; the service then learns neither its end nor that it was interrupted. Raises
        StorageError, StorageFullError.
        """
        from .recording import Recording, check_about, check_time

        started_at = check_time("started_at", started_at, self.clock)
        check_about(name, metadata)
        begin = {"v": VERSION}
        if started_at:
            begin["started_at"] = started_at
        if name:
            begin["name"] = name
        if metadata:
            begin["metadata"] = metadata
        if priority:
            if type(priority) is not int or not 0 <= priority <= _MAX_PRIORITY:
                raise StorageError("priority must be 0 to %d" % _MAX_PRIORITY)
            begin["priority"] = priority
        if self.binding is not None:
            begin["binding"] = self.binding
        if self._next > _LAST:
            raise StorageError("all numbers up to %d are used" % _LAST)
        # What was put by for ending and draining comes before anything new.
        while not self.put_by():
            if not self.make_room():
                raise StorageFullError("no space for a recording on " + self.directory)
        self.written(0)
        recording = Recording(self, self._next, live)
        self._next += 1
        self._recording.append(recording)
        path = self.path(recording.seq, ".rec")
        try:
            self.with_room(lambda: lines.append(path, {"begin": begin}))
        except StorageError:
            self._recording.remove(recording)
            self._remove(path)
            raise
        return recording

    def capture_id(self, entry):
        """Text that names a capture for ever: this store's id and the recording's number."""
        return "%s-%s" % (self._own.value["id"], entry.id)

    def keep_time(self, unix_seconds):
        """Keep a time that is certain, for the next boot; at most every six hours."""
        if unix_seconds - self._own.value.get("time", 0) >= _KEEP_TIME_S:
            self._own.value["time"] = unix_seconds
            self.with_spare(self._own.save)

    # Reading the queue

    def entries(self, newest_first=False):
        """Generate an Entry for each recording on flash, those being recorded left out unless
        they are live.

        Memory does not grow with their number: the directory is listed again every 16
        recordings. Raises StorageError.
        """
        # Sorted by key, which for newest first is the negated number.
        sign = -1 if newest_first else 1
        after = -_LAST - 1
        while True:
            found = []
            for seq, _ in self._names():
                key = seq * sign
                if key > after and key not in found:
                    found.append(key)
                    if len(found) > _SCAN:
                        found.remove(max(found))
            if not found:
                return
            for key in sorted(found):
                after = key
                recording = self._open_recording(key * sign)
                if recording is None or recording.live:
                    entry = Entry(self, key * sign)
                    entry.live = recording is not None
                    yield entry

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
            self._without_manifest(entry)
        elif entry.strange or entry.begin.get("v") != VERSION:
            self.quarantine(entry, "written by another version of this module")
        elif self.is_held(entry):
            pass
        elif entry.live or entry.whole():
            return entry
        else:
            from .recover import recover

            if recover(self, entry):
                return Entry(self, entry.seq)
        return None

    def is_held(self, entry):
        """True if the recording was made under another binding than the present one."""
        return self.binding is not None and entry.binding != self.binding

    def _without_manifest(self, entry):
        for rest in self.media(entry.seq):
            if self.guard(lambda r=rest: os.stat(self.path(entry.seq, r)))[6]:
                self.quarantine(entry, "the manifest is lost or damaged", True)
                return
        self.remove(entry.seq)

    def entry(self, local_id):
        """The Entry of a local id, like `000042`. Raises StorageError if there is none."""
        if local_id.isdigit():
            for seq, _ in self._names():
                if seq == int(local_id):
                    return Entry(self, seq)
        raise StorageError("there is no recording %s" % local_id)

    def quarantine(self, entry, reason, damaged=False):
        """Put an entry out of the queue's way; nothing of it is deleted."""
        entry.note("bad", reason[:200], damaged)
        self.emit("quarantined", id=entry.id, reason=reason)

    # Writing

    def remove(self, seq, entry=None):
        """Delete a recording's files, in an order that a power cut anywhere can't misread:
        media first, then the manifest, last the state.

        With its `entry`, a recording that is just as its manifest says is deleted without a
        listing of the directory.
        """
        if seq == self._next - 1 and self._own.value.get("next", 0) < self._next:
            # Once its files are gone nothing else would tell that the number was used.
            self._own.value["next"] = self._next
            self.with_spare(self._own.save)
        if entry and entry.whole():
            for file in entry.files():
                self._remove(self.path(seq, media.file_name(file["index"], file["content_type"])))
        while not (entry and entry.known()):
            # In portions: a recording may have more files than fit the heap as names.
            found = []
            for rest in self.media(seq):
                found.append(rest)
                if len(found) == _SCAN:
                    break
            if not found:
                break
            for rest in found:
                self._remove(self.path(seq, rest))
        self._remove(self.path(seq, ".rec"))
        self._remove(self.path(seq, ".sta"))
        self._told_low = False
        self.put_by()

    def _remove(self, path):
        try:
            size = os.stat(path)[6]
            os.remove(path)
            self._free += size
        except OSError as e:
            if e.errno != _ENOENT:
                raise StorageError("%s can't be removed: %s" % (path, e))

    def path(self, seq, rest):
        """Where a recording's file lies: `rest` is `.rec`, `.sta`, or `00.opu` for media."""
        return "%s/%06d%s" % (self.directory, seq, rest)

    def append(self, path, *values):
        """Append durable lines, if need be into the space put by. Raises StorageError,
        StorageFullError."""
        self.with_spare(lambda: lines.append(path, *values))

    def guard(self, call):
        """Return `call()`, its OSError raised as StorageError or StorageFullError."""
        try:
            return call()
        except OSError as e:
            if e.errno == _ENOSPC:
                raise StorageFullError("no space left on %s" % (self.directory or "/"))
            raise StorageError("storage %s failed: %s" % (self.directory or "/", e))

    def with_spare(self, call):
        """`guard(call)`, once more after giving up the space put by if there is no other."""
        try:
            return self.guard(call)
        except StorageFullError:
            if not self.spend():
                raise
            return self.guard(call)

    def with_room(self, call):
        """`guard(call)`, as often as the owner's policy finds something to delete."""
        while True:
            try:
                return self.guard(call)
            except StorageFullError:
                if not self.make_room():
                    raise

    def spend(self):
        """Give up the space put by; False if there is none."""
        try:
            path = self.directory + "/store.spr"
            size = os.stat(path)[6]
            os.remove(path)
            self._free += size
            return True
        except OSError:
            return False

    def put_by(self):
        """Put space by, for ending and draining once nothing else is left; False if there is
        none to put by. What was there already counts."""
        path = self.directory + "/store.spr"
        try:
            size = os.stat(path)[6]
        except OSError:
            size = 0
        if size >= _SPARE:
            return True
        try:
            stat = os.statvfs(self.directory or "/")
            size = max(_SPARE, _SPARE_BLOCKS * stat[1])
            zeros = bytes(512)
            with open(path, "wb") as f:
                for _ in range(size // len(zeros)):
                    f.write(zeros)
            self._free -= size
            return True
        except OSError:
            self.spend()  # half of it would only be in the way
            return False

    def make_room(self):
        """Delete the oldest recording whose upload has not begun, if the owner's policy
        allows that; False if nothing was deleted."""
        if self._delete_when_full:
            for entry in self.entries():
                if entry.recording_id is None and entry.seq != self.busy and not entry.live:
                    entry.note("done")
                    self.remove(entry.seq)
                    self.emit("deleted", id=entry.id, reason="the storage is full")
                    return True
        return False

    def free_bytes(self):
        """Bytes that can still be stored, the space put by left out. Raises StorageError."""
        if not self._writers:
            # littlefs counts the blocks of a file open for writing more than once, so while
            # there is one, what it takes is counted here.
            stat = self.guard(lambda: os.statvfs(self.directory or "/"))
            self._free = stat[1] * stat[4]
        return max(0, self._free)

    def space(self):
        """(bytes free, bytes in all) of the storage. Raises StorageError."""
        stat = self.guard(lambda: os.statvfs(self.directory or "/"))
        return self.free_bytes(), stat[1] * stat[2]

    def count_pending(self):
        """How many recordings wait for their upload. Reads only; raises StorageError."""
        count = 0
        for entry in self.entries():
            count += entry.bad is None and not entry.done and not self.is_held(entry)
        return count

    def is_recording(self):
        """True while a recording of this process is open."""
        return bool(self._recording)

    def opened(self, writer):
        """Told by a MediaWriter that it is about to open its file."""
        self.free_bytes()
        self._writers.append(writer)

    def closed(self, writer):
        """Told by a MediaWriter that its file is closed."""
        if writer in self._writers:
            self._writers.remove(writer)

    def written(self, size):
        """Told by writers how many bytes they wrote."""
        self._free -= size
        if self._free < self._low_space and not self._told_low:
            self._told_low = True
            self.emit("low_space", free_bytes=self.free_bytes())

    def open_media(self, seq, file):
        """The MediaReader of a manifest's file dict. Raises DamagedError, StorageError."""
        path = self.path(seq, media.file_name(file["index"], file["content_type"]))
        try:
            size = os.stat(path)[6]
            if size >= file["size"]:
                return MediaReader(open(path, "rb"), file.get("head"))
        except OSError as e:
            if e.errno != _ENOENT:
                raise StorageError("%s can't be read: %s" % (path, e))
            raise DamagedError("%s is missing" % path)
        raise DamagedError("%s has %d of its %d bytes" % (path, size, file["size"]))

    def media(self, seq):
        """Generate what follows the number in the name of each of a recording's media files
        on flash, in the directory's order."""
        for s, rest in self._names():
            if s == seq and rest[0] != ".":
                yield rest

    def ended(self, recording):
        """Told by a Recording that it ended."""
        if recording in self._recording:
            self._recording.remove(recording)
        self.emit("ended", id=recording.id)

    def emit(self, event, **info):
        """Tell `on_event`, if there is one."""
        if self.on_event:
            self.on_event(event, info)

    def _open_recording(self, seq):
        for recording in self._recording:
            if recording.seq == seq:
                return recording
        return None

    def _names(self):
        # (number, rest) of our files; alien ones are none of our business.
        try:
            for found in os.ilistdir(self.directory or "/"):
                name = found[0]
                number, rest = name[:6], name[6:]
                if found[1] == _DIR:
                    continue
                if len(number) == 6 and number.isdigit() and _is_ours(rest):
                    yield int(number), rest
        except OSError as e:
            raise StorageError("storage %s can't be listed: %s" % (self.directory or "/", e))


def _make_directory(path):
    try:
        mode = os.stat(path or "/")[0]
    except OSError as e:
        if e.errno != _ENOENT:
            raise
        os.mkdir(path)
        return
    if mode & _DIR == 0:
        raise StorageError("%s is not a directory" % path)


def _is_ours(rest):
    if rest in (".rec", ".sta"):
        return True
    return (
        len(rest) == 6
        and rest[2] == "."
        and (rest[0].isdigit() or rest[0].islower())
        and (rest[1].isdigit() or rest[1].islower())
        and media.from_extension(rest) is not None
    )
