"""What a small board can afford."""

import ast
import json
import os
import re
import statistics

import pytest
from conftest import ROOT, Board

from tools import micropython
from tools.bench.sink import Sink

BENCH = ROOT / "tools/bench/mpy"


def test_every_file_of_the_firmware_compiles(mpy):
    assert len(list(mpy.rglob("*.mpy"))) == len(list((ROOT / "firmware").rglob("*.py")))


_GUARDED = {
    "clock.py": {"machine"},
    "heaps.py": {"esp32"},
    "memory.py": {"_thread", "esp32"},
}


def test_the_device_side_imports_nothing_that_only_one_port_has():
    """Outside links and recorders, which is where such things belong."""
    both = {
        *("asyncio binascii errno gc hashlib json micropython os select socket".split()),
        *("hashlib io struct sys time tls vfs".split()),
        "requests",
    }
    for source in (ROOT / "firmware/uploader").glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            # Guarded where it is used.
            guarded = _GUARDED.get(source.name, set())
            assert set(names) <= both | guarded, f"{source.name}: {names}"


@pytest.mark.long
def test_a_file_goes_out_at_nearly_the_interpreters_own_speed(tmp_path):
    """32 MiB over TLS against a hand-written blocking loop, by turns in one run; again where the
    machine was busy with something else."""
    for _ in range(4):
        with Sink(tmp_path) as sink:
            args = (tmp_path / "root.der", "localhost", sink.port, 32 << 20, 3)
            figures = micropython.report(BENCH / "put.py", *args, heap="2m")
        assert figures["alloc_per_chunk"] <= 32, figures
        ratios = [a / b for a, b in zip(figures["ours"], figures["loop"], strict=True)]
        print(f"put_vs_loop {statistics.median(ratios):.3f}", figures)
        if max(ratios) >= 0.9:
            break
    assert max(ratios) >= 0.9, figures


@pytest.mark.skipif(
    micropython.facts()["word_bits"] != 32,
    reason="a 64-bit heap says little about a board's: MICROPYTHON= names a 32-bit build",
)
def test_a_whole_cycle_of_2_mib_fits_a_heap_of_96_kib(cloud, tmp_path, mpy):
    for connections in (1, 2):
        folder = tmp_path / str(connections)
        folder.mkdir()
        settings = cloud.device_config(folder / "flash", max_connections=connections)
        board = Board(folder, settings)
        data = os.urandom(2 << 20)
        board.add(board.file("a.opus", data))
        cycle = micropython.report(BENCH / "cycle.py", mpy, board.config, heap="96k", timeout=600)
        assert cycle["done"]
        recording = cloud.recordings()[-1]
        assert cloud.media_bytes(recording, recording.media[0]) == data


def test_every_setting_event_and_board_is_documented():
    """The README of firmware/ is the reference: nothing may be missing from it."""
    from tools.device import checker, package

    text = (ROOT / "firmware/README.md").read_text()
    for key in json.loads(checker.config.KEYS):
        assert f"`{key}`" in text, key
    sources = "".join(p.read_text() for p in (ROOT / "firmware").rglob("*.py"))
    events = set(re.findall(r'(?:_?emit|file_due)\(\s*"(\w+)"', sources))
    assert len(events) > 15
    for event in events:
        assert f"| `{event}` |" in text, event
    for pattern in package.boards():
        readme = ROOT / "boards" / pattern / "README.md"
        assert readme.exists()
        if pattern != "unix":
            assert "source" in readme.read_text()


@pytest.mark.long
def test_counts_that_do_not_depend_on_time_keep_their_budget():
    """The short form of `make bench`: .mpy bytes, handshakes, bytes on the wire."""
    from tools.bench.size import size
    from tools.bench.wire import connections

    # 79,800 when this was written: 64,000, the names' resolver, radios that stay off, times that
    # are estimates, ten modules more, so that what a phase has no use for is not loaded, and URLs
    # that are used again.
    assert size()["mpy_total_bytes"] <= 80_200
    wire = connections(None)
    assert wire["ours_2_ten_of_3"]["handshakes"] == 2
    assert wire["ours_1_ten_of_3"]["handshakes"] == 3
    assert wire["ours_2_one_1.2_mb"]["overhead_percent_without_handshakes"] <= 1.5
