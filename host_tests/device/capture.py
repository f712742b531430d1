"""What stands between the microphone and the recording: gaps, level, voice, schedule."""

import asyncio
import math
from array import array

from recorders import gaps, level, microphone, native, voice

from uploader import schedule

RATE = 16000
BUFFER = 2048  # samples, 128 ms
HELD_MS = 128 * 2 + 150


class Driver:
    """I2S as the port drives it: two buffers that it fills in turn and a ring of its own that
    drops what does not fit. `block(ms)` is a stretch in which no Python runs."""

    def __init__(self, counter, ring_ms=144):
        self.now = 0.0  # ms
        self.counter = counter
        self.lost = 0  # samples
        self.filled = []  # positions of what was lost, then of what was filled in
        self._ring = ring_ms * RATE // 1000
        self._sound = 0  # samples that the microphone made
        self._buffers = 2
        self._kept = 0  # samples in the driver that no buffer took
        counter.start(0)

    def run(self, ms):
        """Time in which each buffer is taken as soon as it is full."""
        until = self.now + ms
        while True:
            need = max(0, BUFFER - self._kept)
            if self.now + need * 1000 / RATE > until:
                break
            self.now += need * 1000 / RATE
            self._kept += need - BUFFER
            self.take()
        self._kept += int((until - self.now) * RATE / 1000)
        self.now = until

    def take(self):
        silence = self.counter.took(BUFFER, int(self.now))
        if silence:
            self.filled.append(silence)

    def block(self, ms):
        """Both buffers fill, then the driver's ring; the rest is lost."""
        self.now += ms
        held = self._kept + int(ms * RATE / 1000)
        most = 2 * BUFFER + self._ring
        self.lost += max(0, held - most)
        self._kept = min(held, most)
        while self._kept >= BUFFER:
            self._kept -= BUFFER
            self.take()


def driven(*blocks):
    counter = gaps.Gaps(RATE, HELD_MS)
    driver = Driver(counter)
    driver.run(2000)
    for ms in blocks:
        driver.block(ms)
        driver.run(3000)
    return driver, counter


def test_blocks_that_the_buffers_outlast_are_no_gaps():
    # One whole buffer and the driver's ring: the other buffer may be all but full.
    driver, counter = driven(20, 50, 100, 200, 270)
    assert driver.lost == 0 and counter.count == 0 and counter.metadata() == {}


