"""A stored recording as it is read back: its manifest and how far its upload got."""

import asyncio
import hashlib
import os
from binascii import hexlify, unhexlify

from micropython import const

from . import journal, layout
from .errors import DamagedError, StorageError

_CHUNK = const(2048)  # bytes hashed between two looks at other tasks

# What the lines of a `.sta` file mean. They are short: a state file of up to 128 bytes
# lives in littlefs's directory metadata, where an append costs no erase.
#   ["id", recording_id]  created on the service
#   ["gone"]              the service no longer knows it
#   ["sent", index]       S3 has this file whole
#   ["md5", index, hex]   the MD5 of a file that was not hashed while it was written
#   ["sha256", hex]       the SHA-256 of the only file, which the service is verifying
#   ["asked"]             completion is about to be asked for; with a 1 beside it: without a hash
#   ["done"]              the service acknowledged completion; only deletion is left
#   ["bad", reason, damaged]  quarantined
#   ["retry"]             put back into the queue by the owner
#   ["binding", id]       to be uploaded under this binding, says the owner


class Entry:
    """One stored recording, as its two files say. Only `Store` makes them.

    `id` is its local id, `seq` the same as a number. `begin` and `end` are the manifest's
    dicts (`end` None while it is recorded or if interrupted), `count` the number of its files,
    `priority` 0 to 9, `binding` the end user's binding. `recording_id` is the service's id or
    None, `creates` how often it was created, `asked` whether completion was asked for, `plain`
    whether without a hash, `done` whether it was acknowledged. `bad` is the quarantine's reason
    or None, `damaged` whether that lies with the files, `strange` whether whole lines mean
    nothing to this version. `live` tells that it is still being recorded. Raises StorageError.
    """

    def __init__(self, store, seq, live=False):
        self.seq = seq
        self.id = "%06d" % seq
        self._store = store
        self.emit = store.emit
        self.begin = self.end = None
        self.count = 0
        self.recording_id = None
        self.creates = 0
        self.asked = self.plain = self.done = False
        self.live = live
        self.bad = None
        self.damaged = False
        self.binding = None
        self.priority = 0
        self._sent = 0  # bit i: file i
        self._md5 = {}
        self._sha256 = None
        self._kept = False  # `_sha256` is on flash
        self._skip = 0  # file lines that a requeuing has made void
        self._interrupted = False
        self._state_path = store.path(seq, ".sta")
        self.strange = False
        self._take(store.path(seq, ".rec"), self._manifest)
        self._take(self._state_path, self._apply)

    def _take(self, path, take):
        for line in self._read(path):
            try:
                take(line)
            except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                self.strange = True

    def _read(self, path):
        try:
            yield from journal.read(path)
        except OSError as e:
            if e.errno != 2:  # ENOENT: not there yet
                raise StorageError("%s can't be read: %s" % (path, e))

    def _manifest(self, line):
        if "begin" in line:
            self.binding = line["begin"].get("binding")
            self.priority = min(9, max(0, line["begin"].get("priority", 0)))
            self.begin = line["begin"]
        elif "file" in line:
            layout.media_name(line["file"]["index"], line["file"]["content_type"])
            line["file"]["size"] + 0
            self.count += 1
        elif "end" in line:
            self._interrupted = line["end"].get("interrupted", False)
            self.end = line["end"]
        elif "anew" in line:
            self._skip += self.count
            self.count = 0
            self.end = None

    def _apply(self, line):
        what = line[0]
        if what == "id":
            self.recording_id = line[1]
            self.creates += 1
        elif what == "gone":
            self.recording_id = None
            self._sent = 0
            self.asked = self.plain = False
        elif what == "sent":
            self._sent |= 1 << line[1]
            self._md5.pop(line[1], None)  # or they would be as many as there are files
        elif what == "md5":
            self._md5[line[1]] = line[2]
        elif what == "sha256":
            self._sha256 = line[1]
            self._kept = True
        elif what == "asked":
            self.asked = True
            self.plain = len(line) > 1
        elif what == "done":
            self.done = True
        elif what == "bad":
            self.bad = line[1]
            self.damaged = line[2]
        elif what == "retry":
            self.bad = self._sha256 = None
            self._kept = False
            self.creates = 0
            self._md5 = {}
        elif what == "binding":
            self.binding = line[1]

    def note(self, *line):
        """Make one step of the upload durable; see the table above. Raises StorageError."""
        self._store.append(self._state_path, line)
        self._apply(line)

    def files(self):
        """Generate the manifest's file dicts in order: `index`, `content_type`, `size`,
        and where known `md5` (hex), `captured_at` (a stamp), `head` (hex)."""
        skip = self._skip
        for line in self._read(self._store.path(self.seq, ".rec")):
            if "file" in line:
                if skip:
                    skip -= 1
                else:
                    yield line["file"]

    def about(self, clock):
        """What the service is told when it is created, by a Clock's idea of the times: a dict
        with `metadata` and, where known, `name`, `started_at`, `ended_at`."""
        begin, end = self.begin, self.end or {}
        metadata = dict(begin.get("metadata") or {})
        metadata.update(end.get("metadata") or {})
        if end.get("interrupted"):
            metadata["interrupted"] = True
        fields = {"name": begin.get("name")}
        for key, line in (("started_at", begin), ("ended_at", end)):
            fields[key] = clock.resolve(line.get(key))
            if clock.guesses(line.get(key)):
                metadata["time_estimated"] = True
        fields = {key: fields[key] for key in fields if fields[key]}
        fields["metadata"] = metadata
        return fields

    def known(self):
        """True if its files on flash are those of its manifest and no others."""
        return self.whole() and not self._interrupted and not self._skip

    def whole(self):
        """True if it was ended (or recovered) and its manifest lost no line since."""
        return self.end is not None and self.end.get("count") == self.count

    def sent(self, index):
        """True once S3 has acknowledged this file."""
        return bool(self._sent & (1 << index))

    def md5(self, file):
        """A file's MD5 as hex, or None if it was never hashed."""
        return file.get("md5") or self._md5.get(file["index"])

    def sha256(self, file):
        """The SHA-256 of the only file as hex, or None if it is not known."""
        return file.get("sha256") or self._sha256

    async def hash_both(self, file):
        """The MD5 (hex) of the only file; its SHA-256 is known from then on, until the next
        boot. Raises DamagedError, StorageError."""
        sha256 = hashlib.sha256()
        try:
            md5 = await md5_of(self, file, sha256)
        finally:
            digest = sha256.digest()  # an open hash may hold the chip's engine
        self._sha256 = hexlify(digest).decode()
        return md5

    def keep_sha256(self, file, sha256):
        """Have the only file's SHA-256 (hex) known after a reboot, too. Raises StorageError."""
        if "sha256" not in file and not self._kept:
            self.note("sha256", sha256)

    def open(self, file):
        """The MediaReader of one of `files()`. Raises DamagedError if the file is missing or
        too short, StorageError."""
        rest = layout.media_name(file["index"], file["content_type"])
        path = self._store.path(self.seq, rest)
        try:
            size = os.stat(path)[6]
            if size >= file["size"]:
                return MediaReader(open(path, "rb"), file.get("head"))
        except OSError as e:
            if e.errno != 2:  # ENOENT
                raise StorageError("%s can't be read: %s" % (path, e))
            raise DamagedError("%s is missing" % path)
        raise DamagedError("%s has %d of its %d bytes" % (path, size, file["size"]))


