"""Recording from an I2S driver as the chip's is, in virtual time: what Python is held up for."""

import asyncio
import gc
import json
import os
from array import array

import virtual
from _support import folder
from chip import Chip
from i2s import I2SMaker
from recorders import codecs, microphone, recorder, voice

from uploader import Clock

RATE = 16000
BUFFER = 2048


class Files:
    """A Recording and its MediaWriters, as files."""

    full = False

    def __init__(self):
        self.names = []
        self.moments = []
        self.full_at = None

    def add(self, kind, content_type, captured_at):
        assert (kind, content_type) == ("audio", "audio/wav")
        self.names.append("%s/%d.wav" % (folder(), len(self.names)))
        self.moments.append(captured_at)
        self._file = open(self.names[-1], "wb")
        self.size = 0
        return self

    def write(self, buf):
        if self.full_at and self.size >= self.full_at:
            raise OSError(28)
        self.size += len(buf)
        return self._file.write(buf)

    def set_head(self, head):
        self._file.seek(0)
        self._file.write(head)

    def close(self):
        self._file.close()

    def __len__(self):
        return sum((os.stat(name)[6] - 44) // 2 for name in self.names)

    def parts(self):
        """All samples, in pieces."""
        for name in self.names:
            with open(name, "rb") as f:
                f.seek(44)
                part = f.read(4096)
                while part:
                    yield array("h", part)
                    part = f.read(4096)

    def first(self):
        return next(self.parts())[0]

    def astray(self, tolerance=0, since=0):
        """How many samples of the ramp are away from their place by more than `tolerance`."""
        i = wrong = 0
        first = self.first()
        for part in self.parts():
            for value in part:
                if value and i >= since:
                    off = (value - first - i + 32768 & 0xFFFF) - 32768
                    wrong += abs(off) > tolerance
                i += 1
        return wrong


class Rig:
    """A recorder, the chip that it runs on, and what it told."""

    def __init__(self, buffer_ms=128, sound=None):
        self.chip = Chip()
        virtual.install(self.chip)
        self.i2s = I2SMaker(self.chip, *([sound] if sound else []))
        self.clock = Clock(lambda: 0, self.chip.ticks_ms, virtual.sleep_ms)
        self.told = []
        self.streams = []
        self.fail = 0
        codec = codecs.make("wav", RATE, self.clock, self.emit)
        self.recorder = recorder.Recorder(self.make, self.clock, self.emit, RATE, buffer_ms)
        self.codec = codec
        self.files = Files()

    def emit(self, name, **info):
        self.told.append((name, info))

    def make(self):
        if self.fail:
            self.fail -= 1
            raise OSError(12)
        pins = {"sck": 1, "ws": 2, "sd": 3}
        stream = self.i2s(0, mode=1, bits=16, format=0, rate=RATE, ibuf=microphone.IBUF, **pins)
        self.streams.append(stream)
        return stream

    def lost(self):
        return sum(s.overrun for s in self.streams) * 256

    def blocked(self, ms):
        return lambda: self.chip.block(ms)

    def run(self, seconds, *events, **more):
        """Record for so long; `events` are (second, call)."""

        async def main():
            task = asyncio.create_task(self.recorder.record(self.files, self.codec, **more))
            at = 0
            for second, call in events + ((seconds, self.recorder.stop),):
                await asyncio.sleep_ms(int((second - at) * 1000))
                at = max(second, self.chip.us / 1e6)
                call()
            await task

        asyncio.run(main())
        asyncio.new_event_loop()
        return self.files


def test_a_recording_has_every_sample_from_the_first_to_the_stop():
    rig = Rig()
    samples = rig.run(10)
    # The stand-in's ramp: each frame's number.
    assert samples.astray() == 0
    # Up to the stop, or one buffer more: the one that was being filled.
    assert 10 * RATE <= samples.first() + len(samples) <= 10 * RATE + 2 * BUFFER
    assert rig.told == [] and rig.recorder.gaps.metadata() == {}
    assert rig.recorder.samples == len(samples)


def test_blocks_that_buffers_and_driver_outlast_lose_nothing():
    for ms in (50, 120, 250):
        rig = Rig()
        samples = rig.run(8, *[(i + 0.77, rig.blocked(ms)) for i in range(6)])
        assert rig.lost() == 0 and rig.told == [], (ms, rig.told)
        assert samples.astray() == 0


def test_with_buffers_of_a_second_a_block_of_a_second_loses_nothing():
    rig = Rig(buffer_ms=1000)
    samples = rig.run(12, (4.5, lambda: rig.chip.block(1100)))
    assert rig.lost() == 0 and rig.told == [] and samples.astray() == 0


def test_longer_blocks_are_gaps_seen_told_filled_and_listed():
    for ms in (500, 2500, 14000):
        rig = Rig()
        samples = rig.run(8 + ms / 1000, (3.3, rig.blocked(ms)))
        lost = rig.lost()
        assert lost > 0
        ((name, info),) = rig.told
        assert name == "gap" and info["count"] == 1
        assert abs(info["ms"] - lost * 1000 / RATE) <= 20, (info, lost)
        # Sound, pictures and times stay aligned: to one buffer around the gap, and all after.
        assert samples.astray(lost + 20 * RATE // 1000) == 0
        after = int((3.3 + ms / 1000) * RATE) + 3 * BUFFER
        assert samples.astray(20 * RATE // 1000, after) == 0
        (gap,) = rig.recorder.gaps.metadata()["gaps"]
        assert abs(gap["offset_ms"] - 3300) <= 128 * 3 + 144, gap


def test_flash_erases_that_lose_descriptors_are_gaps():
    rig = Rig()
    rig.run(20, *[(2 + i, lambda: rig.chip.erase(60)) for i in range(10)])
    lost_ms = rig.lost() * 1000 // RATE
    assert lost_ms > 100
    assert abs(rig.recorder.gaps.lost_ms - lost_ms) <= 16, (rig.recorder.gaps.lost_ms, lost_ms)


def test_late_and_lost_callbacks_lose_nothing():
    rig = Rig()
    rig.chip.callback_late_ms = 90
    samples = rig.run(6)
    assert rig.lost() == 0 and rig.told == [] and samples.astray() == 0
    rig = Rig()

    def swamp():
        for _ in range(8):
            rig.chip.schedule(lambda _: None, None)

    rig.chip.callback_late_ms = 300
    events = [(0.5 + i / 4, swamp) for i in range(20)]
    samples = rig.run(6, *events)
    assert rig.chip.callbacks_lost > 0
    assert rig.lost() == 0 and rig.told == [] and samples.astray() == 0


def test_no_buffer_is_ever_dropped_or_collected_and_both_are_back_at_the_end():
    rig = Rig()
    ends = []

    def watched():
        stream = Rig.make(rig)
        irq = stream.irq

        def watch(handler):
            if handler is None:
                ends.append(stream.held)
            irq(handler)

        stream.irq = watch
        return stream

    rig.make = watched
    rig.recorder = recorder.Recorder(watched, rig.clock, rig.emit)
    blocks = [(i + 0.5, lambda: (rig.chip.block(400), gc.collect())) for i in range(8)]
    rig.run(10, *blocks)
    assert rig.streams[0].dropped == 0
    assert ends == [0], ends


def test_a_driver_that_stops_is_made_anew_and_the_time_is_a_gap():
    rig = Rig()

    def stop():
        # The pins' clock is gone: no descriptor comes any more.
        rig.streams[0].stop_clock()

    samples = rig.run(12, (4, stop))
    assert [t[0] for t in rig.told] == ["microphone", "gap"]
    assert rig.told[0][1] == {"state": "stuck"} and len(rig.streams) == 2
    assert 11.5 * RATE < len(samples) < 12.5 * RATE


def test_open_errors_are_told_and_recording_goes_on_when_there_is_memory():
    rig = Rig()
    rig.fail = 2
    samples = rig.run(8)
    assert [t[1]["state"] for t in rig.told] == ["failed", "failed"]
    assert 4 * RATE < len(samples) < 5.5 * RATE and samples.astray() == 0


def test_a_broken_wire_is_told_while_it_records_on():
    rig = Rig(sound=lambda frame: 0 if 80000 < frame < 800000 else frame & 255)
    rig.run(55)
    assert rig.told == [
        ("microphone", {"state": "constant"}),
        ("microphone", {"state": "recovered"}),
    ]


def test_a_recording_ends_at_its_longest_duration_in_any_case():
    rig = Rig()
    samples = rig.run(20, max_s=5)
    assert 5 * RATE <= len(samples) <= 5 * RATE + BUFFER
    assert not rig.streams[0].is_open


def test_segments_together_have_every_sample_and_each_its_moment():
    rig = Rig()
    samples = rig.run(9, segments=(0, 2))
    assert len(rig.files.names) >= 4 and samples.astray() == 0
    assert all(rig.files.moments)


def test_a_full_storage_ends_it_and_the_microphone_is_closed():
    rig = Rig()
    rig.files.full_at = 60000
    try:
        rig.run(9)
    except OSError as e:
        assert e.errno == 28
    else:
        raise AssertionError
    assert not rig.streams[0].is_open


def spoken(frame):
    """A quiet room in which somebody speaks from second 6 to 9."""
    loud = 6 * RATE <= frame < 9 * RATE
    return ((frame * 7919 >> 3) % (8000 if loud else 40)) - (4000 if loud else 20)


def test_a_voice_starts_with_what_came_before_it_and_silence_ends():
    rig = Rig(sound=spoken)
    ring = voice.PreRoll(RATE * 2 * 2)
    ear = voice.Voice(silence_ms=3000, pre_roll=ring)

    async def main():
        assert await rig.recorder.wait_for_voice(ear)
        began = rig.chip.us / 1e6
        assert 6 < began < 6.6, began
        await rig.recorder.record(rig.files, rig.codec, voice=ear)
        return rig.chip.us / 1e6

    ended = asyncio.run(main())
    asyncio.new_event_loop()
    assert 11.8 < ended < 12.6, ended
    # Two seconds before it was known to be speech, without a seam.
    at = None
    i = 0
    for part in rig.files.parts():
        if at is None:
            loud = [k for k in range(len(part)) if abs(part[k]) > 100]
            at = 6 * RATE - i - loud[0] if loud else None
        i += len(part)
    assert 4 * RATE < at < 4.8 * RATE, at
    # A sample that happens to be small may be the first loud one.
    near = [at + k for k in range(-40, 41) if follows(rig.files, at + k, 50)]
    assert near and follows(rig.files, near[0], len(rig.files))
    assert len(rig.streams) == 1 and rig.told == []


def test_a_voice_is_heard_and_its_end_found_within_long_buffers():
    rig = Rig(buffer_ms=1000, sound=spoken)
    ear = voice.Voice(silence_ms=3000, pre_roll=voice.PreRoll(RATE * 2 * 2))

    async def main():
        assert await rig.recorder.wait_for_voice(ear)
        assert 6 < rig.chip.us / 1e6 < 7.6
        await rig.recorder.record(rig.files, rig.codec, voice=ear)

    asyncio.run(main())
    asyncio.new_event_loop()
    # From before the first word, of second 6, to three seconds after the last, of second 9.
    quiet = 0
    for part in rig.files.parts():
        loud = [k for k in range(len(part)) if abs(part[k]) > 100]
        quiet += loud[0] if loud else len(part)
        if loud:
            break
    began = 6 * RATE - quiet
    assert 4.9 * RATE < began < 5.2 * RATE, began
    assert 11.9 * RATE <= began + len(rig.files) < 13.1 * RATE, len(rig.files)
    assert rig.told == [] and len(rig.streams) == 1


def test_a_longest_duration_is_kept_to_an_eighth_of_a_second_whatever_the_buffers():
    rig = Rig(buffer_ms=1000)
    samples = rig.run(20, max_s=5)
    assert 5 * RATE <= len(samples) <= 5 * RATE + BUFFER and samples.astray() == 0


def follows(files, at, n):
    """Whether the first n samples are those that were spoken from frame `at` on."""
    for part in files.parts():
        for value in part:
            if n == 0:
                return True
            if value != spoken(at):
                return False
            at += 1
            n -= 1
    return True


def test_waiting_for_a_voice_is_stopped():
    rig = Rig(sound=lambda frame: frame & 15)

    async def main():
        task = asyncio.create_task(rig.recorder.wait_for_voice(voice.Voice()))
        await asyncio.sleep_ms(5000)
        rig.recorder.stop()
        return await task

    assert asyncio.run(main()) is False
    asyncio.new_event_loop()
    assert not rig.streams[0].is_open


def test_the_gaps_fit_the_metadata():
    rig = Rig()
    rig.run(100, *[(2 + 3 * i, lambda: rig.chip.block(600)) for i in range(25)])
    told = rig.recorder.gaps.metadata()
    assert len(told["gaps"]) == 20 and told["gaps_count"] == 25
    assert len(json.dumps(told)) < 1200


def test_a_gap_just_before_the_end_is_told_too():
    for buffer_ms, ms in ((128, 500), (128, 2500), (1000, 2500)):
        rig = Rig(buffer_ms=buffer_ms)
        samples = rig.run(8.05, (8, rig.blocked(ms)))  # the stop comes 50 ms after the block
        lost = rig.lost()
        assert lost > 0
        ((name, info),) = rig.told
        assert name == "gap" and abs(info["ms"] - lost * 1000 / RATE) <= 20, (info, lost)
        assert len(rig.recorder.gaps.metadata()["gaps"]) == 1
        # With the silence it is as long as it took, to a descriptor.
        assert abs(len(samples) / 16 - rig.chip.us / 1000) <= 16 + 20, (len(samples), rig.chip.us)


def test_a_block_at_the_end_that_costs_nothing_is_no_gap():
    for ms in (50, 120, 250):
        for at in (7.9, 8, 8.06):
            rig = Rig()
            samples = rig.run(at + 0.05, (at, rig.blocked(ms)))
            assert rig.lost() == 0 and rig.told == [], (ms, at, rig.told)
            assert samples.astray() == 0
