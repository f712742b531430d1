"""A long life under faults, on virtual time. Runs in MicroPython: soak.py FIRMWARE CONFIG COUNT
SEED.

Records COUNT recordings of 1 to 4 files while uploading for ever. Prints a line of JSON per
recording, {capture_id: [MD5, ...]}, and one at the end: `done`, `heap_after_100`,
`heap_at_end` (bytes), `open` (connections left), `waits` (how many), `hours` of virtual time.
"""

import sys

sys.path.insert(0, sys.argv[1])

import asyncio
import gc
import hashlib
import json
import random
import time
from binascii import hexlify

from uploader import Clock, Store, Uploader, load_config
from uploader.links.host import HostLink

POLL_MS = 100  # the longest wait between two looks at a socket
COUNT, SEED = int(sys.argv[3]), int(sys.argv[4])
random.seed(SEED)
gc.threshold(65536)
BLOCK = bytes(random.getrandbits(8) for _ in range(4096))


async def main():
    virtual = [0]

    async def sleep_ms(ms):
        # What polls the network waits for real, or it would give up before it is answered.
        if ms > POLL_MS:
            virtual[0] += ms
            ms = 0
        await asyncio.sleep_ms(ms)

    counts = {"completed": 0, "retry": 0, "quarantined": 0}
    heaps = []

    def event(name, info):
        if name in counts:
            counts[name] += 1
        if name == "completed" and counts["completed"] in (100, COUNT):
            gc.collect()
            heaps.append(gc.mem_alloc())

    settings = load_config(sys.argv[2])
    clock = Clock(
        ticks_ms=lambda: time.ticks_add(time.ticks_ms(), virtual[0] & 0x1FFFFFFF),
        sleep_ms=sleep_ms,
    )
    # Here waits pass at once, at the service they don't: its Date would move the moment of a file
    # between two askings for its URL, and the service take it for another file.
    clock.set(clock.now(), "sntp")
    store = Store(settings, clock)
    up = Uploader(settings, store, [HostLink()], event)
    task = asyncio.create_task(up.run())
    for _ in range(COUNT):
        recording = up.record()
        sums = []
        for i in range(random.choice((1, 1, 1, 2, 3, 4))):
            kind = ("audio", "audio/ogg") if i == 0 else ("image", "image/jpeg")
            writer = recording.add(*kind)
            size = 1024 + int(299 * 1024 * random.random() ** 3)
            md5 = hashlib.md5()
            while size > 0:
                piece = memoryview(BLOCK)[: min(size, 1 + random.getrandbits(12))]
                writer.write(piece)
                md5.update(piece)
                size -= len(piece)
            writer.close()
            sums.append(hexlify(md5.digest()).decode())
            await asyncio.sleep_ms(0)
        recording.end()
        print(json.dumps({store.capture_id(recording): sums}))
        # Recording goes on, but not without limit ahead of the uploads.
        while int(recording.id) - counts["completed"] > 20:
            await asyncio.sleep_ms(1)
    while counts["completed"] < COUNT and not counts["quarantined"]:
        await asyncio.sleep_ms(1)
    for _ in range(100):
        await asyncio.sleep_ms(0)
    task.cancel()
    print(
        json.dumps(
            {
                "done": counts["completed"] == COUNT,
                "heap_after_100": heaps[0],
                "heap_at_end": heaps[-1],
                "open": len(up.sending.http.idle),
                "waits": counts["retry"],
                "hours": round(virtual[0] / 3600000, 1),
            }
        )
    )


asyncio.run(main())
