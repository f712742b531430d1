"""What happened lately: lines in RAM, those that matter in two small files on flash."""

import os

from micropython import const

_MAX_BYTES = const(8192)
# Worth the wear: what somebody who comes later would ask for.
_KEEP = (
    "boot",
    "boot_loop",
    "certificate",
    "deleted",
    "error",
    "gone",
    "low_space",
    "microphone",
    "quarantined",
    "storage",
    "token",
    "update",
)


class Log:
    """`path` is the common beginning of the files' names; without one nothing is written.
    `now()` gives the moment as text. `lines` are the last `keep` ones, `failed` the link's failure
    that was written last."""

    def __init__(self, path=None, now=None, keep=40):
        self.lines = []
        self.failed = None
        self._keep = keep
        self._path = path
        self._now = now or (lambda: "")

    def event(self, name, info):
        """Take an Uploader's event."""
        if name == "progress":
            return
        words = [self._now(), name]
        for key in sorted(info):
            if info[key] is not None and key != "exception":
                words.append("%s=%s" % (key, info[key]))
        line = " ".join(words)
        self.lines.append(line)
        if len(self.lines) > self._keep:
            self.lines.pop(0)
        print(line)
        if name in _KEEP or (name == "link" and self._is_news(info)):
            self._write(line)

    def _is_news(self, info):
        # The same failure again and again is told once: flash wears.
        if info.get("state") == "failed":
            what = "%s %s" % (info["link"], info.get("code"))
            told, self.failed = self.failed, what
            return told != what
        if info.get("state") == "up":
            self.failed = None
        return False

    def _write(self, line):
        if not self._path:
            return
        try:
            with open(self._path + ".0", "a") as f:
                f.write(line + "\n")
                size = f.tell()
            if size > _MAX_BYTES:
                try:
                    os.remove(self._path + ".1")
                except OSError:
                    pass
                os.rename(self._path + ".0", self._path + ".1")
        except OSError:
            pass  # a full flash has its own event; a log is no reason to fail

    def kept(self):
        """Generate the lines on flash, oldest first."""
        for name in (".1", ".0"):
            try:
                with open((self._path or "") + name) as f:
                    for line in f:
                        yield line.rstrip()
            except OSError:
                pass
