"""Ed25519 and SHA-512 as a device does them: a line of hex in, a line of JSON out.

`KEY SIGNATURE MESSAGE` is verified, `MESSAGE` alone is hashed; a part that is empty is `-`. The
answer has how often others ran, too, and gc.threshold() meanwhile and afterwards.
"""

import sys

sys.path.insert(0, sys.argv[0].rsplit("/", 1)[0] + "/../../firmware")

import asyncio
import gc
import json
from binascii import hexlify, unhexlify

from updates.ed25519 import verify
from updates.sha512 import sha512

waits = [0, 0]
gc.threshold(1024)  # as where memory is short


async def between():
    waits[0] += 1
    waits[1] = gc.threshold()


async def main():
    while True:
        parts = sys.stdin.readline().split()
        if not parts:
            return
        parts = [b"" if part == "-" else unhexlify(part) for part in parts]
        waits[0] = 0
        if len(parts) == 1:
            answer = hexlify(await sha512(parts[0], between)).decode()
        else:
            answer = await verify(*(parts + [between]))
        print(json.dumps([answer] + waits + [gc.threshold()]))


asyncio.run(main())
