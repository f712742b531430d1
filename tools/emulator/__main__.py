"""`make emulator` and `make emulator-test`: see tools/README.md."""

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tools.device.connection import DeviceError

from .bench import Bench
from .chip import find
from .rows import EXPECTED, Run
from .soak import Soak

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False, soft_wrap=True)
BUILD = Path("build/emulator")

Firmware = Annotated[
    Path | None, typer.Option(help="MicroPython's image for an ESP32 (ESP32_GENERIC-….bin).")
]


def _image(firmware: Path | None) -> Path:
    if firmware is None or not firmware.is_file():
        raise DeviceError(
            (f"There is no file {firmware}. " if firmware else "Which image? ")
            + "FIRMWARE=FILE.bin names MicroPython's image for the board ESP32_GENERIC, 1.26 or "
            "newer, from MicroPython's download page."
        )
    return firmware


@app.command()
def run(
    firmware: Firmware = None,
    link: Annotated[str, typer.Option(help="wifi, or cellular: the modem, and no radio.")] = "wifi",
    keep: Annotated[bool, typer.Option(help="Boot from the flash of last time.")] = False,
):
    """Run an emulated ESP32 with the product on it, its cloud, its clock and its modem, until
    Ctrl-C."""
    find()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    folder = BUILD / "kept"
    with Bench(_image(firmware), folder, link) as bench:
        path = folder / f"{link}.bin"
        if not (keep and path.exists()):
            path = bench.lay_out(heartbeat_minutes=1)
        with bench.chip(path) as chip:
            console.print(f"port      {chip.path}  (a boot takes minutes)")
            console.print(f"cloud     {bench.cloud.api_url}, page {bench.cloud.page_url}")
            console.print(f"flash     {path}")
            console.print(f"\nmake status PORT={chip.path}\nCtrl-C stops it.")
            while chip.running and not stop.wait(0.5):
                pass
            if not stop.is_set():
                raise DeviceError("The emulator ended.")


@app.command()
def test(
    firmware: Firmware = None,
    only: Annotated[list[str] | None, typer.Option(help="These rows alone.")] = None,
    soak: Annotated[bool, typer.Option(help="Many recordings in one life instead.")] = False,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("build/emulator.json"),
):
    """Run the product on an emulated ESP32, row by row, and write the figures."""
    console.print(f"emulator  {find()}")
    image = _image(firmware)
    console.print(f"image     {image.name}")
    console.print("watchdogs are off in it: a hang ends with the time that each wait has")
    failed = _soak(image, out) if soak else _rows(image, out, only)
    console.print(f"figures in {out}, consoles in {BUILD}")
    if failed:
        raise typer.Exit(1)


def _soak(image: Path, out: Path) -> bool:
    with Bench(image, BUILD / "soak", "wifi") as bench:
        run = Soak(bench, console.print)
        run.run()
        report = run.report()
    _write(out, report)
    console.print(f"soak: {run.row.outcome} after {run.row.seconds:.0f} s {run.row.reason}")
    for name, value in report.items():
        console.print(f"{name:<22} {value}")
    drifts = (report["soak_idf_drift"], report["soak_gc_drift"])
    return run.row.outcome != "passed" or any(d is None or d < 0 for d in drifts)


def _rows(image: Path, out: Path, only) -> bool:
    rows = Run(image, BUILD, console.print, only or ())
    rows.everything()
    report = rows.report()
    _write(out, report)
    _show(rows, report)
    return any(r.outcome == "failed" for r in rows.rows)


def _write(out: Path, figures: dict):
    """Replace these figures; the rows' and the soak's are made by different runs."""
    out.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(out.read_text()) if out.is_file() else {}
    out.write_text(json.dumps({**kept, **figures}, indent=1) + "\n")


def _show(rows: Run, report: dict):
    heaps = Table("row", "phase", "gc used", "gc free", "idf free", "largest", "least ever")
    for row in rows.rows:
        for h in row.heaps:
            heaps.add_row(row.name, *(str(v) if k else v for k, v in enumerate(h.values())))
    console.print(heaps)
    table = Table("row", "outcome", "why")
    for row in rows.rows:
        why = row.reason
        if row.outcome == "expected":
            why += f" (expected: {EXPECTED[row.name]})"
        elif row.outcome == "unexpected":
            why = "passes now: take it off the list of what is expected to fail"
        table.add_row(row.name, row.outcome, why)
    console.print(table)
    for name, value in report.items():
        if name != "rows":
            console.print(f"{name:<22} {value}")


def main() -> int:
    """Run a command; the exit status."""
    try:
        app(standalone_mode=False)
        return 0
    except DeviceError as e:
        console.print(f"[red]error:[/] {e}")
        return 1
    except typer.Exit as e:
        return e.exit_code
    except Exception as e:
        if hasattr(e, "format_message"):  # bad usage, as click tells it
            console.print(f"[red]error:[/] {e.format_message()}")
            return 2
        raise


if __name__ == "__main__":
    sys.exit(main())
