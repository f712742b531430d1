"""Updates that can't brick a device: the short form of `make update-test`."""

import pytest
from conftest import ROOT

from tools import micropython
from tools.update import cuts


@pytest.mark.parametrize(
    ("good", "kind", "step", "second"),
    [
        (True, "lfs", 19, None),
        (True, "lfs", 53, 3),
        (True, "fat", 2, None),
        (False, "lfs", 23, None),
        (False, "lfs", 59, 1),
        (False, "fat", 3, None),
    ],
)
def test_a_power_cut_anywhere_leaves_a_device_that_boots_and_ends_or_undoes_the_update(
    tmp_path, good, kind, step, second
):
    tally = cuts.Tally()
    reports = cuts.lives(tally, tmp_path, good, kind, step, second)
    assert not tally.problems, tally.problems[:5]
    assert tally.cuts >= len(reports) and tally.bricked == tally.lost == 0
    assert tally.rolled_back == (0 if good else len(reports))


def test_what_is_unchanged_is_copied_and_what_is_gone_is_removed(tmp_path):
    path = cuts.plan(tmp_path, True)
    script = tmp_path / "look.py"
    script.write_text(_LOOK)
    found = micropython.report(script, ROOT, path, tmp_path, heap="16m")
    new = cuts.firmware(cuts.NEW)
    assert sorted(found["files"]) == sorted(["/mine.py", *("/" + name for name in new)])
    asked = {name for name, data in new.items() if data != cuts.firmware(cuts.OLD).get(name)}
    assert set(found["read"]) == asked and found["again"] == []
    assert "bytes of flash are lacking" in found["full"]


_LOOK = """
import sys
sys.path.insert(0, sys.argv[1] + "/firmware")
import asyncio, json, os
from binascii import unhexlify
from updates import apply
from updates.install import Bundle
with open(sys.argv[2]) as f:
    plan = json.load(f)
base = sys.argv[3]
data = unhexlify(plan["bundle"])
read = []
class Source:
    async def read(self, at, size):
        read.append((at, size))
        return data[at : at + size]
async def between():
    pass
def write(path, data):
    apply.make_folders(path)
    with open(path, "wb") as f:
        f.write(data)
for path in plan["1.0.0"]:
    write(base + "/old/" + path, unhexlify(plan["1.0.0"][path]))
# What lies in the slot of before: stale, a source in the stead of what is compiled, someone's own.
write(base + "/new/uploader/stale.py", b"x")
write(base + "/new/app.mpy", b"x")
write(base + "/new/mine.py", b"x")
bundle = Bundle(Source(), base + "/list", between)
def names():
    return [e.path for at, _ in read for e in bundle.entries() if e.at <= at < e.at + e.stored]
async def main():
    await bundle.open(None)
    await bundle.fetch_list()
    out = {}
    apply.tidy(bundle.entries, base + "/new")
    read.clear()
    both = base + "/old", base + "/new"
    await apply.fill(bundle.entries, Source(), 12, both, between)
    out["read"] = names()
    read.clear()
    assert await apply.fill(bundle.entries, Source(), 12, both, between) == 0
    out["again"] = read
    found = []
    def walk(folder):
        for f in os.ilistdir(folder):
            path = folder + "/" + f[0]
            walk(path) if f[1] == 0x4000 else found.append(path[len(base + "/new"):])
    walk(base + "/new")
    out["files"] = found
    return out
out = asyncio.run(main())
class Os:
    stat = os.stat
    def statvfs(path):
        return (4096, 4096, 100, 3, 3, 0, 0, 0, 0, 255)
apply.os = Os
out["full"] = "%d bytes of flash are lacking" % apply.lacking(bundle.entries, base + "/none")
print(json.dumps(out))
"""
