"""The short form of `make day`: what the day's profiles may cost, and power cuts around sleep, at
every fifth flash operation here, at each there."""

import pytest

from tools.day import __main__ as day


@pytest.mark.long
def test_a_day_without_network_and_an_idle_one_cost_next_to_nothing():
    offline = day.live("offline")
    assert offline["awake_s"] <= 300 and offline["wifi_s"] <= 240, offline
    assert offline["pending"] == 10 and 10 < offline["wakes"] < 60, offline
    # The flash is written when a state changed, not at each wake.
    assert offline["erases"] <= 3, offline
    idle = day.live("idle")
    assert idle["awake_s"] <= 600 and 46 <= idle["wakes"] <= 49, idle
    assert idle["handshakes"] == idle["wakes"], idle


def test_ten_recordings_go_over_cellular_in_one_wake():
    field = day.live("field")
    assert (field["registrations"], field["handshakes"]) == (1, 3), field
    assert (field["completed"], field["wakes"], field["late"]) == (10, 2, 0), field


@pytest.mark.parametrize("profile", ["cap", "token", "weak"])
def test_what_waits_goes_out_in_the_first_wake_that_may_send_it(profile):
    figures = day.live(profile)
    assert (figures["completed"], figures["pending"], figures["late"]) == (10, 0, 0), figures
    assert figures.get("cap_radio_s", 0) == 0, figures
    assert figures["awake_s"] < 1200 and figures["mah"] < 30, figures


def test_an_empty_battery_is_looked_at_once_an_hour():
    figures = day.live("battery")
    row = figures["by_cause"]["battery"]
    assert 10 <= row["awake_s"] <= 40 and figures["awake_s"] < 600, figures


@pytest.mark.long
def test_power_cuts_around_sleep_lose_nothing():
    cut = day.cuts(5)
    assert cut["cuts"] >= 7 and not (cut["lost"] or cut["twice"] or cut["never_asleep"]), cut


def test_what_breaks_a_promise_is_said():
    found = {"offline": {"awake_s": 301, "wifi_s": 10, "late": 1}}
    cut = {"cuts": 9, "lost": 1, "twice": 0, "never_asleep": 0}
    figures, problems = day.judge(found, cut)
    assert figures["awake_s"] == 301 and len(problems) == 3, problems
