"""Encodes a file of 16-bit PCM: codec.py FIRMWARE CODEC KERNEL PCM OUT; JSON of what it took."""

import sys

sys.path.insert(0, sys.argv[1])

import gc
import json
import time

from recorders import native

_, _, codec, kernel, path, out = sys.argv


class Writer:
    """A MediaWriter whose head is put in place at the end."""

    def __init__(self):
        self.size = 0
        self._file = open(out, "wb")

    def write(self, buf):
        self.size += len(buf)
        return self._file.write(buf)

    def set_head(self, head):
        self._file.seek(0)
        self._file.write(head)

    def close(self):
        self._file.close()


def held():
    gc.collect()
    return gc.mem_alloc()


with open(path, "rb") as f:
    pcm = memoryview(f.read())
before = held()
module = __import__("recorders." + codec, None, None, (codec,))
loops = native.module("%s_%s" % (codec, kernel))
imported = held()
encoder = getattr(module, codec[0].upper() + codec[1:])(16000, loops)
made = held()
writer = Writer()
began = time.ticks_us()
stream = encoder.open(writer)
for at in range(0, len(pcm), 4096):
    stream.write(pcm[at : at + 4096])
stream.close()
took_us = time.ticks_diff(time.ticks_us(), began)
figures = {
    "realtime_factor": round(len(pcm) * 1e6 / 32000 / took_us, 2),
    "bytes": writer.size,
    "heap_imported": imported - before,
    "heap_made": made - imported,
}
print(json.dumps(figures))
