"""Drain under faults, on virtual time. Runs in MicroPython: drain.py FIRMWARE CONFIG.

Waits between attempts pass at once and are reported; only the network's own time is real.
Prints a line of JSON: `done`, `waits` (seconds), `events`, `reasons`.
"""

import sys

sys.path.insert(0, sys.argv[1])

import asyncio
import json
import time

from uploader import Clock, Store, Uploader, load_config
from uploader.links.host import HostLink

LIMIT = 40  # passes: more is a busy loop
POLL_MS = 100  # the longest wait between two looks at a socket


async def main():
    waits = []
    events = []
    reasons = []
    virtual = [0]

    async def sleep_ms(ms):
        # What polls the network waits for real, or it would give up before it is answered.
        if ms > POLL_MS:
            virtual[0] += ms
            ms = 0
        await asyncio.sleep_ms(ms)

    def ticks():
        return time.ticks_add(time.ticks_ms(), virtual[0])

    def event(name, info):
        if name == "retry":
            waits.append(info["wait_s"])
            reasons.append(info["reason"])
            if len(waits) > LIMIT:
                raise SystemExit("busy loop: " + json.dumps(reasons))
        if name != "progress":
            events.append([name, info])

    settings = load_config(sys.argv[2])
    store = Store(settings, Clock(ticks_ms=ticks, sleep_ms=sleep_ms))
    up = Uploader(settings, store, [HostLink()], event)
    done = await up.drain(600)
    print(json.dumps({"done": done, "waits": waits, "events": events, "reasons": reasons}))


asyncio.run(main())
