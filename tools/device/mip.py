"""`make mip`: the module as .mpy files with a package.json, for `mpremote mip install` or a web
server of one's own; without the parts that a product has no use for."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from tools import micropython

from . import package
from .connection import DeviceError


@dataclass(frozen=True)
class Part:
    """Modules of `uploader/` that can be left out, and what is then not to be used."""

    modules: tuple[str, ...]
    then: str


PARTS = {
    "wifi": Part(("links/wifi", "links/joining"), "no `WifiLink`"),
    "cellular": Part(
        (
            "links/cellular",
            "links/registration",
            "links/at",
            "links/modem",
            "links/modems",
            "data_meter",
        ),
        "no `CellularLink`",
    ),
    "heartbeats": Part(
        ("heartbeat", "beating", "remote", "commands", "diagnostics"), "`heartbeat_minutes` 0"
    ),
    "zones": Part(("zones",), "`timezone` as an offset"),
    "schedule": Part(("schedule",), "no `record_schedule`"),
    "roots": Part(("trust",), '`root_bundle` ""'),
    "flac": Part(("flac_recovery",), "no FLAC is recorded"),
    "owner": Part(("owner",), "no `uploader.owner`"),
    "cards": Part(("mount",), "no `uploader.mount`"),
    "requests": Part(("requests_transport",), "no `RequestsTransport`"),
}


def build(out: Path, without: list[str] = ()) -> tuple[int, int]:
    """Write package.json and the compiled files to `out`, which is emptied first; (files, bytes).
    Raises DeviceError for a part that there is not."""
    unknown = sorted(set(without) - set(PARTS))
    if unknown:
        raise DeviceError(f"There is no part {unknown[0]}. Parts: {', '.join(PARTS)}.")
    left_out = {f"uploader/{m}.py" for name in without for m in PARTS[name].modules}
    found = [m for m in package.modules() if m.parts[0] == "uploader" and str(m) not in left_out]
    shutil.rmtree(out, ignore_errors=True)
    micropython.compile_tree(package.FIRMWARE, found, out)
    paths = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.mpy"))
    listed = {"version": package.version(), "urls": [[path, path] for path in paths]}
    (out / "package.json").write_text(json.dumps(listed, indent=1) + "\n")
    return len(paths), sum((out / path).stat().st_size for path in paths)


def table(folder: Path) -> str:
    """The README's table: what each part takes of a `folder` that has them all."""
    rows = ["| part | .mpy bytes | left out by `WITHOUT=` only with |", "| --- | --- | --- |"]
    for name, part in PARTS.items():
        sizes = [(folder / f"uploader/{module}.mpy").stat().st_size for module in part.modules]
        rows.append(f"| `{name}` | {sum(sizes):,} | {part.then} |")
    return "\n".join(rows) + "\n"
