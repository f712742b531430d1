"""Remote commands: what the device does, and when the service hears of it."""

import asyncio

from _support import Link, folder
from heartbeat import Beaten, Desk
from product import app as made

from uploader.clock import iso


class Steering(Beaten):
    """Gives each of `due` (commands) once; keeps the states of the heartbeats with the uptime."""

    def __init__(self):
        super().__init__()
        self.due = []

    def _heartbeat(self, path, headers, body):
        self.extra = {"commands": self.due}
        self.due = []
        return super()._heartbeat(path, headers, body)

    def command(self, number, kind="start_recording", **params):
        self.due.append({"id": "cmd_%d" % number, "type": kind, "params": params})

    def states(self):
        return [b["device_state"] for b in self.beats]


async def running(a, seconds):
    task = asyncio.create_task(a.run())
    await asyncio.sleep(seconds)
    return task


def newest(service):
    return service.recordings["rec_%d" % len(service.recordings)]


async def test_a_remote_start_ends_at_its_longest_and_both_are_told_at_once():
    service = Steering()
    service.command(1, max_duration_sec=4, metadata={"room": "12"})
    a = made(service, heartbeat_minutes=60)
    task = await running(a, 15)
    recording = newest(service)
    assert recording["status"] == "uploaded" and recording["metadata"]["room"] == "12"
    assert 3.5 * 32000 < len(recording["files"][0]) < 6 * 32000
    states = service.states()
    assert states[0] == "idle" and states[1] == "recording" and states[-1] != "recording"
    assert len(states) == 3, states
    task.cancel()


async def test_a_remotely_started_recording_keeps_the_connection_that_brought_the_command():
    service = Steering()
    service.command(1, max_duration_sec=60)
    for link_off, opened in ((180, 1), (30, 2)):
        more = {"radio_idle_timeout_s": link_off, "audio_codec": "flac"}
        a = made(service, heartbeat_minutes=60, **more)
        task = await running(a, 80)
        assert service.states()[-3:-1] == ["idle", "recording"] and a.state() == "idle"
        # One for the command, its start, its end and what is created then; one to S3. Not one
        # that led over a link that was powered off meanwhile.
        assert a.up.sending.http.connections_opened == opened + 1
        task.cancel()
        service.command(2, max_duration_sec=60)


async def test_a_start_that_can_not_be_keeps_no_connection():
    service = Steering()
    service.command(1)
    a = made(service, heartbeat_minutes=60, min_record_s=86400, radio_idle_timeout_s=0)
    room = a.store.space.sizes
    a.store.space.sizes = lambda: (3000000, room()[1])
    task = await running(a, 5)
    assert [line for line in a.log.lines if "not_started" in line]
    a.up.report()
    await asyncio.sleep(2)
    assert a.up.sending.http.connections_opened == 1 and len(service.beats) == 2
    a.up.report()
    await asyncio.sleep(2)
    assert a.up.sending.http.connections_opened == 2, "closed once it was clear"
    task.cancel()


async def test_a_remote_start_without_a_length_ends_after_an_hour():
    service = Steering()
    service.command(1)
    a = made(service, heartbeat_minutes=60, segment_bytes=65536)
    task = await running(a, 1)
    ends_in = a.status()["ends_in_s"]
    assert 3590 < ends_in <= 3600, ends_in
    a.stop()
    await asyncio.sleep(2)
    a.start()
    await asyncio.sleep(1)
    assert a.status()["ends_in_s"] is None, "one by the button has no end of its own"
    task.cancel()


async def test_a_remote_stop_is_told_at_once_whoever_began():
    service = Steering()
    a = made(service, heartbeat_minutes=1)
    task = await running(a, 2)
    a.start()
    await asyncio.sleep(30)
    beats = len(service.beats)
    service.command(1, "stop_recording")
    await asyncio.sleep(31)
    assert service.states()[beats] == "recording"
    assert len(service.beats) == beats + 2 and service.states()[-1] != "recording"
    assert a.state() != "recording"
    task.cancel()


class Late(Desk):
    """A device that uploads an hour after the end, and at night only."""

    metered = False

    def links(self):
        return [Link("wifi", metered=self.metered)]

    def __init__(self, service, **more):
        hours = {"off_peak_start": "22:00", "off_peak_end": "06:00"}
        super().__init__(service, upload_delay_minutes=60, **dict(hours, **more))


