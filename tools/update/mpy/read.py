"""Take a bundle as a device does, whole and with each byte changed. Runs in MicroPython.

read.py FIRMWARE BUNDLE KEY BOARD VERSION FOLDER [STEP]: prints a line of JSON, `files` (path,
SHA-256 of what was unpacked), or `error` and `final`. With STEP: how many changed bundles were
`tried` (every STEPth byte of what is signed, each of the rest), which bytes' changes were
`accepted`, and `verify_ms` and `verify_heap` of one signature.
"""

import sys

sys.path.insert(0, sys.argv[1])

import asyncio
import gc
import json
import time
from binascii import hexlify
from hashlib import sha256

from updates.bundle import HEAD, Head, UpdateError, entries

PATH, KEY, BOARD, VERSION, FOLDER = sys.argv[2:7]
good = {}  # what was verified once needs no second time


async def between():
    pass


async def take(data):
    """{path: SHA-256} of what a bundle unpacks to. Raises UpdateError."""
    head = Head(data[:HEAD])
    first = bytes(data[: head.at])
    if first not in good:
        await head.verify([KEY], between)
        good[first] = True
    head.check(BOARD, VERSION)
    path = FOLDER + "/list"
    with open(path, "wb") as f:
        f.write(data[head.at : head.data_at])
    head.check_list(path)
    files = {}
    end = head.data_at
    for entry in entries(path, head.data_at):
        h = sha256()
        end = entry.at + entry.stored
        entry.unpack(data[entry.at : end], head.values["wbits"], h.update)
        files[entry.path] = hexlify(h.digest()).decode()
    if end != len(data):
        raise UpdateError("longer than its list")
    return files


async def cost(data):
    """What a verification takes: ms, and bytes of the heap, code included."""
    start = time.ticks_ms()
    await Head(data[:HEAD]).verify([KEY], between)
    ms = time.ticks_diff(time.ticks_ms(), start)
    for name in ("ed25519", "sha512"):
        sys.modules.pop("updates." + name, None)
    gc.collect()
    gc.threshold(512)  # collecting often: what is live counts, not what is left lying
    before = most = gc.mem_alloc()

    async def look():
        nonlocal most
        most = max(most, gc.mem_alloc())

    await Head(data[:HEAD]).verify([KEY], look)
    gc.threshold(-1)
    return {"verify_ms": ms, "verify_heap": most - before}


async def mutate(data):
    accepted = []
    tried = 0
    signed = Head(data[:HEAD]).at
    step = int(sys.argv[7])
    data = bytearray(data)
    for at in range(len(data)):
        if at < signed and at % step:
            continue
        tried += 1
        bit = 1 << at % 8
        data[at] ^= bit
        try:
            await take(data)
            accepted.append(at)
        except UpdateError:
            pass
        data[at] ^= bit
    return {"tried": tried, "accepted": accepted}


async def main():
    with open(PATH, "rb") as f:
        data = f.read()
    if len(sys.argv) > 7:
        out = await cost(data)
        await take(data)
        out.update(await mutate(data))
        return out
    try:
        return {"files": await take(data)}
    except UpdateError as e:
        return {"error": str(e), "final": e.final}


print(json.dumps(asyncio.run(main())))
