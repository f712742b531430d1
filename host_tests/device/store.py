"""The store: what is on flash, in which order, and what is made of what is found there."""

import asyncio
import hashlib
import os
from binascii import hexlify

from _support import folder, raises
from wire import settings

from uploader import journal, layout, owner
from uploader.clock import FLOOR, Clock
from uploader.entry import md5_of
from uploader.errors import DamagedError, MediaTypeError, StorageError
from uploader.store import Store


def store(**more):
    made = settings(storage=folder() + "/flash", state=folder() + "/state", **more)
    return Store(made, Clock(lambda: FLOOR + 1000, boot="b"))


def make(s, data=b"sound", **more):
    recording = s.begin(**more)
    writer = recording.add("audio")
    writer.write(data)
    recording.end()
    return recording


def pending(s):
    return [e.id for e in s.pending()]


def test_a_recording_is_found_again_with_all_that_was_said_of_it():
    s = store()
    rec = s.begin("Standup", "2026-05-01T10:00:00+02:00", {"room": "12"})
    audio = rec.add("audio", "audio/ogg")
    audio.write(b"abc")
    image = rec.add("image", "image/jpeg")
    image.write(b"jpg")
    image.close()
    audio.write(b"def")
    rec.end("2026-05-01T10:30:00+02:00")
    (entry,) = list(store().pending())
    assert entry.begin == {
        "v": 1,
        "name": "Standup",
        "started_at": "2026-05-01T10:00:00+02:00",
        "metadata": {"room": "12"},
        "binding": s.credentials.binding,
    }
    assert entry.end == {"ended_at": "2026-05-01T10:30:00+02:00", "count": 2}
    files = {f["index"]: f for f in entry.files()}
    assert files[0] == {
        "index": 0,
        "content_type": "audio/ogg",
        "size": 6,
        "md5": hexlify(hashlib.md5(b"abcdef").digest()).decode(),
        "sha256": hexlify(hashlib.sha256(b"abcdef").digest()).decode(),
    }
    assert s.clock.resolve(files[1]["captured_at"]) == "2026-01-01T00:16:40Z"
    reader = entry.open(files[0])
    buf = bytearray(10)
    assert reader.readinto(buf) == 6 and buf[:6] == b"abcdef"


def test_recordings_are_pending_oldest_first_once_ended():
    s = store()
    first = s.begin()
    make(s)
    make(s)
    assert pending(s) == ["000002", "000003"]
    first.add("audio").write(b"x")
    first.end()
    assert pending(s) == ["000001", "000002", "000003"]


def test_what_is_wrong_is_refused_before_anything_is_written():
    s = store()
    before = sorted(os.listdir(folder() + "/flash"))
    for call in (
        lambda: s.begin(7),
        lambda: s.begin("x" * 300),
        lambda: s.begin(None, "yesterday"),
        lambda: s.begin(None, None, [1]),
        lambda: s.begin(None, None, {"x": "y" * 3000}),
    ):
        raises(StorageError, call)
    assert sorted(os.listdir(folder() + "/flash")) == before
    rec = s.begin()
    raises(MediaTypeError, rec.add, "audio", "audio/midi")
    raises(StorageError, rec.add, "image", "image/png", "noon")
    rec.add("audio").write(b"x")
    rec.end()
    raises(StorageError, rec.add, "audio")
    rec.end()


def test_a_recording_whose_end_can_not_be_written_is_left_to_recovery():
    s = store()
    recording = s.begin()
    recording.add("audio").write(b"sound")
    real, s.append = s.append, lambda *_: s.space.guard(os.stat, "/none/at/all")
    raises(StorageError, recording.end)
    s.append = real
    assert not s.is_recording() and s.ended.is_set()
    assert pending(s) == [recording.id] and s.entry(recording.id).end["interrupted"]


def test_hashing_a_large_file_shows_life():
    s = store()
    recording = s.begin()
    writer = recording.add("audio")
    for _ in range(3 * 64 + 1):
        writer.write(bytes(16384))
    writer.set_head(b"head")
    recording.end()
    told = []
    s.listen(lambda event, **info: told.append((event, info["sent"])))
    entry = s.entry(recording.id)
    asyncio.run(md5_of(entry, next(entry.files())))
    assert told == [("progress", 0)] * 3


