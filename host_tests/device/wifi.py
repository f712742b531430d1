"""WiFi: which network, in which order, and what went wrong."""

import sys

sys.path.append(__file__.rsplit("/", 1)[0] + "/../../tools/modem/mpy")

from _support import Ticks, fails
from standins import WLAN

from uploader.clock import FLOOR, Clock
from uploader.errors import LinkError
from uploader.links.wifi import WifiLink
from uploader.settings import Settings

HOME = {"ssid": "home", "key": "12345678"}
WORK = {"ssid": "work", "key": "abcdefgh"}
AIR = {"home": ("12345678", -70), "work": ("abcdefgh", -50), "cafe": ("", -40)}


def link(wlan, *networks):
    ticks = Ticks()
    clock = Clock(lambda: FLOOR, ticks.ticks_ms, ticks.sleep_ms)
    return WifiLink(Settings({"wifi": networks}), clock, wlan), ticks


async def test_the_strongest_known_network_is_taken():
    wlan = WLAN(AIR)
    w, _ = link(wlan, HOME, WORK)
    await w.up()
    assert w.is_up() and w.ssid == "work" and wlan.tried == ["work"]
    assert w.signal_dbm() == -50


async def test_the_next_one_is_taken_when_the_strongest_refuses():
    wlan = WLAN(dict(AIR, work=("changed!", -50)))
    w, _ = link(wlan, HOME, WORK)
    await w.up()
    assert w.ssid == "home" and wlan.tried == ["work", "home"]


async def test_what_went_wrong_is_told_apart():
    wrong = {"ssid": "work", "key": "not right"}
    for wlan, networks, code in (
        (WLAN(AIR), [wrong], "wrong_key"),
        (WLAN({}), [HOME], "no_network"),
        (WLAN(AIR), [{"ssid": "elsewhere", "key": ""}], "no_network"),
        (WLAN(AIR, dhcp=False), [HOME], "no_dhcp"),
        (WLAN(AIR), [{"ssid": "nowhere", "key": "", "hidden": True}], "no_network"),
    ):
        w, ticks = link(wlan, *networks)
        e = await fails(LinkError, w.up())
        assert e.code == code, (e.code, code)
        assert ticks.ms < 30000 and not w.is_up()
        for n in networks:
            assert not n["key"] or n["key"] not in str(e)


async def test_a_hidden_network_is_asked_for_by_name():
    wlan = WLAN(AIR, hidden=("home",))
    w, _ = link(wlan, HOME)
    await fails(LinkError, w.up())
    assert wlan.tried == []
    w, _ = link(wlan, dict(HOME, hidden=True))
    await w.up()
    assert w.ssid == "home"


async def test_an_open_network_needs_no_key():
    w, _ = link(WLAN(AIR), {"ssid": "cafe"})
    await w.up()
    assert w.is_up()


async def test_loss_is_seen_and_the_radio_can_be_powered_off_at_any_time():
    wlan = WLAN(dict(AIR))
    w, _ = link(wlan, HOME)
    await w.down()
    await w.up()
    del wlan.air["home"]
    assert not w.is_up() and w.signal_dbm() is None
    wlan.air["home"] = AIR["home"]
    await w.up()
    assert w.is_up()
    await w.down()
    assert not w.is_up() and not wlan.active()
