"""A pass over the queue: its pieces, its order, and what ends it."""

import asyncio
import json

from _support import Device, fails
from wire import Service

from uploader.retry import PassResult, Patience


class Long(Device):
    """A device whose many events are all kept, as names."""

    def event(self, name, info):
        self.events.append((name, info))

    def record_files(self, *counts):
        """Recordings of so many small files each."""
        for count in counts:
            recording = self.store.begin()
            for _ in range(count):
                writer = recording.add("image", "image/png", "")
                writer.write(b"png")
                writer.close()
            recording.end()


class Strict(Service):
    """A service that notes at its completion how many files a recording has."""

    def __init__(self):
        super().__init__()
        self.whole = {}
        self.order = []

    def handle(self, method, path, headers, body):
        self.order.append("put" if method == "PUT" else path.split("/")[-1])
        if path.endswith("/upload-complete"):
            ident = path.split("/")[-2]
            files = self.recordings[ident]["files"]
            capture_id = self.recordings[ident]["metadata"]["capture_id"]
            self.whole[capture_id.split("-")[1]] = [f for f in files.values() if f is not None]
        return super().handle(method, path, headers, body)


async def test_a_limit_in_the_middle_of_a_batch_completes_nothing_that_has_files_left():
    service = Strict()
    # The first recording's PUT meets a 429 when the second has not all its upload-urls yet.
    service.override = lambda step, n: service.answer(429, {}) if step == "put" and n == 0 else None
    d = Long(service, max_connections=1)
    d.record_files(1, 40, 1)
    assert await d.up.drain(60)
    assert {k: len(v) for k, v in service.whole.items()} == {
        "000001": 1,
        "000002": 40,
        "000003": 1,
    }
    assert len(d.seen("completed")) == 3 and not d.seen("quarantined")


async def test_with_one_connection_work_is_batched_and_completed_batch_by_batch():
    service = Strict()
    d = Long(service, max_connections=1)
    d.record_files(*[1] * 70)
    assert await d.up.drain(60)
    assert d.uploaded() == 70
    # Creates and upload-urls together, then PUTs, then completes: changes between hosts.
    hosts = [step == "put" for step in service.order]
    changes = sum(hosts[i] != hosts[i - 1] for i in range(1, len(hosts)))
    assert changes == 6, changes
    # Recordings wait in memory for one batch's length, not the queue's.
    waiting = most = 0
    for name, _ in d.events:
        waiting += (name == "created") - (name == "completed")
        most = max(most, waiting)
    assert most == 32, most


async def test_with_two_connections_each_file_goes_out_as_its_url_comes():
    service = Strict()
    d = Long(service)
    d.record_files(2, 1)
    assert await d.up.drain(60)
    one = ["recordings", "upload-url", "put", "upload-url", "put", "upload-complete"]
    assert service.order == one + ["recordings", "upload-url", "put", "upload-complete"]


async def test_a_step_of_a_pass_is_at_most_one_file_and_one_call():
    for connections in (1, 2):
        service = Strict()
        d = Long(service, max_connections=connections)
        d.record_files(3, 2)
        await d.up.links.ready()
        work = d.up.sending.session.begin(Patience(lambda: 0.5))
        calls = 0
        while await work.step():
            assert len(service.order) - calls <= 1, service.order[calls:]
            calls = len(service.order)
        assert work.result.wait_s is None and d.uploaded() == 2
        begun = d.up.sending.session.begin(Patience(lambda: 0.5))
        assert isinstance(begun, PassResult) and begun.wait_s is None


async def test_urls_that_a_broken_pass_did_not_come_to_are_used_by_the_next():
    service = Strict()
    service.override = lambda step, n: b"" if step == "put" and n == 2 else None
    d = Long(service, max_connections=1)
    d.record_files(*[1] * 10)
    assert await d.up.drain(60)
    assert d.uploaded() == 10 and service.calls["url"] == 10


class Owned(Service):
    """A service that refuses upload-urls of the recordings `others`, as another's."""

    others = ()
    status = 403

    def _url(self, path, headers, body):
        if path.split("/")[-2] in self.others:
            return self.answer(self.status, {"error": {"code": "forbidden"}})
        return super()._url(path, headers, body)


async def test_recordings_that_another_token_created_are_created_again_and_hold_up_no_other():
    d = Long(Owned())
    unwell = d.service.answer(503, {})
    d.service.override = lambda step, n: unwell if step == "url" else None
    d.record_files(1, 1, 1)
    await d.run_until(lambda: d.seen("retry"))
    d.boot()
    d.service.override = None
    d.service.others = list(d.service.recordings)
    assert len(d.service.others) == 3
    await d.run_until(lambda: len(d.seen("completed")) == 3)
    assert not d.seen("token") and not d.seen("quarantined")
    assert len(d.service.recordings) == 6


async def test_a_token_that_may_upload_nothing_is_told_and_quarantines_nothing():
    d = Long(Owned())
    d.service.others = ["rec_%d" % n for n in range(100)]
    d.record_files(1, 1, 1)
    for _ in range(6):
        d.boot()
        await d.run_until(lambda: len(d.seen("token")) == 2)
        assert not d.seen("quarantined") and len(list(d.store.pending())) == 3
    assert len(d.service.recordings) <= 6, "two of each at most"


