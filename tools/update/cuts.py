"""Power cuts at every flash operation of an update, in a MicroPython with the flash in RAM."""

import json
import random
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tools import micropython
from tools.device import bundle
from tools.device.package import File

ROOT = Path(__file__).parents[2]
LIFE = ROOT / "tools/update/mpy/life.py"
BOARD, OLD, NEW = "A board", "1.0.0", "1.0.1"
_APP = "import life\n\n\ndef make():\n    return life.App(%r)\n"
_BOOT = b"def app():\n    from app import make\n\n    return make()\n"
_CRASHES = "import life\n\nraise ValueError('broken')\n"
_WIFI = bytes(range(256)) * 9


def firmware(version: str, app: str = _APP) -> dict[str, bytes]:
    """The files of a small firmware."""
    changed = version.encode() * 300
    files = {
        "app.py": (app % version if "%" in app else app).encode(),
        "setup/boot.py": _BOOT,  # what main.py asks for the app
        "status.py": b"# " + version.encode() + b"\n" * 700,
        "uploader/__init__.py": b"",
        "uploader/http.py": changed,
        "uploader/links/wifi.py": b"#" + _WIFI,  # the same in both
        "setup/roots.der": random.Random(version).randbytes(16500),  # in pieces
    }
    files["uploader/gone.py" if version == OLD else "uploader/new.py"] = b"#\n" * 40
    return files


def plan(folder: Path, good: bool) -> Path:
    """The file that life.py takes, of a good update or one that crashes at import."""
    new = firmware(NEW, _APP if good else _CRASHES)
    key = bundle.new_key(folder / f"{'good' if good else 'bad'}.pem")
    data = bundle.make([File("/" + p, d) for p, d in new.items()], key, BOARD, NEW)
    values = {
        OLD: {p: d.hex() for p, d in firmware(OLD).items()},
        NEW: {p: d.hex() for p, d in new.items()},
        "bundle": data.hex(),
        "crc": zlib.crc32(data),
    }
    path = folder / f"{'good' if good else 'bad'}.json"
    path.write_text(json.dumps(values))
    return path


@dataclass
class Tally:
    """What came of the lives."""

    cuts: int = 0
    bricked: int = 0
    rolled_back: int = 0
    lost: int = 0
    problems: list = field(default_factory=list)

    def take(self, report: dict, good: bool, what: str):
        """Count a life."""
        what = f"{what} cut {report['cut']}"
        self.cuts += report["cuts"]
        if not report["captures"]:
            self.lost += 1
            self.problems.append(f"{what}: a capture was touched")
        wanted = (NEW, "applied") if good else (OLD, "undone")
        if report["harmed"] or report["trial"] or (report["version"], report["last"]) != wanted:
            self.bricked += 1
            self.problems.append(f"{what}: {report}")
        self.rolled_back += report["last"] == "undone"


def lives(tally: Tally, folder: Path, good: bool, kind: str, step: int, second=None, workers=2):
    """A life with a cut at every `step`th place."""
    path = folder / f"{'good' if good else 'bad'}.json"
    if not path.exists():
        plan(folder, good)
    what = f"{'good' if good else 'bad'} {kind}" + (f"+{second}" if second is not None else "")

    def life(*args) -> list[str]:
        args = (ROOT / "firmware", path, kind, *args)
        return micropython.run(LIFE, *args, heap="32m", timeout=3000).splitlines()

    total = int([x for x in life("count") if x.isdigit()][-1])
    places = range((second or 0) % step, total, step)

    def work(part):
        out = []
        mine = places[part::workers]
        # In portions: each ends its process, so nothing can pile up unseen.
        for at in range(0, len(mine), 60):
            portion = mine[at : at + 60]
            args = [portion[0], step * workers, len(portion)]
            out += life(*args, *([second] if second is not None else []))
        return [json.loads(line) for line in out if line.startswith("{")]

    with ThreadPoolExecutor(workers) as pool:
        reports = [r for part in pool.map(work, range(workers)) for r in part]
    if len(reports) != len(places):
        raise RuntimeError(f"{what}: {len(places)} lives, {len(reports)} reports")
    for report in reports:
        tally.take(report, good, what)
    return reports