def test_what_recovery_can_not_read_holds_up_no_other():
    from uploader import recovery

    def beyond(*_):
        raise OverflowError("seek")

    s = store()
    s.begin().add("audio").write(b"sound")
    s = store()
    make(s)
    real, recovery.recover = recovery.recover, beyond
    try:
        assert pending(s) == ["000002"]
    finally:
        recovery.recover = real
    assert [e.id for e in owner.quarantined(s)] == ["000001"]


def test_metadata_that_json_can_not_carry_are_refused():
    s = store()
    raises(StorageError, s.begin, None, None, {"x": float("nan")})
    recording = s.begin()
    recording.add("audio").write(b"sound")
    raises(StorageError, recording.end, None, {"x": float("inf")})
    recording.end()
    assert pending(s) == [recording.id]


def test_a_recording_has_as_many_files_as_have_names():
    s = store()
    most, layout.MOST_FILES = layout.MOST_FILES, 2
    try:
        recording = s.begin()
        recording.add("image", "image/jpeg").write(b"1")
        recording.add("image", "image/jpeg").write(b"2")
        raises(StorageError, recording.add, "image", "image/jpeg")
        recording.end()
    finally:
        layout.MOST_FILES = most
    assert [e.count for e in s.pending()] == [2]
    name = layout.media_name(most - 1, "image/jpeg")
    assert name == "zz.jpg" and most == 36 * 36


def test_a_recording_without_files_leaves_nothing_behind():
    s = store()
    s.begin("empty").end()
    assert pending(s) == []
    assert not [n for n in os.listdir(folder() + "/flash") if n.startswith("0")]


def test_numbers_are_never_used_twice_not_even_after_everything_was_deleted():
    for expected in ("000001", "000002", "000003"):
        s = store()
        recording = make(s)
        assert recording.id == expected
        s.remove(recording.seq)
    assert make(store()).id == "000004"


def test_alien_files_are_left_alone():
    s = store()
    aliens = ("notes.txt", "12.opus", "000001", "x00001.rec", ".hidden")
    for name in aliens:
        with open(folder() + "/flash/" + name, "w") as f:
            f.write("mine")
    os.mkdir(folder() + "/flash/dir")
    make(s)
    assert pending(store()) == ["000001"]
    s.remove(1)
    found = os.listdir(folder() + "/flash")
    assert all(name in found for name in aliens)


def test_an_interrupted_recording_is_recovered_up_to_what_is_on_flash():
    s = store()
    rec = s.begin("cut")
    writer = rec.add("audio", "audio/mpeg")
    writer.write(b"x" * 1000)
    writer.sync()
    (entry,) = list(store().pending())
    assert entry.end == {"interrupted": True, "count": 1}
    (file,) = list(entry.files())
    assert file["size"] == 1000 and file["content_type"] == "audio/mpeg"
    (again,) = list(store().pending())
    assert again.end == entry.end and again.count == 1


def test_an_interrupted_recording_with_nothing_in_it_is_removed():
    s = store()
    s.begin("cut").add("audio")
    assert pending(store()) == []
    assert not [n for n in os.listdir(folder() + "/flash") if n.startswith("0")]


def test_a_file_that_is_missing_or_short_is_damaged():
    make(store(), b"x" * 100)
    s = store()
    (entry,) = list(s.pending())
    (file,) = list(entry.files())
    path = folder() + "/flash/00000100.opu"
    with open(path, "wb") as f:
        f.write(b"short")
    assert "5 of its 100" in str(raises(DamagedError, entry.open, file))
    os.unlink(path)
    assert "missing" in str(raises(DamagedError, entry.open, file))


def test_media_whose_manifest_is_lost_are_quarantined_not_deleted():
    make(store())
    make(store())
    with open(folder() + "/flash/000001.rec", "wb") as f:
        f.write(b"\xff" * 50)
    assert pending(store()) == ["000002"]
    status = owner.status(store())
    assert (status["pending"], status["quarantined"]) == (1, 1)
    assert "manifest" in status["recordings"][0]["reason"]


