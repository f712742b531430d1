"""What the local cloud does for who steers devices, and each way in which it may behave."""

import hashlib
import hmac
import http.server
import itertools
import json
import threading
import zlib
from datetime import timedelta

import httpx
import pytest
from test_cloud import Device
from test_faults import run

from tools.cloud import Cloud
from tools.cloud.firmware import SHAPES
from tools.cloud.limits import Limits
from tools.cloud.webhooks import signature

ABC = hashlib.sha256(b"abc").hexdigest()


@pytest.fixture
def backend(cloud):
    with httpx.Client(
        base_url=cloud.api_url,
        verify=cloud.authority.client_context(),
        headers={"Authorization": f"Bearer {cloud.api_key}"},
    ) as client:
        yield client


@pytest.fixture
def device(cloud):
    return Device(cloud)


@pytest.fixture
def clock(cloud):
    """The service's time, to be moved: `clock(seconds)`."""
    now = cloud.service.now()
    moved = [timedelta()]
    cloud.service.now = lambda: now + moved[0]

    def move(seconds):
        moved[0] += timedelta(seconds=seconds)

    return move


def uploaded(device, data=b"abc"):
    """A recording of one file that is in S3: its upload-complete path."""
    recording, grant = device.grant(size=len(data))
    assert device.put(grant["upload_url"], data, grant["headers"])[0] == 200
    return f"/recordings/{recording}/upload-complete"


def complete(device, path, sha256=ABC):
    status, _, body = device.call(path, {"content_sha256": sha256} if sha256 else None)
    return status, json.loads(body)


def beat(device, **fields):
    status, _, body = device.call("/devices/me/heartbeat", fields)
    assert status == 200, body
    return json.loads(body)


# Completion with proof


def test_a_hash_is_verified_after_as_many_425_as_it_takes(cloud, device):
    cloud.service.behaviour.too_early = 2
    path = uploaded(device)
    assert [complete(device, path)[0] for _ in range(2)] == [425, 425]
    status, recording = complete(device, path)
    assert (status, recording["status"]) == (200, "uploaded")
    assert recording["content_sha256"] == ABC and recording["content_sha256_verified_at"]
    assert complete(device, path)[0] == 409


def test_a_wrong_hash_is_an_integrity_failure_for_good(cloud, device):
    path = uploaded(device)
    status, recording = complete(device, path, "0" * 64)
    assert (status, recording["status"]) == (200, "integrity_failure")
    assert recording["content_sha256_verified_at"] is None
    for mismatch in ("409", "422"):
        cloud.service.behaviour.mismatch = mismatch
        status, answer = complete(device, path)
        assert (status, answer["error"]["code"]) == (int(mismatch), "integrity_failure")
    again = path.replace("upload-complete", "upload-url")
    wanted = {"type": "audio", "file_size_bytes": 3}
    assert device.call(again, wanted)[0] == 409
    cloud.service.behaviour.reopen = True
    status, _, body = device.call(again, wanted)
    assert status == 200
    grant = json.loads(body)
    assert device.put(grant["upload_url"], b"abc", grant["headers"])[0] == 200
    assert complete(device, path)[1]["status"] == "uploaded"


def test_what_lies_in_s3_is_hashed_not_what_was_declared(cloud, device):
    path = uploaded(device)
    (recording,) = cloud.recordings()
    media = recording.media[0]
    cloud.s3.put(f"proj_local/{recording.id}/{media.id}/audio.opus", b"abd")
    assert complete(device, path)[1]["status"] == "integrity_failure"


def test_a_service_that_does_not_know_the_hash(cloud, device):
    for completion, status in (("refuse_400", 400), ("refuse_422", 422)):
        cloud.service.behaviour.completion = completion
        path = uploaded(device)
        assert complete(device, path)[0] == status
        assert complete(device, path, None)[0] == 200
    cloud.service.behaviour.completion = "ignore"
    status, recording = complete(device, uploaded(device), "0" * 64)
    assert status == 200 and "content_sha256" not in recording


