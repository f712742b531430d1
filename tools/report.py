"""How the long tests end: figures as a file and a table, what went wrong, an exit code."""

import json
import sys
import time
from pathlib import Path

from rich.console import Console

_console = Console(highlight=False)


def finish(figures: dict, out: Path, start: float, seed: int, problems: list):
    """Write `figures` to `out` as JSON, print them and the first 20 problems, and exit: with 1
    if there are any. `start` is `time.monotonic()` of the beginning."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=1) + "\n")
    for key, value in figures.items():
        _console.print(f"{key:<26} {value}")
    _console.print(f"{time.monotonic() - start:.0f} s; seed {seed}; written to {out}")
    for problem in problems[:20]:
        _console.print(f"[red]{problem}[/]")
    sys.exit(1 if problems else 0)
