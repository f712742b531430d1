"""Completion with proof: what the service verifies is what was recorded, and a service that
verifies nothing is asked plainly."""

import hashlib
import json
import os
from binascii import hexlify

from _support import Device
from wire import Service


def sha256_of(data):
    return hexlify(hashlib.sha256(data).digest()).decode()


class Verifier(Service):
    """A service that verifies hashes: `early` more answers are 425. What `theirs(hash)` gives
    is answered as the hash; `spoil` many objects are found to be others than declared, told with
    the status `mismatch` and `code`. A recording that ever had two files has no hash."""

    def __init__(self):
        super().__init__("dtok_a")
        self.early = 0
        self.spoil = 0
        self.bodies = []
        self.theirs = lambda declared: declared
        self.mismatch = 200
        self.code = {"code": "integrity_failure", "message": "Others."}
        self.verified_at = "2026-11-24T12:00:00Z"

    def _complete(self, path, headers, body):
        self.bodies.append(json.loads(body) if body else None)
        if not body:
            return super()._complete(path, headers, body)
        recording = self.recordings[path.split("/")[-2]]
        if self.early and recording is self.recordings["rec_1"]:
            self.early -= 1
            return self.answer(425, {"error": {"code": "too_early", "message": "Not yet."}})
        declared = json.loads(body)["content_sha256"]
        if len(recording["files"]) != 1:
            return self.answer(400, {"error": {"code": "invalid_request"}})
        data = [d for d in recording["files"].values() if d is not None][-1]
        if declared != sha256_of(data) or self.spoil:
            self.spoil = max(0, self.spoil - 1)
            recording["status"] = "integrity_failure"
            if self.mismatch == 200:
                return self.answer(200, {"status": "integrity_failure"})
            return self.answer(self.mismatch, {"error": self.code})
        recording["status"] = "uploaded"
        answer = {"status": "uploaded", "content_sha256": self.theirs(declared)}
        return self.answer(200, dict(answer, content_sha256_verified_at=self.verified_at))


class Unaware(Service):
    """A service that refuses the field with `status`; with 200 it takes it and says nothing."""

    def __init__(self, status):
        super().__init__("dtok_a")
        self.status = status
        self.bodies = []

    def _complete(self, path, headers, body):
        self.bodies.append(body)
        if body and self.status != 200:
            return self.answer(self.status, {"error": {"code": "invalid_request"}})
        return super()._complete(path, headers, body)


