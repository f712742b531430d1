"""What goes over the wire beyond the payload."""

import os
import random
import shutil
from pathlib import Path

from tools import micropython
from tools.faults.proxy import UP, Strike

from .common import AUDIO, FIRMWARE, MPY, add, line


def connections(aiohttp: Path | None) -> dict:
    """Handshakes, round trips and bytes beyond the payload."""
    out = {}
    with line() as bench:
        big, small = bench.folder / "a.opus", bench.folder / "b.jpg"
        big.write_bytes(os.urandom(AUDIO))
        small.write_bytes(os.urandom(40_000))

        def counted(payload):
            traces = bench.proxy.traces
            sent = sum(t.counts[UP] for t in traces)
            wire = sum(sum(t.counts.values()) for t in traces)
            hello = sum(
                s[2] - s[1] for t in traces for s in t.segments[:4]
            )  # a TLS 1.2 handshake is two turns each way
            return {
                "handshakes": len(traces),
                "round_trips": sum(1 for t in traces for s in t.segments if s[0] == UP),
                "bytes_beyond_payload": wire - payload,
                "overhead_percent": round(100 * (sent - payload - 0) / payload, 3),
                "overhead_percent_without_handshakes": round(
                    100 * (wire - hello - payload) / payload, 3
                ),
            }

        for n in (1, 2):
            for name, files, count in (
                ("one_1.2_mb", [big], 1),
                ("ten_of_3", [big, small, small], 10),
            ):
                shutil.rmtree(bench.storage, ignore_errors=True)
                path = bench.configure(max_connections=n)
                for _ in range(count):
                    add(path, *files)
                bench.proxy.begin()
                micropython.run(MPY / "cycle.py", FIRMWARE, path, timeout=300)
                payload = count * sum(f.stat().st_size for f in files)
                out[f"ours_{n}_{name}"] = counted(payload)
        for which, more in (("requests", []), ("aiohttp", [aiohttp])):
            if which == "requests" or aiohttp:
                bench.proxy.begin()
                micropython.run(MPY / "peer.py", which, bench.configure(), big, *more, heap="16m")
                out[f"{which}_one_1.2_mb"] = counted(AUDIO)
    return out


def segments(losses_mb: float = 2.0, seconds: int = 600) -> dict:
    """Ten minutes of Opus (2.4 MB) in whole or in segments, on a line that breaks once in so
    many MB: bytes sent for one of payload, upload-urls, handshakes."""
    out = {}
    total = 4000 * seconds
    with line() as bench:
        for size in (0, 1_000_000, 250_000, 60_000):
            rng = random.Random(5)
            pieces = [total] if not size else [size] * (total // size) + [total % size]
            files = []
            for i, n in enumerate(p for p in pieces if p):
                path = bench.folder / f"{i}.opus"
                path.write_bytes(os.urandom(n))
                files.append(path)
            path = bench.configure(backoff_max_s=1)
            sent = handshakes = urls = 0
            rounds = 4
            for _ in range(rounds):
                add(path, *files)
                bench.cloud.service.calls.clear()
                bench.proxy.begin()
                bench.proxy.chance = lambda target, rng=rng: (
                    Strike("reset", 0, UP, int(rng.expovariate(1 / (losses_mb * 1e6))))
                    if target == 1
                    else None
                )
                micropython.run(MPY / "cycle.py", FIRMWARE, path, timeout=300)
                bench.proxy.chance = None
                sent += sum(t.counts[UP] for t in bench.proxy.traces)
                handshakes += len(bench.proxy.traces)
                urls += sum(c[1].endswith("/upload-url") for c in bench.cloud.service.calls)
            out[f"{size or 'whole'}"] = {
                "sent_per_payload": round(sent / total / rounds, 3),
                "upload_urls": round(urls / rounds, 1),
                "handshakes": round(handshakes / rounds, 1),
            }
    return out
