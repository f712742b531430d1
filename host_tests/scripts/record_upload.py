"""Record from a paced I2S stand-in while uploading at full speed: record_upload.py CONFIG
SECONDS FILE.

The stand-in gives 16 kHz, 16 bit, mono samples that count up, at the pace of real time, and
drops the oldest when its buffer runs over, as the driver does. Prints JSON: `lost` (samples
dropped), `longest_gap_ms` between two reads, `sent` (bytes uploaded beside it), `samples`.
"""

import sys

sys.path.insert(0, sys.argv[0].rsplit("/", 1)[0] + "/../../firmware")

import asyncio
import io
import json
import struct
import time

from recorders.i2s_wav import IBUF, WavRecorder

from uploader import Store, Uploader, load_config
from uploader.links.host import HostLink

RATE = 16000


class PacedI2S(io.IOBase):
    """Samples 0, 1, 2, ... (modulo 2^16), as fast as time passes."""

    def __init__(self):
        self.start = time.ticks_us()
        self.read = 0  # samples
        self.lost = 0
        self.last = self.start
        self.longest = 0

    def _available(self):
        made = time.ticks_diff(time.ticks_us(), self.start) * RATE // 1000000
        over = made - self.read - IBUF // 2
        if over > 0:
            self.lost += over
            self.read += over
        return made - self.read

    def readinto(self, buf):
        now = time.ticks_us()
        self.longest = max(self.longest, time.ticks_diff(now, self.last))
        self.last = now
        n = min(len(buf) // 2, self._available())
        for i in range(n):
            struct.pack_into("<H", buf, 2 * i, (self.read + i) & 0xFFFF)
        self.read += n
        return 2 * n

    def ioctl(self, request, arg):
        if request == 3:  # MP_STREAM_POLL
            return arg & 1 if self._available() >= 512 else 0
        return -1

    def deinit(self):
        pass


async def main():
    settings = load_config(sys.argv[1])
    store = Store(settings)
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
    for _ in range(8):
        rec = up.record("ballast")
        writer = rec.add("audio", "audio/ogg")
        with open(sys.argv[3], "rb") as f:
            while True:
                data = f.read(65536)
                if not data:
                    break
                writer.write(data)
        rec.end()
    i2s = PacedI2S()
    recorder = WavRecorder(lambda: i2s, store.clock, RATE)
    recording = up.record("microphone", live=bool(settings.segment_seconds))
    i2s.start = i2s.last = time.ticks_us()
    uploading = asyncio.create_task(up.run())
    task = asyncio.create_task(recorder.record(recording, 0, settings.segment_seconds))
    await asyncio.sleep(float(sys.argv[2]))
    beside = sent[0]
    recorder.stop()
    await task
    samples = recorder.samples
    recording.end()
    await asyncio.wait_for(done.wait(), 60)
    uploading.cancel()
    print(
        json.dumps(
            {
                "lost": i2s.lost,
                "longest_gap_ms": i2s.longest // 1000,
                "sent": beside,
                "samples": samples,
            }
        )
    )


asyncio.run(main())