def test_another_hash_can_be_answered_and_other_answers_to_a_second_completion(cloud, device):
    cloud.service.behaviour.answer_sha256 = "f" * 64
    path = uploaded(device)
    assert complete(device, path)[1]["content_sha256"] == "f" * 64
    for repeat in ("400", "409", "200"):
        cloud.service.behaviour.repeat = repeat
        assert complete(device, path)[0] == int(repeat)


def test_one_hash_for_two_different_files_is_refused(cloud, device):
    path = uploaded(device)
    wanted = {"type": "image", "file_size_bytes": 3}
    _, _, body = device.call(path.replace("upload-complete", "upload-url"), wanted)
    grant = json.loads(body)
    assert device.put(grant["upload_url"], b"abd", grant["headers"])[0] == 200
    assert complete(device, path)[0] == 400
    assert complete(device, path, None)[0] == 200


def test_a_behaviour_that_does_not_exist_is_refused(cloud):
    with pytest.raises(ValueError):
        cloud.service.behaviour.completion = "verfy"
    with pytest.raises(ValueError):
        cloud.service.behaviour.too_erly = 1


# Commands


def test_a_commands_life_is_inferred_from_heartbeats(cloud, device, backend):
    path = "/devices/dev_demo/commands"
    made = backend.post(path, json={"type": "start_recording"}).json()
    assert made["params"] == {"max_duration_sec": 3600, "upload_immediately": True}

    def status():
        return backend.get(f"{path}/{made['id']}").json()["status"]

    assert status() == "pending"
    (command,) = beat(device, device_state="idle")["commands"]
    assert command["id"] == made["id"] and command["params"] == made["params"]
    assert status() == "delivered"
    assert backend.delete(f"{path}/{made['id']}").status_code == 409
    assert "commands" not in beat(device, device_state="idle") and status() == "delivered"
    beat(device, device_state="recording")
    assert status() == "executed"
    state = backend.get("/devices/dev_demo/state").json()
    assert state["recording"]["active"] and state["recording"]["initiated_by"] == "remote"

    stop = backend.post(path, json={"type": "stop_recording"}).json()
    beat(device, device_state="recording")
    beat(device, device_state="uploading")
    assert backend.get(f"{path}/{stop['id']}").json()["status"] == "executed"
    lives = [c["type"] for c in backend.get(path, params={"status": "executed"}).json()["data"]]
    assert lives == ["stop_recording", "start_recording"]


def test_a_command_expires_is_cancelled_or_fails(cloud, device, backend, clock):
    path = "/devices/dev_demo/commands"
    short = backend.post(path, json={"type": "trigger_upload", "ttl_seconds": 10}).json()
    plain = backend.post(path, json={"type": "trigger_upload"}).json()
    gone = backend.post(path, json={"type": "factory_reset"}).json()
    assert backend.delete(f"{path}/{gone['id']}").json()["status"] == "cancelled"
    clock(11)
    (due,) = beat(device)["commands"]
    assert due["id"] == plain["id"]
    assert backend.get(f"{path}/{short['id']}").json()["status"] == "expired"
    clock(290)
    assert backend.get(f"{path}/{plain['id']}").json()["status"] == "expired"
    bad = backend.post(path, json={"type": "stop_recording"}).json()
    cloud.service.commands.fail("dev_demo", bad["id"], "busy", "Something else is going on.")
    failed = backend.get(f"{path}/{bad['id']}").json()
    assert failed["status"] == "failed" and failed["error"]["code"] == "busy"
    assert "commands" not in beat(device)


def test_a_repeated_creation_makes_one_command_and_wrong_ones_none(cloud, backend):
    cloud.new_device()
    path = "/devices/dev_demo/commands"
    wanted = {"type": "start_recording", "idempotency_key": "k", "params": {"metadata": {"a": 1}}}
    ids = {backend.post(path, json=wanted).json()["id"] for _ in range(3)}
    assert len(ids) == 1
    for wrong in (
        {"type": "self_destruct"},
        {"type": "start_recording", "params": {"max_duration_sec": 0}},
        {"type": "start_recording", "params": {"max_duration_sec": 86401}},
        {"type": "stop_recording", "params": {"max_duration_sec": 5}},
    ):
        assert backend.post(path, json=wrong).status_code == 400, wrong
    assert backend.post("/devices/dev_none/commands", json=wanted).status_code == 404
    assert len(backend.get(path).json()["data"]) == 1


