"""How long the recorder may be held up: blocks.py ROOT BUFFER_MS; JSON.

It runs on the stand-in for machine.I2S, in virtual time, writes WAV to nowhere, and is held up
for longer and longer. `longest_block_survived_ms` is the longest, in steps of 10 ms and at every
phase of a buffer tried, of which no sample was lost; `lost_unseen` the samples that were lost
and not counted as a gap, less the 12 ms for each that the clock can't tell from drift.
"""

import sys

sys.path.insert(0, sys.argv[1] + "/firmware")
sys.path.insert(1, sys.argv[1] + "/tools/chip/mpy")

import asyncio
import json

import virtual
from chip import Chip
from i2s import I2SMaker
from recorders import codecs, microphone, recorder

from uploader import Clock

RATE = 16000
PINS = {"sck": 1, "ws": 2, "sd": 3}


class Nowhere:
    size = 0

    def add(self, *_):
        return self

    def write(self, buf):
        self.size += len(buf)
        return len(buf)

    def set_head(self, head):
        pass

    def close(self):
        pass


def tried(buffer_ms, block_ms, erase=False):
    """(samples lost, samples counted as lost) of six blocks at six phases of a buffer, the last
    of them just before the end."""
    chip = Chip()
    virtual.install(chip)
    maker = I2SMaker(chip)
    clock = Clock(lambda: 0, chip.ticks_ms, virtual.sleep_ms)
    streams = []

    def emit(name, **info):
        pass

    def make():
        ibuf = microphone.IBUF
        streams.append(maker(0, mode=1, bits=16, format=0, rate=RATE, ibuf=ibuf, **PINS))
        return streams[-1]

    codec = codecs.make("wav", RATE, clock, emit)
    rec = recorder.Recorder(make, clock, emit, RATE, buffer_ms)

    async def main():
        task = asyncio.create_task(rec.record(Nowhere(), codec))
        await asyncio.sleep_ms(4 * buffer_ms)
        for i in range(6):
            (chip.erase if erase else chip.block)(block_ms)
            await asyncio.sleep_ms(50 if i == 5 else 6 * buffer_ms + buffer_ms * i // 6)
        rec.stop()
        await task

    asyncio.run(main())
    asyncio.new_event_loop()
    return streams[0].overrun * 256, rec.gaps.lost_ms * RATE // 1000


def main(buffer_ms):
    survived = 0
    unseen = 0
    block_ms = 10
    while True:
        lost, counted = tried(buffer_ms, block_ms)
        unseen += max(0, lost - counted - 6 * 12 * RATE // 1000)
        if lost:
            break
        survived = block_ms
        block_ms += 10
    for ms in (50, 500, 2500, 14000):
        lost, counted = tried(buffer_ms, ms)
        unseen += max(0, lost - counted - 6 * 12 * RATE // 1000)
    for ms in (20, 45, 400):
        lost, counted = tried(buffer_ms, ms, True)
        unseen += max(0, lost - counted - 6 * 12 * RATE // 1000)
    return {"longest_block_survived_ms": survived, "lost_unseen": unseen}


print(json.dumps(main(int(sys.argv[2]))))
