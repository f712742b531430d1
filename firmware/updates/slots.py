"""Which of the two slots is run, what is on trial and what came of it: what the chooser (main.py)
keeps, as the firmware sees it. Its format is described there and never changes."""

import os

from uploader.journal import Durable

SLOTS = ("/lib", "/lib2")
_REASON = 60


class Slots:
    """`value` is what is kept (see main.py); `last` is what came of the last update: [version,
    `applied` or `undone`, reason, id], None before the first. Saving raises OSError."""

    def __init__(self):
        self._durable = Durable("/slot")
        self.value = self._durable.value

    @property
    def run(self):
        """The slot that is confirmed."""
        return self.value.get("run") or SLOTS[0]

    @property
    def on_trial(self):
        """The slot that is not confirmed yet, None if there is none."""
        return self.value.get("try")

    @property
    def free(self):
        """The slot that an update goes to; only while nothing is on trial."""
        return SLOTS[1 - SLOTS.index(self.run)]

    @property
    def last(self):
        """See the class."""
        return self.value.get("last")

    def _become(self, value):
        self.value.clear()
        self.value.update(value)
        self._durable.save()

    def begin(self, version, mark):
        """Let the other slot be tried at the next boot; `mark` tells its bundle from others."""
        self._become(
            {"run": self.run, "try": self.free, "boots": 0, "version": version, "id": mark}
        )

    def note(self, **more):
        """Keep something about the trial: `stood`, `mute`."""
        self.value.update(more)
        self._durable.save()

    def confirm(self):
        """What is on trial is the firmware from now on."""
        last = [self.value.get("version"), "applied", "", self.value.get("id")]
        self._become({"run": self.on_trial, "last": last})

    def undo(self, reason):
        """What is on trial is given up: a reset leads back to the other slot."""
        last = [self.value.get("version"), "undone", reason[:_REASON], self.value.get("id")]
        self._become({"run": self.run, "last": last})


def kept():
    """True if there ever was an update (or the files are there at least)."""
    for i in "01":
        try:
            os.stat("/slot." + i)
            return True
        except OSError:
            pass
    return False
