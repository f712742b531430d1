"""`make emulator-test ARGS=--soak`: many recordings in one life of the chip."""

import random
import time

from .bench import Bench
from .rows import BOOT_S, Row
from .samples import arrived, whole
from .session import Failed, Session

RECORDINGS = 52
_FIRST = 10  # the heaps are compared from this recording on
_WINDOW = 5
_RESETS = (3, 6, 9)  # before the tenth, so that what follows is one life
_TOKEN = 25
_SIZES = (4096, 20480, 61440, 131072)
_ARRIVE_S = 180
_GIVE_UP = 3  # recordings in a row that do not arrive


class Soak:
    """Recordings of mixed sizes, one after another, over a WiFi that is lost now and then, with
    uploads deferred for a low battery, resets, and a change of token. `show(text)` prints."""

    def __init__(self, bench: Bench, show, recordings: int = RECORDINGS, seed: int = 1):
        self.recordings = recordings
        self.made = {}  # number → bytes
        self.idle = []  # heaps after each recording, with nothing under way
        self.row = Row("soak")
        self._bench, self._show = bench, show
        self._rng = random.Random(seed)
        self._path = bench.lay_out(battery=True)
        self._session = None

    def run(self):
        """All of it; what ends it early is the row's reason."""
        start = time.monotonic()
        failures = 0
        try:
            self._boot()
            for number in range(1, self.recordings + 1):
                try:
                    self._one(number)
                    failures = 0
                except Failed as e:
                    self._show(f"  recording {number}: {e}")
                    failures += 1
                    if failures == _GIVE_UP or not self._session.chip.running:
                        raise
            # What was late has time to come.
            self._session.until(lambda: self.lost() == 0, _ARRIVE_S, "the last of the recordings")
            self.row.outcome = "passed"
        except Failed as e:
            self.row.reason = str(e)
        finally:
            self._session.chip.kill()
        self.row.seconds = round(time.monotonic() - start, 1)

    def _boot(self):
        if self._session:
            self._session.chip.kill()
        chip = self._bench.chip(self._path)
        chip.__enter__()
        self._session = Session(chip, self._show)
        self._session.boot(BOOT_S)

    def _one(self, number):
        session, cloud = self._session, self._bench.cloud
        if number in _RESETS:
            self._show(f"  power cut before recording {number}")
            self._boot()
            session = self._session
        size = self._rng.choice(_SIZES)
        deferred = self._rng.random() < 0.15
        if deferred:
            session.command("battery", 5)
        session.command("record", number, size)
        session.until(lambda: session.recorded(number), 120, f"the end of recording {number}")
        self.made[number] = size
        if number == _TOKEN:
            session.command("rotate")
        if self._rng.random() < 0.2:
            session.command("drop")
        if deferred:
            session.command("battery", 80)
            session.command("now")
        session.until(lambda: arrived(cloud, number), _ARRIVE_S, f"recording {number} in the cloud")
        at = len(session.heaps())
        session.command("heaps")
        session.until(lambda: len(session.heaps()) > at, 30, "the heaps")
        heap = session.heaps()[-1]
        self.idle.append(heap)
        self._show(
            f"  {number}: {size} bytes; gc {heap.alloc}, idf {heap.idf}, largest {heap.piece}"
        )

    def lost(self) -> int:
        """Recordings that ended and have not arrived whole."""
        return sum(not whole(self._bench.cloud, n, size) for n, size in self.made.items())

    def report(self) -> dict:
        """The figures for build/emulator.json. A drift is what there is more of after the last
        recordings than after the tenth and those behind it, each at its best, for garbage and
        a connection that is still open come and go; of ESP-IDF's heap that of the sum or of
        the largest block, whichever is worse. None where it did not come so far."""
        first, last = self.idle[_FIRST - 1 : _FIRST - 1 + _WINDOW], self.idle[-_WINDOW:]
        idf = gc = None
        if len(self.idle) >= _FIRST + 2 * _WINDOW:
            idf = min(
                max(h.idf for h in last) - max(h.idf for h in first),
                max(h.piece for h in last) - max(h.piece for h in first),
            )
            gc = min(h.alloc for h in first) - min(h.alloc for h in last)
        return {
            "soak_recordings": len(self.made) - self.lost(),
            "soak_lost": self.lost(),
            "soak_idf_drift": idf,
            "soak_gc_drift": gc,
        }
