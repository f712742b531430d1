"""Which link, when: order, cool-downs, idle power-off; and the loop around it."""

import asyncio

from _support import Ticks, fails
from tokens import Device
from wire import Service

from uploader.clock import FLOOR, Clock
from uploader.errors import LinkError, TransportError
from uploader.network import Network


class FakeLink:
    """A link that does as it is told."""

    def __init__(self, name, works=True, metered=False):
        self.name = name
        self.metered = metered
        self.works = works
        self.on = False
        self.ups = self.downs = 0

    async def up(self, may=None):
        self.ups += 1
        if not self.works:
            raise LinkError("does not work", "no_network")
        self.on = True

    async def down(self):
        self.downs += 1
        self.on = False

    def is_up(self):
        return self.on and self.works

    def signal_dbm(self):
        return None


def network(*links, idle_s=180):
    ticks = Ticks()
    clock = Clock(lambda: FLOOR, ticks.ticks_ms, ticks.sleep_ms)
    events = []

    def emit(event, **info):
        events.append((event, info))

    return Network(links, clock, None, emit, idle_s, lambda: 1.0), ticks, events


async def test_links_are_tried_in_the_order_of_preference():
    wifi, modem = FakeLink("wifi"), FakeLink("cellular")
    n, _, _ = network(wifi, modem)
    assert await n.ready() is wifi and modem.ups == 0
    wifi, modem = FakeLink("wifi", False), FakeLink("cellular")
    n, _, _ = network(wifi, modem)
    assert await n.ready() is modem


async def test_a_link_that_fails_is_left_alone_for_longer_each_time():
    wifi = FakeLink("wifi", False)
    n, ticks, _ = network(wifi, FakeLink("cellular", False))
    waits = []
    for _ in range(9):
        e = await fails(LinkError, n.ready())
        assert "no_network" not in str(e)
        waits.append(e.wait_s)
        await fails(LinkError, n.ready())  # too early: nothing is tried
        ticks.ms += int(e.wait_s * 1000)
    assert waits == [15, 30, 60, 120, 240, 480, 900, 900, 900], waits
    assert wifi.ups == 9


async def test_after_a_failure_in_mid_transfer_the_next_link_is_tried_at_once():
    wifi, modem = FakeLink("wifi"), FakeLink("cellular")
    n, ticks, events = network(wifi, modem)
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
    host = FakeLink("host")
    n, _, _ = network(host)
    await n.ready()
    assert not n.failed("stalled")
    await n.drop()
    assert await n.ready() is host


async def test_a_radio_is_powered_off_after_its_idle_time():
    wifi = FakeLink("wifi")
    n, ticks, _ = network(wifi, idle_s=10)
    await n.ready()
    assert n.idle_s() == 10
    ticks.ms += 9999
    assert 0 < n.idle_s() < 0.01
    n.touch()
    assert n.idle_s() == 10
    n, _, _ = network(wifi, idle_s=0)
    await n.ready()
    assert n.idle_s() is None  # 0 is always on


async def test_no_link_at_all_is_said():
    n, _, _ = network()
    assert "no link is configured" in str(await fails(LinkError, n.ready()))


def device(*links, **settings):
    d = Device(Service("dtok_a"), **settings)
    d.up.network._links = links
    return d


async def run_until(d, true, limit=100000):
    task = asyncio.create_task(d.up.run())
    for _ in range(limit):
        await asyncio.sleep_ms(0)
        if true():
            break
    else:
        raise AssertionError(d.events[-10:])
    task.cancel()


async def test_the_radio_goes_off_when_idle_and_on_again_for_the_next_recording():
    wifi = FakeLink("wifi")
    d = device(wifi, radio_idle_timeout_s=60)
    d.record()
    await run_until(d, lambda: wifi.downs == 1 and not wifi.on)
    assert 60000 <= d.ticks.ms < 62000 and d.uploaded() == 1
    task = asyncio.create_task(d.up.run())
    for _ in range(200):
        await asyncio.sleep_ms(0)
    assert wifi.ups == 1  # nothing to do, so it stays off
    d.record()
    for _ in range(3000):
        await asyncio.sleep_ms(0)
    task.cancel()
    assert wifi.ups == 2 and d.uploaded() == 2


async def test_a_link_that_goes_down_in_a_transfer_is_left_at_once_for_the_next():
    wifi, modem = FakeLink("wifi"), FakeLink("cellular")
    d = device(wifi, modem)
    http = d.up.http
    http.alive = d.up.network.alive
    exchange = http._exchange

    async def cut(method, *args):
        if method == "PUT" and wifi.on:
            wifi.on = False
            raise TransportError("link", "the link went down")
        return await exchange(method, *args)

    http._exchange = cut
    d.record()
    await run_until(d, lambda: d.uploaded() == 1)
    assert modem.ups == 1 and d.ticks.ms < 1000
    assert not [i for i in d.told("retry") if i["wait_s"] > 0]


async def test_upload_now_overrides_waits_and_the_named_rules_only():
    level = [5]
    d = Device(Service("dtok_a"))
    from uploader import Uploader
    from uploader.links.host import HostLink

    settings = d.up.config
    d.up = Uploader(settings, d.store, [HostLink()], d._event, battery=lambda: level[0])
    from wire import WiredHttp

    http = WiredHttp(d.service.handle, stall_s=0.01)
    d.up.http = d.up.session._http = d.up.api._transport = http
    # Waits are real here, so that only what ends them can.
    d.store.clock.sleep_ms = asyncio.sleep_ms
    d.record()
    task = asyncio.create_task(d.up.run())
    for _ in range(200):
        await asyncio.sleep_ms(0)
    held = d.told("held_back")
    assert held[0]["rule"] == "battery" and held[0]["wait_s"] == 300
    assert d.uploaded() == 0
    d.up.upload_now("hours")
    for _ in range(200):
        await asyncio.sleep_ms(0)
    assert d.uploaded() == 0
    d.up.upload_now("battery")
    for _ in range(600):
        await asyncio.sleep_ms(0)
    assert d.uploaded() == 1
    # Over once the queue is empty.
    d.record()
    for _ in range(300):
        await asyncio.sleep_ms(0)
    task.cancel()
    assert d.uploaded() == 1


async def test_the_order_of_the_queue():
    for order, expected in (
        ("oldest", ["1", "2", "3", "4"]),
        ("newest", ["4", "3", "2", "1"]),
        ("priority", ["3", "2", "4", "1"]),
    ):
        d = Device(Service("dtok_a"), folder_of(order), queue_order=order)
        for name, priority in (("1", 0), ("2", 3), ("3", 9), ("4", 3)):
            recording = d.store.begin(name, priority=priority)
            recording.add("audio").write(b"x")
            recording.end()
        assert await d.up.drain(5)
        made = d.service.recordings
        assert [made["rec_%d" % (i + 1)]["name"] for i in range(4)] == expected, order


def folder_of(name):
    from _support import folder

    return folder() + "/" + name


async def test_the_delay_holds_a_recording_until_it_is_due():
    d = Device(Service("dtok_a"), upload_delay_minutes=10)
    d.record()
    await run_until(d, lambda: d.uploaded() == 1)
    assert 600000 <= d.ticks.ms < 605000, d.ticks.ms
    assert d.told("held_back")[0]["rule"] == "delay" and d.told("held_back")[0]["id"] == "000001"
