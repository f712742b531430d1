"""The main job, end to end: the desktop board, the real S3, real TLS."""

import os
import re
import time
from datetime import datetime, timedelta, timezone
from itertools import groupby
from unittest.mock import ANY

import pytest
from conftest import ROOT, Board
from starlette.responses import JSONResponse

from tools import micropython
from tools.cloud import Cloud


def test_a_recording_of_several_files_arrives_whole(cloud, board):
    audio, image, video = os.urandom(700_001), os.urandom(50_000), os.urandom(4096)
    a = board.file("a.ogg", audio)
    i = board.file("i.png", image)
    v = board.file("v.mp4", video)
    local = board.add(
        *("--name", "Weekly standup", "--metadata", '{"room": "12"}'),
        *("--started-at", "2026-05-01T10:00:00Z", "--ended-at", "2026-05-01T10:30:00Z"),
        *(a, f"{i}=image/png@2026-05-01T10:05:30Z", v),
    )
    assert local == "000001"
    drained = board.drain()
    assert drained.returncode == 0, drained.stdout

    (recording,) = cloud.recordings()
    assert recording.status == "uploaded" and recording.name == "Weekly standup"
    assert recording.started_at == datetime(2026, 5, 1, 10, tzinfo=timezone.utc)
    assert recording.ended_at == datetime(2026, 5, 1, 10, 30, tzinfo=timezone.utc)
    assert recording.metadata["room"] == "12"
    assert re.fullmatch(r"[0-9a-f]{8}-000001", recording.metadata["capture_id"])
    assert [(m.type, m.content_type) for m in recording.media] == [
        ("audio", "audio/ogg"),
        ("image", "image/png"),
        ("video", "video/mp4"),
    ]
    assert recording.media[1].captured_at == datetime(2026, 5, 1, 10, 5, 30, tzinfo=timezone.utc)
    assert recording.media[0].captured_at is None
    arrived = [cloud.media_bytes(recording, m) for m in recording.media]
    assert arrived == [audio, image, video]
    assert board.status()["recordings"] == []
    assert not [n for n in os.listdir(board.folder / "flash") if n.startswith("0")]


def test_an_empty_file_arrives_too(cloud, board):
    board.add(board.file("a.opus", b""))
    assert board.drain().returncode == 0
    (recording,) = cloud.recordings()
    assert cloud.media_bytes(recording, recording.media[0]) == b""


def test_status_tells_how_far_each_recording_is(cloud, board):
    board.add(board.file("a.opus", b"abc"), board.file("b.jpg", b"defg"))
    cloud.edge.intercept = lambda method, target, headers: (
        (503, "SlowDown", "wait") if "image" in target else None
    )
    assert board.drain(tries=1).returncode == 1
    (recording,) = cloud.recordings()
    assert board.status() == {
        "pending": 1,
        "quarantined": 0,
        "held": 0,
        "bytes": 7,
        "free_bytes": ANY,
        "recordings": [
            {
                "id": "000001",
                "state": "uploading",
                "recording_id": recording.id,
                "files": [
                    {
                        "name": "00000100.opu",
                        "content_type": "audio/opus",
                        "size": 3,
                        "sent": True,
                    },
                    {
                        "name": "00000101.jpg",
                        "content_type": "image/jpeg",
                        "size": 4,
                        "sent": False,
                    },
                ],
            }
        ],
    }
    cloud.edge.intercept = None
    assert board.drain().returncode == 0
    (recording,) = cloud.recordings()
    assert len([c for c in cloud.service.calls if c[1].endswith("/recordings")]) == 1


@pytest.mark.parametrize(("connections", "handshakes"), [(2, 2), (1, 3)])
def test_a_whole_drain_needs_few_handshakes(cloud, tmp_path, connections, handshakes):
    settings = cloud.device_config(tmp_path / "flash", max_connections=connections)
    board = Board(tmp_path, settings)
    data = board.file("a.opus", os.urandom(20_000))
    image = board.file("b.jpg", os.urandom(10_000))
    for _ in range(10):
        board.add(data, image, image)
    script = ROOT / "tools/bench/mpy/cycle.py"
    cycle = micropython.report(script, ROOT / "firmware", board.config, timeout=600)
    assert cycle == {"done": True, "connections": handshakes}
    assert len(cloud.recordings()) == 10
    for recording in cloud.recordings():
        assert recording.status == "uploaded"
        assert cloud.media_bytes(recording, recording.media[0]) == data.read_bytes()


def test_one_line_per_event_for_a_pipe_and_no_secret_in_any(cloud, board):
    board.add(board.file("a.opus", os.urandom(100_000)))
    out = board.drain().stdout
    told = [line.split()[0] for line in out.splitlines()]
    assert [name for name, _ in groupby(told)] == ["created", "progress", "sent", "completed"]
    assert told.count("progress") >= 2 and told.count("sent") == 1
    for secret in (board.settings["device_token"], "X-Amz-", "Signature"):
        assert secret not in out


def test_an_expired_url_is_replaced_before_the_file_is_sent(cloud, board):
    """By the server's own clock: its Date against its expires_at."""
    board.add(board.file("a.opus", b"abc"))
    lives = iter([-5, 3600])

    def intercept(method, path):
        if path.endswith("/upload-url"):
            cloud.service.url_life_s = next(lives)

    cloud.service.intercept = intercept
    assert board.drain().returncode == 0
    assert cloud.edge.puts == 1 and cloud.edge.connections == 1
    urls = [c for c in cloud.service.calls if c[1].endswith("/upload-url")]
    assert len(urls) == 2


