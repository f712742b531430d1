"""Damage on flash: recovered where possible, else quarantined with its reason, never in the
way of the rest."""

import os

from _support import folder, raises
from wire import settings

from uploader import journal, owner
from uploader.clock import FLOOR, Clock
from uploader.errors import StorageError
from uploader.store import Store


def store(**more):
    made = settings(storage=folder() + "/flash", state=folder() + "/state", **more)
    return Store(made, Clock(lambda: FLOOR + 1000, boot="b"))


def path(name):
    return folder() + "/flash/" + name


def make(s, *data):
    recording = s.begin()
    for part in data or (b"sound",):
        recording.add("audio").write(part)
    recording.end()
    return recording


def put(name, data):
    with open(path(name), "wb") as f:
        f.write(data)


def get(name):
    with open(path(name), "rb") as f:
        return f.read()


def looked_at(s):
    """(ids pending, {id: reason} in quarantine) after a boot and a look at the queue."""
    ids = [e.id for e in s.pending()]
    return ids, {e.id: e.bad for e in owner.quarantined(s)}


def with_neighbours(name, data):
    """Three recordings, of the second of which the file `name` is made `data`."""
    s = store()
    for _ in range(3):
        make(s)
    put(name, data(get(name)) if callable(data) else data)
    ids, bad = looked_at(store())
    assert "000001" in ids and "000003" in ids
    return ids, bad


def test_a_manifest_cut_at_any_byte_is_recovered_or_quarantined():
    s = store()
    for _ in range(3):
        make(s)
    whole = get("000002.rec")
    for n in range(len(whole)):
        put("000002.rec", whole[:n])
        for name in ("000002.sta",):
            if name in os.listdir(path("")):
                os.unlink(path(name))
        ids, bad = looked_at(store())
        assert ids in (["000001", "000003"], ["000001", "000002", "000003"]), ids
        assert ("000002" in ids) != ("000002" in bad), (n, ids, bad)
        # As soon as the beginning is there, nothing is given up.
        assert "000002" in ids or n < whole.index(b"\n")


def test_a_manifest_with_any_bit_turned_is_recovered_or_quarantined():
    s = store()
    for _ in range(3):
        make(s)
    whole = get("000002.rec")
    for n in range(len(whole)):
        spoiled = bytearray(whole)
        spoiled[n] ^= 1 << (n % 8)
        put("000002.rec", spoiled)
        if "000002.sta" in os.listdir(path("")):
            os.unlink(path("000002.sta"))
        ids, bad = looked_at(store())
        assert "000001" in ids and "000003" in ids
        assert ("000002" in ids) != ("000002" in bad), (n, ids, bad)


def test_a_state_that_is_garbage_only_means_that_steps_are_repeated():
    for spoil in (b"", b"\xff" * 128, b'["id","rec_', b"\0" * 40, b"\n\n\n"):
        s = store()
        rec = make(s)
        s.entry(rec.id).note("id", "rec_1")
        put(rec.id + ".sta", spoil)
        (entry,) = [e for e in store().pending() if e.id == rec.id]
        assert entry.recording_id is None
        s.remove(rec.seq)


def test_whole_lines_that_mean_nothing_are_quarantined():
    for values in (
        ([1],),
        ({"begin": 7},),
        ({"begin": {"v": 1}}, {"file": {"index": "x"}}),
        ({"begin": {"v": 1}}, {"file": {"index": 0, "content_type": "audio/midi"}}),
        ({"begin": {"v": 1}}, {"file": [1]}, {"end": {"count": 1}}),
        ({"begin": {"v": 1}}, {"end": 3}),
        (7,),
    ):
        data = b"".join(journal.encode(v) for v in values)
        _, bad = with_neighbours("000002.rec", data)
        assert "000002" in bad, values
        for f in os.listdir(path("")):
            os.unlink(path(f))
    with_neighbours("000002.sta", journal.encode({"x": 1}) + journal.encode(["sent", "x"]))


def test_a_recording_of_a_newer_version_is_quarantined_untouched():
    newer = journal.encode({"begin": {"v": 2, "shape": "unknown"}}) + journal.encode({"end": {}})
    _, bad = with_neighbours("000002.rec", newer)
    assert "another version" in bad["000002"]
    assert get("000002.rec") == newer and get("00000200.opu") == b"sound"


def test_media_that_are_longer_than_the_manifest_says_are_sent_as_recorded():
    ids, bad = with_neighbours("00000200.opu", b"sound and more")
    assert ids == ["000001", "000002", "000003"]
    (entry,) = [e for e in store().pending() if e.id == "000002"]
    assert [f["size"] for f in entry.files()] == [5]


def test_the_stores_own_files_may_be_lost_or_garbage():
    make(store())
    for spoil in (b"", b"garbage", b"\xff" * 200):
        put("store.0", spoil)
        put("store.1", spoil)
        s = store()
        assert [e.id for e in s.pending()][:1] == ["000001"]
        rec = make(s)
        assert int(rec.id) > 1
        s.remove(rec.seq)


def test_a_damaged_recording_can_be_taken_back_or_discarded():
    s = store()
    make(s, b"one", b"two")
    make(s)
    os.unlink(path("00000100.opu"))
    put("000002.rec", b"garbage")
    (entry,) = list(s.pending())
    s.quarantine(entry, "000001 is missing", True)
    s = store()
    _, bad = looked_at(s)
    assert sorted(bad) == ["000001", "000002"]
    owner.requeue(s, "000001")
    owner.requeue(s, "000002")
    s = store()
    found = {e.id: e for e in s.pending()}
    assert sorted(found) == ["000001", "000002"]
    for e in found.values():
        assert e.end["interrupted"] and e.count == 1
    assert [f["index"] for f in found["000001"].files()] == [1]
    raises(StorageError, owner.discard, s, "000001")
    raises(StorageError, owner.requeue, s, "000001")
    raises(StorageError, owner.requeue, s, "000009")
    s.quarantine(found["000001"], "refused")
    owner.discard(s, "000001")
    assert [e.id for e in store().pending()] == ["000002"]
    assert not [f for f in os.listdir(path("")) if f.startswith("000001")]


def test_directories_and_odd_names_do_not_crash_the_boot():
    s = store()
    make(s)
    os.mkdir(path("000007.rec"))
    for name in ("999999", "0000010.opu", "00000100.opu.bak", "000001.REC", "00000à00.opu"):
        put(name, b"x")
    s = store()
    ids, _ = looked_at(s)
    assert ids == ["000001"]
