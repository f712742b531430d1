"""Every answer at every step: endpoint x status x body. Runs in MicroPython: answers.py FOLDER.

One call is answered with it, all others as they should be; what the uploader made of it is
compared with the module's table, written out here once more on purpose. Prints JSON:
`cases` and `failures`, a list of texts.
"""

import sys

HERE = sys.argv[0].rsplit("/", 1)[0]
sys.path.insert(0, HERE)
sys.path.insert(1, HERE + "/../../../firmware")

import asyncio
import gc
import hashlib
import json
import os
from binascii import hexlify

from wire import Service, WiredHttp

from uploader import Clock, Store, Uploader, owner
from uploader.clock import FLOOR
from uploader.config import check
from uploader.links.host import HostLink

STEPS = ("create", "url", "put", "complete")
STATUSES = (200, 201, 204, 301, 307, 400, 401, 403, 404, 408, 409, 411, 413, 422, 425, 429)
STATUSES += (500, 501, 502, 503, 504)
ERROR = {"error": {"code": "some_code", "message": "Some words.", "details": {"a": [1]}}}
BODIES = ("contract", "empty", "html", "xml", "truncated", "huge", "types", "nulls", "missing")
BODIES += ("nested",)
MEDIA = b"sound" * 100
ETAG = 'ETag: "%s"\r\n' % hexlify(hashlib.md5(MEDIA).digest()).decode()
TOKEN = "dtok_do_not_tell"


def body_of(kind, step, status):
    if kind == "contract":
        if status >= 300:
            return json.dumps(ERROR).encode()
        if step == "create":
            return b'{"id":"rec_1"}'
        if step == "url":
            return json.dumps(
                {"upload_url": "https://s3.test/rec_1/0?X-Amz-Signature=s", "headers": {}}
            ).encode()
        return b'{"status":"uploaded"}' if step == "complete" else b""
    return {
        "empty": b"",
        "html": b"<html><body>Bad gateway</body></html>",
        "xml": b"<?xml version='1.0'?><Error><Code>Other</Code><Message>m</Message></Error>",
        "truncated": b'{"id":"rec',
        "huge": b'{"id":"rec_1","x":"' + b"y" * 150000 + b'"}',
        "types": b'{"id":5,"upload_url":[],"headers":"x","error":7}',
        "nulls": b'{"id":null,"upload_url":null,"headers":null,"error":null}',
        "missing": b"{}",
        "nested": b"[" * 8000 + b"]" * 8000,
    }[kind]


def bytes_of(kind, step, status, fields=""):
    body = body_of(kind, step, status)
    length = len(body) + (50 if kind == "truncated" else 0)
    if step == "put" and status < 300:
        fields += ETAG
    if kind == "truncated":
        fields += "Connection: close\r\n"
    head = "HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n" % (status, fields, length)
    return head.encode() + body


def expected(step, status, kind):
    """What the design's table says."""
    if kind == "truncated" and status != 204:  # 204 has no body, whatever its length says
        return "retry"
    if status < 300:
        if step in ("put", "complete"):
            return "done"
        return "done" if kind == "contract" and status != 204 else "retry"
    if step == "complete" and status in (400, 422, 425):
        # With a hash of the file: refused, it may be the hash that is not known, and is left out;
        # 425 is asked again in the same pass.
        return "done"
    if status < 400 or status >= 500 or status in (408, 425):
        return "retry"
    if status == 429:
        return "limit"
    if step == "put":
        return "new_url" if status in (401, 403, 404, 409) else "quarantine"
    if status in (401, 403):
        return "token"
    if status == 404:
        return "retry" if step == "create" else "recreate"
    if status == 409 and step == "url":
        return "recreate"
    return "quarantine"


WAITS = {  # of the first failure, in seconds
    "retry": (0.1, 1),
    "recreate": (0.1, 1),
    "limit": (1, 120),
    "token": (450, 1350),
}


class Run:
    """One recording drained through a service of which one answer is overridden."""

    def __init__(self, folder, override):
        self.waits = []
        self.printed = []
        self.service = Service()
        self.service.override = override
        settings = check(
            {
                "api_url": "https://api.test/v1",
                "device_token": TOKEN,
                "storage": folder,
                "roots": [ROOT],
                "ntp_server": "",
            }
        )
        self.virtual = [0]
        clock = Clock(lambda: FLOOR + 10000000, self._ticks, self._sleep)
        store = Store(settings, clock)
        recording = store.begin("a name")
        recording.add("audio").write(MEDIA)
        recording.end()
        self.id = recording.id
        self.store = store
        http = WiredHttp(self.service.handle, settings)
        self.up = Uploader(settings, store, [HostLink()], self._event, http=http)
        self.done = asyncio.run(self.up.drain(600))

    def _ticks(self):
        return self.virtual[0] & 0x3FFFFFFF

    async def _sleep(self, ms):
        self.virtual[0] += ms
        await asyncio.sleep_ms(0)

    def _event(self, name, info):
        self.printed.append("%s %r" % (name, info))
        if name == "retry":
            self.waits.append(info["wait_s"])
            if len(self.waits) > 20:
                raise SystemExit("busy loop: %r" % self.printed)

    def verdict(self):
        service = self.service
        if service.calls.get("url", 0) > 1 and not self.waits:
            return "new_url"
        if self.waits:
            low = min(self.waits)
            if low >= 450:
                return "token"
            if "429" in " ".join(self.printed):
                return "limit"
            return "recreate" if "gone" in " ".join(self.printed) else "retry"
        return "quarantine" if "quarantined" in " ".join(self.printed) else "done"


