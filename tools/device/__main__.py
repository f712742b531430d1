"""The commands. `python -m tools.device --help`; the Makefile has a target for each."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from . import bundle as bundling
from . import deploy as deploying
from . import doctor as doctoring
from . import image, package, partitions, telling
from . import level as listening
from . import mip as mipping
from . import provision as provisioning
from . import update as updating
from .connection import Device, DeviceError, check_version, choose, minimum
from .trust import S3_URL

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False)
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "recording-uploader"

Port = Annotated[str | None, typer.Option(help="The device's port (default: the only one).")]
Board = Annotated[str | None, typer.Option(help="The board's name, a folder of boards/.")]


def _progress():
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TransferSpeedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


@app.command()
def flash(
    board: Board = None,
    port: Port = None,
    firmware: Annotated[Path | None, typer.Option(help="The MicroPython .bin file.")] = None,
    erase: Annotated[bool, typer.Option(help="Erase everything first, recordings too.")] = False,
    ota: Annotated[bool, typer.Option(help="Two slots for MicroPython; erases.")] = False,
):
    """Put MicroPython on a board, with esptool."""
    facts = package.board(board)
    if not facts["chip"]:
        raise DeviceError(f"BOARD={facts['name']} is not flashed.")
    firmware = firmware or _newest(facts)
    if not firmware.is_file():
        raise DeviceError(f"There is no file {firmware}.")
    version = re.search(r"-v(\d+)\.(\d+)", firmware.name)
    if version:
        check_version(tuple(map(int, version.groups())))
    with tempfile.TemporaryDirectory() as folder:
        what = [facts["offset"], str(firmware)]
        if ota:
            what = partitions.arguments(facts, firmware, Path(folder))
            console.print("two slots for MicroPython: all that is on the board is erased")
        tool = [sys.executable, "-m", "esptool", "--chip", facts["chip"], "--port", choose(port)]
        console.print(f"flashing {firmware.name} to {facts['name']}")
        steps = [["erase-flash"]] if erase or ota else []
        for step in [*steps, ["write-flash", *what]]:
            if subprocess.run([*tool, *step]).returncode:
                raise DeviceError(
                    "esptool failed (see above). Hold BOOT, press RESET, let go of BOOT, and try "
                    "again."
                )
    console.print("done; next: make deploy, then make provision")


def _newest(facts: dict) -> Path:
    name = facts["build"] + ("-" + facts["variant"] if facts["variant"] else "")
    # Builds are named BOARD[-VARIANT]-DATE-VERSION.bin.
    found = sorted(CACHE.glob(f"{name}-[0-9]*.bin"))
    if not found:
        raise DeviceError(
            f"No firmware for {facts['name']}. From MicroPython's download page of the board "
            f"{facts['build']}"
            + (f", variant {facts['variant']}" if facts["variant"] else "")
            + f", take the newest release's .bin file, at least {minimum()} (the name begins "
            f"with {name}-), and put it into {CACHE}, or name it: make flash "
            f"BOARD={facts['name']} ARGS='--firmware FILE.bin'."
        )
    return found[-1]


@app.command()
def firmware(
    board: Board = None,
    esp_idf: Annotated[Path | None, typer.Option(help="ESP-IDF's folder.")] = None,
    source: Annotated[Path | None, typer.Option(help="MicroPython's sources.")] = None,
):
    """Build a MicroPython image with the firmware frozen in, by MicroPython's own build."""
    made = image.build(board, esp_idf, source, package.ROOT / "build")
    console.print(
        f"{made}; next: make flash BOARD={package.board(board)['name']} ARGS='--firmware {made}'",
        soft_wrap=True,
    )


# Drawn when it is first asked for.
_IDENTITY = """
from setup.radio import identity
answer = identity()
"""


@app.command()
def deploy(board: Board = None, port: Port = None):
    """Copy the firmware to a device: what changed, verified, then restart it."""
    facts = package.board(board)
    files = package.build(facts["name"])
    with Device(port) as device, _progress() as progress:
        deploying.check_platform(device, facts)
        looking = progress.add_task("looking at what is there", total=None)
        there = deploying.present(device, lambda n: progress.advance(looking, n))
        warning = deploying.foresee(device, facts, files, there)
        task = progress.add_task("copying", total=package.size(files))
        copied, removed = deploying.copy(
            device,
            files,
            there,
            lambda n: progress.advance(task, n),
            lambda n: progress.advance(looking, n),
        )
        updated = deploying.settle(device)
        name, key = device.ask(_IDENTITY)
        device.restart()
    console.print(
        f"{copied} of {len(files)} files copied, {removed} removed, all verified; restarted"
        + ("; what updates had brought is gone" if updated else "")
    )
    if warning:
        console.print(f"but {warning}", soft_wrap=True)
    console.print(f"to set it up with a telephone: network {name}, key {key}")


