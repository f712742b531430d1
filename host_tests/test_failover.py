"""The main job over the emulated modem, with failures in the middle and WiFi coming back."""

import json
import subprocess

import pytest
from conftest import ROOT

from tools import micropython
from tools.faults.line import Line
from tools.faults.proxy import Shape
from tools.modem import Modem

BOARD = ROOT / "tools/modem/mpy/board.py"
# Sockets lead over this machine's network: no name server is to be found there.
NO_NAMES = ("127.0.0.1", "0.0.0.0")


def content(seed, size):
    block = bytes((seed * 31 + i * 7) & 255 for i in range(256))
    return (block * (size // 256 + 1))[:size]


def emulated(**world):
    return Modem(speed=None, dns=NO_NAMES, **world)


class Field(Line):
    """A cloud behind a line that passes only over the link that is up."""

    def __init__(self, cloud, folder, **more):
        super().__init__(folder, cloud, Shape(rate=400_000), "cloud.test")
        self._more = more

    def __enter__(self):
        super().__enter__()
        wifi = [{"ssid": "home", "key": "12345678"}]
        self.configure(wifi=wifi, **self._more)
        return self

    def run(self, modem, files, **scenario):
        """Events and outcome of a device that records and uploads `files` (sizes)."""
        self.proxy.gate = lambda: modem.link
        scenario = json.dumps({"files": files, **scenario})
        args = (self.config, modem.path, modem.control, scenario)
        out = micropython.run(BOARD, *args, timeout=900)
        for secret in (self.settings["device_token"], "X-Amz-", "12345678"):
            assert secret not in out
        print(out)
        *events, outcome = [json.loads(line) for line in out.splitlines()]
        for i, size in enumerate(files):
            whole = [r for r in self.cloud.recordings() if r.name == f"number {i}"]
            (recording,) = [r for r in whole if r.status == "uploaded"]
            arrived = [m for m in recording.media if m.status == "uploaded"]
            assert self.cloud.media_bytes(recording, arrived[-1]) == content(i, size)
        assert outcome["done"] and not outcome["crashed"]
        return events, outcome

    def links(self):
        return [t.link for t in self.proxy.traces]


@pytest.fixture
def field(cloud, tmp_path):
    with Field(cloud, tmp_path) as f:
        yield f


def names(events, name):
    return [info for _, n, info in events if n == name]


def test_the_main_job_over_the_modem(field):
    with emulated() as modem:
        events, outcome = field.run(modem, [60_000, 30_000])
        assert [i["step"] for i in names(events, "modem")] == [
            "power_on",
            "registered",
            "connected",
            "power_off",
        ]
        assert set(field.links()) == {"cellular"} and not modem.running
        assert [i["state"] for i in names(events, "link") if i["link"] == "cellular"] == [
            "up",
            "down",
        ]
        # Counted to the byte, TLS's own bytes among them.
        wire = sum(sum(t.counts.values()) for t in field.proxy.traces)
        assert abs(outcome["used"] - wire) < 400, (outcome, wire)
        assert outcome["used"] > outcome["tls_bytes"]


@pytest.mark.long
@pytest.mark.parametrize("quiet", [False, True])
def test_a_carrier_lost_in_the_middle_of_a_put_and_wifi_coming_back(cloud, tmp_path, quiet):
    """The network may end PPP in order, or the carrier goes and only nothing moves."""
    with Field(cloud, tmp_path, stall_timeout_s=4 if quiet else 30) as field, emulated() as modem:
        files = [300_000] + [120_000] * 12
        events, _ = field.run(modem, files, drop_at=1, quiet=quiet, wifi_after=2)
        assert ("dropped" if quiet else "release") in modem.log.events
        failing = [i for i in names(events, "link") if i["state"] == "failing"]
        assert failing and failing[0]["link"] == "cellular"
        kinds = "no progress" if quiet else "the link went down"
        assert kinds in failing[0]["reason"], failing
        # WiFi is taken back between two files.
        ups = [i["link"] for i in names(events, "link") if i["state"] == "up"]
        assert ups[0] == "cellular" and ups[-1] == "wifi", ups
        assert field.links()[-1] == "wifi" and not modem.running


def test_wifi_is_preferred_and_the_modem_stays_off(field):
    with emulated() as modem:
        modem.wifi = False
        events, outcome = field.run(modem, [20_000], wifi_after=None)
        assert "key 1" in modem.log.events  # no WiFi in reach: the modem it is
    assert outcome["used"] > 20_000


def test_a_daily_cap_defers_a_large_file_and_lets_a_small_one_go(cloud, tmp_path):
    with Field(cloud, tmp_path, daily_data_limit_mb=1) as field, emulated() as modem:
        events, outcome = field.run(modem, [1_200_000, 30_000], wifi_after=1)
        deferred = names(events, "deferred")
        assert deferred[0]["rule"] == "cap" and deferred[0]["id"] == "000001"
        assert outcome["used"] < 100_000 and field.links()[-1] == "wifi"


def test_roaming_is_refused_before_a_byte_is_charged(field):
    with emulated(stat=5) as modem:
        field.proxy.gate = lambda: modem.link
        args = (field.config, modem.path, modem.control, json.dumps({"files": [5000]}))
        process = micropython.start(BOARD, *args, stdout=subprocess.PIPE)
        try:
            while True:
                _, name, info = json.loads(process.stdout.readline())
                if name == "deferred":
                    break
        finally:
            process.kill()
            process.wait()
        assert info["rule"] == "roaming" and info["wait_s"] == 300
        assert not [c for c in modem.log.commands if c.startswith("D")]
