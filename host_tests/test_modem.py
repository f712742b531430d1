"""The cellular link against the emulated modem, on a pty: each family, each fault."""

import json

import pytest
from conftest import ROOT

from tools import micropython
from tools.modem import FAMILIES, Modem

DIAL = ROOT / "tools/modem/mpy/dial.py"
SPEED = None  # the board's time is the modem's


def dial(modem, family="sim7600", attempts=1, calls=1, state="/nonexistent", **settings):
    """What the device reports of its attempts to bring the link up."""
    settings = json.dumps({"state": str(state), **settings})
    args = (modem.path, modem.control, family, settings, attempts, calls)
    report = micropython.report(DIAL, *args, timeout=600)
    assert not report["crashed"] and not report["up_after"]
    return report


def steps(report):
    return [e["step"] for e in report["events"]]


def code(report):
    assert not report["attempts"][-1]["ok"]
    return report["attempts"][-1]["code"]


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_dials_from_power_off_and_is_off_afterwards(family):
    with Modem(family, SPEED) as modem:
        report = dial(modem, family)
        assert report["attempts"] == [{"ok": True, "seconds": report["attempts"][0]["seconds"]}]
        assert report["known"] == {
            "up": True,
            "roaming": False,
            "dbm": -71,
            "operator": "Test Net",
            "technology": "LTE",
            "address": "10.0.0.2",
            "time": report["known"]["time"],
        }
        assert report["known"]["time"] // 60 == 1795518000 // 60  # 11:00 UTC
        assert steps(report) == ["power_on", "registered", "connected", "power_off"]
        assert "escaped" in modem.log.events and not modem.running
        assert not modem.log.stray


@pytest.mark.parametrize("family", FAMILIES)
def test_after_a_call_the_modem_answers_is_off_and_the_next_call_comes_up(family):
    with Modem(family, SPEED) as modem:
        report = dial(modem, family, attempts=2, calls=2)
        assert [a["ok"] for a in report["attempts"]] == [True, True]
        assert steps(report) == ["power_on", "registered", "connected", "power_off"] * 2
        assert modem.log.events.count("ppp up") == modem.log.events.count("escaped") == 2
        assert not modem.running and not modem.log.stray


@pytest.mark.parametrize("family", ["sim7600", "sim7080", "bg95"])
@pytest.mark.parametrize("how", ["no_echo", "urcs", "noise", "numeric"])
def test_what_the_modem_says_beside_its_answers_does_no_harm(family, how):
    world = {
        "no_echo": {"echo": False},
        "urcs": {"urcs": True},
        "noise": {"noise": True},
        "numeric": {"sim_busy_s": 4},
    }[how]
    with Modem(family, SPEED, **world) as modem:
        assert dial(modem, family)["attempts"][-1]["ok"]


def test_a_modem_that_is_already_on_is_not_pressed_off():
    with Modem(speed=SPEED, on=True) as modem:
        assert dial(modem)["attempts"][-1]["ok"]
        assert "key 1" not in modem.log.events


def test_a_modem_left_in_data_mode_by_a_reset_of_the_board_is_taken_over():
    with Modem(speed=SPEED, data_mode=True) as modem:
        assert dial(modem)["attempts"][-1]["ok"]
        assert "escaped" in modem.log.events and "key 1" not in modem.log.events


@pytest.mark.parametrize("baud", [9600, 230400, 460800, 921600])
def test_another_baud_rate_is_found(baud):
    with Modem(speed=SPEED, on=True, baud=baud) as modem:
        assert dial(modem)["attempts"][-1]["ok"]


def test_no_answer_at_all_is_told_and_ends_in_time():
    with Modem(speed=SPEED, silent=True) as modem:
        report = dial(modem)
        assert code(report) == "no_modem" and report["attempts"][0]["seconds"] < 90


@pytest.mark.parametrize(
    ("sim", "expected"),
    [
        ("absent", "no_sim"),
        ("SIM PUK", "sim_puk"),
        ("failure", "sim_failed"),
        ("SIM PIN", "sim_pin"),
    ],
)
def test_sim_states_are_told_apart_and_no_ladder_is_climbed(sim, expected):
    with Modem(speed=SPEED, sim=sim) as modem:
        report = dial(modem, attempts=2)
        assert code(report) == expected and modem.log.pins == []
        if expected != "sim_failed":
            assert "recover" not in steps(report)


def test_the_pin_is_entered(tmp_path):
    with Modem(speed=SPEED, sim="SIM PIN") as modem:
        assert dial(modem, sim_pin="1234", state=tmp_path)["attempts"][-1]["ok"]
        assert dial(modem, sim_pin="1234", state=tmp_path)["attempts"][-1]["ok"]
        assert modem.log.pins == ["1234", "1234"]