@app.command()
def bundle(
    board: Board = None,
    key: Annotated[Path | None, typer.Option(help="The private key, a PEM file.")] = None,
    new_key: Annotated[bool, typer.Option(help="Make that key first.")] = False,
    version: Annotated[str | None, typer.Option(help="In place of the source's.")] = None,
    downgrade: Annotated[bool, typer.Option(help="Let it replace a newer one, too.")] = False,
    roots: Annotated[bool, typer.Option(help="With root certificates, as of today.")] = False,
    url: Annotated[str | None, typer.Option(help="Where it will lie: a signed manifest.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write it.")] = None,
    micropython: Annotated[
        Path | None, typer.Option(help="MicroPython's .bin: an update of that, for two slots.")
    ] = None,
):
    """Build what devices of a board are updated with over the air, signed."""
    if key is None:
        raise DeviceError("Which key signs it? KEY=FILE.pem; ARGS=--new-key makes one.")
    pair = bundling.new_key(key) if new_key else bundling.read_key(key)
    name = package.board(board)["name"]
    if micropython:
        version, data = bundling.build_image(name, pair, micropython, downgrade)
    else:
        version = version or package.version()
        data = bundling.build(name, pair, version, downgrade, roots)
    out = out or package.ROOT / f"build/{name}-{version}.bundle"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(data)
    console.print(f"{out}, {len(data):,} bytes", soft_wrap=True)
    console.print(f"update_keys {pair.public}", soft_wrap=True)
    if url:
        manifest = out.with_suffix(".json")
        manifest.write_text(json.dumps(bundling.announce(pair, url, version, data)) + "\n")
        console.print(f"{manifest}, signed", soft_wrap=True)


@app.command()
def update(
    file: Annotated[Path, typer.Option(help="The bundle, as make bundle writes it.")],
    port: Port = None,
):
    """Update a device with a bundle over USB: tried at the next boot, and undone if it fails."""
    with Device(port) as device, _progress() as progress:
        task = progress.add_task("copying", total=file.stat().st_size if file.is_file() else None)
        version = updating.update(device, file, lambda n: progress.advance(task, n))
        device.restart()
    console.print(f"{version} is tried from now on; make status tells what comes of it")


@app.command()
def provision(
    port: Port = None,
    file: Annotated[Path | None, typer.Option(help="Take the values from a JSON file.")] = None,
    same_user: Annotated[
        bool | None,
        typer.Option(
            "--same-user/--new-user",
            help="Whether a new token is of the same end user (default: asked when it matters).",
        ),
    ] = None,
):
    """Write networks, token and root certificates to a device, then restart it."""
    with Device(port) as device:
        values = provisioning.from_file(file) if file else provisioning.ask()
        config = provisioning.provision(device, values, same_user, typer.confirm)
        device.restart()
    links = [n["ssid"] for n in config.get("wifi", [])]
    if "apn" in config:
        links.append(config["apn"])
    console.print(f"API        {config['api_url']}")
    console.print(f"networks   {', '.join(links) or 'none'}")
    console.print(f"roots      {', '.join(config['roots']) or 'none'}")
    console.print("written; restarted")


_STATUS = """
try:
    app
except NameError:
    app = None
answer = {}
try:
    from setup.radio import identity
    if app is None:
        from app import make
        app = make()
    if app:
        answer = app.status()
        answer["events"] = app.log.lines[-20:]
    answer["setup"] = identity()
except ImportError:
    pass
"""


def _status(device: Device) -> dict:
    answer = device.ask(_STATUS)
    if "queue" in answer:
        return answer
    if not answer:
        raise DeviceError(
            f"The device is empty, nothing is deployed: make deploy PORT={device.port}."
        )
    device.restart()
    said = device.told()
    if said.startswith("not provisioned"):
        said += ". Join its network {}, key {}, or".format(*answer["setup"])
        said += f" make provision PORT={device.port}"
    raise DeviceError(f"The device runs nothing: {said}.")


