"""A small value that survives power cuts on any file system.

Two files, written in turn: the newer valid one is the value, so the one being written is
never the only copy. Up to some 90 bytes of JSON stay inline in littlefs's directory
metadata, where a write seldom costs an erase.
"""

import json

from . import lines


class Durable:
    """`value` is a dict, `{}` until first saved. `path` is the files' common beginning."""

    def __init__(self, path):
        self.value = {}
        self._path = path
        self._serial = 0
        self._written = None
        for slot in (0, 1):
            try:
                for serial, value in lines.read("%s.%d" % (path, slot)):
                    if serial > self._serial and isinstance(value, dict):
                        self._serial = serial
                        self.value = value
            except (OSError, TypeError, ValueError):
                pass
        self._written = json.dumps(self.value)

    def save(self):
        """Write `value`, if it changed since it was last written. Raises OSError."""
        text = json.dumps(self.value)
        if text == self._written:
            return
        serial = self._serial + 1
        with open("%s.%d" % (self._path, serial & 1), "wb") as f:
            f.write(lines.encode([serial, self.value]))
        self._serial = serial
        self._written = text
