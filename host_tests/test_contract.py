"""The cloud against the recorded contract, and the record against the contract's own files: a
change of either is seen."""

import hashlib
import json
import os
import re
from pathlib import Path

import httpx
import pytest
from conftest import PATIENCE_S, ROOT

from tools.cloud import management, models, settings

HERE = ROOT / "host_tests/contract"
SHAPES = json.loads((HERE / "shapes.json").read_text())
PARTS = json.loads((HERE / "parts.json").read_text())
del SHAPES["_"]
# The files are not part of this project.
FILES = Path(os.environ.get("CONTRACT", ROOT.parent / "shared/contract"))
needs_files = pytest.mark.skipif(
    not FILES.is_dir(), reason="the contract's files are not at hand (CONTRACT names their folder)"
)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}


def differences(value, shape, where="answer"):
    """How a value differs from a recorded shape."""
    if isinstance(shape, str) and shape in PARTS:
        shape = PARTS[shape]
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{where} is no object: {value!r}"]
        if set(value) != set(shape):
            return [f"{where}: {sorted(set(value) ^ set(shape))} are not on both sides"]
        return [d for k in shape for d in differences(value[k], shape[k], f"{where}.{k}")]
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            return [f"{where} is no list with something in it: {value!r}"]
        return [d for v in value for d in differences(v, shape[0], f"{where}[]")]
    kind = shape.removesuffix("?")
    if value is None:
        return [] if shape.endswith("?") else [f"{where} is null"]
    if kind == "time":
        good = isinstance(value, str) and TIME.fullmatch(value)
    else:
        good = isinstance(value, TYPES[kind]) and (kind == "boolean" or value is not True)
    return [] if good else [f"{where} is no {kind}: {value!r}"]


@pytest.fixture(scope="module")
def answers(shared_cloud):
    """One call of each endpoint: (status, JSON)."""
    cloud = shared_cloud
    cloud.forget()
    seen = {}

    def client(credentials):
        return httpx.Client(
            base_url=cloud.api_url.removesuffix("/v1"),
            verify=cloud.authority.client_context(),
            headers={"Authorization": f"Bearer {credentials}"},
            timeout=PATIENCE_S,
        )

    def call(who, method, template, body=None, raw=None, **ids):
        answer = who.request(method, template.format(**ids), json=body, content=raw)
        name = f"{method} {template.partition('?')[0]}"
        seen[name] = answer.status_code, answer.json()
        return answer.json()

    with client(cloud.api_key) as backend:
        made = call(backend, "POST", "/v1/devices", {"serial_number": "SN-1"})
        device = {"device_id": made["id"]}
        bound = call(
            backend, "POST", "/v1/devices/{device_id}/bind", {"end_user_id": "e"}, **device
        )
        _settings(call, backend, device)
        assignment = _firmware(call, backend, device)
        command = {"type": "start_recording", "params": {"metadata": {"a": 1}}}
        call(backend, "POST", "/v1/devices/{device_id}/commands", command, **device)
        with client(bound["device_token"]) as own:
            _upload(call, own, cloud)
            beat = {"battery_percent": 50, "device_state": "idle", "diagnostics": {}}
            call(own, "POST", "/v1/devices/me/heartbeat", beat)
            call(own, "POST", "/v1/devices/{device_id}/token/refresh", **device)
        _read(call, backend, device, assignment)
        hook = {"url": "http://127.0.0.1:9/", "events": ["recording.uploaded"]}
        hook = call(backend, "POST", "/v1/webhook-endpoints", hook)
        call(backend, "GET", "/v1/webhook-endpoints")
        call(backend, "DELETE", "/v1/webhook-endpoints/{webhook_id}", webhook_id=hook["id"])
        call(backend, "POST", "/v1/devices/{device_id}/unbind", **device)
    yield seen
    cloud.forget()


def _settings(call, backend, device):
    path = "/v1/devices/{device_id}/settings"
    call(backend, "PUT", path, {"audio": {"codec": "wav"}}, **device)
    call(backend, "PATCH", path, {"upload": {"mode": "wifi_only"}}, **device)
    call(backend, "GET", path, **device)
    call(backend, "PATCH", "/v1/devices/{device_id}", {"metadata": {"a": 1}}, **device)
    call(backend, "GET", "/v1/devices/{device_id}/config", **device)


def _firmware(call, backend, device):
    version = os.urandom(4).hex()  # releases outlive this module's cloud
    release = call(backend, "POST", f"/v1/firmware-releases?version={version}", raw=b"image")
    path = "/v1/devices/{device_id}/firmware"
    call(backend, "GET", "/v1/firmware-releases")
    made = call(backend, "POST", path, {"release_id": release["id"]}, **device)
    call(backend, "GET", path, **device)
    return made


def _upload(call, own, cloud):
    recording = call(own, "POST", "/v1/recordings", {"name": "A"})
    ids = {"recording_id": recording["id"]}
    wanted = {"type": "audio", "file_size_bytes": 3}
    grant = call(own, "POST", "/v1/recordings/{recording_id}/upload-url", wanted, **ids)
    context = cloud.trust.s3.client_context()
    put = httpx.put(
        grant["upload_url"],
        content=b"abc",
        headers=grant["headers"],
        verify=context,
        timeout=PATIENCE_S,
    )
    assert put.status_code == 200, put.text
    proof = {"content_sha256": hashlib.sha256(b"abc").hexdigest()}
    call(own, "POST", "/v1/recordings/{recording_id}/upload-complete", proof, **ids)


