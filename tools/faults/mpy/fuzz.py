"""Answers that nobody should send, to the real HTTP client and JSON handling. Runs in
MicroPython: fuzz.py COUNT SEED.

Each case is a valid answer, or a made-up one, mutated: bytes turned, removed, doubled, pieces
spliced, cut anywhere, followed by more. Whatever comes, the client must end with an answer, a
TransportError or an ApiError, keep no more of a body than it was asked to, never let bytes
after one answer become the next, and hold no memory. Prints JSON: `cases`, `failures`.
"""

import sys

HERE = sys.argv[0].rsplit("/", 1)[0]
sys.path.insert(0, HERE)
sys.path.insert(1, HERE + "/../../../firmware")

import asyncio
import gc
import json
import random

from wire import WiredHttp, settings

from uploader import Clock
from uploader.api import DeviceApi
from uploader.errors import ApiError, TransportError
from uploader.s3 import s3_error

COUNT, SEED = int(sys.argv[1]), int(sys.argv[2])
random.seed(SEED)
MAX_BODY = 2048
SEEDS = (
    b"HTTP/1.1 201 Created\r\nContent-Length: 14\r\nDate: Fri, 01 May 2026 10:00:00 GMT\r\n\r\n"
    b'{"id":"rec_1"}',
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n{"id":"rec_1"}\r\n0\r\n\r\n',
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n{"id"\r\n9\r\n:"rec_1"}'
    b"\r\n0\r\n"
    b"A: b\r\n\r\n",
    b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nETag: "x"\r\n\r\n',
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
    b'HTTP/1.0 200 OK\r\n\r\n{"id":"rec_1"}',
    b"HTTP/1.1 429 Too Many Requests\r\nX-RateLimit-Reset: 1777629660\r\nContent-Length: 60\r\n"
    b'\r\n{"error":{"code":"rate_limit_exceeded","message":"Slow."}}   ',
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: 65\r\n\r\n<Error><Code>AccessDenied</Code><Message>expired</Message></Error>",
    b'HTTP/1.1 200 OK\r\nContent-Length: 118\r\n\r\n{"media_id":"med_1","upload_url":'
    b'"https://s3.test/a?X-Amz-Signature=s","headers":{"Content-Type":"audio/opus"},"x":[1,2.5e3]}',
    b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://elsewhere.test/\r\n"
    b"Content-Length: 0\r\n\r\n",
)
PIECES = (
    b"\r\n|\r\n\r\n|\n|\r|:|Content-Length: |99999999999999|-1|+5|0x10|HTTP/1.1 "
    b'|HTTP/1.1 200 OK\r\n|Transfer-Encoding: chunked\r\n|\x00|\xff| |\t|{|"|\\u0000'
    b"|\\|null|1e999|ffffffff\r\n"
    b"|Connection: close\r\n|Connection: keep-alive\r\n|0\r\n\r\n|Content-Length: 0\r\n"
).split(b"|") + [b"[" * 200, b"a" * 300]


def mutated():
    data = bytearray(random.choice(SEEDS))
    for _ in range(random.randrange(5)):
        at = random.randrange(len(data) + 1)
        what = random.randrange(7)
        if what == 0 and at < len(data):
            data[at] = random.getrandbits(8)
        elif what == 1:
            data = data[:at] + data[at + random.randrange(1, 20) :]
        elif what == 2:
            data = data[:at] + random.choice(PIECES) + data[at:]
        elif what == 3:
            data = data[:at] + data[at // 2 : at] + data[at:]
        elif what == 4:
            data = data[:at] + random.choice(SEEDS)[at:]
        elif what == 5:
            data = data[:at]
        else:
            data = data + random.choice(PIECES) * random.randrange(1, 40)
        if not data:
            data = bytearray(b"\r")
    return bytes(data)


def noise():
    return bytes(random.getrandbits(8) for _ in range(random.randrange(1, 200)))


class Source:
    """A file of 100 bytes."""

    def __init__(self):
        self.left = 100

    def readinto(self, buf):
        n = min(self.left, len(buf))
        self.left -= n
        return n


async def one(http, api, what):
    if what == 0:
        response = await http.request("POST", "https://a.test/x", (), b"{}", MAX_BODY)
    elif what == 1:
        response = await http.put("https://a.test/x", (), Source(), 100, None, MAX_BODY)
    elif what == 2:
        assert isinstance(await api.create_recording({}), str)
        return
    elif what == 3:
        grant = await api.upload_url("rec_1", {})
        assert isinstance(grant.url, str)
        return
    elif what == 4:
        await api.complete("rec_1")
        return
    elif what == 5:
        assert isinstance(await api.heartbeat({}), dict)
        return
    else:
        assert isinstance(await api.refresh_token("dev_1"), str)
        return
    assert len(response.body) <= MAX_BODY, len(response.body)
    assert 200 <= response.status < 600, response.status
    error = s3_error(response)
    assert len(str(error)) < 400
    if http.idle:
        # Kept alive only if not one byte was left over.
        assert not http.idle[-1].sock.unread, http.idle[-1].sock.unread


async def main():
    answer = [b""]

    def handle(method, path, headers, body):
        return answer[0]

    made = settings(api_url="https://a.test", stall_timeout_s=0.002)
    http = WiredHttp(handle, made)
    api = DeviceApi(http, made, Clock(), "dtok_secret")
    failures = []
    held = None
    kinds = {}
    for i in range(COUNT):
        answer[0] = mutated() if i % 10 else noise()
        what = random.randrange(7)
        http.hang_up = random.randrange(8) > 0
        try:
            await one(http, api, what)
            kind = "answer"
        except ApiError as e:
            kind = "ApiError"
            if "dtok_secret" in str(e):
                failures.append("told the token: %r" % answer[0])
        except TransportError as e:
            kind = e.kind
        except Exception as e:
            kind = "failure"
            failures.append("%d %r: %r on %r" % (i, what, e, answer[0][:200]))
        kinds[kind] = kinds.get(kind, 0) + 1
        if len(http.idle) > 2 or i % 3 == 0:
            http.close()
        if i in (COUNT // 10, COUNT - 1):
            http.close()
            gc.collect()
            if held is None:
                held = gc.mem_alloc()
            elif gc.mem_alloc() - held > 4096:
                failures.append("holds %d bytes more" % (gc.mem_alloc() - held))
    print(json.dumps({"cases": COUNT, "failures": failures[:10], "kinds": kinds}))


asyncio.run(main())
