"""`make service-test`: generated requests to the local cloud, and a fleet of 1,000 devices."""

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from tools import micropython
from tools.cloud import Cloud
from tools.cloud.limits import Limits
from tools.faults.__main__ import device
from tools.report import finish

from . import fleet, schema

ROOT = Path(__file__).parents[2]
DEVICES = 1000
MAX_RATIO = 1.3


def sha256_cost_percent(folder: Path) -> float:
    """What SHA-256 beside MD5 adds to the time that writing a capture takes, on a disk that costs
    next to nothing: an upper bound."""
    script = Path(__file__).parent / "mpy/hashing.py"
    runs = micropython.report(script, ROOT / "firmware", folder, heap="2m")
    # The least of each: what else runs on this machine only adds.
    return round((min(runs["both_ms"]) / min(runs["md5_ms"]) - 1) * 100, 1)


def main(
    phases: Annotated[
        str, typer.Option(help="Of schemathesis: coverage, fuzzing, stateful.")
    ] = "coverage,fuzzing,stateful",
    examples: Annotated[int, typer.Option(help="Generated requests for each endpoint.")] = 40,
    seed: Annotated[int, typer.Option(help="Of both (0: a new one).")] = 0,
    out: Annotated[Path, typer.Option(help="Where to write the figures.")] = Path(
        "build/service.json"
    ),
    plot: Annotated[Path, typer.Option(help="Where to draw the fleet.")] = Path("build/fleet.png"),
):
    """Check the cloud against its own OpenAPI document, and let a fleet drain at once."""
    seed = seed or int(time.time()) % 10_000
    start = time.monotonic()
    drained = device("fleet.py", DEVICES, 1, seed)
    fleet.draw(drained, plot)
    effort = schema.Effort(phases, examples, seed)
    with (
        tempfile.TemporaryDirectory(prefix="service-") as folder,
        Cloud(limits=Limits(10**9, 10**9)) as cloud,
    ):
        checked = schema.check(cloud, Path(folder), effort)
        checked["sha256_cost_percent"] = sha256_cost_percent(Path(folder))
    problems = checked.pop("problems")
    figures = {
        **checked,
        "fleet_1000_ratio": drained["ratio"],
        "fleet_1000_drained": drained["drained"],
        "fleet_1000_requests_per_grant": drained["requests_per_grant"],
    }
    if drained["drained"] < DEVICES or drained["ratio"] > MAX_RATIO:
        problems.append(f"the fleet did not drain in time: {figures}")
    if checked["schema_failures"] and not problems:
        problems.append("schemathesis counted failures that it did not print")
    # Other tests add their own figures to the file.
    known = json.loads(out.read_text()) if out.exists() else {}
    finish({**known, **figures}, out, start, seed, problems)


if __name__ == "__main__":
    typer.run(main)
