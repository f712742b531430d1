"""`make soak`: thousands of recordings through random faults, on virtual time."""

import hashlib
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from tools import micropython
from tools.report import finish

from .proxy import DOWN, UP, Strike
from .sweep import ROOT, Bench

SOAK = ROOT / "tools/faults/mpy/soak.py"

# Bytes that pass between two faults, at most: to the API and back, to S3 and back.
_SPANS = ({UP: 20_000, DOWN: 40_000}, {UP: 3_000_000, DOWN: 10_000})


def chance(rng: random.Random):
    """Fault after fault, at random bytes. Silences and black holes cost real seconds until
    the device gives up, so they are rarer."""

    def strike(target):
        kinds = ["reset", "half_close", "trickle", "corrupt", "refuse"] * 8
        kind = rng.choice([*kinds, "silence", "black_hole"])
        way = rng.choice([UP, DOWN])
        return Strike(kind, 0, way, int(_SPANS[target][way] * rng.random()))

    return strike


def soak(folder: Path, count: int, seed: int) -> dict:
    """The figures of one life."""
    with Bench(folder / "soak") as bench:
        bench.proxy.chance = chance(random.Random(seed))
        bench.configure(stall_timeout_s=1, backoff_max_s=60)
        args = (ROOT / "firmware", bench.config, count, seed)
        out = micropython.run(SOAK, *args, heap="1m", timeout=3600)
        lines = [json.loads(line) for line in out.splitlines()]
        end = lines.pop()
        expected = {k: v for line in lines for k, v in line.items()}
        by_capture = {}
        for recording in bench.cloud.recordings():
            if recording.status == "uploaded":
                by_capture.setdefault(recording.metadata["capture_id"], []).append(recording)
        identical = 0
        for capture_id, sums in expected.items():
            whole = by_capture.get(capture_id, [])
            arrived = [
                hashlib.md5(bench.cloud.media_bytes(r, m)).hexdigest()
                for r in whole
                for m in r.media
                if m.status == "uploaded"
            ]
            # A file whose answer was lost is sent again, as a further media record.
            identical += len(whole) == 1 and set(arrived) == set(sums)
        return {
            "recordings": count,
            "identical": identical,
            "creates": len(bench.cloud.recordings()),
            "heap_growth_bytes": end["heap_at_end"] - end["heap_after_100"],
            "leaked_sockets": end["open"],
            "faults": sum(s.done for s in bench.proxy.strikes),
            "waits": end["waits"],
            "virtual_hours": end["hours"],
            "left_on_flash": sum(f.name[0].isdigit() for f in bench.storage.iterdir()),
        }


def main(
    count: Annotated[int, typer.Option(help="Recordings.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of the faults (0: a new one).")] = 0,
    out: Annotated[Path, typer.Option(help="Where to write the figures.")] = Path(
        "build/soak.json"
    ),
):
    """Upload thousands of recordings through random faults, and check every byte."""
    seed = seed or int(time.time())
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        figures = soak(Path(folder), count, seed)
    wrong = {
        "identical": figures["identical"] != count,
        "heap_growth_bytes": figures["heap_growth_bytes"] > 0,
        "leaked_sockets": figures["leaked_sockets"],
        "left_on_flash": figures["left_on_flash"],
    }
    problems = [f"{name} is {figures[name]}" for name, bad in wrong.items() if bad]
    finish(figures, out, start, seed, problems)


if __name__ == "__main__":
    typer.run(main)
