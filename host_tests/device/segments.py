"""Recordings cut into files that go out while the recording goes on."""

import asyncio

from _support import Device
from recorders.segments import Segments
from recorders.wav import WavWriter
from wire import Service

from uploader import layout, owner


def setup(**more):
    d = Device(Service("dtok_a"), **more)
    rec = d.up.record("live", live=True)
    return d, rec


async def settle(n=400):
    for _ in range(n):
        await asyncio.sleep_ms(0)


async def test_segments_are_uploaded_while_the_recording_goes_on():
    d, rec = setup()
    task = asyncio.create_task(d.up.run())
    stream = Segments(lambda: rec.add("audio", "audio/mpeg"), d.store.clock, max_bytes=1000)
    for i in range(25):
        stream.write(bytes([i]) * 100)
        await settle(60)
    # Two whole segments are there, the third is being written.
    assert d.service.calls == {"create": 1, "url": 2, "put": 2}, d.service.calls
    assert owner.status(d.store)["recordings"][0]["state"] == "recording"
    stream.close()
    rec.end()
    await settle()
    task.cancel()
    (recording,) = d.service.recordings.values()
    assert recording["status"] == "uploaded" and "ended_at" not in recording
    assert d.service.calls == {"create": 1, "url": 3, "put": 3, "complete": 1}
    whole = b"".join(recording["files"][i] for i in range(3))
    assert whole == b"".join(bytes([i]) * 100 for i in range(25))
    assert owner.status(d.store)["recordings"] == []


async def test_a_power_cut_in_a_live_recording_sends_only_what_is_missing():
    d, rec = setup()
    first = rec.add("audio", "audio/mpeg")
    first.write(b"a" * 500)
    first.close()
    assert await d.up.drain(5)
    assert d.service.calls["put"] == 1
    second = rec.add("audio", "audio/mpeg")
    second.write(b"b" * 300)
    second.sync()
    d.boot()
    assert await d.up.drain(5)
    (recording,) = d.service.recordings.values()
    assert recording["status"] == "uploaded" and d.service.calls["put"] == 2
    assert [recording["files"][i] for i in range(2)] == [b"a" * 500, b"b" * 300]


async def test_segments_by_time_are_each_a_valid_wav():
    d, rec = setup()
    stream = Segments(
        lambda: WavWriter(rec.add("audio", "audio/wav")), d.store.clock, max_seconds=10
    )
    for _ in range(25):
        stream.write(bytes(320))
        d.ticks.ms += 1000
    stream.close()
    rec.end()
    assert await d.up.drain(5)
    (recording,) = d.service.recordings.values()
    sizes = []
    for i in range(3):
        wav = recording["files"][i]
        assert wav[:4] == b"RIFF" and int.from_bytes(wav[4:8], "little") == len(wav) - 8
        assert int.from_bytes(wav[40:44], "little") == len(wav) - 44
        sizes.append(len(wav) - 44)
    assert sizes == [3200, 3200, 1600]


async def test_the_last_file_that_a_recording_can_have_takes_the_rest():
    d, rec = setup()
    stream = Segments(
        lambda: rec.add("audio", "audio/mpeg"),
        d.store.clock,
        max_bytes=1000,
        last=lambda: rec.full,
    )
    most, layout.MOST_FILES = layout.MOST_FILES, 2
    try:
        for _ in range(50):
            stream.write(bytes(100))
    finally:
        layout.MOST_FILES = most
    stream.close()
    rec.end()
    assert await d.up.drain(5)
    (recording,) = d.service.recordings.values()
    assert [len(recording["files"][i]) for i in range(2)] == [1000, 4000]


async def test_a_live_recording_is_never_deleted_to_make_room():
    d, rec = setup(delete_when_full=True)
    rec.add("audio").close()
    d.record()
    assert d.store.space.make_room()
    assert [e.id for e in d.store.entries()] == ["000001"]
    assert not d.store.space.make_room()