class Ill(Owned):
    """... that answers 500 for them."""

    status = 500


async def test_neighbours_that_are_never_taken_hold_up_no_other():
    d = Long(Ill())
    d.service.others = ("rec_1", "rec_2", "rec_3")
    d.record_files(1, 1, 1, 1, 1)
    await d.run_until(lambda: len(d.seen("completed")) == 2)
    assert len(list(d.store.pending())) == 3


async def test_an_urgent_recording_is_not_overlooked_by_a_pass_while_it_was_made():
    d = Long(Service(), off_peak_start="03:00", off_peak_end="03:10", heartbeat_minutes=60)
    d.record_files(1)  # an ordinary one, which waits for the hours
    await d.run_for(30)
    recording = d.store.begin(urgent=True)
    recording.add("audio").write(b"sound")
    d.up.report()
    await d.run_for(90)
    recording.end()
    await d.run_until(lambda: d.seen("completed"))
    assert d.seen("completed")[0]["id"] == recording.id


async def test_a_recording_that_takes_no_more_files_is_created_again():
    d = Long(Service())
    conflict = d.service.answer(409, {"error": {"code": "conflict"}})
    d.service.override = lambda step, n: conflict if (step, n) == ("url", 0) else None
    d.record_files(1)
    await d.run_until(lambda: d.seen("completed"))
    assert len(d.service.recordings) == 2 and not d.seen("quarantined")


async def test_days_with_nothing_to_do_are_no_lack_of_life():
    d = Long(Service())
    await d.run_for(3 * 86400)
    assert d.ticks.ms >= 3 * 86400000 and d.up.waiting.deadline_ms > d.ticks.ms


async def test_a_picture_without_a_time_of_its_own_has_its_recordings():
    asked = []

    class Timed(Service):
        def _url(self, path, headers, body):
            asked.append(json.loads(body)["captured_at"])
            return super()._url(path, headers, body)

    d = Long(Timed())
    recording = d.store.begin(started_at="2026-05-01 10:00:00Z")
    recording.add("image", "image/png", "").write(b"png")
    recording.end()
    recording = d.store.begin(started_at="")
    recording.add("image", "image/png", "").write(b"png")
    recording.end()
    assert await d.up.drain(60)
    assert asked[0] == "2026-05-01T10:00:00Z" and asked[1][:2] == "20"


async def test_a_recording_whose_upload_is_about_to_begin_is_not_deleted_to_make_room():
    d = Long(Strict(), delete_when_full=True)
    d.record_files(1, 1, 1)
    d.up.sending.session.begin(Patience(lambda: 0.5))
    assert d.store.space.make_room() and d.store.space.make_room()
    assert not d.store.space.make_room()
    assert [i["id"] for i in d.seen("deleted")] == ["000002", "000003"]
    assert await d.up.drain(60)
    assert d.uploaded() == 1


async def test_a_hash_that_is_given_up_is_ended_all_the_same():
    # On the classic ESP32 an open hash may hold the engine that TLS needs.
    from uploader import entry, proof, recording

    class Hashes:
        """hashlib, counting the hashes that are open."""

        open = 0

        def md5(self):
            return self.counted(hashlib.md5())

        def sha256(self):
            return self.counted(hashlib.sha256())

        def counted(self, real):
            hashes = self
            hashes.open += 1

            class Counted:
                def update(self, data):
                    real.update(data)

                def digest(self):
                    hashes.open -= 1
                    return real.digest()

            return Counted()

    hashlib = entry.hashlib
    entry.hashlib = proof.hashlib = recording.hashlib = hashes = Hashes()
    try:
        d = Long(Strict())
        for _ in range(2):
            writer = d.store.begin().add("audio")
            writer.write(b"sound")
        assert hashes.open == 4
        d.store.reopen()
        assert hashes.open == 0
        ended = d.store.begin()
        ended.add("audio", "audio/wav").write(bytes(100000))
        ended.end()
        assert hashes.open == 0
        (stored,) = [e for e in d.store.entries() if e.seq == ended.seq]
        for file in stored.files():
            for hashing in (stored.hash_both(file), proof.sha256_of(stored, file)):
                task = asyncio.create_task(hashing)
                await asyncio.sleep_ms(0)
                assert hashes.open == 2
                task.cancel()
                await fails(asyncio.CancelledError, task)
        assert hashes.open == 0
    finally:
        entry.hashlib = proof.hashlib = recording.hashlib = hashlib


async def test_times_names_and_metadata_reach_the_service_and_what_is_not_known_is_left_out():
    service = Strict()
    asked = []

    def note(step, n, answer):
        if step == "create":
            asked.append(service.recordings["rec_%d" % (n + 1)])

    service.after = note
    d = Long(service)
    for name, started in (("Standup", "2026-05-01T10:00:00Z"), (None, "")):
        recording = d.store.begin(name, started, {"room": 1} if name else None)
        recording.add("audio").write(b"x")
        recording.end("")
    assert await d.up.drain(60)
    first, second = asked
    assert first["name"] == "Standup" and first["started_at"] == "2026-05-01T10:00:00Z"
    assert first["metadata"]["room"] == 1 and "ended_at" not in first
    assert not {"name", "started_at", "ended_at"} & set(second)
    assert list(second["metadata"]) == ["capture_id"]
