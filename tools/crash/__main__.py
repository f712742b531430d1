"""`make crash-test`: live under power cuts and kills, and check what the service has."""

import json
import random
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from tools import micropython
from tools.cloud import Cloud
from tools.cloud.limits import Limits
from tools.report import finish

ROOT = Path(__file__).parents[2]
LIFE = ROOT / "tools/crash/mpy/life.py"
BOARD = ROOT / "boards/unix/cli.py"
console = Console(highlight=False)


class Tally:
    """What was tried and what went wrong."""

    def __init__(self):
        self.cuts_lfs = self.cuts_fat = self.kills = 0
        self.recordings = self.lost = self.corrupted = self.stray = 0
        # By how many faults the capture met: each may cost one more create, never more.
        self.max_creates = {1: 0, 2: 0, "kills": 0}
        self.duplicated_creates = 0
        self.problems = []

    def problem(self, kind: str, text: str):
        """Count a failure of a kind (`lost`, `corrupted`, `stray`)."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.problems.append(f"{kind}: {text}")


def check_capture(tally, cloud, name, capture, recordings, what, faults):
    """One capture against what the service has of it.

    `capture` has `ended` and `files` with `data` (hex) and `synced`; `faults` is how many
    it may have met (1, 2, "kills").
    """
    tally.recordings += 1
    creates = len(recordings)
    tally.max_creates[faults] = max(tally.max_creates[faults], creates)
    tally.duplicated_creates += max(0, creates - 1)
    if faults != "kills" and creates > 1 + faults:
        tally.problem("corrupted", f"{what}: {name} was created {creates} times")
    whole = [r for r in recordings if r.status == "uploaded"]
    must = capture["ended"] or any(f["synced"] for f in capture["files"])
    if len(whole) > 1:
        tally.problem("corrupted", f"{what}: {name} was completed {len(whole)} times")
    if not whole:
        if must:
            tally.problem("lost", f"{what}: {name} is not on the service")
        return
    recording = whole[-1]
    arrived = {}
    for media in recording.media:
        if media.status == "uploaded":
            arrived.setdefault(media.content_type, cloud.media_bytes(recording, media))
    interrupted = recording.metadata.get("interrupted", False)
    if capture["ended"] and interrupted:
        tally.problem("corrupted", f"{what}: {name} had ended but is marked interrupted")
    for file, kind in zip(capture["files"], ("audio/mpeg", "image/jpeg"), strict=False):
        data = bytes.fromhex(file["data"])
        got = arrived.get(kind, b"")
        if not interrupted and capture["ended"] and got != data:
            tally.problem("corrupted", f"{what}: {name} {kind} differs")
        elif got != data[: len(got)] or len(got) < file["synced"]:
            tally.problem("corrupted", f"{what}: {name} {kind} has {len(got)} bytes")


def power_cuts(tally, cloud, folder, kind, step, second, progress):
    """Lives with a cut each at every `step`th place (and then, `second` operations into the
    recovery, another)."""
    config = folder / f"{kind}-{second}.json"
    config.write_text(json.dumps(cloud.device_config("/flash/rec")))

    def life(*args) -> str:
        """What the lives print."""
        args = (ROOT / "firmware", config, kind, *args)
        return micropython.run(LIFE, *args, heap="64m", timeout=1800)

    total = int(
        [x for x in life("count").splitlines() if x.isdigit()][-1]
    )  # a finaliser may print beside it
    offset = second or 0
    places = range(offset % step, total, step)
    workers = 2
    task = progress.add_task(f"{kind}{' twice' if second is not None else ''}", total=len(places))

    def work(part):
        reports = []
        mine = places[part::workers]
        # In portions: each ends its process, so nothing can pile up unseen.
        for at in range(0, len(mine), 50):
            portion = mine[at : at + 50]
            args = [portion[0], step * workers, len(portion)]
            if second is not None:
                args.append(second)
            for line in life(*args).splitlines():
                if line.startswith("{"):
                    reports.append(json.loads(line))
                    progress.advance(task)
        return reports

    with ThreadPoolExecutor(workers) as pool:
        reports = [r for part in pool.map(work, range(workers)) for r in part]
    if len(reports) != len(places):
        raise RuntimeError(f"{kind}: {len(places)} lives, {len(reports)} reports")
    by_capture = defaultdict(list)
    for recording in cloud.recordings():
        by_capture[recording.metadata["capture_id"]].append(recording)
    for report in reports:
        what = f"{kind} cut {report['cut']}" + (f"+{second}" if second is not None else "")
        cuts = report["reached"] + report.get("twice", False)
        if kind.startswith("lfs"):
            tally.cuts_lfs += cuts
        else:
            tally.cuts_fat += cuts
        if not report["drained"]:
            tally.problem("lost", f"{what}: the drain did not end")
        if report["strays"]:
            tally.problem("stray", f"{what}: {report['strays']}")
        if report["reused"]:
            tally.problem("corrupted", f"{what}: a number was used again")
        for name, capture in report["captures"].items():
            check_capture(
                tally, cloud, name, capture, by_capture[name], what, 1 if second is None else 2
            )
    for recording in cloud.recordings():
        cloud.state.delete("recording", recording.id)


def kills(tally, cloud, folder, count, progress, seed):
    """The desktop board killed at random moments of `add` and `drain`."""
    rng = random.Random(seed)
    config = folder / "kills.json"
    storage = folder / "kills"
    config.write_text(json.dumps(cloud.device_config(storage, sync_bytes=1024)))
    expected = {}
    task = progress.add_task("kills", total=count)
    for n in range(1 << 30):
        if tally.kills >= count:
            break
        adding = rng.random() < 0.5
        if adding:
            data = rng.randbytes(rng.randrange(1, 60000))
            path = folder / "a.mp3"
            path.write_bytes(data)
            metadata = json.dumps({"n": n})
            args = ["add", "--metadata", metadata, f"{path}=audio/mpeg"]
            expected[n] = {"ended": False, "files": [{"data": data.hex(), "synced": 0}]}
        else:
            args = ["drain", "--timeout", "60"]
        process = micropython.start(BOARD, config, *args, stdout=subprocess.PIPE)
        try:
            process.wait(rng.uniform(0, 0.06 if adding else 0.25))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            tally.kills += 1
            progress.advance(task)
        out = process.communicate()[0]
        if adding and out.strip():
            expected[n]["ended"] = True
        elif process.returncode not in (0, -signal.SIGKILL):
            raise RuntimeError(f"{args[0]} ended with {process.returncode}: {out}")
    micropython.run(BOARD, config, "drain", "--timeout", 300, silent=True, timeout=1800)
    left = [f.name for f in storage.iterdir() if f.name[0].isdigit()]
    if left or (folder / "kills.lock").exists():
        tally.problem("stray", f"kills: {left}")
    by_number = defaultdict(list)
    for recording in cloud.recordings():
        by_number[recording.metadata["n"]].append(recording)
    for n, capture in expected.items():
        check_capture(tally, cloud, n, capture, by_number[n], "kills", "kills")


def bookkeeping() -> dict:
    """Erases and bytes programmed per one-file recording beyond its media's, and blocks."""
    return micropython.report(ROOT / "tools/crash/mpy/wear.py", heap="64m", timeout=1800)