def ended(d, urgent):
    recording = d.store.begin(urgent=urgent)
    recording.add("audio").write(b"sound")
    recording.end()


async def test_upload_immediately_passes_over_delay_and_hours_and_nothing_else():
    d = Late(Steering())
    ended(d, False)
    ended(d, True)
    await d.run_for(60)
    assert [r["status"] for r in d.service.recordings.values()] == ["uploaded"]
    (done,) = d.seen("completed")
    assert done["id"] == "000002" and d.seen("deferred")[0]["rule"] == "hours"
    Late.metered = True
    for percent, limit in ((5, 0), (80, 1)):
        d = Late(Steering(), storage=d.storage + "x", daily_data_limit_mb=limit)
        d.percent = percent
        if limit:
            d.up.policy.meter.add(10**6)
        ended(d, True)
        await d.run_for(60)
        assert not d.service.recordings, (percent, limit)


async def test_upload_immediately_holds_over_a_reboot():
    d = Late(Steering())
    ended(d, False)
    ended(d, True)
    d.boot()
    await d.run_for(60)
    assert [i["id"] for i in d.seen("completed")] == ["000002"]


async def test_trigger_upload_passes_over_delay_and_hours_for_all_that_waits():
    d = Late(Steering())
    ended(d, False)
    await d.run_for(60)
    assert not d.service.recordings
    beats = len(d.service.beats)
    d.service.command(1, "trigger_upload")
    await d.run_until(lambda: d.seen("completed"))
    await d.run_for(10)
    assert d.seen("command")[0]["name"] == "trigger_upload"
    ended(d, False)
    await d.run_for(60)
    assert len(d.service.recordings) == 1, "it holds for what was there"
    assert len(d.service.beats) >= beats + 2, "its effect is told at once"


async def test_a_factory_reset_and_unknown_types_are_refused_with_an_event():
    d = Desk(Steering())
    ended(d, False)
    d.service.command(1, "factory_reset")
    d.service.command(2, "make_coffee")
    await d.beaten(2)
    told = d.seen("command")
    assert [i["state"] for i in told] == ["refused", "refused"] and d.commands == []
    assert {i["name"] for i in told} == {"factory_reset", "make_coffee"}
    assert d.uploaded() == 1, "and nothing is lost"


async def test_params_that_can_not_be_taken_are_named_and_the_rest_holds():
    d = Desk(Steering())
    for i, (params, ignored, wanted) in enumerate(
        (
            ({"max_duration_sec": 0}, "max_duration_sec", 3600),
            ({"max_duration_sec": 86401}, "max_duration_sec", 3600),
            ({"max_duration_sec": True}, "max_duration_sec", 3600),
            ({"max_duration_sec": 86400}, None, 86400),
            ({"metadata": {"x": "y" * 2000}}, "metadata", 3600),
            ({"metadata": {"x": "\u4e16" * 400}}, "metadata", 3600),  # 1.2 KB
            ({"colour": 1, "max_duration_sec": 7}, "colour", 7),
        )
    ):
        d.service.command(i, **params)
        count = len(d.service.beats)
        await d.beaten(count + 1)
        assert d.seen("command")[-1]["ignored"] == ignored, params
        assert d.params[-1]["max_duration_sec"] == wanted
    assert d.params[-1]["upload_immediately"] is True and d.params[-1]["metadata"] is None


async def test_a_command_without_an_end_lives_300_s():
    d = Desk(Steering())
    now = d.store.clock.now()
    for i, at in enumerate((now - 299 + 2, now - 301)):
        d.service.due.append({"id": "c%d" % i, "type": "stop_recording", "created_at": iso(at)})
    await d.beaten(1)
    assert [i["state"] for i in d.seen("command")] == ["taken", "expired"]


async def test_every_envelope_is_read():
    command = {"id": "cmd_1", "type": "stop_recording"}
    for i, extra in enumerate(
        (
            {"commands": [command]},
            {"remote_commands": [command]},
            {"command": command},
            {"data": {"commands": [command]}},
            {"data": [command]},
        )
    ):
        service = Beaten()
        service.extra = extra
        d = Desk(service, storage="%s/%d" % (folder(), i))
        await d.beaten(2)
        assert d.commands == [("stop_recording", "cmd_1")], extra
