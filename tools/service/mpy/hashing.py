"""What SHA-256 beside MD5 costs of the time that a capture's writing takes: hashing.py FIRMWARE
FOLDER; JSON with the milliseconds of each run by turns, without and with it."""

import json
import sys
import time

sys.path.insert(0, sys.argv[1])

from uploader import Store
from uploader.config import check

_BLOCK = 4096
_BLOCKS = 512


def store(name, on):
    values = {"api_url": "http://x", "allow_insecure": True, "device_token": "dtok_t", "roots": []}
    values.update(storage=sys.argv[2] + "/" + name, verify_sha256=on)
    return Store(check(values))


def milliseconds(where):
    block = bytes(range(256)) * (_BLOCK // 256)
    recording = where.begin()
    writer = recording.add("audio")
    start = time.ticks_us()
    for _ in range(_BLOCKS):
        writer.write(block)
    writer.close()
    took = time.ticks_diff(time.ticks_us(), start) / 1000
    recording.end()
    where.remove(recording.seq)
    return took


plain, both = store("plain", False), store("both", True)
runs = [(milliseconds(plain), milliseconds(both)) for _ in range(9)]
print(json.dumps({"md5_ms": [a for a, _ in runs], "both_ms": [b for _, b in runs]}))
