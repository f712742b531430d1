"""`make fault-test`: every fault at every place, every answer, the fleet, the fuzzer."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from tools import micropython
from tools.report import finish

from .sweep import ROOT, sweep

DEVICE = ROOT / "tools/faults/mpy"


def device(script: str, *args, heap: str = "64m") -> dict:
    """The report of a script that runs in MicroPython."""
    return micropython.report(DEVICE / script, *args, heap=heap, timeout=1800)


def fuzz(count: int, seed: int) -> dict:
    """Cases and failures of two fuzzers side by side."""
    with ThreadPoolExecutor(2) as pool:
        runs = list(
            pool.map(lambda s: device("fuzz.py", count // 2, s, heap="4m"), (seed, seed + 1))
        )
    return {
        "cases": sum(r["cases"] for r in runs),
        "failures": [f for r in runs for f in r["failures"]],
    }


def main(
    step: Annotated[int, typer.Option(help="Strike at every STEPth place only.")] = 1,
    fuzz_cases: Annotated[int, typer.Option(help="Generated answers.")] = 100_000,
    devices: Annotated[int, typer.Option(help="Of the fleet.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the fuzzer and the fleet (0: a new one).")] = 0,
    out: Annotated[Path, typer.Option(help="Where to write the figures.")] = Path(
        "build/faults.json"
    ),
):
    """Strike at every byte that matters, and check that everything converges."""
    seed = seed or int(time.time())
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        tally = sweep(folder, step)
        (folder / "answers").mkdir()
        answers = device("answers.py", folder / "answers", heap="16m")
    fuzzed = fuzz(fuzz_cases, seed % 1_000_000)
    fleets = [device("fleet.py", devices, recordings, seed % 10_000) for recordings in (1, 3)]
    figures = {
        "cases": tally.cases + answers["cases"],
        "converged": tally.converged + answers["cases"] - len(answers["failures"]),
        "swept": tally.cases,
        "answers": answers["cases"],
        "lost": tally.lost,
        "duplicate_completes": tally.duplicate_completes,
        "orphan_creates": tally.orphan_creates,
        "busy_loops": tally.busy_loops,
        "fuzz_cases": fuzzed["cases"],
        "fuzz_failures": len(fuzzed["failures"]),
        "fleet_drained": min(f["drained"] for f in fleets),
        "fleet_drain_ratio": max(f["ratio"] for f in fleets),
        "fleet_requests_per_grant": max(f["requests_per_grant"] for f in fleets),
    }
    problems = tally.problems + answers["failures"] + fuzzed["failures"]
    if figures["fleet_drained"] < devices or figures["fleet_drain_ratio"] > 1.5:
        problems.append(f"the fleet did not drain in time: {fleets}")
    if figures["fleet_requests_per_grant"] > 3:
        problems.append(f"the fleet asks too often: {fleets}")
    finish(figures, out, start, seed, problems)


if __name__ == "__main__":
    typer.run(main)
