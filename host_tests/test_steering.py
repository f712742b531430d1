"""Who steers devices: commands and their lives, settings and their levels, health."""

from datetime import timedelta

import pytest
from test_cloud import Device, beat

from tools.cloud.settings import Settings


@pytest.fixture
def device(cloud):
    return Device(cloud)


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
