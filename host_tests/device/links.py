"""Which link, when: order, cool-downs, idle power-off; and the loop around it."""

import asyncio

from _support import Device, Link, Ticks, fails, folder, turn_until
from wire import Service, WiredHttp

from uploader.clock import FLOOR, Clock
from uploader.errors import LinkError, TransportError
from uploader.links.manager import LinkManager
from uploader.settings import Settings


def manager(*links, **more):
    values = {"radio_idle_timeout_s": 180, "network_preference": ["wifi", "cellular"]}
    values.update(more)
    ticks = Ticks()
    clock = Clock(lambda: FLOOR, ticks.ticks_ms, ticks.sleep_ms, random=lambda: 1.0)
    events = []

    def emit(event, **info):
        events.append((event, info))

    return LinkManager(links, Settings(values), clock, None, emit), ticks, events


async def test_links_are_tried_in_the_order_of_preference():
    wifi, modem = Link("wifi"), Link("cellular")
    n, _, _ = manager(wifi, modem)
    assert await n.ready() is wifi and modem.ups == 0
    wifi, modem = Link("wifi", False), Link("cellular")
    n, _, _ = manager(wifi, modem)
    assert await n.ready() is modem


async def test_a_link_that_fails_is_left_alone_for_longer_each_time():
    wifi = Link("wifi", False)
    n, ticks, _ = manager(wifi, Link("cellular", False))
    waits = []
    for _ in range(9):
        e = await fails(LinkError, n.ready())
        assert "no_network" not in str(e)
        waits.append(e.wait_s)
        await fails(LinkError, n.ready())  # too early: nothing is tried
        ticks.ms += int(e.wait_s * 1000)
    assert waits == [15, 30, 60, 120, 240, 480, 900, 900, 900], waits
    assert wifi.ups == 9


async def test_a_link_that_failed_and_then_works_stays_on():
    wifi = Link("wifi", False)
    n, ticks, _ = manager(wifi)
    e = await fails(LinkError, n.ready())
    ticks.ms += int(e.wait_s * 1000)
    wifi.works = True
    assert await n.ready() is wifi and wifi.is_up() and not n.lit


async def test_after_a_failure_in_mid_transfer_the_next_link_is_tried_at_once():
    wifi, modem = Link("wifi"), Link("cellular")
    n, ticks, events = manager(wifi, modem)
    await n.ready()
    assert n.failed("stalled")
    await n.drop()
    assert wifi.downs == 1
    assert await n.ready() is modem
    # And back once it is due, but not before the other one has carried a file.
    ticks.ms += 15000
    assert not n.better() and n.better_s() == 0
    n.worked()
    assert n.better()
    assert await n.ready() is wifi and modem.downs == 1
    assert ("link", "wifi", "failing") in [(e, i["link"], i["state"]) for e, i in events]


async def test_the_only_link_there_is_is_not_left_alone():
    host = Link("host")
    n, _, _ = manager(host)
    await n.ready()
    assert not n.failed("stalled")
    await n.drop()
    assert await n.ready() is host


async def test_a_radio_is_powered_off_after_its_idle_time():
    wifi = Link("wifi")
    n, ticks, _ = manager(wifi, radio_idle_timeout_s=10)
    await n.ready()
    assert n.idle_s() == 10
    ticks.ms += 9999
    assert 0 < n.idle_s() < 0.01
    n.touch()
    assert n.idle_s() == 10
    n, _, _ = manager(wifi, radio_idle_timeout_s=0)
    await n.ready()
    assert n.idle_s() is None  # 0 is always on


async def test_no_link_at_all_is_said():
    n, _, _ = manager()
    assert "no link is configured" in str(await fails(LinkError, n.ready()))


class Wireless(Device):
    """A device with given links."""

    def __init__(self, *links, **settings):
        self.given = links
        super().__init__(Service("dtok_a"), **settings)

    def links(self):
        return self.given


async def test_the_radio_goes_off_when_idle_and_on_again_for_the_next_recording():
    wifi = Link("wifi")
    d = Wireless(wifi, radio_idle_timeout_s=60)
    d.record()
    await d.run_until(lambda: wifi.downs == 1 and not wifi.on)
    assert 60000 <= d.ticks.ms < 62000 and d.uploaded() == 1
    task = asyncio.create_task(d.up.run())
    for _ in range(200):
        await asyncio.sleep_ms(0)
    assert wifi.ups == 1  # nothing to do, so it stays off
    d.record()
    await turn_until(lambda: d.uploaded() == 2, 3000)
    task.cancel()
    assert wifi.ups == 2


