"""`make cloud`: run the local cloud until Ctrl-C."""

import json
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .cloud import Cloud
from .limits import Limits

console = Console()


def main(
    data: Annotated[
        Path | None, typer.Option(help="Keep everything in this directory (default: in memory).")
    ] = None,
    port: Annotated[int, typer.Option(help="The API's port (default: a free one).")] = 0,
    config: Annotated[
        Path, typer.Option(help="Where to write a configuration for the unix board.")
    ] = Path("build/cloud/config.json"),
    requests: Annotated[int, typer.Option(help="Requests a minute, as the service allows.")] = 100,
    upload_urls: Annotated[int, typer.Option(help="Upload URLs a minute.")] = 30,
):
    """Run the device API and S3 on loopback, with TLS, until Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    limits = Limits(requests, upload_urls)
    try:
        cloud = Cloud(data and data.resolve(), port, limits)
        cloud.start()
    except (OSError, RuntimeError) as e:
        console.print(f"[red]error:[/] {e}")
        raise typer.Exit(1)
    try:
        folder = config.resolve().parent
        folder.mkdir(parents=True, exist_ok=True)
        root = folder / "root.der"
        root.write_bytes(cloud.root_der.read_bytes())
        settings = cloud.device_config(folder / "storage", roots=[str(root)])
        config.write_text(json.dumps(settings, indent=1) + "\n")
        config.chmod(0o600)
        pem = folder / "root.pem"
        pem.write_bytes(cloud.root_pem.read_bytes())
        device = {
            "api_url": cloud.api_url,
            "device_token": settings["device_token"],
            "ca_file": str(pem),
            "s3_url": f"https://localhost:{cloud.edge.port}",
            "heartbeat_minutes": 1,
        }
        provision = folder / "provision.json"
        provision.write_text(json.dumps(device, indent=1) + "\n")
        provision.chmod(0o600)
        console.print(f"device API   {cloud.api_url}", highlight=False)
        console.print(f"page         {cloud.page_url}  (what arrives)", highlight=False)
        console.print(f"kept in      {data or 'memory'}", highlight=False)
        console.print(f"device       {config}  (its token, the root certificate)", highlight=False)
        console.print("\nrecord and upload with it:", highlight=False)
        board = f".venv/bin/micropython boards/unix/cli.py {config}"
        console.print(f"  {board} add FILE.opus", highlight=False, soft_wrap=True)
        console.print(f"  {board} drain\n", highlight=False, soft_wrap=True)
        console.print("or with a device on this machine (make simulator):", highlight=False)
        console.print(f"  make provision PORT=... ARGS='--file {provision}'\n", soft_wrap=True)
        console.print("Ctrl-C stops it.", highlight=False)
        stop.wait()
    finally:
        cloud.stop()
        console.print("stopped", highlight=False)


if __name__ == "__main__":
    typer.run(main)
