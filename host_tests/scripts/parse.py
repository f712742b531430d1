"""Parse answers with the real HTTP client: hex lines in, a line of JSON for each out."""

import sys

HERE = sys.argv[0].rsplit("/", 1)[0]
sys.path.insert(0, HERE + "/../../tools/faults/mpy")
sys.path.insert(1, HERE + "/../../firmware")

import asyncio
import json
from binascii import hexlify, unhexlify

from wire import WiredHttp, settings

from uploader.errors import TransportError


async def main():
    answer = [b""]
    http = WiredHttp(lambda *_: answer[0], settings(stall_timeout_s=0.002))
    while True:
        line = sys.stdin.readline().strip()
        if not line:
            break
        answer[0] = unhexlify(line)
        http.hang_up = True
        try:
            response = await http.request("POST", "https://a.test/x", (), b"", 100000)
            out = {
                "status": response.status,
                "body": hexlify(response.body).decode(),
                "etag": response.headers.get("etag"),
                "kept": len(http.idle),
            }
        except TransportError as e:
            out = {"error": e.kind}
        http.close()
        print(json.dumps(out))


asyncio.run(main())
