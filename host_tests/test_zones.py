"""Time zones on the device, against Python's own reading of the database."""

import json
import subprocess
import zoneinfo
from datetime import datetime, timezone

import pytest
from conftest import ROOT

from tools import micropython, zones

SCRIPT = ROOT / "host_tests/scripts/zone_spans.py"
# Ramadan follows the moon, which no rule of POSIX can say.
NO_RULE = {"Africa/Casablanca", "Africa/El_Aaiun", "Asia/Gaza", "Asia/Hebron"}
# The rules are those that hold once what was decided for single years is over (Cuba's winter of
# 2026).
START = int(datetime(2028, 1, 1, tzinfo=timezone.utc).timestamp())


def spans(names):
    run = subprocess.run(
        [micropython.interpreter(), SCRIPT, str(START)],
        input="\n".join(names),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.fixture
def database():
    zoneinfo.reset_tzpath(to=[])  # the package's, whatever the system has
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()
    zoneinfo.ZoneInfo.clear_cache()


def test_every_zone_has_its_offset_for_ten_years_to_the_second(database):
    names = [n for n in zones.names() if n not in NO_RULE]
    for name, found in zip(names, spans(names), strict=True):
        zone = zoneinfo.ZoneInfo(name)
        for since, until, seconds in found:
            for moment in (
                max(since, START),
                (max(since, START) + min(until, 1 << 33)) // 2,
                until - 1,
            ):
                if moment < 1 << 33:
                    there = datetime.fromtimestamp(moment, zone).utcoffset().total_seconds()
                    assert there == seconds, (name, moment)
        assert found[-1][1] > START + 9 * 366 * 86400


def test_what_is_no_zone_is_not_known():
    assert spans(["Europe/Atlantis", "", "berlin", "+01:00", "UTC"])[:4] == [None] * 4


def test_the_table_is_that_of_the_database():
    assert zones.made() in zones.TARGET.read_text()
