"""Record from a stand-in of machine.I2S while uploading at full speed: record_upload.py CONFIG
SECONDS FILE.

The stand-in gives 16 kHz, 16 bit, mono samples that count up, at the pace of the time that this
process has had: what a busy machine keeps from it does not count. SECONDS of that are recorded, and
until MOST bytes were sent. Prints JSON: `lost` (samples that its ring lost), `longest_gap_ms` in
which nobody looked at it, `sent` (bytes uploaded beside it), `samples`.
"""

import sys

ROOT = sys.argv[0].rsplit("/", 1)[0] + "/../../"
sys.path.insert(0, ROOT + "firmware")
sys.path.insert(1, ROOT + "tools/chip/mpy")

import asyncio
import json
import time
from asyncio import core

from chip import Chip
from esp32board import Board
from recorders.microphone import i2s
from recorders.recorder import Recorder
from recorders.wav import Wav

from uploader import Clock, Store, Uploader, load_config
from uploader.links.host import HostLink

RATE = 16000
MOST = 20 << 20
waited = [0]
wait = core.IOQueue.wait_io_event


def wait_io_event(queue, dt):
    """asyncio's, counting what it waits: no more than it wanted to."""
    start = time.ticks_ms()
    wait(queue, dt)
    gone = time.ticks_diff(time.ticks_ms(), start)
    waited[0] += gone if dt < 0 else min(gone, dt)


core.IOQueue.wait_io_event = wait_io_event


def had_ms():
    """Milliseconds that this process computed or wanted to wait."""
    return int(time.clock() * 1000) + waited[0]


class Watched(Chip):
    """A chip in that time; `longest` is the longest it was left alone, in us."""

    def __init__(self):
        super().__init__(had_ms)
        self.longest = 0

    def now(self):
        before = self.us
        now = super().now()
        self.longest = max(self.longest, now - before)
        return now


async def pulse(chip):
    """The driver's own task goes on whatever Python does."""
    while True:
        chip.now()
        await asyncio.sleep_ms(5)


async def main():
    settings = load_config(sys.argv[1])
    store = Store(settings, Clock(ticks_ms=had_ms))
    sent = [0]
    whole = {}
    done = asyncio.Event()

    def event(name, info):
        if name == "progress":
            whole[info["id"], info["file"]] = info["sent"]
            sent[0] = sum(whole.values())
        elif name == "completed" and info["id"] == recording.id:
            done.set()

    up = Uploader(settings, store, [HostLink()], event)
    for _ in range(4):
        rec = up.record("ballast")
        writer = rec.add("audio", "audio/ogg")
        with open(sys.argv[3], "rb") as f:
            while True:
                data = f.read(65536)
                if not data:
                    break
                writer.write(data)
        rec.end()
    chip = Watched()
    Board(chip).install()
    made = []

    def open_it():
        made.append(i2s({"id": 0, "sck": 14, "ws": 15, "sd": 32}, RATE))
        return made[0]

    told = []
    recorder = Recorder(open_it, store.clock, lambda name, **info: told.append(name), RATE)
    recording = up.record("microphone", live=bool(settings.segment_seconds))
    uploading = asyncio.create_task(up.run())
    chip.longest = 0
    beating = asyncio.create_task(pulse(chip))
    task = asyncio.create_task(recorder.record(recording, Wav(RATE), (0, settings.segment_seconds)))
    end = had_ms() + float(sys.argv[2]) * 1000
    while had_ms() < end or sent[0] <= MOST:
        await asyncio.sleep_ms(20)
    beside = sent[0]
    recorder.stop()
    await task
    beating.cancel()
    samples = recorder.samples
    recording.end()
    await asyncio.wait_for(done.wait(), 600)
    uploading.cancel()
    print(
        json.dumps(
            {
                "lost": made[0].overrun * 256,
                "told": told,
                "longest_gap_ms": chip.longest // 1000,
                "sent": beside,
                "samples": samples,
            }
        )
    )


asyncio.run(main())
