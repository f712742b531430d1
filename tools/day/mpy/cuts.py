"""Power cuts at every flash operation of a device that sleeps, wakes, uploads what is due over a
metered link and sleeps again: cuts.py [STEP]. Prints a line of JSON: `operations` of one such life,
`cuts`, `lost` (recordings that did not arrive whole), `twice` (that were completed twice),
`never_asleep` (lives in which it did not come to sleep again). Runs in MicroPython."""

import sys

HERE = sys.argv[0].rsplit("/", 1)[0]
ROOT = HERE + "/../../../"
for _path in ("tools/chip/mpy", "tools/faults/mpy", "tools/crash/mpy", "firmware"):
    sys.path.insert(1, ROOT + _path)
sys.path.insert(0, HERE)

import gc
import json

from world import World

STEP = int(sys.argv[1]) if len(sys.argv) > 1 else 1
COUNT, SIZE = 2, 3000
SETTINGS = {
    "apn": "internet",
    "daily_data_limit_mb": 5,
    "upload_delay_minutes": 10,
    "heartbeat_minutes": 20,
    "awake_s": 5,
}


def life(cut, torn=0):
    """The World after an hour, with the power cut at that flash operation (None: not at all)."""
    world = World(dict(SETTINGS), blocks=96)
    world.record(COUNT, SIZE)
    begun = world.flash.operations
    if cut is not None:
        world.flash.cut_after, world.flash.torn = begun + cut, torn
    world.live(3600)
    world.counted = world.flash.operations - begun
    return world


def arrived(world):
    """Capture ids of the recordings that the service has whole, each as often as it has it."""
    found = []
    for recording in world.service.recordings.values():
        whole = [f for f in recording["files"].values() if f == bytes(SIZE)]
        if recording["status"] == "uploaded" and whole:
            found.append(recording["metadata"]["capture_id"])
    return found


total = life(None).counted
figures = {"operations": total, "cuts": 0, "lost": 0, "twice": 0, "never_asleep": 0}
for cut in range(0, total, STEP):
    world = life(cut, cut % 3)
    found = arrived(world)
    figures["cuts"] += world.cuts
    figures["lost"] += COUNT - len(set(found)) + world.app.store.count_pending()
    figures["twice"] += len(found) - len(set(found))
    figures["never_asleep"] += not world.meter.total("cpu", "deep")
    world = None
    gc.collect()
print(json.dumps(figures))
