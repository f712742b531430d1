"""Drain a configuration and print counters as JSON: drain_report.py FIRMWARE CONFIG."""

import sys

sys.path.insert(0, sys.argv[1])

import asyncio
import json

from uploader import Clock, Store, Uploader, config
from uploader.links.host import HostLink


def main():
    settings = config.load(sys.argv[2])
    store = Store(settings.storage, Clock(), settings.sync_bytes)
    up = Uploader(settings, store, [HostLink()])
    done = asyncio.run(up.drain(60))
    print(json.dumps({"done": done, "connections": up.http.connections_opened}))


main()