def test_a_url_that_s3_calls_expired_is_replaced_at_once(cloud, board):
    board.add(board.file("a.opus", b"abc"))
    refusals = iter([(403, "AccessDenied", "Request has expired")])
    cloud.edge.intercept = lambda method, target, headers: next(refusals, None)
    result = board.drain()
    assert result.returncode == 0 and "retry" not in result.stdout, result.stdout


def test_the_upload_urls_limit_ends_a_pass_not_the_queue(cloud, board, monkeypatch):
    now = time.time()  # it begins anew with each minute
    monkeypatch.setattr(cloud.limits, "now", lambda: now)
    for _ in range(3):
        board.add(board.file("a.opus", b"abc"))
    cloud.limits.upload_urls = 2
    result = board.drain(tries=1)
    assert result.returncode == 1
    assert result.stdout.count("completed") == 2 and "rate_limit_exceeded" in result.stdout
    (wait,) = re.findall(r"wait_s=([0-9.]+)", result.stdout)
    assert 0 < float(wait) <= 120
    cloud.limits.upload_urls = 10**9
    assert board.drain().returncode == 0
    assert len(cloud.recordings()) == 3


def test_one_bad_recording_does_not_block_the_others(cloud, board):
    for name in ("bad", "good"):
        board.add("--name", name, board.file("a.opus", b"abc"))

    def refuse(method, path):
        if path.endswith("/upload-url") and path.split("/")[-2] == cloud.recordings()[0].id:
            error = {"error": {"code": "invalid_request", "message": "not this one"}}
            return JSONResponse(error, 400)

    cloud.service.intercept = refuse
    assert board.drain().returncode == 0
    status = board.status()
    assert (status["pending"], status["quarantined"]) == (0, 1)
    assert "not this one" in status["recordings"][0]["reason"]
    assert [r.status for r in cloud.recordings()] == ["pending", "uploaded"]


def test_a_recording_that_always_fails_is_passed_by_others(cloud, board):
    for name in ("bad", "good", "good too"):
        board.add("--name", name, board.file("a.opus", b"abc"))

    def fail(method, path):
        if path.endswith("/upload-url") and path.split("/")[-2] == cloud.recordings()[0].id:
            return JSONResponse({}, 500)

    cloud.service.intercept = fail
    assert board.drain(tries=1).returncode == 1
    assert [r.status for r in cloud.recordings()] == ["pending", "uploaded", "uploaded"]


def test_a_recording_deleted_on_the_service_is_created_again_once(cloud, board):
    board.add(board.file("a.opus", b"abc"))
    deleted = []

    def delete(method, path):
        if path.endswith("/upload-url") and not deleted:
            deleted.append(cloud.recordings()[0])
            cloud.state.delete("recording", deleted[0].id)

    cloud.service.intercept = delete
    assert board.drain().returncode == 0
    (recording,) = cloud.recordings()
    assert recording.id != deleted[0].id and recording.status == "uploaded"
    assert recording.metadata["capture_id"] == deleted[0].metadata["capture_id"]


def test_a_completion_whose_answer_was_lost_is_a_success(cloud, board):
    board.add(board.file("a.opus", b"abc"))
    lost = []

    def lose(method, path, response):
        if path.endswith("/upload-complete") and not lost:
            lost.append(response.status_code)
            response.status_code = 502

    cloud.service.after = lose
    result = board.drain()
    assert result.returncode == 0 and lost == [200], result.stdout
    assert [c[2] for c in cloud.service.calls][-1] == 409
    assert board.status()["recordings"] == []


def test_a_file_that_no_longer_has_its_md5_is_quarantined(cloud, board):
    board.add(board.file("a.opus", b"abc"))
    (board.folder / "flash/00000100.opu").write_bytes(b"abd")
    assert board.drain().returncode == 0
    status = board.status()
    assert status["quarantined"] == 1 and "MD5" in status["recordings"][0]["reason"]


def test_a_revoked_token_keeps_everything_and_says_so(cloud, board):
    board.add(board.file("a.opus", b"abc"))
    cloud.state.set_token_state(board.settings["device_token"], "revoked")
    result = board.drain(tries=1)
    assert result.returncode == 1 and "revoked" in result.stdout
    assert board.status()["pending"] == 1
    assert len(cloud.service.calls) == 1
    board.save(device_token=cloud.new_device())
    assert board.drain().returncode == 0


@pytest.mark.parametrize("transport", ["native", "requests"])
def test_the_api_client_works_the_same_over_each_transport(transport):
    with Cloud(plain=True) as cloud:
        token = cloud.new_device("dev_1")
        script = ROOT / "host_tests/scripts/api_calls.py"
        out = micropython.report(script, transport, cloud.api_url, token, timeout=600)
        (recording,) = cloud.recordings()
        assert recording.name == "über" and recording.metadata == {"capture_id": "c-1"}
    assert out == {
        "rec": recording.id,
        "grant": [[["Content-Type", "audio/wav"]], True, True],
        "invalid": [400, "invalid_request", True],
        "missing": [404, "not_found", True],
        "incomplete": [400, "invalid_request", True],
        "heartbeat": {"status": "ok"},
        "fresh": True,
        "after": {"status": "ok"},
        "old": [401, "unauthorized", True],
        "unknown": [401, "unauthorized", True],
        "limited": [429, "rate_limit_exceeded", True],
        "dates": True,
    }


def test_urls_sign_for_an_hour(cloud, board):
    board.add(board.file("a.opus", b"abc"))
    grants = []
    sign = cloud.service.sign
    cloud.service.sign = lambda *args: grants.append(args) or sign(*args)
    try:
        assert board.drain().returncode == 0
    finally:
        cloud.service.sign = sign
    assert grants[0][2] == timedelta(hours=1).total_seconds()
