"""Drain a configuration and print the most heap that was held: grow.py FIRMWARE CONFIG."""

import sys

sys.path.insert(0, sys.argv[1])

import asyncio
import gc
import json

from uploader import Store, Uploader, load_config
from uploader.links.host import HostLink

most = 0
base = 0


def event(name, info):
    global most
    gc.collect()
    most = max(most, gc.mem_alloc() - base)


settings = load_config(sys.argv[2])
gc.collect()
base = gc.mem_alloc()
up = Uploader(settings, Store(settings), [HostLink()], event)
assert asyncio.run(up.drain(200))
print(json.dumps({"heap": most}))
