"""The clock's sources: modem, SNTP, the API's Date; what each may and may not do."""

import asyncio
import socket
import struct

from _support import Device, Link, Ticks, fails
from lwip import Answer
from wire import Service, WiredHttp

from uploader import timesync
from uploader.clock import FLOOR, Clock, iso
from uploader.errors import TransportError

NOW = FLOOR + 20000000
NTP = NOW + 2208988800


class SntpServer:
    """Answers datagrams on loopback; `change(answer)` may spoil a good one."""

    def __init__(self, change=None):
        self._change = change
        self.asked = 0

    async def __aenter__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        for port in range(21230, 22000):
            try:
                self._socket.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
                break
            except OSError:
                pass
        self.name = "127.0.0.1:%d" % port
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        self._socket.close()

    async def _run(self):
        while True:
            try:
                data, peer = self._socket.recvfrom(100)
            except OSError:
                await asyncio.sleep_ms(1)
                continue
            self.asked += 1
            assert len(data) == 48 and data[0] == 0x23, data
            answer = bytearray(48)
            answer[0], answer[1] = 0x24, 2
            answer[24:32] = data[40:48]
            struct.pack_into("!I", answer, 40, NTP & 0xFFFFFFFF)
            answer = self._change(answer) if self._change else answer
            if answer:
                self._socket.sendto(answer, peer)


async def ask(change, wait_ms=60):
    async with SntpServer(change) as server:
        return await timesync.sntp(server.name, 2, wait_ms), server.asked


def put(at, value):
    def change(answer):
        answer[at] = value
        return answer

    return change


async def test_sntp_gives_the_time():
    now, asked = await ask(None, 2000)
    assert now == NOW and asked == 1


async def test_a_server_with_ipv6_alone_is_an_error_and_no_crash():
    socket.names["six.test"] = Answer(v6="2001:db8::1")
    await fails(OSError, timesync.sntp("six.test"))


async def test_sntp_counts_on_beyond_2036():
    def change(answer):
        struct.pack_into("!I", answer, 40, 5)
        return answer

    assert (await ask(change, 2000))[0] == (1 << 32) + 5 - 2208988800


async def test_sntp_answers_that_rfc_4330_says_to_discard_are_discarded_and_it_asks_again():
    for change in (
        put(0, 0xE4),  # leap indicator 3: its clock is not synchronized
        put(0, 0x23),  # mode 3: a client
        put(1, 0),  # stratum 0: kiss of death
        put(1, 16),
        put(24, 1),  # not what was asked
        lambda a: a[:20],
        lambda a: bytes(48),
        lambda a: None,
    ):
        now, asked = await ask(change)
        assert now is None and asked == 2


class Modem:
    """A link that knows the network's time."""

    def __init__(self, now):
        self._now = now

    async def network_time(self):
        return self._now


async def test_the_modems_time_comes_first_then_sntp():
    events = []

    def emit(event, **info):
        events.append(info["source"])

    async with SntpServer() as server:
        for modem, wrong, source in (
            (NOW + 5, None, "modem"),
            (None, None, "sntp"),
            (100, None, "sntp"),  # before this module existed
            (NOW + 5, "modem", "sntp"),
        ):
            clock = Clock(lambda: 0)
            assert await timesync.find(clock, Modem(modem), server.name, emit, wrong)
            assert clock.source == source and abs(clock.now() - NOW) <= 6
        clock = Clock(lambda: 0)
        assert not await timesync.find(clock, Modem(None), "", emit)
    assert events[:4] == ["modem", "sntp", "sntp", "sntp"]


async def test_a_server_that_cannot_be_reached_is_no_crash():
    told = []
    clock = Clock(lambda: 0)
    link = object()
    assert not await timesync.find(
        clock, link, "127.0.0.1:9", lambda e, **i: told.append(i["reason"])
    )
    assert told and clock.now() is None


