"""A capture cut into several files, each valid by itself.

A PUT can't be resumed: what was sent of a file when the link broke is sent again. Short files
lose less, and in a live recording they go out while it goes on; each costs an upload-url of
the thirty a minute that a project has, and some 2 KB of calls. README of `firmware/` has the
figures.
"""


class Segments:
    """A stream over files that `open_file()` makes (objects with `write`, `close`, `size`).

    A new one is begun, between two writes, once the present one has `max_bytes` or is
    `max_seconds` old; 0 is no limit. Nothing is opened before the first write. `last()`, if given,
    tells that there can be no further one: the present one then takes the rest.
    """

    def __init__(self, open_file, clock, max_bytes=0, max_seconds=0, last=None):
        self._open_file = open_file
        self._last = last
        self._clock = clock
        self._max_bytes = max_bytes
        self._max_ms = max_seconds * 1000
        self._file = None
        self._began = 0

    def write(self, buf):
        """Write `buf`, whole, to one file. Raises what the files raise."""
        if self._file and self._full() and not (self._last and self._last()):
            self.close()
        if self._file is None:
            self._file = self._open_file()
            self._began = self._clock.uptime_ms()
        return self._file.write(buf)

    def _full(self):
        if self._max_bytes and self._file.size >= self._max_bytes:
            return True
        return self._max_ms and self._clock.uptime_ms() - self._began >= self._max_ms

    def close(self):
        """Close the present file; the next write opens another."""
        if self._file:
            f, self._file = self._file, None
            f.close()
