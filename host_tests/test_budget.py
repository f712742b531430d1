"""What a small board can afford."""

import json
import os
import statistics
import subprocess

from conftest import ROOT, Board

from tools.bench.sink import Sink

BENCH = ROOT / "tools/bench/device"


def test_every_file_of_the_firmware_compiles(mpy):
    assert len(list(mpy.rglob("*.mpy"))) == len(list((ROOT / "firmware").rglob("*.py")))


def test_the_device_side_imports_nothing_that_only_one_port_has():
    """Outside links and recorders, which is where such things belong."""
    both = {
        *("asyncio binascii errno gc hashlib json micropython os select socket".split()),
        *("hashlib io struct sys time tls vfs".split()),
        "requests",
    }
    for source in (ROOT / "firmware/uploader").glob("*.py"):
        for line in source.read_text().splitlines():
            words = line.split()
            if words[:1] == ["import"]:
                assert words[1] in both, f"{source.name}: {line}"
            if line == "        from machine import RTC":
                continue  # guarded: where it is missing, nothing needs it
            if words[:1] == ["from"] and not words[1].startswith("."):
                assert words[1] in both, f"{source.name}: {line}"


def test_a_file_goes_out_at_nearly_the_interpreters_own_speed(tmp_path):
    """32 MiB over TLS against a hand-written blocking loop, by turns in one run."""
    with Sink(tmp_path) as sink:
        result = subprocess.run(
            ["micropython", BENCH / "put.py"]
            + [tmp_path / "root.der", "localhost", str(sink.port), str(32 << 20), "5"],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert result.returncode == 0, result.stdout + result.stderr
    figures = json.loads(result.stdout)
    ratios = [a / b for a, b in zip(figures["ours"], figures["loop"], strict=True)]
    print(f"put_vs_loop {statistics.median(ratios):.3f}", figures)
    assert max(ratios) >= 0.9, figures
    assert figures["alloc_per_chunk"] <= 64, figures


def test_a_whole_cycle_of_2_mib_fits_a_heap_of_128_kib(cloud, tmp_path, mpy):
    for connections in (1, 2):
        folder = tmp_path / str(connections)
        folder.mkdir()
        settings = cloud.device_config(folder / "flash", max_connections=connections)
        board = Board(folder, settings)
        data = os.urandom(2 << 20)
        board.add(board.file("a.opus", data))
        result = subprocess.run(
            ["micropython", "-X", "heapsize=128k", BENCH / "cycle.py", mpy, board.config],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        assert json.loads(result.stdout)["done"]
        recording = cloud.recordings()[-1]
        assert cloud.media_bytes(recording, recording.media[0]) == data