def judge(run, want):
    """A text that says what is wrong, or None."""
    got = run.verdict()
    if got != want:
        return "taken for %s, not %s: %r" % (got, want, run.printed)
    if not run.done:
        return "the drain did not end"
    if want in WAITS:
        least, most = WAITS[want]
        if len(run.waits) != 1 or not least <= run.waits[0] <= most:
            return "waited %r" % run.waits
    for secret in (TOKEN, "Signature=s"):
        if secret in " ".join(run.printed):
            return "told a secret: %r" % run.printed
    whole = [r for r in run.service.recordings.values() if r["status"] == "uploaded"]
    if want == "quarantine":
        (entry,) = list(owner.quarantined(run.store))
        owner.discard(run.store, entry.id)
        return "uploaded though quarantined" if whole else None
    if [e.id for e in run.store.entries()]:
        return "not deleted though complete"
    return None


ROOT = sys.argv[1] + "/root.der"
with open(ROOT, "wb") as f:
    f.write(b"\x30\x82\x01\x00")
cases = 0
failures = []


def case(what, override, want, check_more=None):
    global cases
    cases += 1
    folder = "%s/%d" % (sys.argv[1], cases)
    run = Run(folder, override)
    wrong = judge(run, want) or (check_more and check_more(run))
    if wrong:
        failures.append("%s: %s" % (what, wrong))
    for name in os.listdir(folder):
        os.remove(folder + "/" + name)
    os.rmdir(folder)
    gc.collect()


def once(step, answer):
    return lambda s, n: answer if s == step and n == 0 else None


for step in STEPS:
    for status in STATUSES:
        for kind in BODIES:
            want = expected(step, status, kind)
            if step == "create" and status < 300 and kind == "contract" and status != 204:
                continue  # taken at its word it names a recording that is not there
            if step == "url" and want == "done":
                continue
            what = "%s %d %s" % (step, status, kind)
            case(what, once(step, bytes_of(kind, step, status)), want)

# S3's errors by name (Amazon S3 API reference, "Error responses").
for status, code, want in (
    (400, "RequestTimeout", "retry"),
    (400, "IncompleteBody", "retry"),
    (400, "BadDigest", "retry"),
    (400, "ExpiredToken", "new_url"),
    (400, "InvalidToken", "new_url"),
    (400, "EntityTooLarge", "quarantine"),
    (400, "InvalidArgument", "quarantine"),
    (403, "AccessDenied", "new_url"),
    (403, "SignatureDoesNotMatch", "new_url"),
    (403, "RequestTimeTooSkewed", "new_url"),
    (404, "NoSuchBucket", "new_url"),
    (411, "MissingContentLength", "quarantine"),
    (500, "InternalError", "retry"),
    (501, "NotImplemented", "retry"),
    (503, "SlowDown", "retry"),
    (307, "TemporaryRedirect", "retry"),
):
    xml = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>m</Message></Error>" % code.encode()
    head = "HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(xml))
    case("S3 " + code, once("put", head.encode() + xml), want)

# 429 and when the limit is said to end, against the server's own Date.
NOW = 1777629600  # Fri, 01 May 2026 10:00:00 GMT
for reset, least, most in (
    (str(NOW + 20), 20, 80),
    (str(NOW - 500), 1, 61),
    (str(NOW + 10**7), 60, 120),
    (None, 60, 120),
    ("soon", 60, 120),
    ("-5", 60, 120),
    ("9" * 30, 60, 120),
    ("", 60, 120),
):
    fields = "Date: Fri, 01 May 2026 10:00:00 GMT\r\n"
    if reset is not None:
        fields += "X-RateLimit-Reset: %s\r\n" % reset
    for step in ("create", "url", "complete"):

        def in_time(run, least=least, most=most):
            if not least <= run.waits[0] <= most:
                return "waited %r, not %r to %r" % (run.waits, least, most)

        answer = bytes_of("contract", step, 429, fields)
        case("429 %s reset %r" % (step, reset), once(step, answer), "limit", in_time)

# Answers that were lost, though they took effect; a second completion refused is a success.
case("nothing back", lambda s, n: b"" if n == 0 and s == "complete" else None, "retry")
print(json.dumps({"cases": cases, "failures": failures}))
