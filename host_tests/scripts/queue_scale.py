"""How heap and time depend on the queue's length: queue_scale.py FIRMWARE CONFIG COUNT.

Prints JSON: bytes held after the boot, the most held while draining, operations of the
directory and the files (counted, not timed) up to the first byte sent.
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
count = int(sys.argv[3])
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
base = None
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


import uploader.layout

counter = Count()
uploader.layout.os = counter


async def main():
    global base
    gc.collect()
    before = gc.mem_alloc()
    up = Uploader(settings, Store(settings), [HostLink()], event)
    gc.collect()
    boot = gc.mem_alloc() - before
    counter.names = 0
    done = await up.drain(120)
    gc.collect()
    print(json.dumps({"done": done, "boot": boot, "most": most - before, "first": counter.first}))


asyncio.run(main())
