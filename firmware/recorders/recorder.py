"""From the microphone to a recording: capture, gaps, level, encoder, files."""

from micropython import const

from . import microphone
from .capture import Capture
from .gaps import Gaps
from .level import Level, Watch
from .segments import Segments

_SILENCE = const(2048)  # bytes of a gap that are written at once
_PART_MS = const(128)  # what is measured and written at once


class Recorder:
    """Records what `make_stream()` gives (a machine.I2S: mono, 16 bit, `rate` Hz) into
    recordings. Its two buffers hold `buffer_ms` of sound each.

    `emit(event, **info)` is told of gaps and of a microphone in trouble. `samples` is what the
    present recording has, silence for gaps included; `gaps` its Gaps, `level` the Level of the
    last buffer.
    """

    def __init__(self, make_stream, clock, emit, rate=16000, buffer_ms=128):
        self.samples = 0
        self.gaps = None
        self.level = Level(emit=emit)
        self._make_stream = make_stream
        self._clock = clock
        self._emit = emit
        self._rate = rate
        self._buffer_ms = buffer_ms
        self._capture = None
        self._files = None
        self._stopped = False
        self._began = None  # uptime in ms of the first sample
        self._watch = Watch()

    @property
    def trouble(self):
        """What is wrong with the microphone's sound (see Watch), or None."""
        return self._watch.trouble

    @property
    def is_open(self):
        """True while the microphone is on."""
        return self._capture is not None

    def stop(self):
        """Make `record` or `wait_for_voice` end; what the driver has by now still belongs to
        it."""
        self._stopped = True

    async def record(self, recording, codec, segments=(0, 0), max_s=0, voice=None):
        """Fill `recording`, encoded by `codec` (see `codecs.make`), until `stop`, or for
        `max_s` seconds of sound (0: no limit), or until `voice` (a Voice) hears its end.

        Its files are closed when this returns: one, or several of at most so many bytes and
        seconds each, `segments` (0: no limit).
        It goes on where `open` or `wait_for_voice` left the microphone, and begins with what
        the PreRoll kept. Raises StorageFullError, StorageError: what was recorded until then
        is kept.
        """

        def open_file():
            # Each file's moment: segments are put in order by it.
            captured_at = self._now() if any(segments) else None
            return codec.open(recording.add("audio", codec.content_type, captured_at))

        self.samples = 0
        self._began = None
        most = max_s * self._rate
        files = self._files = Segments(open_file, self._clock, *segments, lambda: recording.full)

        def take(buf):
            if most and self.samples >= most:
                return True
            files.write(buf)
            self.samples += len(buf) // 2
            heard = voice and voice.feed(self.level.dbfs(), len(buf) * 500 // self._rate)
            return heard == "end" or (most and self.samples >= most)

        try:
            await self.open()
            if self.gaps:
                self.gaps.restart()
            if voice and voice.pre_roll:
                self._began = self._clock.uptime_ms() - voice.pre_roll.ms(self._rate)
                voice.pre_roll.drain(take)
            enough = await self._listen(take)
            await self._finish(None if enough else take)
        finally:
            self.close()

    def _now(self):
        """The stamp of the next sample, by those before it: what is written was heard earlier."""
        at = self._began + self.samples * 1000 // self._rate
        return self._clock.stamp(self._clock.uptime_ms() - at)

    async def wait_for_voice(self, voice):
        """Listen until `voice`, a Voice, hears one: True, with the microphone left open for
        `record`. False at `stop`."""

        def take(buf):
            # What comes after it in its buffer belongs to it, too.
            nonlocal heard
            if voice.pre_roll:
                voice.pre_roll.write(buf)
            ms = len(buf) * 500 // self._rate
            heard = heard or voice.feed(self.level.dbfs(), ms) == "start"
            return heard

        heard = False
        try:
            heard = await self.open() and await self._listen(take)
            if not heard:
                await self._finish()
        finally:
            if not heard:
                self.close()
        return heard

    async def _listen(self, take):
        """Hand each buffer to `take` until that is true: True. False at `stop`."""
        while not self._stopped:
            if self._capture is None and not await self._begin():
                break
            buf, at = await self._capture.next()
            if buf is None:
                # The driver has lost our buffers, or its clock: made anew, and a gap.
                self._emit("microphone", state="stuck")
                self._end_capture()
                continue
            enough = await self._take(buf, at, take)
            # Not before a stop is looked at: it would have to be waited for.
            if self._stopped:
                break
            await self._capture.give(buf)
            if enough:
                return True
        return False

    async def _finish(self, take=None):
        """Wait for what the driver still has, and hand it to `take`."""
        while self._capture:
            buf, at = await self._capture.next()
            if buf is None:
                break
            if take:
                await self._take(buf, at, take)
        if self._files and self.gaps:
            await self._fill(self.gaps.end(), take)

    async def open(self):
        """Switch the microphone on, if it is not; tried until it works. False at `stop`."""
        self._stopped = False
        if self._capture is None:
            self.gaps = None
            return await self._begin()
        return True

    async def _begin(self):
        self._capture = await microphone.opened(
            self._make_capture, self._clock, self._emit, lambda: not self._stopped
        )
        if self._capture is None:
            return False
        began = await self._capture.start()
        if self.gaps is None:
            held = 2 * self._buffer_ms + microphone.HELD_FRAMES * 1000 // self._rate
            self.gaps = Gaps(self._rate, held)
            self.gaps.start(began)
        return True

    def _make_capture(self):
        # Buffers that are there only while it records leave the heap to uploads in between.
        size = self._rate * self._buffer_ms // 1000 * 2
        buffers = (bytearray(size), bytearray(size))
        return Capture(self._make_stream(), self._clock, buffers, self._buffer_ms)

    async def _take(self, buf, at, take):
        """Hand on a buffer, after the silence that stands for what is missing before it."""
        await self._fill(self.gaps.took(len(buf) // 2, at), take)
        if self._began is None:
            self._began = at - len(buf) * 500 // self._rate
        enough = False
        mv = memoryview(buf)
        size = self._rate * min(_PART_MS, self._buffer_ms) // 1000 * 2
        while mv:
            part = mv[:size]
            mv = mv[size:]
            self.level.feed(part)
            state = self._watch.feed(self.level, len(part) * 500 // self._rate)
            if state:
                self._emit("microphone", state=state)
            enough = take(part) or enough
            if mv:
                await self._clock.sleep_ms(0)
        return enough

    async def _fill(self, missing, take):
        """Tell of `missing` samples, and hand silence for them to `take` (None: nothing)."""
        if not missing:
            return
        ms = missing * 1000 // self._rate
        total_ms = self.gaps.lost_ms
        self._emit("gap", ms=ms, samples=missing, count=self.gaps.count, total_ms=total_ms)
        silence = bytes(_SILENCE)
        left = 2 * missing if take else 0
        while left:
            take(memoryview(silence)[: min(left, _SILENCE)])
            left -= min(left, _SILENCE)
            await self._clock.sleep_ms(0)

    def close(self):
        """End at once: the files are finished with what they have, and the microphone is off.
        Raises StorageFullError, StorageError."""
        files, self._files = self._files, None
        try:
            if files:
                files.close()
        finally:
            self._end_capture()

    def _end_capture(self):
        capture, self._capture = self._capture, None
        if capture:
            capture.close()
