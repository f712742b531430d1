"""Drain under faults, on virtual time. Runs in MicroPython: drain.py FIRMWARE CONFIG
[DNS_FAILURES].

Waits between attempts pass at once and are reported; only the network's own time is real.
Prints a line of JSON: `done`, `waits` (seconds), `events`, `reasons`. A
resolver that fails so many times first is the case DNS.
"""

import sys

sys.path.insert(0, sys.argv[1])

import asyncio
import json
import time

import uploader.http
from uploader import Clock, Store, Uploader, load_config
from uploader.links.host import HostLink

FAIL_DNS = int(sys.argv[3]) if len(sys.argv) > 3 else 0
LIMIT = 40  # passes: more is a busy loop


class Resolver:
    """The socket module with a resolver that fails at first."""

    def __init__(self, fails):
        self._real = uploader.http.socket
        self._fails = fails

    def getaddrinfo(self, *args):
        if self._fails:
            self._fails -= 1
            raise OSError(-2)  # EAI_NONAME, netdb.h
        return self._real.getaddrinfo(*args)

    def __getattr__(self, name):
        return getattr(self._real, name)


async def main():
    waits = []
    events = []
    reasons = []
    virtual = [0]

    async def sleep_ms(ms):
        # Real time passes too, so that the network is not starved by waits of no length.
        virtual[0] += ms
        await asyncio.sleep_ms(0)

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

    uploader.http.socket = Resolver(FAIL_DNS)
    settings = load_config(sys.argv[2])
    store = Store(settings, Clock(ticks_ms=ticks, sleep_ms=sleep_ms))
    up = Uploader(settings, store, [HostLink()], event)
    done = await up.drain(60)
    print(json.dumps({"done": done, "waits": waits, "events": events, "reasons": reasons}))


asyncio.run(main())
