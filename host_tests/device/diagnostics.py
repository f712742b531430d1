"""What a device tells of its health: small, once, and not to a service that does not want it."""

import json

from _support import Link, folder
from heartbeat import Beaten, Desk

import uploader
from uploader import Uploader
from uploader.diagnostics import Diagnostics
from uploader.journal import Durable


class Picky(Beaten):
    """Refuses the fields of `refused` with `status`."""

    def __init__(self, *refused, status=400):
        super().__init__()
        self.refused = refused
        self.status = status
        self.asked = []

    def _heartbeat(self, path, headers, body):
        self.asked.append(json.loads(body))
        for name in self.refused:
            if name in self.asked[-1]:
                return self.answer(self.status, {"error": {"code": "invalid_request"}})
        return super()._heartbeat(path, headers, body)

    def reports(self):
        return [b["diagnostics"] for b in self.beats if "diagnostics" in b]


class Patient(Desk):
    """A device that tells of its health; `metered` is its link's."""

    metered = charging = False

    def __init__(self, service, **more):
        super().__init__(service, diagnostics=True, **more)

    def links(self):
        return [Link("wifi", metered=self.metered)]

    def uploader(self):
        device = uploader.Device(lambda: self.percent, "1.2.3", lambda: self.charging, "wdt")
        parts = (self.settings, self.store, self.links(), self.event, self.command, device)
        return Uploader(*parts, self.http())


async def test_it_is_off_unless_the_setting_is_on():
    d = Desk(Picky())
    await d.beaten(2)
    assert not d.service.reports()


async def test_a_report_has_the_reset_the_heap_and_what_went_wrong_by_kind_and_count():
    d = Patient(Picky())
    await d.beaten(1)
    (report,) = d.service.reports()
    assert report["schema_version"] == 1 and report["firmware_build_id"] == "1.2.3"
    assert report["reset"] == "wdt" and report["gaps"] == 0 and report["least"]["free"] > 0
    assert "errors" not in report and report["uptime_ms"] >= 0
    for _ in range(3):
        d.up.emit("retry", reason="500 internal: x")
    d.up.emit("retry", reason="no progress")
    d.up.emit("link", link="wifi", state="failed", code="no_dhcp")
    d.up.emit("token", state="rotated")
    d.up.emit("microphone", state="recovered")
    d.up.emit("gap", ms=20, samples=320)
    d.up.emit("gap", ms=500, samples=8000)
    d.up.emit("update", state="begun", version="2")
    d.up.emit("update", state="undone", version="2", reason="it crashed")
    d.up.emit("update", state="failed", reason="x" * 60, wait_s=None)
    await d.beaten(2)
    report = d.service.reports()[-1]
    assert report["errors"] == {"http_500": 3, "retry": 1} and report["links"] == {"no_dhcp": 1}
    assert report["updates"] == {"undone": "2", "failed": "x" * 40}
    assert report["gaps"] == 2 and report["gaps_ms"] == 520


def test_which_firmware_runs_what_is_to_come_and_what_came_of_the_last_is_told():
    d = Patient(Picky())

    def report():
        told = Diagnostics(d.settings, d.store, uploader.Device(), slots=folder() + "/slot")
        return told, told.due(None).get("update")

    assert report()[1] is None
    wanted = Durable(d.settings.state + "/update")
    wanted.value.update(url="https://a.test/x", version="2")
    wanted.save()
    assert report()[1] == {"slot": "/lib", "pending": "2"}
    slots = Durable(folder() + "/slot")
    slots.value.update({"run": "/lib", "try": "/lib2", "version": "2", "boots": 1})
    slots.save()
    wanted.value.clear()
    wanted.save()
    told, found = report()
    assert found == {"slot": "/lib2", "trial": "2"}
    slots.value.clear()
    slots.value.update({"run": "/lib2", "last": ["2", "applied", "", "id"]})
    slots.save()
    assert told.due(None)["update"] == found  # flash is not read each time
    told.note("update", {"state": "applied", "version": "2"})
    assert told.due(None)["update"] == {"slot": "/lib2", "last": ["2", "applied", ""]}


async def test_what_did_not_change_is_sent_once():
    d = Patient(Picky())
    await d.beaten(5)
    assert len(d.service.reports()) == 1


async def test_a_service_that_refuses_it_is_asked_once_for_good():
    for status in (400, 422):
        d = Patient(
            Picky("diagnostics", status=status), storage="%s%d" % (Desk(Picky()).storage, status)
        )
        await d.beaten(2)
        d.up.emit("storage", reason="x")
        await d.beaten(4)
        d.boot()
        d.up.emit("storage", reason="x")
        await d.beaten(6)
        assert len([b for b in d.service.asked if "diagnostics" in b]) == 1
        assert all("status_flags" in b for b in d.service.beats)


