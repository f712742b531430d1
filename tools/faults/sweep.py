"""The sweep: each fault at each place of a full cycle, over real TLS."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock

from tools import micropython

from .line import Line
from .proxy import DOWN, UP, Strike

ROOT = Path(__file__).parents[2]
DRAIN = ROOT / "tools/faults/mpy/drain.py"
BOARD = ROOT / "boards/unix/cli.py"
# A fault between two places: everything else that is known to strike a byte.
_BYTE_KINDS = ("reset", "half_close", "silence", "trickle", "corrupt")
# After these nothing may come any more: what the device bears is what they cost here. After the
# others it may be patient, whatever else this machine has to do.
_SILENT = ("half_close", "silence", "corrupt", "black_hole")
_SHORT_S, _LONG_S = 1, 20
_SLOW = "certificate refused"
_ROUNDS = 3  # in which the resolver asks (firmware/uploader/links/resolver.py)


@dataclass
class Tally:
    """What was tried and what came of it."""

    cases: int = 0
    converged: int = 0
    lost: int = 0
    duplicate_completes: int = 0
    orphan_creates: int = 0
    busy_loops: int = 0
    problems: list = field(default_factory=list)

    def problem(self, text):
        """Note what went wrong."""
        self.problems.append(text)


class Bench(Line):
    """A device with a file to record, and a cloud of its own behind a line."""

    def __init__(self, folder: Path):
        folder.mkdir()
        super().__init__(folder, host="cloud.test")
        self.data = os.urandom(20000)
        self.media = folder / "a.opus"
        self.media.write_bytes(self.data)

    def __enter__(self):
        super().__enter__()
        self.configure(stall_timeout_s=_LONG_S)
        return self

    def _bear(self, seconds):
        if self.settings["stall_timeout_s"] != seconds:
            self.settings["stall_timeout_s"] = seconds
            self.config.write_text(json.dumps(self.settings))

    def one(self, *strikes, dns=0):
        """Record, drain under these faults, name lookups failing `dns` times first; the device's
        report and the recordings."""
        cloud = self.cloud
        for recording in cloud.recordings():
            cloud.state.delete("recording", recording.id)
        cloud.service.calls.clear()
        self._bear(_SHORT_S if any(s.kind in _SILENT for s in strikes) else _LONG_S)
        micropython.run(BOARD, self.config, "add", self.media)
        self.proxy.begin(*strikes)
        self.names.refuse = dns * _ROUNDS
        out = micropython.run(DRAIN, ROOT / "firmware", self.config)
        for secret in (self.settings["device_token"], "X-Amz-", "Signature="):
            if secret in out:
                raise RuntimeError(f"told a secret: {out}")
        return json.loads(out), cloud.recordings()


def places(bench) -> list[Strike]:
    """Every fault at the first, a middle and the last byte of every segment of a cycle, the
    TLS handshakes among them, and those that strike a connection as such."""
    report, _ = bench.one()
    assert report["done"] and not report["waits"], report
    strikes = []
    for number, trace in enumerate(bench.proxy.traces):
        for way, start, end in trace.segments:
            for at in sorted({start, (start + end) // 2, end - 1}):
                strikes += [Strike(kind, number, way, at) for kind in _BYTE_KINDS]
        strikes += [Strike(kind, number) for kind in ("refuse", "black_hole")]
    return strikes


def check(tally: Tally, bench, what, report, recordings, faults=1):
    """One case's outcome against what must be."""
    tally.cases += 1
    before = len(tally.problems)
    whole = [r for r in recordings if r.status == "uploaded"]
    arrived = [
        bench.cloud.media_bytes(r, m) for r in whole for m in r.media if m.status == "uploaded"
    ]
    if not report["done"] or len(whole) != 1 or bench.data not in arrived:
        tally.lost += 1
        tally.problem(f"{what}: not complete and identical: {report}")
    orphans = len(recordings) - len(whole)
    tally.orphan_creates += orphans
    if orphans > faults:
        tally.problem(f"{what}: {orphans} orphans")
    completes = [c for c in bench.cloud.service.calls if c[1].endswith("complete") and c[2] == 200]
    if len(completes) > 1:
        tally.duplicate_completes += 1
        tally.problem(f"{what}: completed {len(completes)} times")
    ids = {r.metadata["capture_id"] for r in recordings}
    if len(ids) > 1:
        tally.problem(f"{what}: several capture ids")
    if len(report["waits"]) > 2 * faults or not _in_table(report):
        tally.busy_loops += 1
        tally.problem(f"{what}: waited {report['waits']}: {report['reasons']}")
    tally.converged += len(tally.problems) == before


def _add(tally, case):
    for name, value in vars(case).items():
        setattr(tally, name, getattr(tally, name) + value)


def _in_table(report):
    """True if each wait is one of the retry table: back-off with full jitter from 1 s on, a
    certificate refused after some 15 minutes."""
    failures = 0
    for wait, reason in zip(report["waits"], report["reasons"], strict=True):
        if _SLOW in reason:
            if not 450 <= wait <= 1350:
                return False
            continue
        if not 0.1 <= wait <= min(300, 1 << failures):
            return False
        failures += 1
    return True


def sweep(folder: Path, step: int, advance=lambda: None) -> Tally:
    """Every `step`th place; two benches side by side."""
    tally = Tally()
    with ExitStack() as stack:
        benches = [stack.enter_context(Bench(folder / f"bench{i}")) for i in range(2)]
        strikes = places(benches[0])[::step]
        jobs = [[(s, 0) for s in strikes[i::2]] for i in range(2)]
        # The resolver fails once, twice; on the way to the API, and to S3.
        jobs[0] += [(None, n) for n in (1, 2)]

        lock = Lock()

        def one(bench, strike, dns):
            case = Tally()
            what = f"{strike}" if strike else f"dns x {dns}"
            report, recordings = bench.one(*([strike] if strike else []), dns=dns)
            if (strike and not strike.done) or bench.names.refuse:
                case.problem(f"{what}: never struck")
            check(case, bench, what, report, recordings, max(1, dns))
            return case

        def work(i):
            for strike, dns in jobs[i]:
                case = one(benches[i], strike, dns)
                if case.problems and strike and strike.kind in _SILENT:
                    # With so little patience a machine that stood still for a second looks as a
                    # second fault. What is wrong is so the next time, too.
                    case = one(benches[i], replace(strike, done=False), dns)
                with lock:
                    _add(tally, case)
                advance()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, range(2)))
    return tally


__all__ = ["DOWN", "UP", "Bench", "Tally", "check", "places", "sweep"]