def _read(call, backend, device, assignment):
    path = "/v1/devices/{device_id}/commands"
    call(backend, "GET", path, **device)
    last = backend.post(path.format(**device), json={"type": "stop_recording"}).json()
    ids = {**device, "command_id": last["id"]}
    call(backend, "GET", path + "/{command_id}", **ids)
    call(backend, "DELETE", path + "/{command_id}", **ids)
    for name in ("", "/{device_id}", "/{device_id}/state"):
        call(backend, "GET", "/v1/devices" + name, **device)
    cancel = "/v1/devices/{device_id}/firmware/{assignment_id}"
    call(backend, "DELETE", cancel, assignment_id=assignment["id"], **device)
    recording = call(backend, "GET", "/v1/recordings")["data"][0]
    ids = {"recording_id": recording["id"]}
    call(backend, "GET", "/v1/recordings/{recording_id}", **ids)
    wanted = {"media_id": recording["media"][0]["id"]}
    call(backend, "POST", "/v1/recordings/{recording_id}/download-url", wanted, **ids)


@pytest.mark.parametrize("call", SHAPES)
def test_an_endpoint_answers_as_recorded(answers, call):
    status, answer = answers[call]
    assert status in SHAPES[call]["status"], answer
    assert differences(answer, SHAPES[call]["answer"]) == []


def test_every_endpoint_is_recorded_with_its_request(shared_cloud):
    answer = httpx.get(
        f"{shared_cloud.api_url}/openapi.json",
        verify=shared_cloud.authority.client_context(),
        timeout=PATIENCE_S,
    ).json()
    found = {}
    for path, operations in answer["paths"].items():
        for method, operation in operations.items():
            found[f"{method.upper()} {path}"] = _request_fields(answer, operation)
    assert found == {call: sorted(shape["request"]) for call, shape in SHAPES.items()}


def _request_fields(document, operation):
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is None:
        return []
    schema = body["schema"]
    for option in schema.get("anyOf", []):
        schema = option if "$ref" in option else schema
    return sorted(document["components"]["schemas"][schema["$ref"].split("/")[-1]]["properties"])


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ({"id": "a"}, {"id": "string", "name": "string"}),
        ({"id": "a", "more": 1}, {"id": "string"}),
        ({"id": None}, {"id": "string"}),
        ({"n": True}, {"n": "integer"}),
        ({"at": "2026-01-01"}, {"at": "time"}),
        ({"data": []}, {"data": ["string"]}),
        ([1], {"data": "array"}),
    ],
)
def test_the_comparison_sees_differences(value, shape):
    assert differences(value, shape)


def rows():
    """Of device-api.md: the backticked words of each call's request and answer."""
    for line in (FILES / "device-api.md").read_text().splitlines():
        if line.startswith("| `P"):
            cells = [re.findall(r"`([^`]*)`", c) for c in line.strip("| \n").split("|")]
            yield cells[0][0], cells[1], cells[2]


@needs_files
def test_what_a_device_may_call_is_what_the_contract_says():
    known = {re.sub(r"\{\w+\}", "{id}", call).replace("/v1", ""): call for call in SHAPES}
    calls = 0
    for call, request, answer in rows():
        if call.startswith("PUT "):
            continue  # S3's
        calls += 1
        record = SHAPES[known[call]]
        fields = [w for w in request if re.fullmatch(r"[a-z]+(_[a-z]+)+|name|metadata|type", w)]
        more = {"content_sha256", "diagnostics"}  # service-today.md
        assert set(fields) == set(record["request"]) - more, call
        shape = record["answer"]
        shape = PARTS[shape] if isinstance(shape, str) else shape
        text = json.dumps(shape)
        for word in answer:
            for name in re.findall(r"[a-z]+(?:_[a-z]+)+", word):
                values = ("start_recording", "stop_recording", "rec_", "med_")
                assert name in values or f'"{name}"' in text, (call, name)
    assert calls == 5


@needs_files
def test_the_upload_url_examples_are_as_recorded():
    text = (FILES / "upload-url-reference.txt").read_text()
    record = SHAPES["POST /v1/recordings/{recording_id}/upload-url"]
    sent = json.loads(re.search(r"-d '(\{.*?\})'", text, re.S)[1])
    assert set(sent) <= set(record["request"])
    answers = [json.loads(a) for a in re.findall(r'^\{\n  "media_id".*?^\}', text, re.S | re.M)]
    assert len(answers) == 2
    for answer in answers:
        assert differences(answer, record["answer"]) == []
    described = re.search(r"Request Body(.*?)\nResponse\n", text, re.S)[1]
    names = re.findall(r"^([a-z_]+)\n(?:string|integer)", described, re.M)
    assert sorted(names) == sorted(record["request"])
    for group in models.CONTENT_TYPES.values():
        assert all(kind in text for kind in group)


@needs_files
def test_states_and_settings_are_those_of_the_contract():
    today = (FILES / "service-today.md").read_text()
    flat = " ".join(today.split())

    def listed(kind):
        return " ".join(kind.__args__)

    for kind in (
        models.RecordingStatus,
        models.DeviceState,
        management.CommandStatus,
        management.AssignmentStatus,
    ):
        assert listed(kind) in flat
    groups = re.search(r"```\n(.*?)```", today, re.S)[1]
    for group, model in (
        ("upload", settings.Upload),
        ("audio", settings.Audio),
        ("power", settings.PowerGroup),
    ):
        text = re.search(rf"^{group} +(.*?)(?=^\w|\Z)", groups, re.S | re.M)[1]
        names = set(re.findall(r"[a-z]+(?:_[a-z]+)+|\bmode\b|\bcodec\b", text))
        values = {"ble_only", "wifi_preferred", "wifi_only", "g_preferred", "g_only"}
        assert names - values == set(model.model_fields), group
    assert listed(settings.Upload.model_fields["mode"].annotation) in flat