def test_a_head_replaces_the_first_bytes_when_sent():
    s = store()
    rec = s.begin()
    w = rec.add("audio", "audio/wav")
    w.write(b"....data")
    w.set_head(b"HEAD")
    raises(StorageError, w.set_head, b"x" * 20)
    rec.end()
    (entry,) = list(s.pending())
    (file,) = list(entry.files())
    buf = bytearray(64)
    assert entry.open(file).readinto(buf) == 8
    assert buf[:8] == b"HEADdata"
    assert entry.md5(file) is None


def test_what_the_state_says_is_what_was_noted():
    s = store()
    make(s)
    (entry,) = list(s.pending())
    assert owner.state(entry) == "ended"
    entry.note("id", "rec_1")
    entry.note("sent", 0)
    entry.note("asked")
    entry.note("md5", 3, "ab")
    (again,) = list(store().pending())
    assert again.recording_id == "rec_1" and again.creates == 1
    assert again.sent(0) and not again.sent(1) and again.asked and not again.done
    assert owner.state(again) == "uploaded"
    again.note("gone")
    (again,) = list(store().pending())
    assert again.recording_id is None and not again.sent(0) and not again.asked
    again.note("bad", "why", False)
    assert pending(store()) == []
    assert owner.status(store())["recordings"][0]["reason"] == "why"


def test_a_recording_under_way_is_shown_and_not_uploaded():
    s = store()
    make(s)
    recording = s.begin()
    recording.add("audio").write(b"sound")
    shown = owner.status(s)
    assert [r["state"] for r in shown["recordings"]] == ["ended", "recording"]
    assert shown["pending"] == 2 and shown["recordings"][1]["id"] == recording.id
    assert pending(s) == ["000001"] and s.count_pending() == 1
    recording.end()
    assert [r["state"] for r in owner.status(s)["recordings"]] == ["ended", "ended"]


def test_the_state_of_a_one_file_recording_stays_inline_in_littlefs():
    made = b"".join(
        journal.encode(line)
        for line in (["id", "rec_" + "0" * 32], ["sent", 0], ["asked"], ["done"])
    )
    assert len(made) <= 128, len(made)


def test_a_deletion_that_was_cut_is_finished_by_the_next_drain():
    s = store()
    make(s)
    (entry,) = list(s.pending())
    entry.note("id", "rec_1")
    entry.note("done")
    os.unlink(folder() + "/flash/00000100.opu")
    assert pending(store()) == []
    assert sorted(os.listdir(folder() + "/flash")) == ["store.0", "store.1", "store.spr"]


def test_a_lost_line_of_the_manifest_is_made_good_from_the_file():
    s = store()
    rec = s.begin()
    rec.add("audio").write(b"one")
    rec.add("audio", "audio/wav").write(b"three")
    rec.end()
    path = folder() + "/flash/000001.rec"
    with open(path, "rb") as f:
        kept = f.read().split(b"\n")
    with open(path, "wb") as f:
        f.write(b"\n".join(kept[:1] + [b"spoiled"] + kept[2:]))
    (entry,) = list(store().pending())
    assert sorted(f["size"] for f in entry.files()) == [3, 5]
    assert entry.end["count"] == 2 and "ended_at" in entry.end


def test_listing_a_thousand_recordings_needs_no_more_memory_than_one():
    import gc

    s = store()
    make(s)

    def held():
        gc.collect()
        before = gc.mem_alloc()
        most = 0
        for _ in Store(s.settings, s.clock).entries():
            gc.collect()
            most = max(most, gc.mem_alloc() - before)
        return most

    def fill(first, last):
        for seq in range(first, last):
            with open(s.path(seq, ".rec"), "wb") as f:
                f.write(journal.encode({"begin": {"v": 1}}) + journal.encode({"end": {"count": 0}}))

    one = held()
    fill(2, 301)
    # With PSRAM 64 numbers at a time: a list, and a sorted one.
    some = held()
    assert some - one < 2048, (some, one)
    fill(301, 1001)
    assert held() - some < 1024, (held(), some)
