"""Drain a configuration and print counters as JSON: cycle.py FIRMWARE CONFIG."""

import sys

sys.path.insert(0, sys.argv[1])

import asyncio
import gc
import json

# As a device's main.py: collecting often keeps the free heap in few pieces.
gc.threshold(4096)

from uploader import Store, Uploader, load_config
from uploader.links.host import HostLink


def main():
    settings = load_config(sys.argv[2])
    store = Store(settings)
    up = Uploader(settings, store, [HostLink()])
    done = asyncio.run(up.drain(300))
    print(json.dumps({"done": done, "connections": up.sending.http.connections_opened}))


main()
