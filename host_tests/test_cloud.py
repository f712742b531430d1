"""The local cloud is as strict as what it stands for."""

import base64
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conftest import ROOT, Board


class Device:
    """Speaks to the cloud without the module."""

    def __init__(self, cloud, token=None):
        self.cloud = cloud
        self.token = token or cloud.new_device()
        self.context = cloud.authority.client_context()

    def call(self, path, body=None, token=None):
        request = urllib.request.Request(
            self.cloud.api_url + path,
            b"" if body is None else json.dumps(body).encode(),
            {
                "Authorization": f"Bearer {token or self.token}",
                "Content-Type": "application/json",
            },
        )
        return self.open(request)

    def put(self, url, data, headers):
        return self.open(urllib.request.Request(url, data, headers, method="PUT"))

    def open(self, request):
        try:
            with urllib.request.urlopen(request, context=self.context) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as e:
            return e.code, dict(e.headers), e.read()

    def grant(self, size=3, kind="audio/opus"):
        _, _, body = self.call("/recordings", {})
        recording = json.loads(body)["id"]
        fields = {"type": kind.split("/")[0], "content_type": kind, "file_size_bytes": size}
        status, _, body = self.call(f"/recordings/{recording}/upload-url", fields)
        assert status == 200
        return recording, json.loads(body)


@pytest.fixture
def device(cloud):
    return Device(cloud)


def uploaded(device, data=b"abc"):
    """A recording of one file that is in S3: its upload-complete path."""
    recording, grant = device.grant(size=len(data))
    assert device.put(grant["upload_url"], data, grant["headers"])[0] == 200
    return f"/recordings/{recording}/upload-complete"


ABC = hashlib.sha256(b"abc").hexdigest()


def complete(device, path, sha256=ABC):
    status, _, body = device.call(path, {"content_sha256": sha256} if sha256 else None)
    return status, json.loads(body)


def beat(device, **fields):
    status, _, body = device.call("/devices/me/heartbeat", fields)
    assert status == 200, body
    return json.loads(body)


def code(body):
    return body.split(b"<Code>")[1].split(b"</Code>")[0].decode()


def test_a_put_is_taken_only_as_it_was_signed(cloud, device):
    recording, grant = device.grant()
    url, headers = grant["upload_url"], grant["headers"]
    md5 = base64.b64encode(hashlib.md5(b"abc").digest()).decode()
    wrong_type = {**headers, "Content-Type": "audio/wav"}
    assert device.put(url, b"abc", wrong_type)[0] == 403
    assert device.put(url.replace("Signature=", "Signature=0"), b"abc", headers)[0] == 403
    other = base64.b64encode(hashlib.md5(b"abd").digest()).decode()
    status, _, body = device.put(url, b"abc", {**headers, "Content-MD5": other})
    assert (status, code(body)) == (400, "BadDigest")
    status, _, body = device.put(url, b"abc", {**headers, "x-amz-meta-a": "b"})
    assert (status, code(body)) == (403, "AccessDenied")
    assert device.call(f"/recordings/{recording}/upload-complete")[0] == 400
    status, answer, _ = device.put(url, b"abc", {**headers, "Content-MD5": md5})
    assert status == 200 and answer["ETag"].strip('"') == hashlib.md5(b"abc").hexdigest()
    assert device.call(f"/recordings/{recording}/upload-complete")[0] == 200
    assert device.call(f"/recordings/{recording}/upload-complete")[0] == 409


def test_an_expired_url_is_refused(cloud, device):
    cloud.service.url_life_s = -10
    _, grant = device.grant()
    # Signed for one second at least; the clock decides, not a wait.
    url = grant["upload_url"].replace("X-Amz-Expires=1&", "X-Amz-Expires=0&")
    status, _, body = device.put(url, b"abc", grant["headers"])
    assert status == 403 and b"Request has expired" in body


def raw(cloud, url, lines, body=b"", half_close=False):
    """What S3 answers to hand-written header lines."""
    target = url.split("/", 3)[3]
    with socket.create_connection(("127.0.0.1", cloud.edge.port)) as plain:
        context = cloud.authority.client_context()
        with context.wrap_socket(plain, server_hostname="localhost") as s:
            head = [f"PUT /{target} HTTP/1.1", f"Host: localhost:{cloud.edge.port}", *lines]
            s.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
            if half_close:
                s.unwrap()
                return b""
            answer = b""
            while data := s.recv(65536):
                answer += data
            return answer


