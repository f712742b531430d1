"""The short form of `make crash-test`: power cuts, kills, wear. Every 199th place is cut here, each
there."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.long
def test_power_cuts_and_kills_lose_nothing(tmp_path):
    out = tmp_path / "crash.json"
    command = [sys.executable, "-m", "tools.crash", "--step", "199", "--kill", "12", "--seed", "1"]
    result = subprocess.run(
        [*command, "--out", out], cwd=ROOT, capture_output=True, text=True, timeout=1800
    )
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    figures = json.loads(out.read_text())
    assert figures["cuts_lfs"] > 40 and figures["cuts_fat"] > 10 and figures["kills"] == 12
    for name in ("lost", "corrupted", "stray"):
        assert figures[name] == 0, figures
    assert figures["max_creates_per_capture"] <= 2
    # The targets, per one-file recording from begin to deletion.
    assert figures["bookkeeping_erases"] <= 3 and figures["bookkeeping_bytes"] <= 2048
