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
from .durable import Durable
from .entry import Entry, MediaReader
from .errors import DamagedError, StorageError, StorageFullError
from .recording import ENOSPC, Recording, check_about, check_time

_SCAN = const(16)  # recordings found by one listing of the directory
_DIR = const(0x4000)
_ENOENT = const(2)
# What ending a recording and draining need when nothing else is left: on littlefs a block
# each for a manifest, a file's tail and two for the directory.
_SPARE = const(16384)
_SPARE_BLOCKS = const(4)
_LAST = const(999999)
_VERSION = const(1)


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
        self.sync_bytes = sync_bytes
        self.binding = binding
        self.on_event = None
        self.busy = None  # number of the recording whose upload is about to begin
        self._low_space = low_space_bytes
        self._delete_when_full = delete_when_full
        self._mount = mount
        self._dir = path.rstrip("/")
        self.reopen()

    def reopen(self):
        """Begin anew with what is on the storage now, say after a card was put back in.

        Recordings that were open are interrupted ones from here on. Raises StorageError.
        """
        self._recording = []  # those begun by this process and not ended
        self._writers = []  # media files open for writing
        if self._mount:
            self.guard(self._mount)
        self.guard(self._make_directory)
        self._own = Durable(self._dir + "/store")
        if "id" not in self._own.value:
            self._own.value["id"] = hexlify(os.urandom(4)).decode()
            self.guard(self._own.save)
        self._next = self._own.value.get("next", 1)
        for seq, _ in self._names():
            if seq >= self._next:
                self._next = seq + 1
        self._told_low = False
        self._free = 0
        self.put_by()
        self.free_bytes()

    def _make_directory(self):
        try:
            mode = os.stat(self._dir or "/")[0]
        except OSError as e:
            if e.errno != _ENOENT:
                raise
            os.mkdir(self._dir)
            return
        if mode & _DIR == 0:
            raise StorageError("%s is not a directory" % self._dir)

    def begin(self, name=None, started_at=None, metadata=None):
        """Begin a recording and return it; it is on flash when this returns.

        `name` is text, `started_at` ISO 8601 text (the present moment if left out, none at
        all if ""), `metadata` a dict that JSON can carry. Raises StorageError,
        StorageFullError.
        """
        started_at = check_time("started_at", started_at, self.clock)
        check_about(name, metadata)
        begin = {"v": _VERSION}
        if started_at:
            begin["started_at"] = started_at
        if name:
            begin["name"] = name
        if metadata:
            begin["metadata"] = metadata
        if self.binding is not None:
            begin["binding"] = self.binding
        if self._next > _LAST:
            raise StorageError("all numbers up to %d are used" % _LAST)
        # What was put by for ending and draining comes before anything new.
        while not self.put_by():
            if not self.make_room():
                raise StorageFullError("no space left on %s for a recording" % (self._dir or "/"))
        self.written(0)
        recording = Recording(self, self._next)
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

    # Reading the queue

    def entries(self, after=0):
        """Generate an Entry for each recording on flash, oldest first, those being recorded
        left out. Memory does not grow with their number: the directory is listed again
        every 16 recordings. Raises StorageError."""
        while True:
            found = []
            for seq, _ in self._names():
                if seq > after and seq not in found:
                    found.append(seq)
                    if len(found) > _SCAN:
                        found.remove(max(found))
            if not found:
                return
            for seq in sorted(found):
                after = seq
                if not self._is_recording(seq):
                    yield Entry(self, seq)

    def pending(self):
        """Generate the entries that are to be uploaded, oldest first.

        On the way, leftovers of a deletion that was cut are removed, recordings that were
        never ended are recovered, and what can't be is quarantined. Raises StorageError.
        """
        for entry in self.entries():
            if entry.done:
                self.remove(entry.seq)
            elif entry.bad is not None:
                pass
            elif entry.begin is None:
                self._without_manifest(entry)
            elif entry.strange or entry.begin.get("v") != _VERSION:
                self.quarantine(entry, "written by another version of this module")
            elif self.binding is not None and entry.binding != self.binding:
                pass
            elif entry.whole():
                yield entry
            else:
                from .recover import recover

                if recover(self, entry):
                    yield Entry(self, entry.seq)

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

    def status(self):
        """The queue as a dict for people: `pending`, `quarantined`, `bytes`, `recordings`.

        Reads only. `recordings` has `id`, `state`, `recording_id`, `reason` (of a
        quarantine) and `files` with `name`, `content_type`, `size` and `sent`. This one
        grows with the queue. Raises StorageError.
        """
        result = {
            "pending": 0,
            "quarantined": 0,
            "bytes": 0,
            "free_bytes": self.free_bytes(),
            "recordings": [],
        }
        for entry in self.entries():
            if entry.done:
                continue
            about = self._about(entry)
            result["bytes"] += sum(f["size"] for f in about["files"])
            result["quarantined" if entry.bad is not None else "pending"] += 1
            result["recordings"].append(about)
        return result

    def _about(self, entry):
        files = []
        for rest in sorted(self.media(entry.seq)):
            path = self.path(entry.seq, rest)
            files.append(
                {
                    "name": path[len(self._dir) + 1 :],
                    "content_type": media.from_extension(rest),
                    "size": self.guard(lambda p=path: os.stat(p))[6],
                    "sent": entry.sent(int(rest[:2], 36)),
                }
            )
        about = {
            "id": entry.id,
            "state": entry.state(),
            "recording_id": entry.recording_id,
            "files": files,
        }
        if entry.bad is not None:
            about["reason"] = entry.bad
        return about

    # What the owner may do

    def quarantined(self):
        """Generate the entries in quarantine, oldest first; `bad` is the reason."""
        for entry in self.entries():
            if entry.bad is not None and not entry.done:
                yield entry

    def retry(self, local_id):
        """Take a recording back out of quarantine.

        If it was damaged, what is there of it is uploaded as an interrupted recording.
        Raises StorageError if it is not in quarantine.
        """
        entry = self._in_quarantine(local_id)
        if entry.damaged:
            if entry.begin is None:
                begin = {"v": _VERSION}
                if self.binding is not None:
                    begin["binding"] = self.binding
                self.append(self.path(entry.seq, ".rec"), {"begin": begin})
            self.append(self.path(entry.seq, ".rec"), {"anew": 1})
        entry.note("retry")

    def discard(self, local_id):
        """Delete a recording that is in quarantine. Raises StorageError if it is not."""
        entry = self._in_quarantine(local_id)
        entry.note("done")
        self.remove(entry.seq)

    def _in_quarantine(self, local_id):
        entry = self.entry(local_id)
        if entry.bad is None:
            raise StorageError("recording %s is not in quarantine" % local_id)
        return entry

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
        return "%s/%06d%s" % (self._dir, seq, rest)

    def append(self, path, *values):
        """Append durable lines, if need be into the space put by. Raises StorageError,
        StorageFullError."""
        self.with_spare(lambda: lines.append(path, *values))

    def guard(self, call):
        """Return `call()`, its OSError raised as StorageError or StorageFullError."""
        try:
            return call()
        except OSError as e:
            if e.errno == ENOSPC:
                raise StorageFullError("no space left on %s" % (self._dir or "/"))
            raise StorageError("storage %s failed: %s" % (self._dir or "/", e))

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
            path = self._dir + "/store.spr"
            size = os.stat(path)[6]
            os.remove(path)
            self._free += size
            return True
        except OSError:
            return False

    def put_by(self):
        """Put space by, for ending and draining once nothing else is left; False if there is
        none to put by. What was there already counts."""
        path = self._dir + "/store.spr"
        try:
            size = os.stat(path)[6]
        except OSError:
            size = 0
        if size >= _SPARE:
            return True
        try:
            stat = os.statvfs(self._dir or "/")
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
                if entry.recording_id is None and entry.seq != self.busy:
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
            stat = self.guard(lambda: os.statvfs(self._dir or "/"))
            self._free = stat[1] * stat[3]
        return max(0, self._free)

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

    def _is_recording(self, seq):
        for r in self._recording:
            if r.seq == seq:
                return True
        return False

    def _names(self):
        # (number, rest) of our files; alien ones are none of our business.
        try:
            for found in os.ilistdir(self._dir or "/"):
                name = found[0]
                number, rest = name[:6], name[6:]
                if found[1] == _DIR:
                    continue
                if len(number) == 6 and number.isdigit() and _is_ours(rest):
                    yield int(number), rest
        except OSError as e:
            raise StorageError("storage %s can't be listed: %s" % (self._dir or "/", e))


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