@pytest.mark.parametrize("cpinr", [True, False])
def test_a_wrong_pin_is_tried_once_and_never_again(tmp_path, cpinr):
    with Modem(speed=SPEED, sim="SIM PIN", cpinr=cpinr) as modem:
        for _ in range(3):  # reboots
            report = dial(modem, sim_pin="9999", state=tmp_path, attempts=3)
            assert code(report) == "sim_pin"
            assert "9999" not in json.dumps(report)
        assert modem.log.pins == ["9999"] and modem.world.tries == 2
        assert dial(modem, sim_pin="1234", state=tmp_path)["attempts"][-1]["ok"]


def test_a_right_pin_whose_answer_a_power_cut_swallowed_may_be_tried_again(tmp_path):
    """Where the SIM says that no try was wrong."""
    with Modem(speed=SPEED, sim="SIM PIN", pin="4321") as modem:
        assert code(dial(modem, sim_pin="1234", state=tmp_path)) == "sim_pin"
        modem.world.pin, modem.world.tries = "1234", 3
        assert dial(modem, sim_pin="1234", state=tmp_path)["attempts"][-1]["ok"]


def test_registration_that_takes_a_while_is_waited_for():
    with Modem(speed=SPEED, register_s=60) as modem:
        assert dial(modem)["attempts"][-1]["ok"]


def test_roaming_and_signal_are_known():
    with Modem(speed=SPEED, stat=5, rssi=7, act=9, nitz=None) as modem:
        known = dial(modem)["known"]
        assert known["roaming"] and known["dbm"] == -99
        assert known["technology"] == "NB-IoT"
        assert known["time"] is None  # 1980 is what a modem shows that was not told


def test_a_denied_registration_is_told_apart_from_none():
    with Modem(speed=SPEED, stat=3) as modem:
        report = dial(modem)
        assert code(report) == "denied" and report["attempts"][0]["seconds"] < 80
    with Modem(speed=SPEED, stat=0) as modem:
        assert code(dial(modem)) == "not_registered"


def test_the_other_way_to_dial_is_tried():
    with Modem(speed=SPEED, dial=r"D\*99\*\*\*1#") as modem:
        assert dial(modem)["attempts"][-1]["ok"]
        assert [c for c in modem.log.commands if c.startswith("D")] == ["D*99#", "D*99***1#"]
    with Modem(speed=SPEED, dial=r'\+CGDATA="PPP",1') as modem:
        assert dial(modem)["attempts"][-1]["ok"]


def test_a_wrong_apn_is_no_carrier():
    with Modem(speed=SPEED, apn="internet") as modem:
        assert code(dial(modem, apn="other")) == "no_carrier"
        assert dial(modem, apn="internet")["attempts"][-1]["ok"]


@pytest.mark.parametrize("kind", ["pap", "chap"])
def test_apn_user_and_password_go_by_pap_or_chap(kind):
    with Modem(speed=SPEED, auth=(kind, "me", "secret")) as modem:
        settings = {"apn_auth": kind, "apn_user": "me", "apn_password": "secret"}
        report = dial(modem, **settings)
        assert report["attempts"][-1]["ok"] and "secret" not in json.dumps(report)
        assert not [c for c in modem.log.commands if "secret" in c]
        assert code(dial(modem, **{**settings, "apn_password": "wrong"})) == "no_ppp"


def test_the_ladder_climbs_one_rung_a_failure():
    with Modem(speed=SPEED, ppp=False) as modem:
        report = dial(modem, attempts=5)
        assert [a["code"] for a in report["attempts"]] == ["no_ppp"] * 5
        rungs = [e["rung"] for e in report["events"] if e["step"] == "recover"]
        assert rungs == ["radio", "reset", "power_cycle", "power_cycle"]
        # A PPP object that failed is thrown away.
        assert report["ppp_objects"] == 5
        assert "reset 1" in modem.log.events


def test_without_a_reset_line_the_modem_is_asked_to_reset():
    with Modem(speed=SPEED, ppp=False) as modem:
        report = dial(modem, attempts=3, pins=False)
        assert code(report) == "no_ppp"


def test_a_modem_that_hangs_is_power_cycled_and_recovers():
    with Modem(speed=SPEED, on=True, stuck=True) as modem:
        report = dial(modem, attempts=4)
        assert report["attempts"][-1]["ok"], report
        assert "power 0" in modem.log.events or "off" in modem.log.events


def test_a_ppp_whose_end_is_not_answered_harms_neither_the_board_nor_the_next_call():
    with Modem(speed=SPEED, mute_at_end=True) as modem:
        report = dial(modem, attempts=2, calls=2)
        assert [a["ok"] for a in report["attempts"]] == [True, True]
        assert "power_cut" not in steps(report) and not modem.running


def test_a_link_that_was_never_wanted_is_off_and_not_switched_on():
    for left in ({}, {"on": True}, {"data_mode": True}):
        with Modem(speed=SPEED, **left) as modem:
            report = dial(modem, attempts=0)
            assert report["attempts"] == [] and not modem.running, left
            assert "key 1" not in modem.log.events and "booted" not in modem.log.events
