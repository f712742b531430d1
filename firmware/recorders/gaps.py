"""Sound that was lost: counted against time, and replaced by silence.

A driver whose buffers are full drops samples without a word. What is missing is known only
from the clock: samples received against time elapsed. The two are compared where that is
exact: after a buffer that took its own duration to come, which was waited for and not found
ready. So a gap is noticed one buffer after it at the latest, and scheduling that is late by
less than what buffers and driver hold is none.
"""

from micropython import const

_LISTED = const(20)
# Milliseconds: the clock's own grain, and callbacks that wait for a bytecode to end.
_TOLERANCE = const(6)
# Buffers without one that was waited for: then what is missing beyond what can be held is
# lost for certain.
_UNSETTLED = const(8)


class Gaps:
    """Counts one recording's. `held_ms` is what the buffers and the driver hold together.

    `count` and `lost_ms` are the gaps so far.
    """

    def __init__(self, rate, held_ms):
        self.count = 0
        self.lost_ms = 0
        self._rate = rate
        self._held_ms = held_ms
        self._listed = []
        self._base = None

    def start(self, now_ms):
        """The microphone was opened at `now_ms` of a clock that never goes back."""
        self._began = self._last = now_ms
        self._samples = self._zero = 0
        self._unsettled = 0

    def restart(self):
        """A recording begins with what comes next: gaps are counted, and their offsets, from
        here."""
        self.count = self.lost_ms = 0
        self._listed = []
        self._zero = self._samples

    def took(self, samples, now_ms):
        """Take note of a buffer of `samples` that was complete at `now_ms`.

        Returns how many samples of silence belong before it.
        """
        took_ms, self._last = now_ms - self._last, now_ms
        lasts_ms = samples * 1000 // self._rate
        late_ms = now_ms - self._began - self._ms(self._samples + samples)
        self._samples += samples
        if self._base is None:
            self._base = late_ms
            return 0
        if abs(took_ms - lasts_ms) <= _TOLERANCE:
            self._unsettled = 0
            lost_ms = late_ms - self._base
            if lost_ms > 2 * _TOLERANCE:
                return self._lost(lost_ms, samples)
            # Two clocks drift apart slowly; what goes faster adds up to a gap.
            self._base += min(lost_ms, 1)
            return 0
        self._unsettled += 1
        lost_ms = late_ms - self._base - self._held_ms
        if self._unsettled < _UNSETTLED or lost_ms <= 0:
            return 0
        return self._lost(lost_ms, samples)

    def _ms(self, samples):
        return samples * 1000 // self._rate

    def _lost(self, ms, after):
        silence = ms * self._rate // 1000
        self.count += 1
        self.lost_ms += ms
        if len(self._listed) < _LISTED:
            at = self._ms(self._samples - after - self._zero)
            self._listed.append({"offset_ms": at, "length_ms": ms})
        self._samples += silence
        return silence

    def metadata(self):
        """What to say of the gaps in the recording's metadata, a dict: `gaps`, a list of the
        first 20 as `offset_ms` and `length_ms`, and beyond these `gaps_count` and
        `gaps_total_ms`. Empty if there are none."""
        if not self.count:
            return {}
        told = {"gaps": list(self._listed)}
        if self.count > _LISTED:
            told["gaps_count"] = self.count
            told["gaps_total_ms"] = self.lost_ms
        return told
