"""The token's life: rotation, loss, revocation; and whose recording it is."""

import os

import vfs
from _support import Device, fails, folder, raises
from flash import Flash, PowerCut
from wire import Service

from uploader import owner
from uploader.credentials import Credentials
from uploader.errors import ApiError, StorageError, TransportError, UploaderError


async def test_a_rotated_token_is_used_from_then_on_and_after_a_reboot():
    d = Device(Service("dtok_a"))
    assert isinstance(await fails(UploaderError, d.up.rotate_token()), UploaderError)
    d.record()
    assert await d.up.drain(5)
    binding = d.store.credentials.binding
    await d.up.rotate_token()
    assert d.service.token == "dtok_a1"
    d.record()
    assert await d.up.drain(5) and not d.seen("token")[1:]
    d.boot()
    d.record()
    assert await d.up.drain(5)
    assert d.store.credentials.binding == binding and d.uploaded() == 3


async def test_rotation_is_due_after_so_many_days():
    d = Device(Service("dtok_a"), token_refresh_days=7)
    for _ in range(16):
        d.record()
        assert await d.up.drain(5)
        d.ticks.ms += 86400 * 1000
    assert d.service.calls["refresh"] == 2, d.service.calls
    assert len(d.seen("token")) == 2 and d.uploaded() == 16


async def test_a_refresh_that_is_refused_leaves_the_old_token():
    d = Device(Service("dtok_a"))
    d.record()
    assert await d.up.drain(5)
    d.service.override = lambda s, n: d.service.answer(400, {}) if s == "refresh" else None
    await fails(ApiError, d.up.rotate_token())
    assert not d.store.credentials.lost
    d.record()
    assert await d.up.drain(5)


async def test_a_lost_answer_that_changed_nothing_is_found_out():
    d = Device(Service("dtok_a"))
    d.record()
    assert await d.up.drain(5)
    d.service.override = lambda s, n: b"" if s == "refresh" else None
    await fails(TransportError, d.up.rotate_token())
    assert d.store.credentials.lost
    d.boot()
    d.record()
    assert await d.up.drain(5)
    assert not d.store.credentials.lost and not d.seen("token")


async def test_a_lost_answer_that_took_effect_is_told_and_keeps_every_capture():
    d = Device(Service("dtok_a"))
    d.record()
    assert await d.up.drain(5)
    d.service.after = lambda s, n, a: b"" if s == "refresh" else None
    await fails(TransportError, d.up.rotate_token())
    ids = [d.record(), d.record()]
    for _ in range(2):
        start = d.ticks.ms
        await d.run_until(lambda: len(d.seen("token")) == 3)
        assert [i["state"] for i in d.seen("token")] == ["needs_new_token"] * 3
        assert [e.id for e in d.store.pending()] == ids
        # Slow probing: a quarter of an hour on average.
        assert d.ticks.ms - start >= 2 * 450 * 1000
        d.boot()
    d.service.token = "dtok_b"
    d.boot(device_token="dtok_b", same_user=True)
    assert await d.up.drain(5)
    assert d.uploaded() == 3


async def test_rotation_survives_a_power_cut_at_every_flash_operation():
    outcomes = {}
    for kind in ("old", "new"):
        outcomes[kind] = 0
    lost = 0
    for torn in (0, 1):
        for cut in range(60):
            flash = Flash(32)
            vfs.VfsLfs2.mkfs(flash)
            vfs.mount(vfs.VfsLfs2(flash), "/flash")
            d = Device(Service("dtok_a"), "/flash/rec")
            d.record()
            assert await d.up.drain(5)
            d.record()
            flash.cut_after, flash.torn = flash.operations + cut, torn
            try:
                await d.up.rotate_token()
            except (PowerCut, StorageError, OSError):
                assert flash.dead
            reached = flash.dead
            flash.dead = True
            vfs.umount("/flash")
            flash = flash.revive()
            vfs.mount(vfs.VfsLfs2(flash), "/flash")
            d.boot()
            known = d.up.api.token
            rotated = d.service.token != "dtok_a"
            outcomes["new" if known == d.service.token and rotated else "old"] += 1
            if known != d.service.token:
                # The service had answered, and the power failed before that was on flash:
                # only a new token helps, and that is told.
                assert d.store.credentials.lost
                lost += 1
                await d.run_until(lambda d=d: d.seen("token"))
                assert d.seen("token")[0]["state"] == "needs_new_token"
                d.service.token = "dtok_b"
                d.boot(device_token="dtok_b", same_user=True)
            assert await d.up.drain(5)
            assert d.uploaded() == 2, (cut, torn)
            vfs.umount("/flash")
            if not reached:
                break
    assert outcomes["old"] and outcomes["new"] and 0 < lost < 20, (outcomes, lost)


async def test_a_revoked_token_deletes_nothing_and_probes_slowly_until_there_is_a_new_one():
    d = Device(Service("dtok_other"))
    ids = [d.record(), d.record()]
    await d.run_until(lambda: len(d.seen("token")) == 4)
    assert [i["state"] for i in d.seen("token")] == ["refused"] * 4
    assert d.service.calls == {"create": 4} and d.ticks.ms >= 3 * 450 * 1000
    assert [e.id for e in d.store.pending()] == ids
    # The owner says that the user is the same.
    d.boot(device_token="dtok_other", same_user=True)
    assert await d.up.drain(5) and d.uploaded() == 2


async def test_recordings_of_an_earlier_binding_are_held_until_adopted_or_discarded():
    d = Device(Service("dtok_a"))
    first, second, third = d.record(), d.record(), d.record()
    d.service.token = "dtok_b"
    d.boot(device_token="dtok_b")
    mine = d.record()
    assert await d.up.drain(5)
    assert d.uploaded() == 1
    status = owner.status(d.store)
    assert (status["pending"], status["held"]) == (0, 3)
    assert {r["id"]: r["state"] for r in status["recordings"]} == {
        first: "held",
        second: "held",
        third: "held",
    }
    assert [e.id for e in owner.held(d.store)] == [first, second, third]
    raises(StorageError, owner.adopt, d.store, mine)
    owner.adopt(d.store, second)
    owner.discard(d.store, third)
    assert await d.up.drain(5)
    assert d.uploaded() == 2
    d.boot()
    assert [e.id for e in owner.held(d.store)] == [first]


async def test_a_held_recording_that_was_created_for_the_other_user_is_created_for_this_one():
    d = Device(Service("dtok_a"))
    local = d.record()
    d.store.entry(local).note("id", "rec_of_the_other_user")
    d.service.token = "dtok_b"
    d.boot(device_token="dtok_b")
    owner.adopt(d.store, local)
    assert await d.up.drain(5)
    assert d.service.calls["create"] == 1 and d.uploaded() == 1


async def test_the_same_binding_comes_back_only_by_the_owners_word():
    d = Device(Service("dtok_a"))
    before = d.store.credentials.binding
    assert d.boot(device_token="dtok_b").store.credentials.binding != before
    assert d.boot(device_token="dtok_a").store.credentials.binding != before
    now = d.store.credentials.binding
    assert d.boot(device_token="dtok_c", same_user=True).store.credentials.binding == now


def test_no_token_but_the_rotated_one_is_kept_in_the_file():
    c = Credentials(folder() + "/token", "dtok_first")
    c.asking()
    c.settled("dtok_second", 5)
    text = ""
    for name in os.listdir(folder()):
        with open(folder() + "/" + name) as f:
            text += f.read()
    assert "dtok_first" not in text and "dtok_second" in text
