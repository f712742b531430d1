"""PUT a file of SIZE zero bytes over TLS with each client by turns: put.py ROOT_DER HOST PORT SIZE
REPEATS [AIOHTTP_FOLDER].

Prints JSON: megabytes a second of `loop` (a hand-written blocking loop, the interpreter's limit),
`ours`, `requests` (stock, a generator of 4 KiB) and, given its folder, `aiohttp`; what ours
allocates per chunk and beside it the longest time for which a task that wants to run every 20 ms
had to wait (`worst_gap_ms`).
"""

import sys

sys.path.insert(0, sys.argv[0].rsplit("/", 1)[0] + "/../../../firmware")

import asyncio
import gc
import json
import socket
import time

import tls

from uploader.config import check
from uploader.http import Http

CHUNK = 4096


class Zeros:
    """A file of zeros."""

    def __init__(self, size):
        self.left = size

    def readinto(self, buf):
        n = len(buf)
        if n > self.left:
            n = self.left
        self.left -= n
        return n

    def chunks(self):
        buf = bytearray(CHUNK)
        mv = memoryview(buf)
        while True:
            n = self.readinto(buf)
            if not n:
                return
            yield mv[:n]


def blocking(root, host, port, size):
    """No events, no bounds, no checks."""
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    with open(root, "rb") as f:
        context.load_verify_locations(f.read())
    start = time.ticks_us()
    s = socket.socket()
    s.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
    s = context.wrap_socket(s, server_hostname=host)
    s.write("PUT /x HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n" % (host, size))
    source = Zeros(size)
    buf = bytearray(CHUNK)
    while True:
        n = source.readinto(buf)
        if not n:
            break
        s.write(buf if n == CHUNK else memoryview(buf)[:n])
    assert s.readline().split()[1] == b"200"
    took = time.ticks_diff(time.ticks_us(), start)
    s.close()
    return size / took


async def ours(http, host, port, size):
    start = time.ticks_us()
    response = await http.put("https://%s:%d/x" % (host, port), (), Zeros(size), size)
    took = time.ticks_diff(time.ticks_us(), start)
    http.close()
    assert response.status == 200
    return size / took


def stock_requests(host, port, size):
    import requests

    start = time.ticks_us()
    answer = requests.put(
        "https://%s:%d/x" % (host, port),
        data=Zeros(size).chunks(),
        headers={"Content-Length": str(size)},
    )
    took = time.ticks_diff(time.ticks_us(), start)
    answer.close()
    return size / took


async def with_aiohttp(root, host, port, size):
    """It takes a body as bytes only: the whole file in memory."""
    import aiohttp

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_NONE  # it passes no server name, so no name can be checked
    data = bytes(size)
    start = time.ticks_us()
    async with aiohttp.ClientSession() as session:
        async with session.put("https://%s:%d/x" % (host, port), data=data, ssl=context) as answer:
            assert answer.status == 200
    return size / time.ticks_diff(time.ticks_us(), start)


async def gap(http, host, port, size):
    """The longest wait, in ms, of a task that wants to run every 20 ms beside a PUT."""
    worst = [0]
    over = []

    async def recorder():
        while not over:
            start = time.ticks_us()
            await asyncio.sleep_ms(20)
            worst[0] = max(worst[0], time.ticks_diff(time.ticks_us(), start) // 1000)

    task = asyncio.create_task(recorder())
    await ours(http, host, port, size)
    over.append(1)
    await task
    return worst[0]


async def allocated(http, host, port, size):
    """Heap bytes that a PUT allocates, without collecting."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    await http.put("https://%s:%d/x" % (host, port), (), Zeros(size), size)
    after = gc.mem_alloc()
    gc.enable()
    http.close()
    return after - before


async def main():
    root, host, port, size, repeats = sys.argv[1:6]
    port, size = int(port), int(size)
    aiohttp = sys.argv[6] if len(sys.argv) > 6 else None
    if aiohttp:
        sys.path.append(aiohttp)
    settings = check(
        {
            "api_url": "https://localhost",
            "device_token": "dtok_x",
            "storage": "/",
            "roots": [root],
        }
    )
    http = Http(settings)
    result = {"loop": [], "ours": [], "requests": [], "aiohttp": [], "gap_ms": []}
    for _ in range(int(repeats)):
        result["loop"].append(blocking(root, host, port, size))
        result["ours"].append(await ours(http, host, port, size))
        result["requests"].append(stock_requests(host, port, size))
        if aiohttp:
            result["aiohttp"].append(await with_aiohttp(root, host, port, min(size, 1 << 20)))
        result["gap_ms"].append(await gap(http, host, port, size))
    small = await allocated(http, host, port, 1 << 20)
    large = await allocated(http, host, port, 5 << 20)
    result["alloc_per_chunk"] = (large - small) / ((4 << 20) / CHUNK)
    result["alloc_growth"] = large - small
    print(json.dumps(result))


asyncio.run(main())