@app.command()
def status(
    port: Port = None, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False
):
    """What a device is doing. It is interrupted for that, and restarted."""
    with Device(port) as device:
        answer = _status(device)
        device.restart()
    if as_json:
        print(json.dumps(answer, indent=1))
        return
    queue = answer["queue"]
    table = Table(show_header=False, box=None, pad_edge=False)
    for row in telling.rows(answer):
        table.add_row(*row)
    console.print(table)
    for recording in queue["recordings"][:20]:
        files = ", ".join(f"{f['name']} {f['size']:,}" for f in recording["files"])
        console.print(f"  {recording['id']} {recording['state']:<11} {files}", soft_wrap=True)
        if "reason" in recording:
            console.print(f"         {recording['reason']}", soft_wrap=True)
    for line in answer["log"][-5:]:
        console.print(f"  {line}", soft_wrap=True)


@app.command()
def mip(
    without: Annotated[str, typer.Option(help="Parts to leave out, with spaces between.")] = "",
    out: Annotated[Path, typer.Option(help="Where it goes.")] = package.ROOT / "build/mip",
    sizes: Annotated[bool, typer.Option("--table", help="Print the parts' sizes.")] = False,
):
    """Compile the module for mpremote mip install."""
    count, size = mipping.build(out, without.split())
    if sizes:
        print(mipping.table(out), end="")
        return
    console.print(
        f"{count} files, {size:,} bytes; next: "
        f"mpremote mip install --target /lib {out}/package.json",
        soft_wrap=True,
    )


@app.command()
def doctor(
    port: Port = None,
    board: Board = None,
    s3_url: Annotated[str, typer.Option(help="Where the service keeps its files.")] = S3_URL,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
):
    """Look at all that an upload needs, from the cable to the cloud: ok, or what to do."""
    checks = []
    for check in doctoring.examine(port, board, s3_url):
        checks.append(check)
        if not as_json:
            mark = {True: "[green]ok[/] ", False: "[red]BAD[/]", None: "-  "}[check.ok]
            text = Text(f" {check.name:<14} {check.text}")
            console.print(Text.from_markup(mark) + text, soft_wrap=True)
    report = doctoring.as_json(checks)
    if as_json:
        print(json.dumps(report, indent=1))
    raise typer.Exit(0 if report["ok"] else 1)


@app.command()
def level(
    port: Port = None,
    seconds: Annotated[int, typer.Option(help="How long to listen.")] = 10,
):
    """How loud the microphone is, over what noise floor, and whether that starts a recording by
    voice. The device is interrupted for that, and restarted."""

    def tell(dbfs, floor, voice):
        bar = "#" * max(0, (dbfs + 90) // 2)
        console.print(f"{dbfs:>4} dBFS  floor {floor:>4}  {'voice' if voice else '     '}  {bar}")

    with Device(port) as device:
        try:
            listening.listen(device, seconds, tell)
        finally:
            device.restart()


@app.command()
def logs(port: Port = None):
    """What happened lately on a device."""
    with Device(port) as device:
        answer = _status(device)
        device.restart()
    for line in [*answer["log"], "--- since the last boot", *answer["events"]]:
        print(line)


@app.command()
def pull(
    port: Port = None,
    to: Annotated[Path, typer.Option(help="Where to put them.")] = Path("build/pulled"),
):
    """Copy the captures that are on a device; nothing is deleted there."""
    with Device(port) as device, _progress() as progress:
        answer = _status(device)
        folder = device.ask("answer = app.store.directory")
        files = [f for r in answer["queue"]["recordings"] for f in r["files"]]
        task = progress.add_task("copying", total=sum(f["size"] for f in files))
        to.mkdir(parents=True, exist_ok=True)
        for file in files:
            data = device.transport.fs_readfile(f"{folder}/{file['name']}", chunk_size=1024)
            (to / file["name"]).write_bytes(data)
            progress.advance(task, len(data))
        device.restart()
    console.print(f"{len(files)} files in {to}")


@app.command()
def repl(port: Port = None):
    """A REPL on a device (Ctrl-] ends it)."""
    sys.exit(subprocess.call([shutil.which("mpremote"), "connect", choose(port), "repl"]))


def main() -> int:
    """Run a command; the exit status."""
    try:
        return app(standalone_mode=False) or 0
    except DeviceError as e:
        console.print(f"[red]error:[/] {e}", soft_wrap=True)
        return 1
    except typer.Abort:
        console.print("nothing was written")
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
