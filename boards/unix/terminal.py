"""What is told of the work: lines for a pipe, progress for a person."""

import json
import sys
import time


class Lines:
    """One line per event, for a pipe."""

    def event(self, event, info):
        """Print an event."""
        print(self.text(event, info))

    def text(self, event, info):
        """An event as a line: its name, then key=value in a fixed order."""
        words = [event]
        for key in sorted(info):
            if info[key] is not None:
                value = str(info[key])
                words.append("%s=%s" % (key, json.dumps(value) if " " in value else value))
        return " ".join(words)

    def done(self):
        """Nothing is left to print."""


class Terminal(Lines):
    """Progress that overwrites itself, for a person."""

    def __init__(self):
        self._open = False
        self._start = time.ticks_ms()
        self._file = None

    def event(self, event, info):
        """Show an event."""
        if event == "progress":
            file = (info["id"], info["file"])
            if file != self._file:
                self._file = file
                self._start = time.ticks_ms()
            sent, size = info["sent"], info["size"] or 1
            ms = time.ticks_diff(time.ticks_ms(), self._start) or 1
            bar = "#" * (sent * 30 // size)
            text = "\r  %s file %d  [%-30s] %3d %%  %s of %s  %s/s\x1b[K" % (
                info["id"],
                info["file"],
                bar,
                sent * 100 // size,
                amount(sent),
                amount(info["size"]),
                amount(sent * 1000 // ms),
            )
            sys.stdout.write(text)
            self._open = True
            return
        self.done()
        print(self.text(event, info))

    def done(self):
        """End the line that progress was written on."""
        if self._open:
            print()
            self._open = False


def amount(n):
    """Bytes for a person: `1.2 MB`."""
    if n < 1000:
        return "%d B" % n
    if n < 1000000:
        return "%.1f kB" % (n / 1000)
    return "%.1f MB" % (n / 1000000)


def is_terminal():
    """True if standard output is a terminal."""
    try:
        import termios

        termios.tcgetattr(1)
        return True
    except (ImportError, OSError):
        return False
