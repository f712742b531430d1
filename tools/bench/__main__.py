"""`make bench`: every figure in one run, as tables and as JSON."""

import json
import platform
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tools import micropython

from .common import AUDIO
from .growth import growth
from .link import link, radio
from .memory import memory
from .size import flash, size
from .throughput import throughput
from .wire import connections, segments

console = Console(highlight=False)
# Figure: (path in the results, target, whether less is better).
TARGETS = {
    "put_vs_loop": (("throughput", "put_vs_loop", "median"), 0.97, False),
    "put_vs_requests": (("throughput", "put_vs_requests", "median"), 1.0, False),
    "alloc_per_chunk_bytes": (("throughput", "alloc_per_chunk_bytes"), 32, True),
    "heap_32_cycle_kb": (("heap_32_cycle_kb",), 64, True),
    "heap_32_product_kb": (("heap_32_product_kb",), 100, True),
    "heap_32_product_frozen_kb": (("heap_32_product_frozen_kb",), 52, True),
    "handshakes, 2 connections": (("connections", "ours_2_ten_of_3", "handshakes"), 2, True),
    "handshakes, 1 connection": (("connections", "ours_1_ten_of_3", "handshakes"), 3, True),
    "overhead_percent": (
        ("connections", "ours_2_one_1.2_mb", "overhead_percent_without_handshakes"),
        1.5,
        True,
    ),
    "link_ratio_1m": (("link_1m", "ratio"), 1.05, True),
    "link_ratio_300k": (("link_300k", "ratio"), 1.05, True),
    "mpy_total_bytes": (("size", "mpy_total_bytes"), 45000, True),
    "bookkeeping_erases": (("flash", "bookkeeping_erases"), 3, True),
    "bookkeeping_bytes": (("flash", "bookkeeping_bytes"), 2048, True),
}

# Why a target that is missed can't be met, as far as is known.
REASONS = {
    "heap_32_cycle_kb": "most of it is the code of a pass, though what is needed for a moment is "
    "loaded for it",
    "heap_32_product_kb": "with both links, rules and heartbeats at once; a board without PSRAM "
    "has one of the links (boards/README.md: what fits)",
    "put_vs_loop": "within the noise of a shared machine (0.94 to 0.99 over runs): beside the "
    "loop's work it looks for an early answer, bounds stalls and lets other tasks run",
    "put_vs_requests": "as above; requests does nothing beside sending",
    "mpy_total_bytes": "token life, bindings, policy, metering and the modem's ladder are 17 KB of "
    "it; what leaving out saves is in the table of sizes",
}


def flat(prefix: str, value, out: list):
    """Rows of a result."""
    if isinstance(value, dict):
        for key, item in value.items():
            flat(f"{prefix} {key}".strip(), item, out)
    else:
        out.append((prefix, str(value)))


def show(name: str, value):
    """A table of one part's figures."""
    table = Table(title=name, show_header=False, title_justify="left", title_style="bold")
    rows = []
    flat("", value, rows)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def plot(growth: dict, path: Path):
    """The growth as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(10, 7))
    for row, (name, unit) in enumerate((("size", "MiB"), ("queue", "recordings"))):
        x = [p[0] / (1 << 20 if name == "size" else 1) for p in growth[name]]
        for column, (index, label, scale) in enumerate(((1, "seconds", 1), (2, "heap, KiB", 1024))):
            axis = axes[row][column]
            axis.plot(x, [p[index] / scale for p in growth[name]], "o-")
            axis.set_xlabel(unit)
            axis.set_ylabel(label)
            axis.set_ylim(0, 1.2 * max(p[index] / scale for p in growth[name]))
            axis.grid(alpha=0.3)
    figure.suptitle("One upload by file size; a drain by queue length (small files)")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main(
    aiohttp: Annotated[
        Path | None, typer.Option(help="Folder that holds micropython-lib's aiohttp package.")
    ] = None,
    only: Annotated[str, typer.Option(help="Comma-separated parts, all if empty.")] = "",
    out: Annotated[Path, typer.Option(help="Where to write.")] = Path("build/bench.json"),
):
    """Measure throughput, memory, bytes on the wire, links, size, flash, growth."""
    aiohttp = aiohttp and aiohttp.resolve()
    parts = {
        "throughput": lambda: throughput(32, 5, aiohttp),
        "memory": lambda: memory(aiohttp),
        "connections": lambda: connections(aiohttp),
        "link_1m": lambda: link(1_000_000, 0.1, AUDIO, 2),
        "link_300k": lambda: link(300_000, 0.3, AUDIO, 1),
        "size": size,
        "flash": flash,
        "radio_on_s_per_recording": radio,
        "segments": segments,
        "growth": lambda: growth(
            [1 << 10, 1 << 20, 4 << 20, 16 << 20, 32 << 20, 64 << 20], [1, 10, 100, 300, 1000]
        ),
    }
    start = time.monotonic()
    results = {
        "machine": {"cpu": _cpu(), "python": platform.python_version(), "cores": _cores()},
        "interpreter": micropython.facts(),
        "date": time.strftime("%Y-%m-%d"),
    }
    for name in only.split(",") if only else parts:
        if name not in parts:
            raise SystemExit(f"no part {name!r}; the parts are: {', '.join(parts)}")
        figures = parts[name]()
        show(name, figures)
        # The heaps' names say all: they stand by themselves.
        results |= figures if name == "memory" else {name: figures}
    out.parent.mkdir(parents=True, exist_ok=True)
    if "growth" in results:
        plot(results["growth"], out.with_name("growth.png"))
    out.write_text(json.dumps(results, indent=1) + "\n")
    table = Table(title="targets", title_justify="left", title_style="bold")
    for column in ("figure", "measured", "target", "", "why"):
        table.add_column(column)
    for name, (path, target, less) in TARGETS.items():
        value = results
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, int | float):
            met = value <= target if less else value >= target
            sign = "≤" if less else "≥"
            verdict = "met" if met else "[red]missed[/]"
            why = "" if met else REASONS.get(name, "")
            table.add_row(name, str(value), f"{sign} {target}", verdict, why)
    console.print(table)
    console.print(f"{time.monotonic() - start:.0f} s; written to {out}")


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    except OSError:
        pass
    return platform.machine()


def _cores() -> int:
    import os

    return os.cpu_count() or 0


if __name__ == "__main__":
    sys.exit(typer.run(main))
