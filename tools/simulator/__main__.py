"""`make simulator`: a device on a pty, until Ctrl-C."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .simulator import Simulator

console = Console(highlight=False)


def main(
    root: Annotated[Path, typer.Option(help="The directory that is its flash.")] = Path(
        "build/simulator"
    ),
):
    """Run a device without hardware, for `make deploy PORT=... BOARD=unix` and the rest."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Simulator(root) as simulator:
        console.print(f"port    {simulator.path}")
        console.print(f"flash   {root}")
        console.print(f"\nmake deploy PORT={simulator.path} BOARD=unix", soft_wrap=True)
        console.print("Ctrl-C stops it.")
        stop.wait()


if __name__ == "__main__":
    typer.run(main)