async def test_a_link_that_goes_down_in_a_transfer_is_left_at_once_for_the_next():
    wifi, modem = Link("wifi"), Link("cellular")

    class Cut(WiredHttp):
        async def put(self, *args, **more):
            if wifi.on:
                wifi.on = False
                raise TransportError("link", "the link went down")
            return await super().put(*args, **more)

    class Cuttable(Wireless):
        def http(self):
            return Cut(self.service.handle, self.settings)

    d = Cuttable(wifi, modem)
    d.record()
    await d.run_until(lambda: d.uploaded() == 1)
    assert modem.ups == 1 and d.ticks.ms < 1000
    assert not [i for i in d.seen("retry") if i["wait_s"] > 0]


class Waiting(Device):
    """A device whose waits are real, so that only what is meant to end them can."""

    def clock(self):
        return Clock(lambda: FLOOR + 10000000)


class Weak(Waiting):
    """One with a low battery."""

    percent = 5


async def test_upload_now_overrides_waits_and_the_named_rules_only():
    d = Weak(Service("dtok_a"))
    d.record()
    task = asyncio.create_task(d.up.run())
    await turn_until(lambda: d.seen("deferred"), 200)
    deferred = d.seen("deferred")
    assert deferred[0]["rule"] == "battery" and deferred[0]["wait_s"] == 300
    assert d.uploaded() == 0
    d.up.upload_now("hours")
    await turn_until(lambda: len(d.seen("deferred")) == 2, 200)
    assert d.uploaded() == 0
    d.up.upload_now("battery")
    await turn_until(lambda: d.seen("completed"), 600)
    # Over once the queue is empty.
    await turn_until(lambda: d.up.idle, 100)
    d.record()
    await turn_until(lambda: len(d.seen("deferred")) == 3, 300)
    task.cancel()
    assert d.uploaded() == 1


async def test_upload_now_ends_the_wait_after_an_error_and_a_recordings_end_does_not():
    d = Waiting(Service("dtok_another"))
    d.record()
    task = asyncio.create_task(d.up.run())
    await turn_until(lambda: d.seen("retry"), 200)
    d.record()
    for _ in range(200):
        await asyncio.sleep_ms(0)
    assert d.service.calls == {"create": 1}
    d.service.token = "dtok_a"
    d.up.upload_now()
    await turn_until(lambda: d.uploaded() == 2, 600)
    task.cancel()


async def test_the_order_of_the_queue():
    for order, expected in (
        ("oldest", ["1", "2", "3", "4"]),
        ("newest", ["4", "3", "2", "1"]),
        ("priority", ["3", "2", "4", "1"]),
    ):
        d = Device(Service("dtok_a"), folder() + "/" + order, queue_order=order)
        for name, priority in (("1", 0), ("2", 3), ("3", 9), ("4", 3)):
            recording = d.store.begin(name, priority=priority)
            recording.add("audio").write(b"x")
            recording.end()
        assert await d.up.drain(5)
        made = d.service.recordings
        assert [made["rec_%d" % (i + 1)]["name"] for i in range(4)] == expected, order


async def test_the_delay_defers_a_recording_until_it_is_due():
    d = Device(Service("dtok_a"), upload_delay_minutes=10)
    d.record()
    await d.run_until(lambda: d.uploaded() == 1)
    assert 600000 <= d.ticks.ms < 605000, d.ticks.ms
    assert d.seen("deferred")[0]["rule"] == "delay" and d.seen("deferred")[0]["id"] == "000001"


async def test_a_users_own_listener_of_the_store_goes_on_hearing():
    heard = []
    d = Device(Service("dtok_a"))
    d.store.listen(lambda event, **info: heard.append(event))
    d.up = d.uploader()
    d.record()
    assert await d.up.drain(5)
    assert heard == ["ended"] and d.seen("ended")


