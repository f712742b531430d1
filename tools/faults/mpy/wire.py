"""A network in memory for the real HTTP client, and a small service behind it. Runs in
MicroPython."""

import hashlib
import json
from binascii import hexlify

from uploader.config import check
from uploader.connection import Connection
from uploader.http import Http

_IN = 1
_OUT = 4


def settings(**more):
    """Settings of a device at a service without TLS. Those named take any value, also one that
    a configuration may not have, like a stall of milliseconds."""
    made = check(
        {
            "api_url": "http://api.test/v1",
            "allow_insecure": True,
            "device_token": "dtok_t",
            "storage": "/flash",
            "roots": [],
            "ntp_server": "",
        }
    )
    if "storage" in more:
        made.values["state"] = more["storage"]
    made.values.update(more)
    return made


class Wire:
    """One connection: a stream socket and its poller in one. `handle` gets each whole request
    as (method, path, headers, body) and returns the answer's bytes; an answer with
    `Connection: close`, or None, closes the connection after it, and so does `hang_up`."""

    def __init__(self, handle, hang_up=False):
        self._handle = handle
        self._hang_up = hang_up
        self._out = b""
        self.unread = b""  # of the answers
        self._closed = False

    # a socket

    def write(self, buf):
        self._out += bytes(buf)
        self._serve()
        return len(buf)

    def readinto(self, buf):
        if not self.unread:
            return 0 if self._closed else None
        n = min(len(buf), len(self.unread))
        buf[:n] = self.unread[:n]
        self.unread = self.unread[n:]
        return n

    def close(self):
        self._closed = True

    # a poller

    def register(self, sock, events):
        pass

    def unregister(self, sock):
        pass

    def modify(self, sock, events):
        pass

    def ipoll(self, timeout):
        if self.unread or self._closed:
            yield self, _IN | _OUT
        else:
            yield self, _OUT

    def _serve(self):
        while True:
            head, end, rest = self._out.partition(b"\r\n\r\n")
            if not end:
                return
            lines = head.decode().split("\r\n")
            headers = {}
            for line in lines[1:]:
                name, _, value = line.partition(": ")
                headers[name.lower()] = value
            length = int(headers.get("content-length", "0"))
            if len(rest) < length:
                return
            method, path, _ = lines[0].split(" ")
            self._out = rest[length:]
            answer = self._handle(method, path, headers, rest[:length])
            if answer is None:
                self._closed = True
                return
            self.unread += answer
            if self._hang_up or b"Connection: close" in answer:
                self._closed = True


class WiredHttp(Http):
    """The HTTP client with `handle` for a network."""

    def __init__(self, handle, settings):
        super().__init__(settings)
        self.handle = handle
        self.settings = settings
        self.hang_up = False

    async def connect(self, secure, host, port):
        conn = Connection((secure, host, port), self.buffer, self.settings, None)
        conn.sock = conn.poll = Wire(self.handle, self.hang_up)
        self.connections_opened += 1
        return conn


class Service:
    """The device API and S3 in memory. `override(step, number)`, given the step (`create`,
    `url`, `put`, `complete`) and which call of it this is, may return an answer's bytes to
    give in its stead: b"" for none at all. `after(step, number, answer)` may do so once the
    call took effect. With a `token` others are refused; `refresh` replaces it. `date()` is the
    text of the Date header."""

    def __init__(self, token=None):
        self.override = self.after = None
        self.calls = {}  # step: how many
        self.recordings = {}  # id: dict with metadata, files, status
        self.date = None
        self.token = token

    def handle(self, method, path, headers, body):
        if method == "PUT":
            step = "put"
        else:
            step = path.split("/")[-1]
            step = {"recordings": "create", "upload-url": "url", "upload-complete": "complete"}.get(
                step, step
            )
        number = self.calls.get(step, 0)
        self.calls[step] = number + 1
        answer = self.override and self.override(step, number)
        if answer is None:
            if self.token and step != "put" and headers["authorization"] != "Bearer " + self.token:
                answer = self.answer(401, {"error": {"code": "unauthorized", "message": "No."}})
            else:
                answer = getattr(self, "_" + step)(path, headers, body)
                lost = self.after and self.after(step, number, answer)
                answer = answer if lost is None else lost
        return answer or None

    def _refresh(self, path, headers, body):
        self.token = "%s%d" % (self.token.rstrip("0123456789"), self.calls["refresh"])
        return self.answer(200, {"device_token": self.token})

    def _heartbeat(self, path, headers, body):
        return self.answer(200, {"status": "ok"})

    def _create(self, path, headers, body):
        recording_id = "rec_%d" % (len(self.recordings) + 1)
        fields = json.loads(body)
        fields.update(files={}, status="pending")
        self.recordings[recording_id] = fields
        return self.answer(201, {"id": recording_id, "device_id": "dev_1"})

    def _url(self, path, headers, body):
        recording_id = path.split("/")[-2]
        if recording_id not in self.recordings:
            return self.answer(404, {})
        if "captured_at" not in json.loads(body) and json.loads(body)["type"] != "audio":
            return self.answer(400, {})  # "optional for audio"
        number = len(self.recordings[recording_id]["files"])
        self.recordings[recording_id]["files"][number] = None
        return self.answer(
            200,
            {
                "media_id": "med_%d" % number,
                "upload_url": "https://s3.test/%s/%d?X-Amz-Signature=secret"
                % (recording_id, number),
                "headers": {"Content-Type": json.loads(body)["content_type"]},
                "expires_at": "2026-05-01T11:00:00Z",
            },
        )

    def _put(self, path, headers, body):
        if "authorization" in headers:  # beside the one in the URL
            return self.answer(400, None)
        recording_id, number = path.split("?")[0].split("/")[1:]
        self.recordings[recording_id]["files"][int(number)] = body
        etag = '"%s"' % hexlify(hashlib.md5(body).digest()).decode()
        return self.answer(200, None, "ETag: %s\r\n" % etag)

    def _complete(self, path, headers, body):
        recording = self.recordings.get(path.split("/")[-2])
        if recording is None:
            return self.answer(404, {})
        if recording["status"] != "pending":
            return self.answer(409, {})
        recording["status"] = "uploaded"
        return self.answer(200, {"status": "uploaded"})

    def answer(self, status, value, fields=""):
        body = b"" if value is None else json.dumps(value).encode()
        if self.date:
            fields += "Date: %s\r\n" % self.date()
        fields += "Content-Length: %d\r\n" % len(body)
        return ("HTTP/1.1 %d X\r\n%s\r\n" % (status, fields)).encode() + body
