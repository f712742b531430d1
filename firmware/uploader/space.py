"""Room on the flash: counted, kept for ending and draining, and made where the owner allows it."""

import os

from micropython import const

from .errors import StorageError, StorageFullError

_ENOENT = const(2)
_ENOSPC = const(28)
# What ending a recording and draining need when nothing else is left: on littlefs a block
# each for a manifest, a file's tail and two for the directory.
_RESERVE = const(16384)
_RESERVE_BLOCKS = const(4)


class Space:
    """The room on the file system of `directory`.

    `emit` is told `low_space` below `settings.low_space_bytes`. `make_room()` deletes
    something if the owner's settings allow that, and returns False if nothing was deleted.
    `spent` tells that the room kept was given up: what is left is for ending and draining.
    """

    def __init__(self, directory, settings, emit, make_room):
        self.make_room = make_room
        self._directory = directory
        self._settings = settings
        self._emit = emit
        self._writers = []  # media files open for writing
        self.reset()

    def reset(self):
        """Count anew, with no file open: the storage may be another one."""
        for writer in self._writers:
            writer.abandon()
        self._writers = []
        self.spent = False
        self._free = 0
        self._low = False  # and told so

    def guard(self, call, *args):
        """Return `call(*args)`, its OSError raised as StorageError or StorageFullError."""
        try:
            return call(*args)
        except OSError as e:
            if e.errno == _ENOSPC:
                raise StorageFullError("no space left on %s" % (self._directory or "/"))
            raise StorageError("storage %s failed: %s" % (self._directory or "/", e))

    def with_reserve(self, call, *args):
        """`guard(call, *args)`, once more after releasing the reserve if there is no other room."""
        try:
            return self.guard(call, *args)
        except StorageFullError:
            if not self.release():
                raise
            return self.guard(call, *args)

    def with_room(self, call, *args):
        """`guard(call, *args)`, as often as something can be deleted to make room for it."""
        while True:
            try:
                return self.guard(call, *args)
            except StorageFullError:
                if not self.make_room():
                    raise

    def reserve(self):
        """Keep room for ending and draining once nothing else is left; False if there is
        none to keep. What is kept already counts."""
        try:
            if os.stat(self._directory + "/store.spr")[6] >= _RESERVE:
                return True
        except OSError:
            pass
        try:
            size = max(_RESERVE, _RESERVE_BLOCKS * os.statvfs(self._directory or "/")[1])
            zeros = bytes(512)
            with open(self._directory + "/store.spr", "wb") as f:
                for _ in range(size // len(zeros)):
                    f.write(zeros)
            self._free -= size
            self.spent = False
            return True
        except OSError:
            self.release()  # half of it would only be in the way
            return False

    def release(self):
        """Give up the room kept; False if there is none."""
        try:
            self.spent = self._remove(self._directory + "/store.spr")
            return True
        except OSError:
            return False

    def remove(self, path):
        """Delete a file, which may be missing. Raises StorageError."""
        try:
            self._remove(path)
        except OSError as e:
            if e.errno != _ENOENT:
                raise StorageError("%s can't be removed: %s" % (path, e))

    def freed(self):
        """A recording was deleted: keep room anew, and tell again if there is little."""
        self._low = False
        self.reserve()

    def _remove(self, path):
        size = os.stat(path)[6]
        os.remove(path)
        self._free += size
        return True

    def free_bytes(self):
        """Bytes that can still be stored, the room kept left out. Raises StorageError."""
        return self.sizes()[0]

    def sizes(self):
        """(bytes free, bytes in all) of the storage. Raises StorageError."""
        stat = self.guard(os.statvfs, self._directory or "/")
        if not self._writers:
            # littlefs counts the blocks of a file open for writing more than once, so while
            # there is one, what it takes is counted here.
            self._free = stat[1] * stat[4]
        return max(0, self._free), stat[1] * stat[2]

    def opening(self, writer):
        """A MediaWriter is about to open its file."""
        self.free_bytes()
        self._writers.append(writer)

    def closed(self, writer):
        """A MediaWriter's file is closed."""
        if writer in self._writers:
            self._writers.remove(writer)

    def written(self, size):
        """So many bytes were written."""
        self._free -= size
        if self._free < self._settings.low_space_bytes and not self._low:
            self._low = True
            self._emit("low_space", free_bytes=self.free_bytes())
