"""One command at a time on a storage, across processes."""

import os
import sys
import time

from uploader.errors import StorageError


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