def main(
    step: Annotated[int, typer.Option(help="Try every STEPth place only.")] = 1,
    kill: Annotated[int, typer.Option(help="How often to kill the desktop board.")] = 400,
    seed: Annotated[int, typer.Option(help="Of the kills' moments (0: a new one).")] = 0,
    out: Annotated[Path, typer.Option(help="Where to write the figures.")] = Path(
        "build/crash.json"
    ),
):
    """Cut the power at every program and erase of a device's life, and kill it, and check."""
    seed = seed or int(time.time())
    tally = Tally()
    start = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="crash-") as name,
        Cloud(limits=Limits(10**9, 10**9)) as cloud,
        Progress(console=console, disable=not console.is_terminal) as progress,
    ):
        folder = Path(name)
        for kind in ("lfs32", "lfs64", "lfs256", "fat12", "fat16"):
            power_cuts(tally, cloud, folder, kind, step, None, progress)
        # Two in a row: the second in the recovery from the first.
        for kind, seconds in (("lfs32", (0, 3, 11, 24)), ("fat12", (0, 2, 5, 9, 14))):
            for second in seconds:
                power_cuts(tally, cloud, folder, kind, step * 2, second, progress)
        kills(tally, cloud, folder, kill, progress, seed)
    wear = bookkeeping()
    figures = {
        "cuts_lfs": tally.cuts_lfs,
        "cuts_fat": tally.cuts_fat,
        "kills": tally.kills,
        "recordings": tally.recordings,
        "lost": tally.lost,
        "corrupted": tally.corrupted,
        "stray": tally.stray,
        "duplicated_creates": tally.duplicated_creates,
        "max_creates_per_capture": tally.max_creates[1],
        "max_creates_two_cuts": tally.max_creates[2],
        "max_creates_kills": tally.max_creates["kills"],
        **wear,
    }
    finish(figures, out, start, seed, tally.problems)


if __name__ == "__main__":
    typer.run(main)
