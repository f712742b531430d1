"""PUT a file of SIZE zero bytes over TLS, by turns with the module's client and with a
hand-written blocking loop, and print the megabytes a second of each and what was allocated:
put_speed.py ROOT_DER HOST PORT SIZE REPEATS."""

import sys

sys.path.insert(0, sys.argv[0].rsplit("/", 1)[0] + "/../../firmware")

import asyncio
import gc
import json
import socket
import time

import tls

from uploader.http import Http

CHUNK = 4096


class Zeros:
    def __init__(self, size):
        self.left = size

    def readinto(self, buf):
        n = len(buf)
        if n > self.left:
            n = self.left
        self.left -= n
        return n


def blocking(root, host, port, size):
    """The limit of the interpreter: no events, no bounds, no checks."""
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
    http = Http([root])
    result = {"loop": [], "ours": []}
    for _ in range(int(repeats)):
        result["loop"].append(blocking(root, host, port, size))
        result["ours"].append(await ours(http, host, port, size))
    small = await allocated(http, host, port, 1 << 20)
    large = await allocated(http, host, port, 5 << 20)
    result["alloc_per_chunk"] = (large - small) / ((4 << 20) / CHUNK)
    print(json.dumps(result))


asyncio.run(main())
