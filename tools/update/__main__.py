"""`make update-test`: see tools/README.md."""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from tools import micropython
from tools.cloud import Cloud
from tools.cloud.limits import Limits
from tools.device import bundle, package
from tools.device.package import File
from tools.report import finish

from . import cuts, product

READ = cuts.ROOT / "tools/update/mpy/read.py"


def mutations(folder: Path, step: int) -> dict:
    """What came of a real firmware's bundle, cut to a few files, with each byte changed."""
    built = [f for f in package.build("unix") if package.within(f)]
    files = sorted(built, key=lambda f: len(f.data))[:12]
    key = bundle.new_key(folder / "mutations.pem")
    data = bundle.make([File(package.within(f), f.data) for f in files], key, "unix", "9.9.9")
    path = folder / "mutations.bundle"
    path.write_bytes(data)
    args = (cuts.ROOT / "firmware", path, key.public, "unix", "1.0.0", folder, step)
    return micropython.report(READ, *args, heap="8m", timeout=3000)


def undone(tally: cuts.Tally, folder: Path, harm: str):
    """Have the product take a bundle that does harm, from the local cloud."""
    key = bundle.new_key(folder / f"{harm}.pem")
    with Cloud(limits=Limits(10**9, 10**9)) as cloud:
        try:
            product.harmed(folder / harm, cloud, key, harm)
            tally.rolled_back += 1
        except TimeoutError as e:
            tally.bricked += 1
            tally.problems.append(f"{harm}: {e}")


def main(
    step: Annotated[int, typer.Option(help="Try every STEPth place only.")] = 1,
    out: Annotated[Path, typer.Option(help="Where to write the figures.")] = Path(
        "build/updates.json"
    ),
):
    """Cut the power at every flash operation of updates, have bundles that do harm undone, and
    change every byte of a bundle."""
    start = time.monotonic()
    tally = cuts.Tally()
    with tempfile.TemporaryDirectory(prefix="updates-") as name:
        folder = Path(name)
        for good in (True, False):
            for kind in ("lfs", "fat"):
                cuts.lives(tally, folder, good, kind, step)
                # Two in a row: the second on the way back from the first.
                for second in (0, 3, 11):
                    cuts.lives(tally, folder, good, kind, step * 3, second)
        found = mutations(folder, step)
        for harm in product.HARMS:
            undone(tally, folder, harm)
    if found["accepted"]:
        tally.problems.append(f"changed bundles were accepted: bytes {found['accepted'][:20]}")
    figures = {
        "cuts": tally.cuts,
        "bricked": tally.bricked,
        "rolled_back": tally.rolled_back,
        "lost": tally.lost,
        "signature_mutations": found["tried"],
        "accepted": len(found["accepted"]),
        "verify_ms": found["verify_ms"],
        "verify_heap_kb": round(found["verify_heap"] / 1024, 1),
        "interpreter": micropython.facts(),
    }
    finish(figures, out, start, 0, tally.problems)


if __name__ == "__main__":
    typer.run(main)
