"""A recording being made: what a recorder writes to."""

import hashlib
from binascii import hexlify

from micropython import const

from . import journal, layout, media
from .errors import StorageError, StorageFullError
from .memory import borrow

_ENOSPC = const(28)
_MAX_METADATA = const(2048)  # bytes as JSON; a manifest line stays below what journal.read takes
_MAX_NAME = const(256)
_MAX_PRIORITY = const(9)


def check_time(what, value, clock_now=None):
    """The stamp to store for a time that a caller gave: ISO 8601 text with a zone, or what
    `Clock.stamp` returned; "" for none at all; None for the present moment of the Clock
    `clock_now` (none without one). Raises StorageError for anything else."""
    if value is None:
        return clock_now.stamp() if clock_now else None
    if value and not isinstance(value, list):  # a list is a stamp of the Clock's
        try:
            borrow("uploader.dates").parse_iso(value)
            value = value.replace(" ", "T")  # RFC 3339 lets a space be, ISO 8601 does not
        except ValueError as e:
            raise StorageError("%s is %s" % (what, e))
    return value


def check_about(name, metadata):
    """Raise StorageError unless `name` (None or text of at most 256 characters) and
    `metadata` (None or a dict of at most 2048 bytes as JSON) can be stored."""
    if name is not None and (not isinstance(name, str) or len(name) > _MAX_NAME):
        raise StorageError("name must be text of at most %d characters" % _MAX_NAME)
    if metadata is not None:
        if not isinstance(metadata, dict):
            raise StorageError("metadata must be an object")
        line = journal.encode(metadata)
        if len(line) > _MAX_METADATA:
            raise StorageError("metadata is longer than %d bytes" % _MAX_METADATA)
        if journal.decode(line) is None:  # NaN is none that JSON has
            raise StorageError("metadata has what JSON can't carry")


def begin_line(store, name, started_at, metadata, priority):
    """What a manifest begins with, as `Store.begin` was told; raises StorageError."""
    started_at = check_time("started_at", started_at, store.clock)
    check_about(name, metadata)
    if type(priority) is not int or not 0 <= priority <= _MAX_PRIORITY:
        raise StorageError("priority must be 0 to %d" % _MAX_PRIORITY)
    begin = {"v": layout.VERSION, "binding": store.credentials.binding}
    if started_at:
        begin["started_at"] = started_at
    if name:
        begin["name"] = name
    if metadata:
        begin["metadata"] = metadata
    if priority:
        begin["priority"] = priority
    return begin


class Recording:
    """A recording under way, number `seq` of `store`; made by `Store.begin`.

    `id` is its local id, `live` whether its files are uploaded while it goes on, `ended`
    whether `end` was called.
    """

    def __init__(self, store, seq, live=False):
        self.seq = seq
        self.live = live
        self.id = "%06d" % seq
        self.ended = False
        self._store = store
        self._count = 0
        self._open = []
        # Manifest lines that can wait for the next append. See MediaWriter.close.
        self._lines = []

    @property
    def full(self):
        """True once it has all the files that a recording can have, `layout.MOST_FILES`."""
        return self._count >= layout.MOST_FILES

    def add(self, kind, content_type=None, captured_at=None):
        """Open a media file and return its MediaWriter.

        `kind` is `audio`, `image` or `video`; `content_type` may be left out for audio only
        (`audio/opus`). `captured_at` is ISO 8601 text or a stamp of the Clock; left out, images
        and video get the present moment, "" leaves it out. Raises MediaTypeError,
        StorageError, also where there are MOST_FILES, StorageFullError.
        """
        content_type = media.check_type(kind, content_type)
        if self.ended:
            raise StorageError("recording %s has ended; begin another" % self.id)
        if self.full:
            raise StorageError("recording %s has as many files as one can have" % self.id)
        now = None if kind == "audio" else self._store.clock
        captured_at = check_time("captured_at", captured_at, now)
        writer = MediaWriter(self._store, self, self._count, content_type, captured_at)
        self._count += 1
        self._open.append(writer)
        return writer

    def end(self, ended_at=None, metadata=None):
        """Close what is open and make the recording durable; its upload is due from here on.

        `ended_at` is ISO 8601 text or a stamp of the Clock, the present moment if left out, none
        at all if "". `metadata` is what is known at the end only, beside what it began with; of
        a live recording that the service knows by then it stays on the device.
        Raises StorageError, StorageFullError; the recording is kept even so, as an
        interrupted one.
        """
        if self.ended:
            return
        end = {"count": self._count}
        ended_at = check_time("ended_at", ended_at, self._store.clock)
        if ended_at:
            end["ended_at"] = ended_at
        if metadata:
            check_about(None, metadata)
            end["metadata"] = metadata
        try:
            while self._open:
                writer = self._open[-1]
                writer.close()
                if writer in self._open:  # one whose own close failed before
                    self._open.remove(writer)
            if not self._count:
                # Nothing was captured: there is nothing to bring anywhere.
                self._store.remove(self.seq)
            else:
                self._flush({"end": end})
        except StorageError:
            self.ended = True
            for writer in self._open:
                writer.drop()
            self._store.recording_failed(self)
            raise
        self.ended = True
        self._store.recording_ended(self)

    def closed(self, writer, line):
        """Told by a MediaWriter: its file is closed, `line` describes it to the manifest."""
        self._open.remove(writer)
        self._lines.append({"file": line})
        # An image's moment exists nowhere else; an audio file could be found again by
        # recovery, so that a recording of one audio file pays for one append, not two.
        if "captured_at" in line or self.live:
            self._flush()
        if self.live:
            self._store.file_due("segment", id=self.id, file=line["index"], size=line["size"])

    def _flush(self, *more):
        values = self._lines + list(more)
        self._store.append(self._store.path(self.seq, ".rec"), *values)
        self._lines = []


