"""`make emulator-test ARGS=--soak`: many recordings, some at a time, each time sent by the chip's
other boot (see firmware/sender.py)."""

import random
import time

from .bench import Bench
from .rows import BOOT_S, Row
from .samples import arrived, whole
from .session import Failed, Session

RECORDINGS = 52
_BURST = 4  # recordings that are sent together
_FIRST = 2  # the heaps are compared from this burst on, in which the tenth recording is
_WINDOW = 3
_CUTS = (1, 2, 7)  # bursts before which the power is cut
_TOKEN = 6  # the burst with which the token is changed
_SIZES = (4096, 20480, 61440, 131072)
_RECORD_S = 240
_ARRIVE_S = 900
_GIVE_UP = 3  # bursts in a row that do not arrive


class Soak:
    """Recordings of mixed sizes, some after one another and then sent, with heartbeats, over a WiFi
    that is lost now and then, with uploads deferred for a low battery, power cuts, and a change of
    token. `show(text)` prints."""

    def __init__(self, bench: Bench, show, recordings: int = RECORDINGS, seed: int = 1):
        self.recordings = recordings
        self.made = {}  # number → bytes
        self.idle = []  # heaps after each burst, with nothing under way
        self.least = []  # of ESP-IDF's heap, in each life between two cuts
        self.row = Row("soak")
        self._bench, self._show = bench, show
        self._rng = random.Random(seed)
        self._path = bench.lay_out(battery=True, heartbeat_minutes=5)
        self._session = None

    def run(self):
        """All of it; what ends it early is the row's reason."""
        start = time.monotonic()
        failures = 0
        try:
            self._boot()
            for first in range(0, self.recordings, _BURST):
                try:
                    self._burst(first // _BURST, range(first + 1, first + 1 + _BURST))
                    failures = 0
                except Failed as e:
                    self._show(f"  from recording {first + 1}: {e}")
                    failures += 1
                    if failures == _GIVE_UP or not self._session.chip.running:
                        raise
            # What was late has time to come.
            self._session.until(lambda: self.lost() == 0, _ARRIVE_S, "the last of the recordings")
            self.row.outcome = "passed"
        except Failed as e:
            self.row.reason = str(e)
        finally:
            self._end()
        self.row.seconds = round(time.monotonic() - start, 1)

    def _end(self):
        if self._session:
            self._session.chip.kill()
            self.least += [w[1] for w in [self._session.worst()] if w]

    def _boot(self):
        self._end()
        chip = self._bench.chip(self._path)
        chip.__enter__()
        self._session = Session(chip, self._show)
        self._session.boot(BOOT_S)

    def _burst(self, burst, numbers):
        if burst in _CUTS:
            self._show(f"  power cut before recording {numbers[0]}")
            self._boot()
        session, cloud = self._session, self._bench.cloud
        deferred = self._rng.random() < 0.3
        if deferred:
            session.told("battery", 5)
        for number in numbers:
            size = self._rng.choice(_SIZES)
            session.told("record", number, size)
            session.until(
                lambda n=number: session.recorded(n), _RECORD_S, f"the end of recording {number}"
            )
            self.made[number] = size
        since = len(session.chip.output)
        if deferred:
            session.told("battery", 80)
            session.told("now")
        session.until(
            lambda: b" link=wifi state=up" in session.chip.output[since:], _ARRIVE_S, "WiFi"
        )
        if burst == _TOKEN:
            session.command("rotate")
        if self._rng.random() < 0.4:
            session.command("drop")
        for number in numbers:
            session.until(
                lambda n=number: arrived(cloud, n), _ARRIVE_S, f"recording {number} in the cloud"
            )
        session.until(lambda: session.kind(since) == "records", _ARRIVE_S, "the boot that records")
        at = len(session.heaps())
        session.told("heaps")
        session.until(lambda: len(session.heaps()) > at, 60, "the heaps")
        heap = session.heaps()[-1]
        self.idle.append(heap)
        sizes = [self.made[number] for number in numbers]
        self._show(f"  {sizes} bytes; gc {heap.alloc}, idf {heap.idf}, largest {heap.piece}")

    def lost(self) -> int:
        """Recordings that ended and have not arrived whole."""
        return sum(not whole(self._bench.cloud, n, size) for n, size in self.made.items())

    def report(self) -> dict:
        """The figures for build/emulator.json. A drift is what there is more of after the last
        recordings than after the tenth and those behind it, each at its best, for garbage comes
        and goes; of ESP-IDF's heap that of the sum or of the largest block, whichever is worse.
        None where it did not come so far. `soak_idf_min` is the least there ever was."""
        first, last = self.idle[_FIRST : _FIRST + _WINDOW], self.idle[-_WINDOW:]
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
            "soak_idf_min": min(self.least, default=None),
        }
