"""WiFi: which network, in which order, and what went wrong."""

import asyncio

from _support import fails
from chip import Chip
from wlan import AccessPoint, Wlan

from uploader.clock import FLOOR, Clock
from uploader.errors import LinkError
from uploader.links.wifi import WifiLink
from uploader.settings import Settings

HOME = {"ssid": "home", "key": "12345678"}
WORK = {"ssid": "work", "key": "abcdefgh"}


def air(**changes):
    """The usual networks; `home={"dhcp": False}` changes one, `home=None` takes it away."""
    aps = (
        AccessPoint("home", "12345678", -70, 1),
        AccessPoint("work", "abcdefgh", -50, 6),
        AccessPoint("cafe", "", -40, 11),
    )
    for ap in aps:
        for name, value in (changes.get(ap.ssid, {}) or {}).items():
            setattr(ap, name, value)
    return [ap for ap in aps if changes.get(ap.ssid, 1) is not None]


def link(aps, *networks):
    chip = Chip()

    async def sleep_ms(ms):
        chip.busy(ms)
        await asyncio.sleep_ms(0)

    wlan = Wlan(chip, aps)
    clock = Clock(lambda: FLOOR, chip.ticks_ms, sleep_ms)
    return WifiLink(Settings({"wifi": networks}), clock, wlan), wlan, chip


async def why(aps, *networks):
    """The code of the error that connecting ends in, at most half a minute later."""
    w, wlan, chip = link(aps, *networks)
    e = await fails(LinkError, w.up())
    assert chip.us < 35000000 and not w.is_up()
    for n in networks:
        assert not n["key"] or n["key"] not in str(e)
    return e.code


async def test_the_strongest_known_network_is_taken():
    w, wlan, _ = link(air(), HOME, WORK)
    await w.up()
    assert w.is_up() and w.ssid == "work" and wlan.tried == ["work"]
    assert w.signal_dbm() == -50


async def test_the_next_one_is_taken_when_the_strongest_refuses():
    w, wlan, _ = link(air(work={"key": "changed!"}), HOME, WORK)
    await w.up()
    assert w.ssid == "home" and wlan.tried == ["work", "home"]


async def test_what_is_not_there_is_told():
    assert await why([], HOME) == "no_network"
    assert await why(air(), {"ssid": "elsewhere", "key": ""}) == "no_network"
    assert await why(air(), {"ssid": "nowhere", "key": "", "hidden": True}) == "no_network"


async def test_a_network_without_addresses_is_told():
    assert await why(air(home={"dhcp": False}), HOME) == "no_dhcp"


async def test_a_wrong_key_is_told_where_the_driver_says_authentication():
    for reason in (202, 205):
        assert (
            await why(air(home={"wrong_key": reason}), dict(HOME, key="not right")) == "wrong_key"
        )


async def test_a_wrong_key_is_told_whatever_the_driver_calls_it():
    for reason in (15, 204, 2):
        assert (
            await why(air(home={"wrong_key": reason}), dict(HOME, key="not right")) == "wrong_key"
        )


async def test_a_key_where_none_belongs_and_none_where_one_does_is_told():
    assert await why(air(), {"ssid": "home", "key": ""}) == "wrong_key"
    assert await why(air(), {"ssid": "cafe", "key": "12345678"}) == "wrong_key"


async def test_the_verdict_of_the_last_attempt_is_not_this_ones():
    w, wlan, _ = link([], dict(HOME, hidden=True))
    await fails(LinkError, w.up())
    wlan.air = air()
    await w.up()
    assert w.is_up()


async def test_a_network_that_was_gone_for_a_while_is_found_again_at_once():
    w, wlan, chip = link(air(), HOME)
    await w.up()
    wlan.remove("home")
    chip.busy(10000)
    assert not w.is_up()
    wlan.air = air()
    await w.up()
    assert w.is_up()


async def test_it_is_up_only_with_the_network_that_it_names():
    w, wlan, chip = link(air(work=None), HOME, WORK)
    await w.up()
    wlan.air = air(home=None)  # which shows only once beacons were missed
    await w.up()
    chip.busy(50)
    assert w.ssid == "work" and w.is_up() and w.signal_dbm() == -50


async def test_the_last_good_network_is_tried_without_a_scan():
    w, wlan, chip = link(air(), HOME)
    await w.up()
    await w.down()
    before, scans = chip.us, wlan.scans
    await w.up()
    assert w.is_up() and wlan.scans == scans and chip.us - before < 1500000


async def test_when_the_last_good_network_is_gone_the_others_are_looked_for():
    w, wlan, _ = link(air(), HOME, WORK)
    await w.up()
    await w.down()
    wlan.air = air(work=None)
    await w.up()
    assert w.is_up() and w.ssid == "home"


async def test_nothing_is_scanned_while_a_recording_is_under_way():
    w, wlan, chip = link(air(home=None, cafe={"hidden": True}), HOME, WORK)
    held_up = []
    chip.at(100, lambda: chip.schedule(lambda _: held_up.append(chip.us), None))
    await w.up(quiet=True)
    assert w.is_up() and w.ssid == "work" and wlan.scans == 0
    assert held_up and held_up[0] < 110000
    assert wlan.tried == ["home", "work"]


async def test_of_several_access_points_of_one_name_the_strongest_is_taken():
    near = AccessPoint("home", "12345678", -40, 11)
    w, wlan, _ = link(air() + [near], HOME)
    await w.up()
    assert w.signal_dbm() == -40


async def test_a_verdict_that_has_no_name_is_told_by_its_number():
    w, _, _ = link(air(home={"reason": 17}), HOME)
    e = await fails(LinkError, w.up())
    assert e.code == "refused" and "17" in str(e)


async def test_the_same_verdict_twice_is_told_twice():
    w, wlan, chip = link([], dict(HOME, hidden=True))
    for _ in range(2):
        before = chip.us
        assert (await fails(LinkError, w.up())).code == "no_network"
        assert chip.us - before < 9000000


async def test_a_hidden_network_is_asked_for_by_name():
    w, wlan, _ = link(air(home={"hidden": True}), HOME)
    await fails(LinkError, w.up())
    assert wlan.tried == []
    w, wlan, _ = link(air(home={"hidden": True}), dict(HOME, hidden=True))
    await w.up()
    assert w.ssid == "home"


async def test_an_open_network_needs_no_key():
    w, _, _ = link(air(), {"ssid": "cafe"})
    await w.up()
    assert w.is_up()


async def test_out_of_memory_is_told_as_the_radio_that_is_off():
    w, wlan, _ = link(air(), HOME)
    wlan.out_of_memory = True
    assert (await fails(LinkError, w.up())).code == "off"


async def test_without_an_address_it_is_not_up():
    w, wlan, chip = link(air(), HOME)
    await w.up()
    assert w.is_up()
    wlan.lose_address()
    chip.busy(1000)
    assert not w.is_up()


async def test_loss_is_seen_and_the_radio_can_be_powered_off_at_any_time():
    w, wlan, chip = link(air(), HOME)
    await w.down()
    await w.up()
    wlan.remove("home")
    chip.busy(7000)
    assert not w.is_up() and w.signal_dbm() is None
    await w.down()
    wlan.air = air()
    await w.up()
    assert w.is_up()
    await w.down()
    assert not w.is_up() and not wlan.active()
