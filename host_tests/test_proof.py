"""Proof of completion, settings and diagnostics, through the whole product: the firmware on the
desktop's board, the cloud, S3."""

import hashlib
import json
from datetime import datetime, timedelta, timezone

import pytest

from tools.cloud.models import Recording


def drained(board, data=b"sound" * 500, tries=1000):
    board.add(board.file("a.opus", data))
    result = board.drain(tries)
    return result.stdout


def newest(cloud) -> Recording:
    return max(cloud.recordings(), key=lambda r: r.created_at)


def test_the_service_verifies_the_hash_of_what_was_recorded(cloud, board):
    assert "completed" in drained(board)
    recording = newest(cloud)
    assert recording.content_sha256 == hashlib.sha256(b"sound" * 500).hexdigest()
    assert recording.content_sha256_verified_at and recording.status == "uploaded"


def test_425_is_waited_out(cloud, board):
    cloud.service.behaviour.too_early = 2
    said = drained(board)
    assert said.count("state=waiting") == 2 and "completed" in said
    assert newest(cloud).content_sha256_verified_at


@pytest.mark.parametrize("kind", ["refuse_400", "refuse_422", "ignore"])
def test_a_service_that_does_not_know_the_field_is_learned_once(cloud, board, kind):
    cloud.service.behaviour.completion = kind
    assert "completed" in drained(board)
    before = len(cloud.service.calls)
    assert "completed" in drained(board, b"another")
    bodies = [c for c in cloud.service.calls[before:] if c[1].endswith("/upload-complete")]
    assert len(bodies) == 1, "it was asked with the hash again"
    assert newest(cloud).status == "uploaded"


def test_other_bytes_there_end_in_quarantine_with_both_hashes_after_one_new_upload(cloud, board):
    cloud.service.behaviour.answer_sha256 = "0" * 64
    said = drained(board)
    assert "quarantined" in said
    assert hashlib.sha256(b"sound" * 500).hexdigest() in said and "0" * 64 in said
    assert cloud.edge.puts == 2 and board.status()["quarantined"] == 1


@pytest.mark.parametrize("answer", ["status", "409", "422", "words"])
def test_an_object_that_was_changed_on_the_way_is_found_and_sent_again(cloud, board, answer):
    cloud.service.behaviour.mismatch = answer
    storage, hashed = cloud.s3, []
    real = storage.sha256

    def spoiled(key):
        hashed.append(key)
        return "f" * 64 if len(hashed) == 1 else real(key)

    storage.sha256 = spoiled
    try:
        said = drained(board)
    finally:
        del storage.sha256
    assert "completed" in said and cloud.edge.puts == 2
    assert sorted(r.status for r in cloud.recordings()) == ["integrity_failure", "uploaded"]


def test_nested_settings_reach_the_device_and_hold(cloud, board, backend):
    board.save(heartbeat_minutes=60)
    assert "completed" in drained(board)
    later = datetime.now(timezone.utc) + timedelta(hours=12)
    hours = {"enabled": True, "timezone": "Asia/Kolkata"}
    for key, more in (("start", 5), ("end", 7)):
        hours[key] = (later + timedelta(hours=more, minutes=30)).strftime("%H:%M")
    change = {"upload": {"off_peak_hours": hours}, "audio": {"codec": "opus"}}
    answer = backend.patch("/devices/dev_demo/settings", json=change)
    assert answer.status_code == 200, answer.text
    said = drained(board, b"later", tries=1)
    assert "off_peak_start" in said and "ignored=audio_codec" in said and "rule=hours" in said
    assert board.drain(tries=1).returncode == 1  # a reboot later
    backend.patch("/devices/dev_demo/settings", json={"upload": {"off_peak_hours": None}})
    assert "completed" in board.drain().stdout


@pytest.mark.parametrize("takes", ["accept", "422"])
def test_diagnostics_arrive_one_way_or_the_other(cloud, board, takes):
    cloud.service.behaviour.diagnostics = takes
    board.save(heartbeat_minutes=60, diagnostics=True)
    assert "completed" in drained(board)
    metadata = newest(cloud).metadata
    if takes == "accept":
        assert "diagnostics" not in metadata
    else:
        assert metadata["diagnostics"]["schema_version"] == 1
        assert len(json.dumps(metadata["diagnostics"])) <= 512
