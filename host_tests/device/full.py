"""A full flash: the recorder is told, what was written stays, the queue still drains."""

import os

import vfs
from _support import raises
from flash import Flash
from wire import settings

from uploader.clock import FLOOR, Clock
from uploader.errors import StorageError, StorageFullError
from uploader.store import Store


def flash(kind, blocks):
    if kind is vfs.VfsFat:
        device = Flash(blocks * 8, 512, sectors=True)
        kind.mkfs(device)
        vfs.mount(kind(device), "/flash")
    else:
        device = Flash(blocks)
        kind.mkfs(device)
        vfs.mount(kind(device), "/flash")


def store(mount=None, **more):
    made = settings(storage="/flash/rec", sync_bytes=8192, **more)
    return Store(made, Clock(lambda: FLOOR + 1000), mount)


def pattern(at, n):
    return bytes((i * 7 + i // 251) & 255 for i in range(at, at + n))


def fill(s, chunk):
    """Record until there is no space; the recording, its writer, the error."""
    rec = s.begin()
    w = rec.add("audio", "audio/mpeg")
    at = 0
    while True:
        try:
            w.write(pattern(at, chunk))
            at += chunk
        except StorageFullError as e:
            return rec, w, e


def content(s, local_id):
    """Every byte of a one-file recording as it would be sent."""
    entry = s.entry(local_id)
    (file,) = list(entry.files())
    reader = entry.open(file)
    buf = bytearray(file["size"])
    assert reader.readinto(buf) == file["size"]
    reader.close()
    return bytes(buf)


def finish(s):
    """What draining writes and deletes, without a network."""
    done = []
    for entry in s.pending():
        entry.note("id", "rec_" + "0" * 24)
        for file in entry.files():
            entry.note("sent", file["index"])
        entry.note("asked")
        entry.note("done")
        s.remove(entry.seq)
        done.append(entry.id)
    return done


def check(kind, blocks, chunk, prefill):
    flash(kind, blocks)
    try:
        s = store()
        with open("/flash/other", "wb") as f:
            f.write(bytes(prefill))
        rec, w, e = fill(s, chunk)
        assert e.kept == w.size and str(w.size) in str(e)
        raises(StorageFullError, w.write, b"more")
        assert w.size == e.kept
        rec.end()
        # After a reboot, too, all that was kept is there.
        s = store()
        assert content(s, rec.id) == pattern(0, e.kept)
        raises(StorageFullError, fill_all, s)
        assert finish(s)[0] == rec.id
        assert finish(store()) == []
        again = store().begin()
        again.add("audio").write(bytes(4096))
        again.end()
        return e.kept
    finally:
        vfs.umount("/flash")


def fill_all(s):
    while True:
        rec, _, _ = fill(s, 512)
        rec.end()


def test_littlefs_fills_up_at_any_point_of_a_recording():
    for prefill in range(0, 9000, 640):
        assert check(vfs.VfsLfs2, 32, 1000, prefill) > 40000


def test_fat_fills_up_at_any_point_of_a_recording():
    for prefill in range(0, 3000, 512):
        assert check(vfs.VfsFat, 32, 1000, prefill) > 40000


def test_large_writes_fill_up_too():
    check(vfs.VfsLfs2, 40, 20000, 0)
    check(vfs.VfsFat, 40, 20000, 0)


def with_pictures(kind, prefill):
    flash(kind, 64)
    try:
        s = store()
        with open("/flash/other", "wb") as f:
            f.write(bytes(prefill))
        rec = s.begin()
        sound = rec.add("audio", "audio/mpeg")
        for n in range(1000):
            try:
                sound.write(pattern(sound.size, 1000))
            except StorageFullError:
                break
            if n % 6 == 0:
                try:
                    picture = rec.add("image", "image/jpeg", "")
                    picture.write(bytes(9000))
                    picture.close()
                except StorageFullError:
                    pass
        rec.end()
        assert finish(store()) == [rec.id]
    finally:
        vfs.umount("/flash")


def test_pictures_beside_the_sound_do_not_take_the_room_for_its_end():
    for kind in (vfs.VfsLfs2, vfs.VfsFat):
        for prefill in range(0, 12000, 900):
            with_pictures(kind, prefill)


def test_low_space_is_told_before_it_comes_to_that():
    flash(vfs.VfsLfs2, 64)
    events = []
    s = store(low_space_bytes=60000)
    s.listen(lambda event, **info: events.append((event, info.get("free_bytes"), w_size())))
    writer = []

    def w_size():
        return writer[0].size if writer else 0

    rec = s.begin()
    writer.append(rec.add("audio"))
    while "low_space" not in [e[0] for e in events]:
        writer[0].write(bytes(1000))
    ((_, free, size),) = events
    assert 40000 < free < 60000, free
    writer[0].write(bytes(30000))
    assert len(events) == 1
    rec.end()
    vfs.umount("/flash")


def test_nothing_is_deleted_to_make_room_unless_the_owner_said_so():
    flash(vfs.VfsLfs2, 48)
    s = store()
    for _ in range(3):
        rec = s.begin()
        rec.add("audio").write(bytes(30000))
        rec.end()
    rec, w, e = fill(s, 1000)
    rec.end()
    assert [e.id for e in s.pending()] == ["000001", "000002", "000003", "000004"]
    vfs.umount("/flash")


def test_with_the_owners_policy_the_oldest_gives_way_and_it_is_told():
    flash(vfs.VfsLfs2, 48)
    events = []
    s = store(delete_when_full=True)
    s.listen(lambda event, **info: events.append((event, info.get("id"))))
    for _ in range(3):
        rec = s.begin()
        rec.add("audio").write(bytes(30000))
        rec.end()
    # One whose upload has begun is left to it.
    s.entry("000001").note("id", "rec_1")
    rec = s.begin()
    w = rec.add("audio")
    for _ in range(60):
        w.write(pattern(w.size, 1000))
    rec.end()
    assert ("deleted", "000002") in events and ("deleted", "000001") not in events
    assert content(s, rec.id) == pattern(0, 60000)
    assert [e.id for e in s.pending()][:1] == ["000001"]
    vfs.umount("/flash")


def test_free_bytes_is_what_can_be_stored():
    flash(vfs.VfsLfs2, 64)
    s = store()
    before = s.space.free_bytes()
    rec = s.begin()
    rec.add("audio").write(bytes(50000))
    rec.end()
    used = before - s.space.free_bytes()
    assert 50000 <= used <= 50000 + 4 * 4096, used
    vfs.umount("/flash")


def test_a_blank_card_is_formatted_only_where_that_is_wished_and_a_damaged_one_never():
    from uploader.mount import mounter

    blank = Flash(256, 512, sectors=True)
    e = raises(StorageError, mounter(lambda: blank, "/card"))
    assert "no usable file system" in str(e)
    mounter(lambda: blank, "/card", vfs.VfsFat)()
    assert os.listdir("/card") == []
    vfs.umount("/card")
    damaged = Flash(256, 512, sectors=True)
    damaged.data[:4] = b"data"
    e = raises(StorageError, mounter(lambda: damaged, "/card", vfs.VfsFat))
    assert "not formatted" in str(e)