def test_s3s_framing_rules(cloud, device):
    recording, grant = device.grant()
    url, kind = grant["upload_url"], "Content-Type: audio/opus"
    answer = raw(cloud, url, [kind, "Transfer-Encoding: chunked"], b"3\r\nabc\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 501") and code(answer) == "NotImplemented"
    answer = raw(cloud, url, [kind])
    assert answer.startswith(b"HTTP/1.1 411") and code(answer) == "MissingContentLength"
    answer = raw(cloud, url, [kind, "Content-Length: 6000000000"])
    assert answer.startswith(b"HTTP/1.1 400") and code(answer) == "EntityTooLarge"
    raw(cloud, url, [kind, "Content-Length: 3"], b"ab", half_close=True)
    assert device.call(f"/recordings/{recording}/upload-complete")[0] == 400


def test_an_object_of_another_size_does_not_complete(cloud, device):
    recording, grant = device.grant(size=4)
    assert device.put(grant["upload_url"], b"abc", grant["headers"])[0] == 200
    status, _, body = device.call(f"/recordings/{recording}/upload-complete")
    assert status == 400 and b"3 bytes, not 4" in body


def test_requests_are_checked_and_errors_have_their_envelope(cloud, device):
    for path, body, status in (
        ("/recordings", {"device_id": "dev_1"}, 400),
        ("/recordings", {"end_user_id": "eu_1"}, 400),
        ("/recordings", {"started_at": "noon"}, 400),
        ("/recordings/rec_none/upload-url", {"type": "audio"}, 404),
        ("/recordings/rec_none/upload-complete", None, 404),
        ("/devices/me/heartbeat", {"battery_percent": 101}, 400),
        ("/devices/me/heartbeat", {"device_state": "bored"}, 400),
        ("/devices/dev_other/token/refresh", None, 403),
        ("/nothing", {}, 404),
    ):
        got, headers, answer = device.call(path, body)
        assert got == status, (path, answer)
        error = json.loads(answer)["error"]
        assert error["code"] and error["message"]
        assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= {
            name.lower() for name in headers
        }
    assert device.call("/recordings", {}, token="dtok_nobody")[0] == 401


def test_a_rotated_token_is_dead_at_that_instant(cloud, device):
    status, _, body = device.call("/devices/dev_demo/token/refresh")
    assert status == 200
    assert device.call("/devices/me/heartbeat", {})[0] == 401
    assert device.call("/devices/me/heartbeat", {}, json.loads(body)["device_token"])[0] == 200


def test_both_limits_hold_over_the_project(cloud, device, monkeypatch):
    now = time.time()  # they begin anew with each minute
    monkeypatch.setattr(cloud.limits, "now", lambda: now)
    cloud.limits.requests, cloud.limits.upload_urls = 5, 2
    cloud.limits.forget()
    other = Device(cloud, cloud.new_device("dev_2"))
    recording, _ = device.grant()
    fields = {"type": "audio"}
    assert other.call(f"/recordings/{recording}/upload-url", fields)[0] == 200
    status, headers, _ = device.call(f"/recordings/{recording}/upload-url", fields)
    assert status == 429 and headers["x-ratelimit-remaining"] == "0"
    assert [device.call("/devices/me/heartbeat", {})[0] for _ in range(3)] == [200, 200, 429]


def test_make_cloud_starts_keeps_and_stops(tmp_path):
    config = tmp_path / "c/config.json"
    command = [sys.executable, "-m", "tools.cloud", "--data", tmp_path / "d", "--config", config]
    data = os.urandom(1000)
    seen, roots = [], []
    for more in ([], ["--new-authority", "api", "--webhook", "http://127.0.0.1:9/"]):
        cloud = subprocess.Popen([*command, *more], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for line in cloud.stdout:
            if "Ctrl-C" in line:
                break
        board = Board(tmp_path, json.loads(config.read_text()))
        roots.append([Path(root).read_bytes() for root in board.settings["roots"]])
        board.settings["storage"] = str(tmp_path / "flash")
        board.save()
        board.add(board.file("a.opus", data))
        drained = board.drain()
        assert drained.returncode == 0, drained.stdout
        seen += [line for line in drained.stdout.splitlines() if line.startswith("completed")]
        cloud.send_signal(signal.SIGINT)
        assert "stopped" in cloud.communicate(timeout=120)[0]
        assert cloud.returncode == 0
    assert len(seen) == 2
    assert len(roots[0]) == 1 and roots[0][0] == roots[1][1] != roots[1][0]  # S3's stayed
    # Both runs' objects are in the directory; it is the same service.
    kept = [p for p in (tmp_path / "d").rglob("*") if p.is_file() and p.read_bytes() == data]
    assert len(kept) == 2
