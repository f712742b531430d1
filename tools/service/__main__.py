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

from . import effects, fleet, schema

ROOT = Path(__file__).parents[2]
DEVICES = 1000
MAX_RATIO = 1.3


def sha256_cost_percent(interpreters: str, folder: Path) -> dict:
    """What SHA-256 beside MD5 adds to the time that writing a capture takes, by interpreter, on a
    disk that costs next to nothing: an upper bound."""
    script = Path(__file__).parent / "mpy/hashing.py"
    costs = {}
    for name, path in micropython.named(interpreters).items():
        runs = micropython.report(script, ROOT / "firmware", folder, heap="2m", binary=path)
        # The least of each: what else runs on this machine only adds.
        costs[name] = round((min(runs["both_ms"]) / min(runs["md5_ms"]) - 1) * 100, 1)
    return costs


PARTS = "fleet,schema,sha256,settings"


def _fleet(devices: int, seed: int, plot: Path) -> dict:
    drained = device("fleet.py", devices, 1, seed)
    fleet.draw(drained, plot)
    figures = {
        f"fleet_{devices}_ratio": drained["ratio"],
        f"fleet_{devices}_drained": drained["drained"],
        f"fleet_{devices}_requests_per_grant": drained["requests_per_grant"],
    }
    if drained["drained"] < devices or drained["ratio"] > MAX_RATIO:
        figures["problems"] = [f"the fleet did not drain in time: {figures}"]
    return figures


def _schema(effort: schema.Effort, folder: Path) -> dict:
    with Cloud(limits=Limits(10**9, 10**9)) as cloud:
        checked = schema.check(cloud, folder, effort)
    if checked["schema_failures"] and not checked["problems"]:
        checked["problems"] = ["schemathesis counted failures that it did not print"]
    return checked


def main(
    only: Annotated[str, typer.Option(help="Comma-separated, of these.")] = PARTS,
    phases: Annotated[
        str, typer.Option(help="Of schemathesis: coverage, fuzzing, stateful.")
    ] = "coverage,fuzzing,stateful",
    examples: Annotated[int, typer.Option(help="Generated requests for each endpoint.")] = 40,
    devices: Annotated[int, typer.Option(help="In the fleet.")] = DEVICES,
    seed: Annotated[int, typer.Option(help="Of both (0: a new one).")] = 0,
    interpreters: Annotated[
        str, typer.Option(help="Comma-separated, for the cost of SHA-256; beside the one in use.")
    ] = "",
    out: Annotated[Path, typer.Option(help="Where to write the figures.")] = Path(
        "build/service.json"
    ),
    plot: Annotated[Path, typer.Option(help="Where to draw the fleet.")] = Path("build/fleet.png"),
):
    """Check the cloud against its own OpenAPI document, let a fleet drain at once, measure what
    SHA-256 costs, and see by their tests which settings are felt."""
    seed = seed or int(time.time()) % 10_000
    start = time.monotonic()
    # Other tests add their own figures to the file.
    figures = json.loads(out.read_text()) if out.exists() else {}
    problems = []
    with tempfile.TemporaryDirectory(prefix="service-") as name:
        folder = Path(name)
        parts = {
            "fleet": lambda: _fleet(devices, seed, plot),
            "schema": lambda: _schema(schema.Effort(phases, examples, seed), folder),
            "sha256": lambda: {"sha256_cost_percent": sha256_cost_percent(interpreters, folder)},
            "settings": lambda: effects.felt(folder),
        }
        for part in only.split(","):
            found = parts[part]()
            problems += found.pop("problems", [])
            figures.update(found)
    finish(figures, out, start, seed, problems)


if __name__ == "__main__":
    typer.run(main)
