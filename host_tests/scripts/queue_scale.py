"""How heap and time depend on the queue's length: queue_scale.py FIRMWARE CONFIG COUNT ENOUGH.

Prints JSON: bytes held after the boot, the most held while ENOUGH of the recordings are sent,
operations of the directory and the files (counted, not timed) up to the first byte sent.
"""

import sys

sys.path.insert(0, sys.argv[1])

import asyncio
import gc
import json
import os

from uploader import Store, Uploader, load_config
from uploader.links.host import HostLink

settings = load_config(sys.argv[2])
count, enough = (int(a) for a in sys.argv[3:5])
store = Store(settings)
for _ in range(count):
    recording = store.begin()
    recording.add("audio").write(b"sound")
    recording.end()
store = recording = None


class Count:
    """Counts directory entries read and files opened, by standing in for two functions."""

    def __init__(self):
        self.names = 0
        self.first = None

    def ilistdir(self, path):
        for found in os.ilistdir(path):
            self.names += 1
            yield found

    def __getattr__(self, name):
        return getattr(os, name)


most = 0
events = 0


def event(name, info):
    global most, events
    if name == "progress" and counter.first is None:
        counter.first = counter.names
    if name == "completed":
        events += 1
        if events % 10 == 1:
            gc.collect()
            most = max(most, gc.mem_alloc())
        if events == enough:
            sent.set()


import uploader.layout

counter = Count()
sent = asyncio.Event()
uploader.layout.os = counter


async def main():
    gc.collect()
    before = gc.mem_alloc()
    store = Store(settings)
    up = Uploader(settings, store, [HostLink()], event)
    gc.collect()
    boot = gc.mem_alloc() - before
    counter.names = 0
    draining = asyncio.create_task(up.drain())
    await sent.wait()
    draining.cancel()
    left = store.count_pending()
    figures = {"boot": boot, "most": most - before, "first": counter.first, "left": left}
    print(json.dumps(figures))


asyncio.run(main())