def test_a_machine_clock_is_believed_only_if_it_can_be_right():
    year = 366 * 86400
    for machine, known, believed in (
        (0, 0, False),  # 1970
        (946684800, 0, False),  # 2000-01-01, as an ESP32 starts
        (FLOOR - 1, 0, False),
        (FLOOR, 0, True),
        (2145916800 + 86400 * 800, 0, False),  # 2040
        (NOW, NOW - 1000, True),
        (NOW, NOW + 1000, False),  # before the last time that was known
        (NOW + 2 * year, NOW, False),
    ):
        clock = Clock(lambda m=machine: m)
        clock.start_from(known)
        assert (clock.now() is not None) == believed, (machine, known)


def test_while_the_time_is_unknown_certificates_are_judged_by_the_last_known():
    machine = [0]

    def set_machine(t):
        machine[0] = t

    clock = Clock(lambda: machine[0], set_machine=set_machine)
    assert machine[0] == FLOOR
    clock.start_from(NOW)
    assert machine[0] == NOW


def test_whoever_moves_the_machines_clock_is_found_out():
    machine = [NOW]

    def set_machine(t):
        machine[0] = t

    clock = Clock(lambda: machine[0], set_machine=set_machine)
    assert not clock.follow()
    for moved in (0, NOW - 86400, NOW + 86400 * 9000):
        machine[0] = moved
        assert clock.follow() and machine[0] == NOW


def test_times_before_the_clock_was_known_are_right_in_the_same_boot_and_left_out_in_another():
    ticks = Ticks()
    clock = Clock(lambda: 946684800, ticks.ticks_ms, boot="b1")
    ticks.ms += 60000
    stamp = clock.stamp()
    ticks.ms += 60000
    clock.set(NOW, "sntp")
    assert clock.resolve(stamp) == iso(NOW - 60)
    later = Clock(lambda: NOW + 1000, boot="b2")
    assert later.resolve(stamp) is None


def test_a_wrong_machine_clock_that_was_believed_is_corrected_in_the_same_boot():
    ticks = Ticks()
    clock = Clock(lambda: NOW + 86400, ticks.ticks_ms, boot="b1")
    stamp = clock.stamp()
    ticks.ms += 10000
    clock.refine(NOW)
    assert clock.resolve(stamp) == iso(NOW - 10)
    # In another boot it is what that clock said, for an RTC that runs through deep sleep.
    assert Clock(lambda: NOW + 99999, boot="b2").resolve(stamp) == iso(NOW + 86400)


class Adrift(Device):
    """A device whose machine clock (`machine`, a list of one: Unix seconds) is anything, and
    whose certificates fit only within 90 days of NOW, as TLS sees it: by the machine's clock.
    With `strict` false they always fit."""

    machine = None
    strict = True
    modem_time = None

    def __init__(self, service, machine, **settings):
        self.machine = machine
        super().__init__(service, **settings)

    def clock(self):
        def set_machine(t):
            self.machine[0] = t

        ticks = self.ticks
        return Clock(lambda: self.machine[0], ticks.ticks_ms, ticks.sleep_ms, set_machine)

    def links(self):
        link = Link("host")
        link.network_time = Modem(self.modem_time).network_time
        return [link]

    def http(self):
        device = self

        class Checked(WiredHttp):
            """Every request is on a new connection, as far as certificates go."""

            async def request(self, *args, **more):
                device.check()
                return await super().request(*args, **more)

            async def put(self, *args, **more):
                device.check()
                return await super().put(*args, **more)

        return Checked(self.service.handle, self.settings)

    def check(self):
        if self.strict and abs(self.machine[0] - NOW) > 86400 * 90:
            raise TransportError("cert_time", "validity")


