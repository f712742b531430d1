"""Recordings on flash: the durable queue.

Flat in one directory (a littlefs directory costs 8 KiB):
`000042.rec` the manifest, `000042.0.opus` the media, `000042.state` how far the upload got;
`store.0` and `store.1` hold the store's own id and the next number. Files grow by whole lines
(see `lines`) and are removed; nothing is renamed or rewritten.
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


class Store:
    """The recordings below `path`, a directory, made if missing.

    `clock` is a `clock.Clock`; `sync_bytes` is how much a power cut may cost of a file
    being recorded; `binding` names the end user's binding that new recordings are made under.
    Raises StorageError if the storage can't be used.
    """

    def __init__(self, path, clock, sync_bytes=32768, binding=None):
        self.clock = clock
        self.sync_bytes = sync_bytes
        self.binding = binding
        self._dir = path.rstrip("/")
        self._recording = []  # those begun by this process and not ended
        self._on_ended = None
        try:
            if os.stat(self._dir or "/")[0] & _DIR == 0:
                raise StorageError("%s is not a directory" % path)
        except OSError:
            self.guard(lambda: os.mkdir(self._dir))
        self._own = Durable(self._dir + "/store")
        if "id" not in self._own.value:
            self._own.value["id"] = hexlify(os.urandom(4)).decode()
            self.guard(self._own.save)
        self._next = self._own.value.get("next", 1)
        for seq, _ in self._names():
            if seq >= self._next:
                self._next = seq + 1

    def begin(self, name=None, started_at=None, metadata=None):
        """Begin a recording and return it; it is on flash when this returns.

        `name` is text, `started_at` ISO 8601 text (the present moment if left out, none at
        all if ""), `metadata` a dict that JSON can carry. Raises StorageError, StorageFullError.
        """
        started_at = check_time("started_at", started_at, self.clock)
        check_about(name, metadata)
        begin = {}
        if started_at:
            begin["started_at"] = started_at
        if name:
            begin["name"] = name
        if metadata:
            begin["metadata"] = metadata
        if self.binding is not None:
            begin["binding"] = self.binding
        recording = Recording(self, self._next)
        self._next += 1
        self._recording.append(recording)
        try:
            self.append(self.path(recording.seq, "rec"), {"begin": begin})
        except StorageError:
            self._recording.remove(recording)
            try:
                os.remove(self.path(recording.seq, "rec"))
            except OSError:
                pass
            raise
        return recording

    def capture_id(self, entry):
        """Text that names a capture for ever: this store's id and the recording's number."""
        return "%s-%s" % (self._own.value["id"], entry.id)

    def entries(self, after=0):
        """Generate an Entry for each recording on flash, oldest first, those being recorded
        left out. Memory does not grow with their number: the directory is listed again
        every 16 recordings."""
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

        On the way, leftovers of a deletion that was cut are removed, and recordings that
        were never ended are recovered.
        """
        for entry in self.entries():
            if entry.done:
                self.remove(entry.seq)
            elif entry.bad is not None:
                pass
            elif entry.begin is None:
                self._without_manifest(entry)
            elif self.binding is not None and entry.binding != self.binding:
                pass
            elif entry.end is None or entry.count != entry.end["count"]:
                from .recover import recover

                if recover(self, entry):
                    yield Entry(self, entry.seq)
            else:
                yield entry

    def entry(self, local_id):
        """The Entry of a local id, like `000042`. Raises StorageError if there is none."""
        if local_id.isdigit():
            for _ in self.suffixes(int(local_id)):
                return Entry(self, int(local_id))
        raise StorageError("no recording %s" % local_id)

    def status(self):
        """The queue as a dict for people: `pending`, `quarantined`, `bytes`, `recordings`.

        Reads only. `recordings` has `id`, `state`, `recording_id`, `reason` (of a
        quarantine) and `files` with `name`, `content_type`, `size` and `sent`. This one
        grows with the queue.
        """
        result = {"pending": 0, "quarantined": 0, "bytes": 0, "recordings": []}
        for entry in self.entries():
            if entry.done:
                continue
            files = []
            for suffix in self.suffixes(entry.seq):
                index = suffix.partition(".")[0]
                if index.isdigit():
                    path = self.path(entry.seq, suffix)
                    size = os.stat(path)[6]
                    result["bytes"] += size
                    files.append(
                        {
                            "name": path[len(self._dir) + 1 :],
                            "content_type": media.from_extension(suffix),
                            "size": size,
                            "sent": entry.sent(int(index)),
                        }
                    )
            state = entry.state()
            result["quarantined" if state == "quarantined" else "pending"] += 1
            about = {
                "id": entry.id,
                "state": state,
                "recording_id": entry.recording_id,
                "files": files,
            }
            if entry.bad is not None:
                about["reason"] = entry.bad
            result["recordings"].append(about)
        return result

    def remove(self, seq):
        """Delete a recording's files, in an order that a power cut anywhere can't misread."""
        if seq == self._next - 1 and self._own.value.get("next", 0) < self._next:
            # Once its files are gone nothing else would tell that the number was used.
            self._own.value["next"] = self._next
            self.guard(self._own.save)
        last = []
        for suffix in self.suffixes(seq):
            if suffix in ("rec", "state"):
                last.append(suffix)
            else:
                self._remove(seq, suffix)
        for suffix in sorted(last):
            self._remove(seq, suffix)

    def _remove(self, seq, suffix):
        try:
            os.remove(self.path(seq, suffix))
        except OSError as e:
            if e.errno != 2:  # ENOENT: gone already
                raise StorageError("%s can't be removed: %s" % (self.path(seq, suffix), e))

    def _without_manifest(self, entry):
        for suffix in self.suffixes(entry.seq):
            if suffix not in ("rec", "state") and os.stat(self.path(entry.seq, suffix))[6]:
                entry.note("bad", "the manifest is lost or damaged")
                return
        self.remove(entry.seq)

    def path(self, seq, suffix):
        """Where a recording's file lies."""
        return "%s/%06d.%s" % (self._dir, seq, suffix)

    def append(self, path, *values):
        """Append durable lines. Raises StorageError, StorageFullError."""
        self.guard(lambda: lines.append(path, *values))

    def guard(self, call):
        """Return `call()`, its OSError raised as StorageError or StorageFullError."""
        try:
            return call()
        except OSError as e:
            if e.errno == ENOSPC:
                raise StorageFullError("no space left on %s" % (self._dir or "/"))
            raise StorageError("storage %s failed: %s" % (self._dir or "/", e))

    def open_media(self, seq, file):
        """The MediaReader of a manifest's file dict. Raises DamagedError."""
        path = self.path(seq, "%d.%s" % (file["index"], media.extension(file["content_type"])))
        try:
            size = os.stat(path)[6]
            if size >= file["size"]:
                return MediaReader(open(path, "rb"), file.get("head"))
        except OSError as e:
            if e.errno != 2:
                raise StorageError("%s can't be read: %s" % (path, e))
            raise DamagedError("%s is missing" % path)
        raise DamagedError("%s has %d of its %d bytes" % (path, size, file["size"]))

    def suffixes(self, seq):
        """The part after the number of each file of a recording, as a list."""
        return [suffix for s, suffix in self._names() if s == seq]

    def closed(self, recording):
        """Told by a Recording that it ended."""
        self._recording.remove(recording)
        if self._on_ended:
            self._on_ended(recording)

    def on_ended(self, callback):
        """Have `callback(recording)` called when a recording has ended."""
        self._on_ended = callback

    def _is_recording(self, seq):
        for r in self._recording:
            if r.seq == seq:
                return True
        return False

    def _names(self):
        # Alien files are none of ours: anything but six or more digits and a suffix.
        try:
            for found in os.ilistdir(self._dir or "/"):
                number, dot, suffix = found[0].partition(".")
                if suffix and len(number) >= 6 and number.isdigit():
                    yield int(number), suffix
        except OSError as e:
            raise StorageError("storage %s can't be listed: %s" % (self._dir or "/", e))