def test_each_block_that_costs_sound_is_one_gap_of_that_length():
    for ms in (500, 2500, 14000):
        driver, counter = driven(ms)
        assert driver.lost > 0 and counter.count == 1, (ms, counter.count)
        assert abs(driver.filled[0] - driver.lost) <= 13 * RATE // 1000
        assert abs(counter.lost_ms - driver.lost * 1000 // RATE) <= 13
        (gap,) = counter.metadata()["gaps"]
        assert gap["length_ms"] == counter.lost_ms
        # Where it was, to one buffer; what the buffers held is from before it.
        began = 2000 + HELD_MS - 150 + 144
        assert -128 <= gap["offset_ms"] - began <= 128 + 2, gap


def test_gaps_and_what_fills_them_add_up_to_the_time_that_passed():
    driver, counter = driven(500, 50, 2500, 700, 14000, 30, 900)
    assert counter.count == 5
    assert abs(sum(driver.filled) - driver.lost) <= 5 * 13 * RATE // 1000
    assert abs(counter.lost_ms - driver.lost * 1000 // RATE) <= 5 * 13


def test_one_descriptor_that_a_flash_erase_cost_is_a_gap():
    counter = gaps.Gaps(RATE, HELD_MS)
    counter.start(0)
    now = 0
    for i in range(104):
        now += 128
        # 256 frames are dropped within one buffer of twenty: it is complete 16 ms later.
        if i % 20 == 19:
            now += 16
        counter.took(BUFFER, now)
    assert counter.count == 5 and 70 <= counter.lost_ms <= 90, (counter.count, counter.lost_ms)


def test_two_clocks_that_drift_apart_are_no_gap():
    for permille in (-2, 2):
        counter = gaps.Gaps(RATE, HELD_MS)
        counter.start(0)
        filled = 0
        for i in range(1, 28000):  # an hour
            filled += counter.took(BUFFER, i * 128 * (1000 + permille) // 1000)
        assert filled == 0 and counter.count == 0


def test_late_callbacks_are_no_gap():
    counter = gaps.Gaps(RATE, HELD_MS)
    counter.start(0)
    for i in range(1, 500):
        late = (0, 3, 60, 0, 120, 5, 0, 20)[i % 8]
        assert counter.took(BUFFER, i * 128 + late) == 0
    assert counter.count == 0


def test_a_device_that_is_always_late_still_finds_what_is_lost_for_certain():
    counter = gaps.Gaps(RATE, HELD_MS)
    counter.start(0)
    filled = 0
    for i in range(1, 400):
        filled += counter.took(BUFFER, i * 160)  # a fifth is lost all the time
    lost = 400 * 32 * RATE // 1000
    assert lost - HELD_MS * RATE // 1000 - 10 * BUFFER < filled < lost, (filled, lost)


def test_at_most_twenty_gaps_are_listed_then_a_total():
    driver, counter = driven(*[600] * 25)
    told = counter.metadata()
    assert len(told["gaps"]) == 20 and told["gaps_count"] == 25
    assert told["gaps_total_ms"] == counter.lost_ms
    import json

    assert len(json.dumps(told)) < 1200


def tone(peak, n=1024, offset=0):
    return pcm([int(peak * math.sin(i * 0.3)) + offset for i in range(n)])


def pcm(samples):
    return bytes(array("h", samples))


def kernels():
    return [native.module("level_" + kind) for kind in ("viper", "plain")]


def test_a_sine_wave_that_just_fits_is_0_dbfs():
    for kernel in kernels():
        meter = level.Level(kernel)
        for peak, db in ((32767, 0), (3277, -20), (328, -40), (33, -60)):
            assert meter.feed(tone(peak)) == 1024
            assert abs(meter.dbfs() - db) < 0.6, (peak, meter.dbfs())
        meter.feed(bytearray(2048))
        assert meter.dbfs() == -97


def test_the_offset_of_a_microphone_is_not_loud():
    meter = level.Level(kernels()[0])
    for _ in range(2):
        meter.feed(tone(33, offset=2000))
    assert -63 < meter.dbfs() < -57


def test_levels_of_native_and_plain_code_agree_bit_for_bit():
    meters = [level.Level(kernel) for kernel in kernels()]
    x = 12345
    for n in (0, 1, 2, 1000, 16384, 16385, 40000):
        samples = array("h", [0] * n)
        for i in range(n):
            x = (x * 1103515245 + 12345) & 0x7FFFFFFF
            samples[i] = (x >> 8 & 0xFFFF) - 32768
        results = []
        for meter in meters:
            assert meter.feed(bytes(samples)) == n
            results.append((meter.low, meter.high, meter.dbfs()))
        assert results[0] == results[1], results
        if n:
            assert results[0][:2] == (min(samples), max(samples))


def watched(sound, buffers):
    meter, watch = level.Level(kernels()[0]), level.Watch()
    told = []
    for _ in range(buffers):
        meter.feed(sound)
        told.append(watch.feed(meter, 128))
    return [t for t in told if t], watch, meter


def test_30_s_of_zeros_or_of_full_scale_is_told_once():
    ones = pcm([-1] * BUFFER)
    rail = pcm([-32768] * BUFFER)
    square = pcm(([32767] * 8 + [-32768] * 8) * (BUFFER // 16))
    cases = ((bytearray(4096), "constant"), (ones, "constant"), (rail, "constant"))
    for sound, kind in cases + ((square, "full_scale"),):
        assert watched(sound, 234)[0] == []  # 29.95 s
        told, watch, meter = watched(sound, 1000)
        assert told == [kind] and watch.trouble == kind
        meter.feed(tone(50))
        assert watch.feed(meter, 128) == "recovered" and watch.trouble is None


def test_a_quiet_room_and_a_loud_voice_are_no_trouble():
    one_unit = pcm([0] * (BUFFER - 1) + [1])
    for sound in (one_unit, tone(32767, BUFFER)):
        assert watched(sound, 1000)[0] == []


def heard(detector, pattern):
    """Events of (dBFS, seconds) in turn, each with its time in s."""
    out = []
    ms = 0
    for db, seconds in pattern:
        for _ in range(int(seconds * 1000 // 64)):
            ms += 64
            event = detector.feed(db, 64)
            if event:
                out.append((event, ms / 1000))
    return out


def test_a_voice_starts_and_its_end_is_after_the_silence():
    for floor in (-60, -45, -30):
        detector = voice.Voice(threshold_db=12, silence_ms=5000)
        events = heard(detector, [(floor, 20), (floor + 20, 8), (floor, 3), (floor + 18, 2)])
        assert [e[0] for e in events] == ["start"] and 20 < events[0][1] < 20.5
        events = heard(detector, [(floor, 20)])
        assert events and events[0][0] == "end" and 4.8 < events[0][1] < 5.3


def test_clicks_and_a_new_fan_start_nothing_for_long():
    detector = voice.Voice()
    assert heard(detector, [(-55, 20), (-10, 0.07), (-55, 1)] * 4) == []
    # A fan is a voice at first, and the floor ten seconds later.
    events = heard(detector, [(-55, 10), (-35, 30)])
    assert [e[0] for e in events] == ["start", "end"] and events[1][1] < 27
    assert -36 < detector.floor_db < -34
    # Digital silence makes no voice of the least noise.
    assert heard(voice.Voice(), [(-97, 20), (-65, 5)]) == []


def drained(ring):
    out = []
    ring.drain(lambda mv: out.append(bytes(mv)))
    return b"".join(out)


def test_pre_roll_is_what_came_last_in_its_order():
    for size in (10, 4096):
        ring = voice.PreRoll(size)
        assert drained(ring) == b""
        came = b""
        for n in (0, 3, 4, 3, 25, 7, 4096, 5000, 1):
            part = bytes((i + n) & 255 for i in range(n))
            ring.write(part)
            came += part
            if n in (3, 25, 5000):
                assert drained(ring) == came[-size:], (size, n)
                came = b""
        assert drained(ring) == came and drained(ring) == b""


MONDAY = 1767571200  # 2026-01-05 00:00 UTC


def at(day, hours, minutes=0):
    return MONDAY + day * 86400 + hours * 3600 + minutes * 60


def test_a_schedule_says_when_the_next_recording_begins():
    plan = [{"days": ["mon", "fri"], "at": ["08:00", "13:30"], "minutes": 45}]
    schedule.check(plan)
    due = schedule.due
    assert due(plan, at(0, 7)) == (3600, 2700)
    assert due(plan, at(0, 8)) == (0, 2700)
    assert due(plan, at(0, 8, 44)) == (0, 60)
    assert due(plan, at(0, 8, 45)) == (4 * 3600 + 45 * 60, 2700)
    assert due(plan, at(0, 15)) == (at(4, 8) - at(0, 15), 2700)
    assert due(plan, at(4, 20)) == (at(7, 8) - at(4, 20), 2700)
    # 08:00 in a zone two hours ahead is 06:00 UTC.
    assert due(plan, at(0, 5), 7200) == (3600, 2700)
    assert due(plan, at(0, 15), -7 * 3600) == (0, 2700)
    assert due([], at(0, 5)) is None


def test_a_recording_over_midnight_goes_on_and_the_longer_of_two_counts():
    plan = [
        {"days": ["sun"], "at": ["23:00"], "minutes": 180},
        {"at": ["01:30"], "minutes": 10},
        {"at": ["01:30"], "minutes": 20},
    ]
    schedule.check(plan)
    assert schedule.due(plan, at(0, 1, 40)) == (0, 20 * 60)
    assert schedule.due(plan[1:], at(0, 1, 40)) == (0, 600)
    assert schedule.due(plan, at(6, 23)) == (0, 180 * 60)
    assert schedule.due(plan, at(1, 1)) == (1800, 1200)


def test_what_is_no_schedule_is_refused_with_the_reason():
    good = {"days": ["mon"], "at": ["08:00"], "minutes": 5}
    bad = (
        ("x", "list"),
        ([1], "entry"),
        ([dict(good, hour=3)], "entry"),
        ([dict(good, days=["monday"])], "days"),
        ([dict(good, days=[])], "days"),
        ([dict(good, minutes=0)], "minutes"),
        ([dict(good, minutes=True)], "minutes"),
        ([dict(good, at=[])], "at"),
        ([dict(good, at=["8:00"])], "8:00"),
        ([dict(good, at=["24:00"])], "24:00"),
        ([dict(good, at=[5])], "5"),
        ([{"minutes": 5}], "at"),
    )
    for plan, word in bad:
        try:
            schedule.check(plan)
        except ValueError as e:
            assert word in str(e), (plan, e)
        else:
            raise AssertionError(plan)


class Clock:
    def __init__(self):
        self.ms = 0

    async def sleep_ms(self, ms):
        self.ms += ms
        await asyncio.sleep(0)


async def test_a_microphone_that_does_not_open_is_told_and_tried_again():
    clock, told, tries = Clock(), [], []

    def make():
        tries.append(clock.ms)
        if len(tries) < 9:
            raise OSError(12) if len(tries) % 2 else ValueError("invalid pins")
        return "microphone"

    def emit(name, **info):
        told.append((name, info["state"], info["wait_s"]))

    assert await microphone.opened(make, clock, emit, lambda: True) == "microphone"
    assert [t[2] for t in told] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert {t[:2] for t in told} == {("microphone", "failed")}
    assert tries[-1] == sum(t[2] for t in told) * 1000


async def test_a_stop_ends_the_waiting_for_a_microphone():
    clock = Clock()

    def make():
        raise OSError(12)

    stream = await microphone.opened(make, clock, lambda *_, **__: None, lambda: clock.ms < 5000)
    assert stream is None and clock.ms == 5000
