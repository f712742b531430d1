"""Encodes as it is told, a JSON line for each file: encode.py FOLDER; see test_codecs.py.

Answers with the file as it would be sent, or as it is on flash (`unfinished`), and what was
emitted; or, for `cut`, with what recovery makes of a FLAC file. A job that raises is answered with
its `error`, the traceback, and the next one begins with new encoders.
"""

import io
import json
import sys
from binascii import hexlify, unhexlify

sys.path.insert(0, sys.argv[1])

from recorders import native

loaded = {}


class Writer:
    """A MediaWriter in memory, full after `room` bytes."""

    def __init__(self, room):
        self.data = bytearray()
        self.head = b""
        self.closed = False
        self._room = room

    @property
    def size(self):
        return len(self.data)

    def write(self, buf):
        free = self._room - len(self.data)
        self.data += bytes(buf)[: max(0, free)]
        if free < len(buf):
            raise OSError(28)
        return len(buf)

    def set_head(self, head):
        assert len(head) <= min(256, self.size)
        self.head = head

    def close(self):
        self.closed = True

    def sent(self):
        return self.head + bytes(self.data)[len(self.head) :]


def codec(job, said):
    """An encoder of the job's kind, kept: it makes one file after another."""
    key = (job["codec"], job["kernel"], job.get("rate", 16000))
    if key not in loaded:
        module = __import__("recorders." + key[0], None, None, ("x",))
        kernel = native.module("%s_%s" % key[:2]) if key[1] else None
        make = getattr(module, key[0][0].upper() + key[0][1:])
        loaded[key] = make(key[2], kernel, lambda name, **info: said.append([name, info]))
    return loaded[key]


def encode(job):
    said = []
    if "path" in job:
        with open(job["path"], "rb") as f:
            pcm = f.read()
    else:
        pcm = unhexlify(job["pcm"])
    writer = Writer(job.get("room", 1 << 30))
    mv = memoryview(pcm)
    full = False
    stream = codec(job, said).open(writer)
    at = 0
    try:
        for n in job.get("pieces", ()):
            stream.write(mv[at : at + n])
            at += n
        stream.write(mv[at:])
    except OSError:
        full = True
    try:
        stream.close()
    except OSError:
        full = True
    assert writer.closed
    data = bytes(writer.data) if "unfinished" in job else writer.sent()
    return {"file": hexlify(data).decode(), "said": said, "full": full}


def cut(job):
    data = unhexlify(job["cut"])
    from uploader.flac_recovery import flac_end

    size, head = flac_end(io.BytesIO(data), len(data))
    head = head or b""
    return {"file": hexlify(head + data[len(head) : size]).decode()}


def answer(job):
    try:
        return cut(job) if "cut" in job else encode(job)
    except Exception as e:
        loaded.clear()
        told = io.StringIO()
        sys.print_exception(e, told)
        return {"error": told.getvalue()}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))))
