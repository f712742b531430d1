"""How fast one file goes out over TLS on loopback, beside other clients."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tools import micropython

from .common import MPY, spread
from .sink import Sink


def throughput(megabytes: int, repeats: int, aiohttp: Path | None) -> dict:
    """32 MiB over TLS on loopback, by turns; ratios within each turn."""
    with tempfile.TemporaryDirectory() as name, Sink(Path(name)) as sink:
        command = [MPY / "put.py", Path(name) / "root.der", "localhost", sink.port]
        more = [aiohttp] if aiohttp else []
        raw = micropython.report(*command, megabytes << 20, repeats, *more, heap="24m", timeout=300)
        curl = _curl(Path(name), sink.port, megabytes, repeats)
    pairs = list(zip(raw["ours"], raw["loop"], raw["requests"], strict=True))
    return {
        "put_vs_loop": spread(a / b for a, b, _ in pairs),
        "put_vs_requests": spread(a / c for a, _, c in pairs),
        "put_vs_curl": spread(a / b for a, b in zip(raw["ours"], curl, strict=True))
        if curl
        else "curl is not installed",
        "mb_per_s": {
            name: spread(raw[name]) for name in ("ours", "loop", "requests", "aiohttp") if raw[name]
        },
        "aiohttp": "PUTs 1 MiB at a time: it takes a body as bytes only"
        if aiohttp
        else "not measured: name its folder with --aiohttp",
        "worst_gap_ms": spread(raw["gap_ms"]),
        "alloc_per_chunk_bytes": round(raw["alloc_per_chunk"], 2),
        "alloc_growth_bytes_1_to_5_mib": raw["alloc_growth"],
    }


def _curl(folder: Path, port: int, megabytes: int, repeats: int) -> list[float]:
    if not shutil.which("curl"):
        return []
    data = folder / "zeros"
    data.write_bytes(bytes(megabytes << 20))
    out = []
    for _ in range(repeats):
        result = subprocess.run(
            ["curl", "-s", "--cacert", folder / "root.pem", "-T", data, "-o", "/dev/null"]
            + ["-w", "%{speed_upload}", f"https://localhost:{port}/x"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        out.append(float(result.stdout) / 1e6)
    return out