def test_commands_are_listed_in_pages(cloud, backend):
    cloud.new_device()
    path = "/devices/dev_demo/commands"
    made = [backend.post(path, json={"type": "stop_recording"}).json()["id"] for _ in range(5)]
    seen, cursor = [], None
    for _ in range(3):
        page = backend.get(path, params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        seen += [c["id"] for c in page.json()["data"]]
        cursor = page.json()["next_cursor"]
    assert seen == made[::-1] and cursor is None and not page.json()["has_more"]


@pytest.mark.parametrize("shape", ["commands", "remote_commands", "command", "data"])
def test_each_envelope_of_commands(cloud, device, shape):
    cloud.service.behaviour.commands = shape
    cloud.service.behaviour.redeliver = True
    made = cloud.service.command("dev_demo", "start_recording", metadata={"a": 1})
    for _ in range(2):
        answer = beat(device, device_state="idle")
        found = {"command": lambda a: [a["command"]], "data": lambda a: a["data"]["commands"]}
        (command,) = found.get(shape, lambda a: a[shape])(answer)
        assert command["id"] == made.id and command["params"]["metadata"] == {"a": 1}


# Devices, settings, health


def test_a_device_is_registered_bound_and_released(cloud, backend):
    made = backend.post("/devices", json={"serial_number": "SN-7"})
    again = backend.post("/devices", json={"serial_number": "SN-7"})
    assert (made.status_code, again.status_code) == (201, 200)
    path = f"/devices/{made.json()['id']}"
    assert again.json()["id"] == made.json()["id"] and made.json()["status"] == "unbound"
    bound = backend.post(path + "/bind", json={"end_user_id": "eu_1"}).json()
    assert bound["status"] == "bound" and bound["device_token"].startswith("dtok_")
    assert backend.post(path + "/bind", json={"end_user_id": "eu_2"}).status_code == 409
    device = Device(cloud, bound["device_token"])
    assert device.call("/devices/me/heartbeat", {"battery_percent": 7})[0] == 200
    assert backend.get(path).json()["battery_percent"] == 7
    assert backend.post(path + "/unbind").json()["status"] == "unbound"
    assert device.call("/devices/me/heartbeat", {})[0] == 401
    assert backend.post(path + "/unbind").status_code == 200


def test_who_may_call_what(cloud, device, backend):
    token = {"Authorization": f"Bearer {device.token}"}
    for path in ("/recordings", "/devices", "/devices/dev_demo", "/firmware-releases"):
        assert backend.get(path, headers=token).status_code == 403
        assert backend.get(path, headers={"Authorization": "Bearer x"}).status_code == 401
        assert backend.get(path).status_code == 200
    assert backend.post("/devices/me/heartbeat", json={}).status_code == 403
    assert backend.post("/recordings", json={}).status_code == 400
    made = backend.post("/recordings", json={"device_id": "dev_demo"}).json()
    assert made["end_user_id"] == "eu_demo"


def test_settings_are_deep_merged_and_go_out_with_the_next_heartbeat(cloud, device, backend):
    path = "/devices/dev_demo/settings"
    night = {"enabled": True, "start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"}
    for change in (
        {"upload": {"mode": "wifi_only"}},
        {"upload": {"off_peak_hours": night}, "audio": {"codec": "wav"}},
    ):
        assert backend.patch(path, json=change).status_code == 200
    told = beat(device)["settings"]
    assert told == {
        "upload": {"mode": "wifi_only", "off_peak_hours": night},
        "audio": {"codec": "wav"},
    }
    assert "settings" not in beat(device)
    held = backend.get(path).json()["settings"]
    assert held["upload"]["mode"] == "wifi_only" and held["upload"]["allow_roaming"] is False
    backend.patch("/devices/dev_demo", json={"settings": {"upload": {"off_peak_hours": None}}})
    assert beat(device)["settings"] == {"upload": {"off_peak_hours": None}}
    # A replacement tells everything.
    backend.put(path, json={"audio": {"codec": "aac"}})
    told = beat(device)["settings"]
    assert told["upload"]["mode"] == "auto" and told["audio"]["codec"] == "aac"
    for wrong in (
        {"upload": {"mode": "pigeon"}},
        {"upload": {"streaming_chunk_kb": 63}},
        {"connection": {"power_management": {"wifi_idle_timeout_seconds": 9}}},
        {"upload": {"off_peak_hours": {**night, "timezone": "Europe/Nowhere"}}},
        {"audio": {"codec": None}},
        {"uplaod": {}},
    ):
        assert backend.patch(path, json=wrong).status_code == 400, wrong


def test_settings_have_levels_and_other_envelopes(cloud, device, backend):
    from tools.cloud.settings import Settings

    project = {"upload": {"allow_roaming": True, "mode": "4g_only"}}
    cloud.service.devices.set_project_settings(Settings(**project))
    backend.patch("/devices/dev_demo/settings", json={"upload": {"mode": "auto"}})
    config = backend.get("/devices/dev_demo/config").json()
    assert config["levels"]["project"] == project
    assert config["levels"]["device"] == {"upload": {"mode": "auto"}}
    assert config["settings"]["upload"]["allow_roaming"] is True
    cloud.service.behaviour.settings = "device"
    assert beat(device)["device"]["settings"]["upload"] == {"allow_roaming": True, "mode": "auto"}
    cloud.service.behaviour.settings_always = True
    assert beat(device)["device"]["settings"]["power"]["low_battery_threshold_percent"] == 20
    cloud.service.devices.push("dev_demo", {"upload_delay_minutes": 5})  # a flat name
    assert beat(device)["device"]["settings"]["upload_delay_minutes"] == 5


def test_heartbeats_are_kept_as_a_history_with_diagnostics(cloud, device, backend, clock):
    events = {"schema_version": 1, "events": [{"event_type": "reset"}]}
    for percent in (80, 79, 78):
        beat(device, battery_percent=percent, diagnostics=events)
        clock(60)
    history = cloud.state.beats("dev_demo")
    assert [b.said.battery_percent for b in history] == [80, 79, 78]
    assert history[0].said.diagnostics == events
    assert history[2].at - history[0].at == timedelta(seconds=120)
    assert backend.get("/devices/dev_demo/state").json()["online"]
    clock(15 * 60)
    assert not backend.get("/devices/dev_demo/state").json()["online"]
    for name in ("diagnostics", "status_flags"):
        for status in ("400", "422"):
            setattr(cloud.service.behaviour, name, status)
            value = {"diagnostics": events, "status_flags": 8}[name]
            assert device.call("/devices/me/heartbeat", {name: value})[0] == int(status)
    assert len(cloud.state.beats("dev_demo")) == 3
    assert device.call("/devices/me/heartbeat", {"weather": "fine"})[0] == 400


# Firmware, webhooks


@pytest.mark.parametrize("shape", SHAPES)
def test_a_release_reaches_its_device_as_a_manifest(cloud, device, backend, shape):
    cloud.service.behaviour.manifest = shape
    image = b"firmware of " + shape.encode()
    release = backend.post("/firmware-releases?version=1.2.0", content=image).json()
    path = "/devices/dev_demo/firmware"
    first = backend.post(path, json={"release_id": release["id"]}).json()
    second = backend.post(path, json={"release_id": release["id"]}).json()
    manifest = beat(device, firmware_version="1.1.0")[shape]
    version, size, crc, written, url = SHAPES[shape]
    assert manifest[version] == "1.2.0" and manifest[size] == len(image)
    number = manifest[crc] if written is None else int(manifest[crc], 16)
    assert number == zlib.crc32(image)
    got = httpx.get(manifest[url], verify=cloud.trust.s3.client_context())
    assert got.content == image
    assert shape not in beat(device, firmware_version="1.1.0")
    beat(device, firmware_version="1.2.0")
    states = {a["id"]: a["status"] for a in backend.get(path).json()["data"]}
    assert states == {first["id"]: "cancelled", second["id"]: "applied"}
    assert backend.post("/firmware-releases?version=1.2.0", content=image).status_code == 409


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what a webhook is sent; the first answer is a failure."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.headers["X-Webhook-Signature"], body))
        self.send_response(500 if len(self.server.got) == 1 else 200)
        self.end_headers()
        if len(self.server.got) == 3:
            self.server.done.set()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.done = [], threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_webhook_is_told_signed_and_again_after_a_failure(cloud, device, backend, receiver):
    cloud.service.webhooks.waits_s = (0,)
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    other = backend.post("/webhook-endpoints", json={"url": url, "events": ["*"]}).json()
    assert backend.delete(f"/webhook-endpoints/{other['id']}").status_code == 200
    hook = backend.post("/webhook-endpoints", json={"url": url, "events": ["recording.uploaded"]})
    for _ in range(2):
        assert complete(device, uploaded(device))[0] == 200
    assert receiver.done.wait(30), receiver.got
    events = {}
    for header, body in receiver.got:
        at, _, digest = header.removeprefix("t=").partition(",v1=")
        secret = hook.json()["secret"]
        assert hmac.compare_digest(header, signature(secret, int(at), body)) and digest
        event = json.loads(body)
        events[event["id"]] = event
        assert event["type"] == "recording.uploaded"
        assert event["data"]["status"] == "uploaded" and event["data"]["file_size_bytes"] == 3
    assert len(events) == 2  # the failed one came again under its id
    assert {e["data"]["id"] for e in events.values()} == {r.id for r in cloud.recordings()}


# The command, the document


def test_a_cloud_keeps_its_state_its_key_and_its_authority(tmp_path):
    kept = {}
    for life in range(2):
        with Cloud(tmp_path, limits=Limits(10**9, 10**9)) as cloud:
            if life == 0:
                kept["token"] = cloud.new_device()
                cloud.service.command("dev_demo", "start_recording")
                cloud.service.devices.push("dev_demo", {"upload": {"mode": "auto"}})
            kept.setdefault("root", cloud.root_der.read_bytes())
            kept.setdefault("key", cloud.api_key)
            assert (cloud.root_der.read_bytes(), cloud.api_key) == (kept["root"], kept["key"])
            if life == 1:
                answer = beat(Device(cloud, kept["token"]))
                assert answer["commands"] and answer["settings"] == {"upload": {"mode": "auto"}}
    assert oct((tmp_path / "authority-1/root.key").stat().st_mode)[-3:] == "600"


def test_the_api_documents_itself_without_outside_resources(cloud):
    for base in (cloud.api_url.removesuffix("/v1"), cloud.page_url + "api"):
        verify = cloud.authority.client_context()
        page = httpx.get(f"{base}/docs", verify=verify)
        assert page.status_code == 200 and "https://" not in page.text
        sources = [part.split('"')[0] for part in page.text.split('src="')[1:]]
        assert sources
        for source in sources:
            origin = "/".join(base.split("/")[:3])
            assert httpx.get(origin + source, verify=verify).status_code == 200
        openapi = httpx.get(f"{base}/v1/openapi.json", verify=verify).json()
        operations = itertools.chain(*openapi["paths"].values())
        assert len(list(operations)) == 31


def test_generated_requests_and_a_fleet_of_a_thousand(tmp_path):
    args = ("--phases", "fuzzing,stateful", "--examples", "8", "--plot", tmp_path / "fleet.png")
    figures = run("tools.service", tmp_path, *args)
    assert figures["endpoints"] == 31 and figures["schema_cases"] > 200
    assert figures["schema_failures"] == 0
    assert figures["fleet_1000_drained"] == 1000 and figures["fleet_1000_ratio"] <= 1.3
    assert (tmp_path / "fleet.png").read_bytes().startswith(b"\x89PNG")
