"""Sound that was lost: counted against time, and replaced by silence.

A driver whose buffers are full drops samples without a word. What is missing is known only
from the clock: samples received against time elapsed. A callback that comes late looks the
same, but the next ones do not: what is missing still after four buffers, and by the least that
any of them says, is lost. By then what the buffers held has come, so that the silence is
where the sound broke off, to one buffer.
"""

from micropython import const

_LISTED = const(20)
# Milliseconds that two moments may differ by chance.
_TOLERANCE = const(12)
_BUFFERS = const(4)


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
        self._forget()

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
        late_ms -= self._base
        if late_ms <= _TOLERANCE:
            # Two clocks drift apart slowly; what goes faster adds up to a gap.
            self._base += min(late_ms, 1)
            self._forget()
            return 0
        self._late += 1
        self._least_ms = min(self._least_ms or late_ms, late_ms)
        if abs(took_ms - lasts_ms) <= _TOLERANCE:
            self._waited = True
        if self._waited and self._late >= _BUFFERS:
            return self._lost(self._least_ms, samples)
        if self._late >= 2 * _BUFFERS:
            # Found ready every time: as much as can be held may still be to come.
            sure_ms = self._least_ms - self._held_ms
            self._forget()
            if sure_ms > 0:
                return self._lost(sure_ms, samples)
        return 0

    def end(self):
        """Nothing more comes: what is missing by now is lost. Returns how many samples."""
        if not self._late:
            return 0
        # Found ready every time: as much as can be held may still have been to come.
        ms = self._least_ms - (0 if self._waited else self._held_ms)
        return self._lost(ms, 0) if ms > _TOLERANCE else 0

    def _forget(self):
        self._late = 0
        self._least_ms = None
        self._waited = False

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
        self._forget()
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