async def test_a_radio_goes_off_while_what_is_pending_waits_and_on_when_that_is_due():
    wifi = Link("wifi")
    d = Wireless(wifi, radio_idle_timeout_s=60, upload_delay_minutes=60)
    task = asyncio.create_task(d.up.run())
    await d.up.links.ready()
    d.record()
    await turn_until(lambda: not wifi.on, 3000)
    assert 60000 <= d.ticks.ms < 62000 and d.uploaded() == 0
    assert 3500 < d.up.waiting.left_s() < 3541 and d.up.waiting.why == "deferred"
    await turn_until(lambda: wifi.on, 10000)
    task.cancel()
    assert 3600000 <= d.ticks.ms < 3602000 and wifi.ups == 2


async def test_a_radio_that_found_no_network_is_powered_off():
    wifi = Link("wifi", False)
    d = Wireless(wifi, radio_idle_timeout_s=30, wifi_idle_timeout_s=10)
    d.record()
    task = asyncio.create_task(d.up.run())
    await turn_until(lambda: wifi.downs, 3000)
    task.cancel()
    # Fifteen seconds at most are between the first two attempts.
    assert d.ticks.ms - 10000 < 60000 and d.up.links.idle_s() is None


async def test_a_link_that_failed_goes_off_once_another_is_up():
    wifi, modem = Link("wifi", False), Link("cellular")
    n, _, _ = manager(wifi, modem)
    assert await n.ready() is modem and wifi.downs == 1


async def test_a_radio_is_not_brought_up_for_what_the_cap_forbids():
    modem = Link("cellular", metered=True)
    d = Wireless(modem, daily_data_limit_mb=1)
    d.up.policy.meter.add(1000000 - 10000)
    d.record()  # no longer fits
    await d.run_until(lambda: d.seen("deferred"))
    d.up.policy.meter.add(10000)  # and now nothing does
    await d.run_for(3 * 3600)
    d.up.report()
    d.record()
    await d.run_for(60)
    assert modem.ups == 0 and [i["rule"] for i in d.seen("deferred")] == ["cap"] * len(
        d.seen("deferred")
    )
    # At midnight it goes.
    await d.run_until(lambda: d.uploaded() == 2)
    now = d.store.clock.now()
    assert now % 86400 < 60 and modem.ups == 1


async def test_without_network_a_board_that_sleeps_tries_less_and_less_up_to_three_hours():
    tries = {}
    for sleeps in (True, False):
        wifi = Link("wifi", False)
        d = Wireless(
            wifi, sleep_when_idle=sleeps, heartbeat_minutes=30, storage="%s/%d" % (folder(), sleeps)
        )
        d.store.clock.random = lambda: 0.999
        d.record()
        task = asyncio.create_task(d.up.run())
        longest = last = 0
        while d.ticks.ms < 86400000:
            await asyncio.sleep_ms(0)
            del d.events[:]
            if wifi.ups > tries.get(sleeps, 0):
                tries[sleeps] = wifi.ups
                longest, last = max(longest, d.ticks.ms - last), d.ticks.ms
        task.cancel()
        assert longest < (10810000 if sleeps else 910000)
    assert 12 < tries[True] < 20 and 90 < tries[False] < 110, tries


async def test_heartbeats_do_not_wake_what_has_no_link_to_try():
    wifi = Link("wifi", False)
    d = Wireless(wifi, sleep_when_idle=True, heartbeat_minutes=30)
    d.up.links.left("wifi")[1] = 7200000
    task = asyncio.create_task(d.up.run())
    await turn_until(lambda: d.up.waiting.left_s(), 100)
    assert 7100 < d.up.waiting.left_s() <= 7200
    task.cancel()


class Faint(Link):
    """One that knows its signal only while it is on, as a modem does."""

    def signal_dbm(self):
        return -120 if self.on else None


async def test_a_weak_signal_is_looked_at_less_and_less_where_the_board_sleeps():
    modem = Faint("cellular", metered=True)
    d = Wireless(modem, sleep_when_idle=True, min_signal_dbm=-110, heartbeat_minutes=0)
    d.record()
    task = asyncio.create_task(d.up.run())
    while d.ticks.ms < 86400000:
        await asyncio.sleep_ms(0)
        del d.events[:]
    task.cancel()
    assert 5 < modem.ups < 60, modem.ups


async def test_a_modem_is_not_switched_on_for_a_heartbeat_that_the_cap_forbids():
    modem = Link("cellular", metered=True)
    d = Wireless(modem, daily_data_limit_mb=1, heartbeat_minutes=30)
    d.up.policy.meter.add(1000000)
    await d.run_for(3 * 3600)
    assert modem.ups == 0 and d.seen("deferred"), modem.ups
