"""A fleet behind one limit, on a virtual clock: the real session, API client, retry table and
waits of each device. Runs in MicroPython: fleet.py DEVICES RECORDINGS SEED.

After an outage every device has RECORDINGS of one file each, and all wake within a minute. The
project's limits are the contract's: 100 requests a minute, of which 30 upload-urls. Prints
JSON: `drained` (devices), `ratio` (time taken to the time that the limit imposes),
`requests_per_grant`, `last_first` (when the last device got its first recording through, as a
fraction of the whole), `ideal_minutes` (the limit's own time), `times` (seconds at which each
device had drained).
"""

import sys

HERE = sys.argv[0].rsplit("/", 1)[0]
sys.path.insert(0, HERE)
sys.path.insert(1, HERE + "/../../../firmware")

import asyncio
import json

from wire import Service, settings

from uploader import Clock
from uploader.answer import Response
from uploader.api import DeviceApi
from uploader.clock import FLOOR, iso
from uploader.entry import Entry
from uploader.retry import PassResult, Patience
from uploader.s3 import S3
from uploader.session import Session

DEVICES, RECORDINGS, SEED = (int(a) for a in sys.argv[1:4])
REQUESTS, URLS, WINDOW = 100, 30, 60
START = FLOOR + 10000000
ROUND_TRIP_S = 1  # a request over a cellular link, its radio awake


class World:
    """Virtual time: who sleeps is woken in order."""

    def __init__(self):
        self.now = 0.0
        self.sleepers = []
        self.number = 0

    async def sleep(self, seconds):
        event = asyncio.Event()
        self.number += 1
        self.sleepers.append((self.now + seconds, self.number, event))
        await event.wait()

    async def run(self, tasks):
        while self.sleepers or not all(t.done() for t in tasks):
            # All that can run does, then the clock moves on to the next sleeper.
            await asyncio.sleep_ms(0)
            for _ in range(12):
                await asyncio.sleep_ms(0)
            if self.sleepers:
                first = min(self.sleepers)
                self.sleepers.remove(first)
                self.now = first[0]
                first[2].set()


class Limits:
    """The project's limits, in windows of a minute."""

    def __init__(self):
        self.window = None
        self.requests = self.granted = 0

    def take(self, url):
        self.requests += 1
        window = int(world.now) // WINDOW
        if window != self.window:
            self.window = window
            self.used = [0, 0]
        if self.used[0] >= REQUESTS or (url and self.used[1] >= URLS):
            return False
        self.used[0] += 1
        self.used[1] += url
        self.granted += 1
        return True


class Random:
    """Uniform floats of a seed (xorshift32, Marsaglia 2003)."""

    def __init__(self, seed):
        self.x = seed * 2654435761 & 0xFFFFFFFF or 1

    def __call__(self):
        x = self.x
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        self.x = x
        return x / 4294967296


class Transport:
    """A device's requests to the shared service."""

    async def request(self, method, url, headers=(), body=b"", max_body=0):
        await world.sleep(ROUND_TRIP_S)
        path = url[len("https://api.test") :]
        url_call = path.endswith("/upload-url")
        ok = limits.take(url_call)
        now = START + int(world.now)
        fields = {"date": http_date(now)}  # as the real client keeps it
        if not ok:
            fields["x-ratelimit-reset"] = str((now - START) // WINDOW * WINDOW + WINDOW + START)
            return Response(429, fields)
        answer = service.handle("POST", path, {}, body)
        status = int(answer.split(b" ", 2)[1])
        response = Response(status, fields)
        response.body = answer.partition(b"\r\n\r\n")[2]
        return response

    async def put(self, url, headers, source, size, progress=None, max_body=0):
        await world.sleep(ROUND_TRIP_S)
        response = Response(200, {"etag": '"' + "0" * 32 + '"'})
        return response


def http_date(t):
    # IMF-fixdate (RFC 9110 section 5.6.7); the day of the week is not looked at.
    text = iso(t)
    months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
    return "Sun, %s %s %s %s GMT" % (
        text[8:10],
        months[int(text[5:7]) - 1],
        text[:4],
        text[11:19],
    )


class Memory:
    """A store in memory: what Session asks of one."""

    def __init__(self, device, clock):
        self.device = device
        self.clock = clock
        self.aside = {}
        self.left = [MemoryEntry(self, i) for i in range(RECORDINGS)]

    def pending(self, order):
        yield from list(self.left)

    def protect(self, seq):
        pass

    def capture_id(self, entry):
        return "%d-%s" % (self.device, entry.id)

    def remove(self, seq, entry=None):
        self.left = [e for e in self.left if e.seq != seq]

    def append(self, path, *values):
        pass

    def quarantine(self, entry, reason, damaged=False):
        raise SystemExit("quarantined: " + reason)


class MemoryEntry(Entry):
    """A recording of one file in memory."""

    def __init__(self, store, seq):
        self.seq = seq
        self.id = "%06d" % seq
        self._store = store
        self._state_path = ""
        self.begin = {"v": 1}
        self.end = {"count": 1}
        self.recording_id = None
        self.creates = self._sent = 0
        self.count = 1
        self.asked = self.plain = self.done = self.live = False
        self._md5 = {}

    def files(self):
        yield {"index": 0, "content_type": "audio/opus", "size": 5, "md5": "0" * 32}

    def open(self, file):
        return self

    def close(self):
        pass


class Link:
    """A link that is there and that nothing speaks against."""

    policy = None

    def better(self):
        return False

    def worked(self):
        pass


class Calls:
    """What a session makes calls with."""

    def __init__(self, api, s3):
        self.api = api
        self.s3 = s3


async def device(number):
    random = Random(SEED * 1000 + number)
    await world.sleep(random() * 60)
    clock = Clock(
        lambda: START + int(world.now),
        lambda: int(world.now * 1000) & 0x3FFFFFFF,
        random=random,
    )

    def emit(event, **info):
        if event == "completed" and number not in first:
            first[number] = world.now

    http = Transport()
    api = DeviceApi(http, config, clock, "dtok_x")
    session = Session(config, Memory(number, clock), Calls(api, S3(http)), Link(), emit)
    patience = Patience(clock.random)
    while True:
        work = session.begin(patience)
        if not isinstance(work, PassResult):
            while await work.step():
                pass
            work = work.result
        if work.wait_s is None:
            break
        await world.sleep(work.wait_s)
    finished[number] = world.now


world = World()
limits = Limits()
service = Service()
# The files have no bytes, so no hash.
config = settings(api_url="https://api.test/v1", verify_sha256=False)
first = {}
finished = {}


async def main():
    tasks = [asyncio.create_task(device(n)) for n in range(DEVICES)]
    await world.run(tasks)
    for task in tasks:
        await task
    urls = DEVICES * RECORDINGS
    ideal = max(urls / URLS, 3 * urls / REQUESTS) * WINDOW
    last = max(finished.values())
    done = [r for r in service.recordings.values() if r["status"] == "uploaded"]
    print(
        json.dumps(
            {
                "drained": len(finished),
                "recordings": len(done),
                "ratio": round(last / ideal, 3),
                "requests_per_grant": round(limits.requests / limits.granted, 3),
                "last_first": round(max(first.values()) / last, 3),
                "minutes": round(last / 60, 1),
                "ideal_minutes": round(ideal / 60, 2),
                "times": sorted(int(t) for t in finished.values()),
            }
        )
    )


asyncio.run(main())
