"""What else the local cloud does: firmware, webhooks, keeping its state, documenting itself."""

import hmac
import http.server
import itertools
import json
import threading
import zlib

import httpx
import pytest
from conftest import PATIENCE_S
from test_cloud import Device, beat, complete, uploaded
from test_faults import run

from tools import micropython
from tools.cloud import Cloud
from tools.cloud.firmware import SHAPES
from tools.cloud.limits import Limits
from tools.cloud.webhooks import signature
from tools.service import effects


@pytest.fixture
def device(cloud):
    return Device(cloud)


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
    got = httpx.get(manifest[url], verify=cloud.trust.s3.client_context(), timeout=PATIENCE_S)
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
    assert receiver.done.wait(120), receiver.got
    events = {}
    for header, body in receiver.got:
        at, _, digest = header.removeprefix("t=").partition(",v1=")
        secret = hook.json()["secret"]
        assert hmac.compare_digest(header, signature(secret, int(at), body)) and digest
        event = json.loads(body)
        events[event["id"]] = event
        assert event["type"] == "recording.uploaded"
        assert event["data"]["status"] == "uploaded" and event["data"]["file_size_bytes"] == 3
    # The one that failed came again, under its id; the other did not.
    ids = [json.loads(body)["id"] for _, body in receiver.got]
    assert ids.count(ids[0]) == 2 and len(events) == 2
    assert {e["data"]["id"] for e in events.values()} == {r.id for r in cloud.recordings()}


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
        page = httpx.get(f"{base}/docs", verify=verify, timeout=PATIENCE_S)
        assert page.status_code == 200 and "https://" not in page.text
        sources = [part.split('"')[0] for part in page.text.split('src="')[1:]]
        assert sources
        for source in sources:
            origin = "/".join(base.split("/")[:3])
            assert httpx.get(origin + source, verify=verify, timeout=PATIENCE_S).status_code == 200
        openapi = httpx.get(f"{base}/v1/openapi.json", verify=verify, timeout=PATIENCE_S).json()
        operations = itertools.chain(*openapi["paths"].values())
        assert len(list(operations)) == 31


@pytest.mark.long
def test_generated_requests_and_a_fleet_of_two_hundred(tmp_path):
    args = ("--phases", "fuzzing,stateful", "--examples", "8", "--plot", tmp_path / "fleet.png")
    args += ("--only", "fleet,schema", "--devices", "200", "--seed", "1")
    figures = run("tools.service", tmp_path, *args)
    assert figures["endpoints"] == 31 and figures["schema_cases"] > 200
    assert figures["schema_failures"] == 0
    assert figures["fleet_200_drained"] == 200 and figures["fleet_200_ratio"] <= 1.3
    assert (tmp_path / "fleet.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.long
def test_every_setting_of_the_services_is_felt_and_what_sha256_costs_is_measured(tmp_path):
    figures = run("tools.service", tmp_path, "--only", "sha256,settings")
    # Not how much: what else runs here decides that.
    assert figures["sha256_cost_percent"].keys() == micropython.named().keys()
    assert figures["settings_with_effect"] == len(effects.names()) > 20
    assert figures["settings_without_effect"] == []