class MediaReader:
    """A stored file as it is to be sent: the open file `f`, its first bytes those of `head`
    (hex) if given."""

    def __init__(self, f, head=None):
        self._file = f
        self._head = unhexlify(head) if head else None

    def readinto(self, buf):
        """Read up to `len(buf)` bytes; the number read, 0 at the end. Raises OSError."""
        n = self._file.readinto(buf)
        if self._head:
            # Buffers are longer than any head, so the first read covers it.
            k = min(n, len(self._head))
            buf[:k] = self._head[:k]
            self._head = None
        return n

    def close(self):
        """Close the file."""
        self._file.close()


async def md5_of(entry, file, *more):
    """The MD5 (hex) of a file as it is on flash now, `more` hashes updated beside it. Raises
    DamagedError, StorageError, OSError."""
    reader = entry.open(file)

    def tell():
        entry.emit("progress", id=entry.id, file=file["index"], sent=0, size=file["size"])

    try:
        return await digest(reader, file["size"], bytearray(_CHUNK), *more, tell=tell)
    finally:
        reader.close()


async def digest(reader, size, buf, *more, tell=None):
    """MD5 (hex) of the first `size` bytes of `reader`, or of what it has; other tasks run
    after each chunk of `buf`. `more` are other hashes to update on the way; `tell()` is called
    every 512 of them, a sign of life where it takes long. Raises OSError."""
    md5 = hashlib.md5()
    mv = memoryview(buf)
    chunks = 0
    try:
        while size > 0:
            n = reader.readinto(mv[: min(size, len(buf))])
            if not n:
                break
            md5.update(mv[:n])
            for h in more:
                h.update(mv[:n])
            size -= n
            chunks += 1
            if tell and not chunks & 511:
                tell()
            await asyncio.sleep_ms(0)
    finally:
        # Also when it is given up: an open hash may hold the chip's engine.
        md5 = md5.digest()
    return hexlify(md5).decode()
