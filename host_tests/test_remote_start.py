"""Remote commands through the whole product over TLS: what an application asks of the cloud, the
firmware on the desktop's board, its recordings."""

import io
import json
import subprocess
import time

import pytest
import soundfile
from conftest import ROOT

from tools import micropython

SCRIPT = ROOT / "host_tests/scripts/product.py"


class Product:
    """The product as a process. `log` is what it printed."""

    def __init__(self, cloud, backend, folder, **settings):
        config = cloud.device_config(folder / "flash", heartbeat_minutes=60, ntp_server="")
        self.cloud = cloud
        self._backend = backend
        self._board = folder
        (folder / "config.json").write_text(json.dumps({**config, **settings}))
        self._out = open(folder / "log", "w+")
        self._process = micropython.start(
            SCRIPT,
            folder / "config.json",
            heap="8m",
            stdin=subprocess.PIPE,
            stdout=self._out,
            stderr=subprocess.STDOUT,
        )

    @property
    def log(self) -> str:
        return (self._board / "log").read_text()

    def command(self, kind, **params):
        """Have the device do something, and look for it now; the command's id."""
        body = {"type": kind, **({"params": params} if params else {})}
        answer = self._backend.post("/devices/dev_demo/commands", json=body)
        assert answer.status_code in (200, 201), answer.text
        self.beat()
        return answer.json()["id"]

    def beat(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def status(self, command) -> str:
        return self._backend.get(f"/devices/dev_demo/commands/{command}").json()["status"]

    def recording(self) -> bool:
        """Whether the service takes the device for recording."""
        return self._backend.get("/devices/dev_demo/state").json()["recording"]["active"]

    def wait(self, true, seconds=300):
        """Poll: what happens on the device has no other end to wait at."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end and self._process.poll() is None, self.log
            time.sleep(0.05)

    def uploaded(self) -> list:
        return [r for r in self.cloud.recordings() if r.status == "uploaded"]

    def close(self):
        self._process.stdin.close()
        assert self._process.wait(300) == 0, self.log
        self._out.close()


@pytest.fixture
def product(cloud, backend, tmp_path):
    made = []

    def start(**settings):
        made.append(Product(cloud, backend, tmp_path, **settings))
        made[0].wait(lambda: " heartbeat state=sent" in made[0].log)
        return made[0]

    yield start
    for one in made:
        one.close()


def test_a_remote_start_has_its_length_its_metadata_and_is_told_as_executed(product, cloud):
    p = product()
    command = p.command("start_recording", max_duration_sec=5, metadata={"room": "7"})
    p.wait(lambda: p.status(command) == "executed")
    p.wait(p.uploaded)
    (recording,) = p.uploaded()
    assert recording.metadata["room"] == "7" and recording.content_sha256_verified_at
    sound, rate = soundfile.read(io.BytesIO(cloud.media_bytes(recording, recording.media[0])))
    # To one buffer, and what the driver had when it ended.
    assert rate == 16000 and 5 <= len(sound) / rate < 5.5
    p.wait(lambda: not p.recording())


def test_a_remote_stop_ends_it_and_what_was_asked_twice_is_done_once(product, cloud):
    cloud.service.behaviour.redeliver = True
    p = product()
    start = p.command("start_recording")
    p.wait(lambda: p.status(start) == "executed")
    stop = p.command("stop_recording")
    p.wait(lambda: p.status(stop) == "executed")
    p.wait(p.uploaded)
    for _ in range(2):
        beats = len(cloud.state.beats("dev_demo"))
        p.beat()
        p.wait(lambda: len(cloud.state.beats("dev_demo")) > beats)  # noqa: B023
    assert p.log.count(" capture ") == 1 and p.log.count("state=taken") == 2, p.log


def test_not_immediately_waits_for_the_delay_and_trigger_upload_sends_what_waits(product):
    p = product(upload_delay_minutes=60)
    p.command("start_recording", max_duration_sec=1, upload_immediately=False)
    p.wait(lambda: "rule=delay" in p.log)
    p.wait(lambda: not p.recording())
    assert not p.uploaded()
    trigger = p.command("trigger_upload")
    p.wait(p.uploaded)
    p.wait(lambda: p.status(trigger) == "executed")
    p.command("start_recording", max_duration_sec=1)
    p.wait(lambda: len(p.uploaded()) == 2)


def test_a_factory_reset_is_refused_and_takes_nothing_with_it(product, tmp_path):
    p = product(upload_delay_minutes=60)
    p.command("start_recording", max_duration_sec=1, upload_immediately=False)
    p.wait(lambda: "rule=delay" in p.log)
    reset = p.command("factory_reset")
    p.wait(lambda: "name=factory_reset state=refused" in p.log)
    assert p.status(reset) == "delivered" and list((tmp_path / "flash").glob("*.wav"))
    p.command("trigger_upload")
    p.wait(p.uploaded)
