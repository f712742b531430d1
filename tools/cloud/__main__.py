"""`make cloud`: run the local cloud until Ctrl-C."""

import json
import signal
import threading
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .cloud import Cloud
from .limits import Limits
from .management import CreateWebhook
from .s3 import BUCKET, Endpoint

console = Console()
_S3 = "S3"


class Whose(str, Enum):
    """Whose certificate authority is to be new."""

    api = "api"
    s3 = "s3"
    both = "both"


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
    webhook: Annotated[
        list[str], typer.Option(help="A URL to tell of every event (may be given again).")
    ] = [],  # noqa: B006 typer wants a list
    new_authority: Annotated[
        Whose | None,
        typer.Option(help="With --data: have a new certificate authority, as services do."),
    ] = None,
    s3: Annotated[
        str | None,
        typer.Option(rich_help_panel=_S3, help="Use the S3 at this URL, not one of its own."),
    ] = None,
    s3_key: Annotated[
        str, typer.Option(rich_help_panel=_S3, envvar="AWS_ACCESS_KEY_ID", help="Its key.")
    ] = "",
    s3_secret: Annotated[
        str, typer.Option(rich_help_panel=_S3, envvar="AWS_SECRET_ACCESS_KEY", help="Its secret.")
    ] = "",
    s3_bucket: Annotated[
        str, typer.Option(rich_help_panel=_S3, help="The bucket, made if missing.")
    ] = BUCKET,
    s3_region: Annotated[str, typer.Option(rich_help_panel=_S3, help="Its region.")] = "us-east-1",
    s3_ca: Annotated[
        Path | None, typer.Option(rich_help_panel=_S3, help="Who vouches for it (PEM).")
    ] = None,
):
    """Run the service and S3 on loopback, with TLS, until Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        endpoint = s3 and Endpoint(s3, s3_key, s3_secret, s3_bucket, s3_region, s3_ca)
        cloud = Cloud(data and data.resolve(), port, Limits(requests, upload_urls), s3=endpoint)
        if new_authority:
            cloud.trust.change(*(["api", "s3"] if new_authority == "both" else [new_authority]))
        cloud.start()
        for url in webhook:
            _tell(cloud, url)
    except (OSError, RuntimeError, ValueError) as e:
        console.print(f"[red]error:[/] {e}")
        raise typer.Exit(1)
    try:
        _write(cloud, config, data)
        stop.wait()
    finally:
        cloud.stop()
        console.print("stopped", highlight=False)


def _tell(cloud, url):
    # A cloud that keeps its data may know it from an earlier run.
    if url not in [w.url for w in cloud.service.webhooks.all()]:
        cloud.service.webhooks.create(CreateWebhook(url=url, events=["*"]))


def _write(cloud, config, data):
    """Write what a device on this machine needs, and say what there is."""
    folder = config.resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    roots = []
    for i, source in enumerate(cloud.roots):
        roots.append(folder / f"root{i or ''}.der")
        roots[-1].write_bytes(source.read_bytes())
    settings = cloud.device_config(folder / "storage", roots=[str(root) for root in roots])
    _secret(config, settings)
    pem = folder / "root.pem"
    pem.write_bytes(b"".join(p.read_bytes() for p in cloud.ca_files))
    provision = folder / "provision.json"
    device = {
        "api_url": cloud.api_url,
        "device_token": settings["device_token"],
        "ca_file": str(pem),
        "s3_url": cloud.s3.public_url,
        "heartbeat_minutes": 1,
    }
    _secret(provision, device)
    for line in (
        f"device API   {cloud.api_url}",
        f"page         {cloud.page_url}  (what arrives; steers devices)",
        f"API's pages  {cloud.page_url}api/docs",
        f"API key      {cloud.api_key}",
        f"kept in      {data or 'memory'}",
        f"device       {config}  (its token, the root certificate)",
        "\nrecord and upload with it:",
    ):
        console.print(line, highlight=False, soft_wrap=True)
    board = f".venv/bin/micropython boards/unix/cli.py {config}"
    console.print(f"  {board} add FILE.opus", highlight=False, soft_wrap=True)
    console.print(f"  {board} drain\n", highlight=False, soft_wrap=True)
    console.print("or with a device on this machine (make simulator):", highlight=False)
    console.print(f"  make provision PORT=... ARGS='--file {provision}'\n", soft_wrap=True)
    console.print("Ctrl-C stops it.", highlight=False)


def _secret(path, values):
    path.touch(0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
