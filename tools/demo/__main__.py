"""The main job on this machine: record, upload, fetch back, compare."""

import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from rich.console import Console

from tools import micropython
from tools.cloud import Cloud

MEDIA = Path(__file__).parent / "media"
BOARD = Path(__file__).parents[2] / "boards/unix/cli.py"
console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Run the demo; the exit status."""
    with tempfile.TemporaryDirectory(prefix="demo-") as folder, Cloud() as cloud:
        console.print(f"[bold]1.[/] a cloud is running on this machine: {cloud.api_url}")
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(cloud.device_config(Path(folder) / "flash")))

        started = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(seconds=90)
        files = {MEDIA / "speech.opus": "audio/opus", MEDIA / "still.jpg": "image/jpeg"}
        moments = {"image/jpeg": f"@{iso(started + timedelta(seconds=30))}"}
        names = [f"{path}={kind}{moments.get(kind, '')}" for path, kind in files.items()]
        times = ["--started-at", iso(started), "--ended-at", iso(started + timedelta(seconds=80))]
        added = board(config, "add", "--name", "A demo", *times, *names, stdout=subprocess.PIPE)
        if added.returncode:
            return 1
        console.print(
            f"[bold]2.[/] MicroPython stored recording {added.stdout.strip()} on its flash: "
            + ", ".join(f"{p.name} ({p.stat().st_size:,} bytes)" for p in files)
        )
        console.print("[bold]3.[/] and uploads it:")
        sys.stdout.flush()
        start = time.monotonic()
        if board(config, "drain", "--timeout", "60").returncode:
            console.print(f"[red]not everything was uploaded[/] (log: {cloud.s3.log})")
            return 1
        seconds = time.monotonic() - start

        (recording,) = cloud.recordings()
        same = recording.status == "uploaded" and len(recording.media) == len(files)
        console.print(f"[bold]4.[/] the service has {recording.id}, “{recording.name}”:")
        for media, path in zip(recording.media, files, strict=False):
            arrived = cloud.media_bytes(recording, media) == path.read_bytes()
            same = same and arrived
            verdict = "identical, byte for byte" if arrived else "[red]DIFFERENT[/]"
            console.print(f"   {media.id}  {media.content_type:<11} fetched from S3: {verdict}")
        left = json.loads(board(config, "status", stdout=subprocess.PIPE).stdout)
        same = same and not left["recordings"]
        calls = cloud.service.calls
        console.print(
            f"[bold]5.[/] {len(calls)} API calls and {cloud.edge.puts} PUTs in {seconds:.1f} s; "
            f"the device's flash is {'empty again' if not left['recordings'] else 'NOT empty'}"
        )
        console.print("[bold green]done[/]" if same else "[bold red]failed[/]")
        return 0 if same else 1


def board(config: Path, *args: str, **more) -> subprocess.CompletedProcess:
    """Run the desktop board."""
    return micropython.attempt(BOARD, config, *args, capture_output=False, **more)


def iso(moment: datetime) -> str:
    """ISO 8601, as the board takes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    sys.exit(main())