async def test_times_and_urls_stay_right_while_the_machine_jumps_during_a_drain():
    """`started_at` and `captured_at` come out right, whatever the machine's clock shows."""
    jumps = [946684800, 0, 4102444800, NOW]
    service = Service("dtok_a")
    d = Adrift(service, [946684800])
    d.strict = False
    recording = d.store.begin()
    d.ticks.ms += 5000
    recording.add("image", "image/jpeg").write(b"jpeg")
    d.ticks.ms += 5000
    recording.end()

    def date():
        d.machine[0] = jumps[0]
        jumps.append(jumps.pop(0))
        day = iso(NOW + d.ticks.ms // 1000)
        return "Sun, %s %s %s %s GMT" % (day[8:10], "Aug", day[:4], day[11:19])

    assert iso(NOW)[5:7] == "08"
    service.date = date
    assert await d.up.drain(5)
    (fields,) = service.recordings.values()
    assert fields["started_at"] == iso(NOW)
    assert fields["ended_at"] == iso(NOW + 10)


def kept(d):
    """What the store's two files hold, which are written in turn."""
    out = []
    for name in ("/store.0", "/store.1"):
        try:
            with open(d.storage + name) as f:
                out.append(f.read())
        except OSError:
            pass
    return out


def test_the_last_certain_time_is_kept_on_flash_and_seldom_written():
    d = Device(Service("dtok_a"))
    writes = 0
    before = kept(d)
    for hour in range(25):
        d.store.clock.refine(NOW + hour * 3600)
        d.store.keep_time()
        if kept(d) != before:
            before = kept(d)
            writes += 1
    assert writes == 5
    d.boot()
    assert d.store.clock.floor == NOW + 24 * 3600
    assert d.store.clock.now() is None  # the machine's clock is behind that


def test_a_time_that_is_only_believed_is_not_kept():
    d = Device(Service("dtok_a"))
    d.store.clock.set(NOW, "sntp")
    d.store.keep_time()
    d.boot()
    assert d.store.clock.floor == FLOOR


async def test_the_time_that_came_with_an_upload_is_kept_for_the_next_boot():
    service = Service("dtok_a")
    d = Device(service)
    day = iso(NOW)
    assert day[5:7] == "08"
    service.date = lambda: "Sun, %s Aug %s %s GMT" % (day[8:10], day[:4], day[11:19])
    d.record()
    assert await d.up.drain(5)
    d.boot()
    assert d.store.clock.floor == NOW


async def test_a_wrong_clock_at_boot_is_mended_by_whichever_source_there_is():
    async with SntpServer() as server:
        for boot in (0, 946684800, 2147483647 + 5, 4102444800, NOW - 86400 * 400):
            for modem, sntp in ((NOW, ""), (None, server.name), (NOW * 2, server.name)):
                service = Service("dtok_a")
                Adrift.modem_time = modem
                d = Adrift(service, [boot], ntp_server=sntp)
                recording = d.store.begin()
                recording.add("audio").write(b"x")
                recording.end()
                assert await d.up.drain(5), (boot, modem, sntp)
                assert not d.seen("certificate")
                assert abs(d.machine[0] - NOW) < 86400 * 90
                (fields,) = service.recordings.values()
                d.store.remove(recording.seq)
                # Known in the same boot, so it is right; a guess would be far off.
                text = fields.get("started_at")
                assert text is None or text[:10] == iso(NOW)[:10], (boot, modem, sntp, text)


async def test_without_any_source_nothing_is_invented_and_nothing_is_lost():
    service = Service("dtok_a")
    d = Adrift(service, [0])
    recording = d.store.begin()
    recording.add("audio").write(b"x")
    recording.end()
    await d.run_until(lambda: len(d.seen("retry")) == 12)
    assert not service.recordings
    waits = [i["wait_s"] for i in d.seen("retry")]
    for i in range(12):
        assert 0.1 <= waits[i] <= min(300, 1 << i), waits
    d.strict = False
    await d.run_until(lambda: service.recordings)
    (fields,) = service.recordings.values()
    assert "started_at" not in fields and "ended_at" not in fields