def record(d, *files, live=False):
    recording = d.store.begin(live=live)
    for kind, data in files:
        writer = recording.add(kind, {"audio": "audio/opus", "image": "image/png"}[kind])
        writer.write(data[: len(data) // 2])
        writer.write(data[len(data) // 2 :])
        writer.close()
    recording.end()
    return recording.id


async def completed(d, times=1):
    await d.run_until(lambda: len(d.seen("completed")) == times, 40000)


async def test_a_recording_of_one_file_is_completed_with_its_hash():
    d = Device(Verifier())
    record(d, ("audio", b"sound" * 3000))
    await completed(d)
    assert d.service.bodies == [{"content_sha256": sha256_of(b"sound" * 3000)}]


async def test_the_hash_is_of_the_file_as_it_is_sent_with_the_head_that_was_known_last():
    d = Device(Verifier())
    recording = d.store.begin()
    writer = recording.add("audio", "audio/wav")
    writer.write(b"????sound")
    writer.set_head(b"RIFF")
    recording.end()
    await completed(d)
    assert d.service.bodies == [{"content_sha256": sha256_of(b"RIFFsound")}]


async def test_the_hash_is_computed_while_the_capture_is_written():
    """So that it proves what the microphone gave, not what the flash made of it."""
    d = Device(Verifier())
    seq = record(d, ("audio", b"sound" * 3000))
    with open(d.storage + "/%s00.opu" % seq, "r+b") as f:
        f.seek(20)
        f.write(b"X")
    entry = d.store.entry(seq)
    assert entry.sha256(next(entry.files())) == sha256_of(b"sound" * 3000)


async def test_several_files_and_a_recording_that_is_live_carry_no_hash():
    d = Device(Verifier())
    record(d, ("audio", b"a"), ("image", b"b"))
    await completed(d)
    assert d.service.bodies == [None]


async def test_an_interrupted_recording_carries_the_hash_of_what_was_saved():
    d = Device(Verifier())
    recording = d.store.begin()
    writer = recording.add("audio")
    writer.write(b"some")
    writer.sync()
    d.boot()
    await completed(d)
    assert d.service.bodies == [{"content_sha256": sha256_of(b"some")}]


async def test_the_setting_turns_it_off():
    d = Device(Verifier(), verify_sha256=False)
    seq = record(d, ("audio", b"a"))
    with open(d.storage + "/%s.rec" % seq) as f:
        assert "sha256" not in f.read()
    await completed(d)
    assert d.service.bodies == [None]


async def test_425_is_waited_out_from_2_s_to_10_s():
    d = Device(Verifier())
    d.service.early = 5
    record(d, ("audio", b"a"))
    await completed(d)
    assert [i["wait_s"] for i in d.seen("proof")] == [2, 4, 8, 10, 10]
    assert d.ticks.ms in range(34000, 35000), d.ticks.ms


async def test_425_is_waited_out_for_five_minutes_a_pass_and_over_a_reboot():
    d = Device(Verifier())
    d.service.early = 1000
    recording = d.store.begin()  # WAV: its hash is not in the manifest
    recording.add("audio", "audio/wav").write(b"sound")
    recording.end()
    await d.run_until(lambda: d.seen("retry"))
    waited = sum(i["wait_s"] for i in d.seen("proof"))
    assert 290 <= waited <= 310 and d.seen("retry")[0]["wait_s"] >= 150
    with open(d.storage + "/000001.sta") as f:
        state = f.read()
    d.boot()
    d.service.early = 0
    await completed(d)
    assert set(b["content_sha256"] for b in d.service.bodies) == {sha256_of(b"sound")}
    assert len(d.service.recordings) == 1 and d.service.calls["put"] == 1
    assert not d.seen("quarantined") and state


async def test_one_that_is_verified_slowly_holds_up_no_other():
    d = Device(Verifier())
    d.service.early = 40
    record(d, ("audio", b"a"))
    record(d, ("audio", b"b"))
    record(d, ("audio", b"c"))
    await completed(d, 2)
    assert {i["id"] for i in d.seen("completed")} == {"000002", "000003"}
    await completed(d, 3)


async def test_an_answer_lost_while_it_was_verified_is_success():
    d = Device(Verifier())
    d.service.early = 1
    d.service.override = lambda step, n: (
        d.service.answer(409, {"error": {"code": "conflict"}})
        if (step, n) == ("complete", 1)
        else None
    )
    record(d, ("audio", b"a"))
    await completed(d)
    assert not d.seen("quarantined")


async def test_acknowledged_but_not_verified_is_asked_again_for_five_minutes_at_most():
    d = Device(Verifier())
    d.service.verified_at = None
    record(d, ("audio", b"a"))
    await completed(d)
    assert 290 <= sum(i["wait_s"] for i in d.seen("proof")) <= 310


async def test_other_bytes_there_are_uploaded_once_more():
    for status in (200, 409, 422):
        d = Device(Verifier(), storage="%s/%d" % (os.getenv("TEST_DIR"), status))
        d.service.spoil = 1
        d.service.mismatch = status
        record(d, ("audio", b"sound"))
        await completed(d)
        assert d.service.calls["put"] == 2 and not d.seen("quarantined")
        captures = {r["metadata"]["capture_id"] for r in d.service.recordings.values()}
        assert len(d.service.recordings) == 2 and len(captures) == 1


async def test_so_they_are_where_words_alone_say_it_after_it_was_asked_to_wait():
    for status in (400, 409):
        d = Device(Verifier(), storage="%s/%d" % (os.getenv("TEST_DIR"), status))
        d.service.spoil = d.service.early = 1
        d.service.mismatch = status
        message = "The recording is integrity_failure, not pending."
        d.service.code = {"code": "conflict", "message": message}
        record(d, ("audio", b"sound"))
        await completed(d)
        assert d.service.calls["put"] == 2 and d.uploaded() == 1
        assert not d.seen("quarantined")


async def test_a_put_whose_answer_was_lost_is_repeated_by_the_same_url():
    d = Device(Verifier())
    d.service.after = lambda step, n, answer: b"" if (step, n) == ("put", 0) else None
    record(d, ("audio", b"sound"))
    await completed(d)
    assert d.service.calls["url"] == 1 and d.service.calls["put"] == 2
    assert d.service.bodies == [{"content_sha256": sha256_of(b"sound")}]


async def test_what_may_have_been_uploaded_twice_has_no_hash_not_after_a_reboot_either():
    d = Device(Verifier())
    d.service.after = lambda step, n, answer: b"" if step in ("put", "complete") else None
    record(d, ("audio", b"sound"))
    await d.run_until(lambda: d.seen("retry"))
    d.boot()
    d.service.after = lambda step, n, answer: b"" if step == "complete" else None
    await d.run_until(lambda: d.seen("retry"))
    d.boot()
    d.service.after = None
    await completed(d)
    assert set(d.service.bodies) == {None} and d.service.calls["url"] == 2
    record(d, ("audio", b"more"))
    await completed(d, 2)
    assert d.service.bodies[-1] == {"content_sha256": sha256_of(b"more")}, "the next one has"


async def test_other_bytes_twice_end_in_quarantine_with_both_hashes_and_the_file_kept():
    d = Device(Verifier())
    d.service.theirs = lambda declared: "0" * 64
    seq = record(d, ("audio", b"sound"))
    record(d, ("image", b"other"))
    await d.run_until(lambda: len(d.seen("quarantined")) == 2)
    reason = d.seen("quarantined")[0]["reason"]
    assert sha256_of(b"sound") in reason and "0" * 64 in reason, reason
    assert d.service.calls["put"] == 4
    os.stat(d.storage + "/%s00.opu" % seq)


async def test_a_file_that_went_bad_on_flash_is_not_uploaded_again():
    d = Device(Verifier())
    seq = record(d, ("audio", b"sound"))

    def spoil(step, n):
        if step == "complete":
            with open(d.storage + "/%s00.opu" % seq, "wb") as f:
                f.write(b"SOUND")
            d.service.spoil = 1

    d.service.override = spoil
    await d.run_until(lambda: d.seen("quarantined"))
    reason = d.seen("quarantined")[0]["reason"]
    assert sha256_of(b"sound") in reason and sha256_of(b"SOUND") in reason
    assert d.service.calls["put"] == 1
    assert d.store.entry(seq).damaged


async def test_a_service_that_does_not_know_the_field_is_learned_once():
    for status in (400, 422, 200):
        d = Device(Unaware(status), storage="%s/%d" % (os.getenv("TEST_DIR"), status))
        record(d, ("audio", b"a"))
        await completed(d)
        record(d, ("audio", b"b"))
        await completed(d, 2)
        d.boot()
        record(d, ("audio", b"c"))
        await completed(d)
        assert [bool(b) for b in d.service.bodies].count(True) == 1, status
        assert d.uploaded() == 3


async def test_a_refusal_that_is_not_about_the_field_teaches_nothing():
    d = Device(Unaware(200))
    d.service.override = lambda step, n: (
        d.service.answer(400, {"error": {"code": "invalid_request", "message": "No file."}})
        if step == "complete" and n < 2
        else None
    )
    record(d, ("audio", b"a"))
    record(d, ("audio", b"b"))
    await completed(d)
    assert d.seen("quarantined") and d.service.bodies[0], "asked with the hash again"
