"""`make mip`: the module compiled, with and without its optional parts."""

import json
import re

import pytest
from conftest import ROOT

from tools import micropython
from tools.device import mip
from tools.device.connection import DeviceError

CYCLE = ROOT / "tools/bench/mpy/cycle.py"


def uploads(cloud, board, folder):
    board.add(board.file("a.opus", b"sound" * 2000))
    cycle = micropython.report(CYCLE, folder, board.config, heap="4m", timeout=600)
    return cycle["done"] and cloud.recordings()[-1].status == "uploaded"


def test_the_module_uploads_without_every_optional_part(cloud, board, tmp_path):
    whole, size = mip.build(tmp_path / "whole")
    least, smallest = mip.build(tmp_path / "least", list(mip.PARTS))
    left_out = sum(len(part.modules) for part in mip.PARTS.values())
    assert whole - least == left_out and smallest < size * 0.75
    for name in ("whole", "least"):
        listed = json.loads((tmp_path / name / "package.json").read_text())["urls"]
        files = {p.relative_to(tmp_path / name).as_posix() for p in tmp_path.rglob("*.mpy")
                 if p.is_relative_to(tmp_path / name)}  # fmt: skip
        assert {target for target, _ in listed} == {source for _, source in listed} == files
        assert uploads(cloud, board, tmp_path / name)


def test_every_part_is_in_the_readme_with_its_size(tmp_path):
    mip.build(tmp_path)
    text = (ROOT / "firmware/README.md").read_text()
    rows = re.findall(r"\| (`\w+`) \| ([\d,]+) \| (.*) \|", mip.table(tmp_path))
    assert len(rows) == len(mip.PARTS)
    for name, size, then in rows:
        told = re.search(rf"\| {name} \| ([\d,]+) \| {re.escape(then)} \|", text)
        assert told, f"{name}: `make mip ARGS=--table` prints the table"
        told, size = (int(n.replace(",", "")) for n in (told[1], size))
        assert abs(told - size) < 0.25 * size, (name, told, size)


def test_a_part_that_there_is_not_is_named(tmp_path):
    with pytest.raises(DeviceError, match="no part wings. Parts: wifi, cellular"):
        mip.build(tmp_path, ["wings"])
