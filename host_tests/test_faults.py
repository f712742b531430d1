"""The short forms of `make fault-test` and `make soak`: every 23rd place is struck here, 2,000
answers are generated and a fleet has 100 devices, there each, 100,000 and 200; a life has 120
recordings, there 2,000."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from conftest import BOARD, ROOT

from tools import micropython


def run(module, tmp_path, *args):
    out = tmp_path / "out.json"
    command = [sys.executable, "-m", module, *args, "--out", out]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(out.read_text())


@pytest.mark.long
def test_every_fault_converges(tmp_path):
    args = ("--step", "23", "--fuzz-cases", "2000", "--devices", "100", "--seed", "1")
    figures = run("tools.faults", tmp_path, *args)
    assert figures["converged"] == figures["cases"] > 620 and figures["swept"] > 8
    for name in ("lost", "duplicate_completes", "busy_loops", "fuzz_failures"):
        assert figures[name] == 0
    assert figures["fleet_drained"] == 100
    assert figures["fleet_drain_ratio"] <= 1.5 and figures["fleet_requests_per_grant"] <= 3


@pytest.mark.long
def test_a_long_life_under_faults_loses_and_holds_nothing(tmp_path):
    figures = run("tools.faults.soak", tmp_path, "--count", "120", "--seed", "1")
    assert figures["identical"] == 120 and figures["faults"] > 5
    assert figures["leaked_sockets"] == 0


@pytest.mark.skipif(not shutil.which("faketime"), reason="needs Debian's faketime")
@pytest.mark.parametrize("wrong", ["2000-01-01 00:00:00", "2042-01-01 00:00:00"])
def test_a_real_certificate_under_a_wrong_clock_gets_nothing_and_then_all(cloud, board, wrong):
    board.save(ntp_server="")
    if os.environ.get("MICROPYTHON"):
        # A library of this machine's word size can't be preloaded into a 32-bit interpreter.
        code = "import time; print(time.time())"
        probe = ["faketime", wrong, micropython.interpreter(), "-c", code]
        told = subprocess.run(probe, capture_output=True, text=True).stdout
        if not told or abs(float(told) - time.time()) < 86400:
            pytest.skip("faketime does not reach this interpreter")
    command = ["faketime", wrong, *micropython.command(BOARD, board.config)]
    added = subprocess.run([*command, "add", board.file("a.opus", b"abc")], capture_output=True)
    assert added.returncode == 0
    drained = subprocess.run(
        [*command, "drain", "--tries", "1"], capture_output=True, text=True, timeout=300
    )
    assert drained.returncode == 1 and "validity" in drained.stdout, drained.stdout
    assert cloud.recordings() == [] and cloud.service.calls == []
    assert board.drain().returncode == 0
    (recording,) = cloud.recordings()
    assert recording.status == "uploaded" and recording.started_at is None