async def test_it_then_goes_with_the_next_recordings_metadata_in_512_bytes():
    d = Patient(Picky("diagnostics"))
    for i in range(40):
        d.up.emit("link", state="failed", code="a_code_of_some_length_%d" % i)
        d.up.emit("certificate", state="moved", host="host%d.test:443" % i, root="R" * 60)
        d.up.emit("retry", reason="%d of the many" % (400 + i))
    await d.beaten(1)
    d.record()
    d.record()
    await d.run_until(lambda: len(d.seen("completed")) == 2)
    metadata = [d.service.recordings["rec_%d" % i]["metadata"] for i in (1, 2)]
    assert len(json.dumps(metadata[0]["diagnostics"])) <= 512
    assert metadata[0]["diagnostics"]["errors"]["http_400"] == 1
    assert "diagnostics" not in metadata[1]


async def test_another_field_that_is_refused_takes_no_blame_away_from_it():
    d = Patient(Picky("status_flags"))
    await d.beaten(3)
    assert len(d.service.reports()) >= 1 and "status_flags" not in d.service.beats[-1]
    d = Patient(Picky("status_flags", "diagnostics"), storage=d.storage + "2")
    await d.beaten(3)
    asked = [b for b in d.service.asked if "diagnostics" in b]
    assert len(asked) == 2 and not d.service.reports()


async def test_other_errors_of_a_heartbeat_teach_nothing():
    d = Patient(Picky("diagnostics", status=500))
    await d.run_for(2000)
    d.service.refused = ()
    await d.beaten(1)
    assert d.service.reports()


async def test_over_a_metered_link_it_is_2_kb_an_hour_at_most():
    Patient.metered = True
    d = Patient(Picky())
    for _ in range(24):
        d.up.emit("gap", ms=1)
        d.up.heartbeat.hurry()
        count = len(d.service.beats)
        await d.run_until(lambda: len(d.service.beats) > count)  # noqa: B023
    assert d.ticks.ms < 3600000
    size = sum(len(json.dumps(r)) for r in d.service.reports())
    assert 1000 < size <= 2048, size
    d.ticks.ms += 3600000
    before = len(d.service.reports())
    await d.run_for(20)
    assert len(d.service.reports()) == before + 1


async def test_it_is_bounded_whatever_happens():
    d = Patient(Picky())
    for i in range(3000):
        d.up.heartbeat.note("link", {"state": "failed", "code": "code_%d" % i})
    await d.beaten(1)
    assert len(json.dumps(d.service.reports()[0])) < 1024


async def test_charging_trouble_and_waiting_show_in_state_and_flags():
    d = Patient(Picky())
    beat = d.up.heartbeat
    assert beat.facts()["device_state"] == "idle" and beat.facts()["status_flags"] & 1 == 0
    d.charging = True
    assert beat.facts()["device_state"] == "charging" and beat.facts()["status_flags"] & 1
    d.percent = 5
    assert beat.facts()["device_state"] == "charging" and beat.facts()["status_flags"] & 3 == 3
    d.charging = False
    assert beat.facts()["device_state"] == "lowBattery"
    d.percent = 80
    d.up.emit("storage", reason="x")
    assert beat.facts()["device_state"] == "error"
    d.up.emit("completed", id="1")
    assert beat.facts()["device_state"] == "idle"
    d.up.emit("token", state="refused")
    assert beat.facts()["device_state"] == "error"
    d.up.emit("token", state="rotated")
    d.up.emit("proof", id="1", state="waiting", wait_s=2)
    assert beat.facts()["device_state"] == "syncing"
    d.up.emit("completed", id="1")
    d.record()
    assert beat.facts()["device_state"] == "uploading" and beat.facts()["status_flags"] & 32
    d.up.emit("deferred", rule="hours", reason="x", wait_s=1)
    assert beat.facts()["device_state"] == "idle" and not beat.facts()["status_flags"] & 32
    d.up.emit("created", id="1")
    assert beat.facts()["device_state"] == "uploading"


async def test_another_root_that_was_found_is_told_with_a_heartbeat_at_once():
    d = Patient(Picky())
    await d.beaten(1)
    d.up.emit("certificate", state="moved", host="s3.test:443", root="Amazon Root CA 3")
    assert d.up.heartbeat.due_s() == 0
    await d.beaten(2)
    assert d.service.reports()[-1]["roots"] == {"s3.test:443": "Amazon Root CA 3"}
    assert d.service.beats[-1]["device_state"] == "idle", "it is no trouble"
