"""Recordings that somebody's voice starts and silence ends."""

import asyncio

from micropython import const

# The floor is the least level of the last ten seconds or so: speech has pauses within that,
# and a fan that was switched on is the new floor after it.
_SPANS = const(8)
_SPAN_MS = const(1250)
_QUIET_DB = const(-70)
# What is kept of the sound before a voice, without PSRAM and with it.
_KEPT_MS = const(384)
_ROOMY_MS = const(2000)


class Voice:
    """Decides from levels. `threshold_db` above the noise floor for `attack_ms` is a voice;
    `silence_ms` without one is its end. `floor_db` is the floor as it is now, in dBFS;
    `pre_roll` a PreRoll or None, kept here for who listens.
    """

    def __init__(self, threshold_db=12, silence_ms=5000, attack_ms=150, pre_roll=None):
        self.pre_roll = pre_roll
        self._threshold_db = threshold_db
        self._silence_ms = silence_ms
        self._attack_ms = attack_ms
        self._spans = []
        self._span_ms = 0
        self.floor_db = None
        self.active = False
        self._loud_ms = 0
        self._quiet_ms = 0

    def feed(self, dbfs, ms):
        """Take the level of `ms` milliseconds; returns `start`, `end` or None."""
        self._follow(dbfs, ms)
        loud = dbfs > self.floor_db + self._threshold_db
        self._loud_ms = self._loud_ms + ms if loud else 0
        self._quiet_ms = 0 if loud else self._quiet_ms + ms
        if not self.active and self._loud_ms >= self._attack_ms:
            self.active = True
            return "start"
        if self.active and self._quiet_ms >= self._silence_ms:
            self.active = False
            return "end"
        return None

    def _follow(self, dbfs, ms):
        # A floor below any microphone's own noise would make a voice of that noise.
        dbfs = max(dbfs, _QUIET_DB)
        if not self._spans or self._span_ms >= _SPAN_MS:
            self._spans.append(dbfs)
            self._span_ms = 0
            if len(self._spans) > _SPANS:
                self._spans.pop(0)
        self._span_ms += ms
        self._spans[-1] = min(self._spans[-1], dbfs)
        self.floor_db = min(self._spans)


class PreRoll:
    """The last `size` bytes of sound, for what was said before it was known to be speech."""

    def __init__(self, size):
        self._buf = bytearray(size)
        self._at = 0
        self._full = False

    def ms(self, rate):
        """How much sound of `rate` samples a second is kept, in milliseconds."""
        return (len(self._buf) if self._full else self._at) * 500 // rate

    def write(self, buf):
        """Keep the end of `buf` and of what came before it."""
        size = len(self._buf)
        mv = memoryview(buf)[max(0, len(buf) - size) :]
        while mv:
            n = min(len(mv), size - self._at)
            self._buf[self._at : self._at + n] = mv[:n]
            self._at += n
            mv = mv[n:]
            if self._at == size:
                self._at = 0
                self._full = True

    def drain(self, write):
        """Hand what is kept to `write(memoryview)`, oldest first, and forget it."""
        mv = memoryview(self._buf)
        at, full = self._at, self._full
        self._at = 0
        self._full = False
        if full:
            write(mv[at:])
        if at:
            write(mv[:at])


async def listen(recorder, settings, roomy, interrupted):
    """Listen with a Recorder for a voice by the `settings`, until `await interrupted()` is true.
    `roomy` as the Uploader's.

    Returns (the Voice, whether it heard one); the microphone is left open then.
    """
    kept_ms = settings.voice_pre_roll_ms
    if kept_ms < 0:
        kept_ms = _ROOMY_MS if roomy else _KEPT_MS
    size = settings.audio_rate * kept_ms // 1000 * 2
    voice = Voice(
        settings.voice_threshold_db,
        settings.voice_silence_s * 1000,
        pre_roll=PreRoll(size) if size else None,
    )
    task = asyncio.create_task(recorder.wait_for_voice(voice))
    try:
        while not task.done():
            if await interrupted():
                recorder.stop()
        return voice, await task
    finally:
        task.cancel()