class MediaWriter:
    """A media file being written, a stream; made by `Recording.add`.

    `size` is the bytes written so far, `synced` those that would survive a power cut. Raises
    StorageError, StorageFullError.
    """

    def __init__(self, store, recording, index, content_type, captured_at):
        self.size = 0
        self._store = store
        self._recording = recording
        self.synced = 0
        self._head = None
        self._md5 = None
        self._line = {"index": index, "content_type": content_type}
        if captured_at:
            self._line["captured_at"] = captured_at
        self._path = store.path(recording.seq, layout.media_name(index, content_type))
        self._full = False
        store.space.opening(self)
        try:
            self._file = store.space.with_room(open, self._path, "wb")
        except StorageError:
            store.space.closed(self)
            raise
        self._hash = hashlib.md5()  # until nothing more is to be written
        # The service takes the hash of a recording of one file (see `proof`).
        alone = store.settings.verify_sha256 and not index and not recording.live
        self._sha256 = hashlib.sha256() if alone else None

    def write(self, buf):
        """Append `buf` (bytes-like); returns its length. Every `sync_bytes` it is synced.

        Raises StorageFullError once no space is left: its `kept` bytes stay, and are uploaded
        when the recording has ended. StorageError for any other failure (a card pulled).
        """
        if self._hash is None:
            raise StorageError("the file is closed")
        if self._store.space.spent and not self._full:
            # Another file met the end of the room first.
            self._full = True
            self.sync()
        if self._full:
            raise self._no_space()
        start = self.size
        mv = memoryview(buf)
        while mv:
            try:
                self._file.write(mv)
                self._took(mv)
                break
            except OSError as e:
                if e.errno != _ENOSPC:
                    raise StorageError("writing %s failed: %s" % (self._path, e))
            # What went in before the space was used up stays in.
            n = self._file.tell() - self.size
            self._took(mv[:n])
            mv = mv[n:]
            if not self._store.space.make_room():
                self._keep(mv)
        self._store.space.written(self.size - start)
        if self.size - self.synced >= self._store.settings.sync_bytes:
            self.sync()
        return len(buf)

    def _took(self, mv):
        self._hash.update(mv)
        if self._sha256:
            self._sha256.update(mv)
        self.size += len(mv)

    def _keep(self, mv):
        # littlefs gives up what was not synced of a file whose last write failed, until one
        # succeeds: so a little more is written, into the room kept.
        self._full = True
        if self._store.space.release():
            mv = mv[:256]
            self._store.space.guard(self._file.write, mv)
            self._took(mv)
            self.sync()
        raise self._no_space()

    def _no_space(self):
        text = "no space left; the %d bytes so far are kept and will be uploaded" % self.size
        return StorageFullError(text, self.size)

    def sync(self):
        """Make what was written so far survive a power cut."""
        if self._file is None or self.synced == self.size:
            return
        try:
            self._store.space.guard(self._file.flush)
        except StorageFullError:
            self._full = True
            if not self._store.space.release():
                raise
            # littlefs ignores syncs of a file whose sync failed until a write succeeds. The
            # byte is not counted: a file may be longer than its manifest says.
            self._store.space.guard(self._file.write, b"\0")
            self._store.space.guard(self._file.flush)
        self.synced = self.size

    def set_head(self, head):
        """Replace the file's first bytes by `head` (bytes, at most 256) when it is sent.

        For formats whose first bytes are known last, like WAV's sizes. The file itself is
        left alone: littlefs would copy all of it to change its beginning.
        """
        if len(head) > 256 or len(head) > self.size:
            raise StorageError("a head is at most 256 bytes, and no longer than its file")
        self._head = bytes(head)

    def close(self):
        """Finish the file. It is durable from here on; safe to call twice."""
        if self._file is None:
            return
        self.abandon()
        # Closing would forget what it could not sync.
        self.sync()
        f, self._file = self._file, None
        self._store.space.closed(self)
        self._store.space.guard(f.close)
        self._line["size"] = self.size
        if self._head:
            self._line["head"] = hexlify(self._head).decode()
        else:
            self._line["md5"] = self._md5
            if self._sha256:
                self._line["sha256"] = self._sha256
        self._recording.closed(self, self._line)

    def drop(self):
        """Give the file up as it is, to recovery; nothing is raised."""
        self.abandon()
        self._store.space.closed(self)
        f, self._file = self._file, None
        try:
            if f:
                f.close()
        except OSError:
            pass

    def abandon(self):
        """Take no more to write. An open hash may hold the chip's engine, so it is ended."""
        if self._hash:
            self._md5 = hexlify(self._hash.digest()).decode()
            self._hash = None
            if self._sha256:
                self._sha256 = hexlify(self._sha256.digest()).decode()
