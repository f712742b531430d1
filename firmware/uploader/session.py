"""One pass over the queue: create, upload-url, PUT, complete, delete.

With two connections each file goes straight from its upload-url to S3. With one, work is
batched (creates and upload-urls, then PUTs, then completes), since each change between the
API and S3 would cost a TLS handshake.
"""

import asyncio
import os

from micropython import const

from . import retry
from .api import s3_error
from .clock import parse_iso
from .entry import digest
from .errors import ApiError, DamagedError, StorageError, TransportError, UploaderError
from .retry import COMPLETE, CREATE, PUT, UPLOAD_URL

_BATCH = const(32)  # files whose upload-urls are held at once, with one connection
_PATH = ("dns", "connect", "closed", "stall", "tls", "not_tls", "link")
_BATCH_BYTES = const(32 << 20)  # and their bytes: a slow link must send them within the hour


class Outcome:
    """How a pass ended. `wait_s` is None if nothing is left to do, else the seconds until the
    next pass is worth trying; `reason` says why, `verdict` is of `retry`'s, `path` is the
    TransportError's kind if the way to the server failed, not its answer."""

    def __init__(self, wait_s=None, reason=None, verdict=0, path=None):
        self.wait_s = wait_s
        self.reason = reason
        self.verdict = verdict
        self.path = path


class _Pause(Exception):
    """Ends the pass; carries its Outcome."""

    def __init__(self, outcome):
        super().__init__(outcome)
        self.outcome = outcome


class _Held(Exception):
    """Puts a recording off; carries the policy's Refusal."""

    def __init__(self, refusal):
        super().__init__(refusal.reason)
        self.refusal = refusal


class _Ticket:
    """A file with its Grant."""

    def __init__(self, entry, file, grant, deadline_ms):
        self.entry = entry
        self.file = file
        self.grant = grant
        self.deadline_ms = deadline_ms


class Session:
    """Uploads what is pending. `http` PUTs, `api` makes the JSON calls, `emit(event, **info)`
    is told what happens, `random` returns a float in [0, 1). `policy` and `network` are asked
    before each recording and file."""

    def __init__(
        self,
        store,
        api,
        http,
        clock,
        emit,
        batched=False,
        backoff_max_s=300,
        random=None,
        order="oldest",
        policy=None,
        network=None,
    ):
        self.random = random or uniform
        self._order = order
        self._policy = policy
        self._network = network
        self._store = store
        self._api = api
        self._http = http
        self._clock = clock
        self._emit = emit
        self._batch = _BATCH if batched else 1
        self._backoff = retry.Backoff(self.random, backoff_max_s)
        self.between = None  # awaited between two files
        self._limited = 0  # 429s in a row
        self._buf = None
        self._parts = {}  # the last upload-url's query parts, shared among the next ones

    def look(self):
        """Look for something to upload, before a link is brought up for it.

        None if there is (then call `run`), else the Outcome. Raises StorageError.
        """
        self._tickets = []
        self._entries = []  # prepared, to be completed once all their files are sent
        self._left = Outcome()  # what the pass will come to
        self._strike = False  # the last thing tried failed, perhaps by its own fault
        self._queue = self._due()
        self._first = next(self._queue, None)
        return None if self._first else self._left

    def _due(self):
        for entry in self._store.pending(self._order):
            if entry.live and not self._unsent(entry):
                continue
            refusal = self._policy and self._policy.recording(self._ended(entry))
            if refusal:
                self._put_off(entry, refusal)
            else:
                yield entry

    def _unsent(self, entry):
        for file in entry.files():
            if not entry.sent(file["index"]):
                return True
        return False

    async def run(self):
        """One pass over what `look` found; its Outcome. Raises StorageError."""
        try:
            try:
                entry, self._first = self._first, None
                while entry:
                    self._store.busy = entry.seq
                    self._between()
                    await self._guarded(entry, self._prepare(entry))
                    if len(self._tickets) >= self._batch or self._batch == 1:
                        await self._settle()
                    entry = next(self._queue, None)
            except _Pause as e:
                # What the limit or a dead API cut short may still be sent: the URLs are paid.
                if e.outcome.verdict != retry.LIMIT:
                    raise
                self._left = e.outcome
            await self._settle()
        except _Pause as e:
            return e.outcome
        finally:
            self._tickets = self._entries = self._queue = self._store.busy = None
            self._parts = {}
        return self._left

    async def _guarded(self, entry, step):
        """Run a step of one recording; True if it went well. A failure that is this
        recording's own does not stop the others; any other raises _Pause."""
        try:
            await step
            return True
        except _Held as e:
            self._put_off(entry, e.refusal)
            return False
        except UploaderError as e:
            if isinstance(e, StorageError) and not isinstance(e, DamagedError):
                raise
            self._judge(entry, getattr(e, "step", PUT), e)
            return False

    def _put_off(self, entry, refusal):
        self._entries = [x for x in self._entries if x is not entry]
        self._tickets = [t for t in self._tickets if t.entry is not entry]
        self._emit(
            "held_back",
            id=entry.id,
            rule=refusal.rule,
            reason=refusal.reason,
            wait_s=refusal.wait_s,
        )
        if self._left.wait_s is None or refusal.wait_s < self._left.wait_s:
            self._left = Outcome(refusal.wait_s, refusal.reason)

    def _between(self):
        # Between files, a better link that may be back is worth a look.
        if not self._tickets and self._network and self._network.better():
            raise _Pause(Outcome(0, "a better link is due to be tried", retry.SWITCH))

    def _permit(self, size):
        if self._policy and self._network and self._network.current:
            refusal = self._policy.file(self._network.current, size)
            if refusal:
                raise _Held(refusal)

    def _judge(self, entry, step, e):
        verdict = retry.verdict(step, e)
        self._entries = [x for x in self._entries if x is not entry]
        if verdict != retry.LIMIT:
            self._tickets = [t for t in self._tickets if t.entry is not entry]
        if verdict == retry.RECREATE and entry.creates < 2:
            entry.note("gone")  # the next pass creates it again
            self._emit("gone", id=entry.id, reason=str(e))
            verdict = retry.RETRY
        elif verdict in (retry.REFUSED, retry.CONFLICT, retry.RECREATE):
            self._store.quarantine(entry, str(e), isinstance(e, DamagedError))
            return
        if verdict == retry.LIMIT:
            wait = retry.limit_wait(e, self._clock.now(), self.random, self._limited)
            self._limited += 1
        elif verdict in (retry.TOKEN, retry.CERT):
            wait = retry.SLOW_S * (0.5 + self.random())
        else:
            wait = self._backoff.next()
        path = isinstance(e, TransportError) and e.kind in _PATH
        outcome = Outcome(wait, str(e), verdict, e.kind if path else None)
        # A refusal may be about this recording alone; a second one in a row is not.
        if verdict in (retry.RETRY, retry.NEW_URL) and not self._strike and _may_be_its_own(e):
            self._strike = True
            self._left = outcome
            return
        raise _Pause(outcome)

    async def _prepare(self, entry):
        """Create the recording if need be, and get a ticket for each file not yet sent."""
        if entry.recording_id is None:
            for file in entry.files():
                self._permit(file["size"])
                break
            for file in entry.files():
                entry.open(file).close()  # what is damaged is not created first
            await self._create(entry)
        self._entries.append(entry)
        for file in entry.files():
            if not entry.sent(file["index"]):
                self._between()
                self._permit(sum(t.file["size"] for t in self._tickets) + file["size"])
                self._tickets.append(await self._ticket(entry, file))
                size = sum(t.file["size"] for t in self._tickets)
                if len(self._tickets) >= self._batch or size > _BATCH_BYTES:
                    await self._send_all()
                    if entry not in self._entries:
                        return  # one of its files failed

    def _ended(self, entry):
        text = entry.end and self._clock.resolve(entry.end.get("ended_at"))
        try:
            return parse_iso(text) if text else None
        except ValueError:
            return None

    async def _create(self, entry):
        clock = self._clock
        end = entry.end or {}
        metadata = dict(entry.begin.get("metadata") or {})
        metadata["capture_id"] = self._store.capture_id(entry)
        if end.get("interrupted"):
            metadata["interrupted"] = True
        fields = {"metadata": metadata}
        for key, value in (
            ("name", entry.begin.get("name")),
            ("started_at", clock.resolve(entry.begin.get("started_at"))),
            ("ended_at", clock.resolve(end.get("ended_at"))),
        ):
            if value:
                fields[key] = value
        recording_id = await _step(CREATE, self._api.create_recording(fields))
        entry.note("id", recording_id)
        self._progress()
        self._emit("created", id=entry.id, recording_id=recording_id)

    async def _ticket(self, entry, file):
        content_type = file["content_type"]
        fields = {
            "type": content_type.split("/")[0],
            "content_type": content_type,
            "file_size_bytes": file["size"],
        }
        captured_at = self._clock.resolve(file.get("captured_at"))
        if captured_at:
            fields["captured_at"] = captured_at
        grant = await _step(UPLOAD_URL, self._api.upload_url(entry.recording_id, fields))
        grant.url = self._share(grant.url)
        deadline = self._clock.uptime_ms() + grant.life_s * 1000
        return _Ticket(entry, file, grant, deadline)

    def _share(self, url):
        # Pre-signed URLs differ in path and signature; held by the dozen, the parts that are
        # the same (a session token has 1 KB) are kept once.
        if self._batch == 1:
            return url
        parts = url.split("&")
        shared = {}
        for i in range(len(parts)):
            parts[i] = shared[parts[i]] = self._parts.get(parts[i], parts[i])
        self._parts = shared
        return parts

    async def _settle(self):
        """Send what has a ticket, then complete what is whole."""
        await self._send_all()
        while self._entries:
            entry = self._entries.pop(0)
            if not entry.live and await self._guarded(entry, self._complete(entry)):
                self._store.remove(entry.seq, entry)
                self._emit("completed", id=entry.id, recording_id=entry.recording_id)

    async def _send_all(self):
        while self._tickets:
            if self.between:
                await self.between()
            ticket = self._tickets.pop(0)
            await self._guarded(ticket.entry, self._send(ticket))

    async def _send(self, ticket, again=False):
        entry, file, grant = ticket.entry, ticket.file, ticket.grant
        if self._clock.uptime_ms() >= ticket.deadline_ms and not again:
            await self._send(await self._ticket(entry, file), True)
            return
        md5 = await self._md5(entry, file)
        url = grant.url if isinstance(grant.url, str) else "&".join(grant.url)
        headers = _with_md5(url, grant.headers, md5)
        size = file["size"]

        def progress(sent):
            self._emit("progress", id=entry.id, file=file["index"], sent=sent, size=size)

        reader = entry.open(file)
        try:
            response = await _step(PUT, self._http.put(url, headers, reader, size, progress))
        finally:
            reader.close()
        if not 200 <= response.status < 300 or response.early:
            error = s3_error(response)
            error.step = PUT
            if error.code == "BadDigest":
                await self._rehash(entry, file, md5)
            if retry.verdict(PUT, error) == retry.NEW_URL and not again:
                await self._send(await self._ticket(entry, file), True)
                return
            raise error
        _check_etag(response, md5, len(headers) > len(grant.headers))
        entry.note("sent", file["index"])
        self._progress()
        if self._network:
            self._network.worked()
        self._emit("sent", id=entry.id, file=file["index"], size=size)

    async def _md5(self, entry, file):
        md5 = entry.md5(file)
        if md5 is None:
            md5 = await self._hash(entry, file)
            entry.note("md5", file["index"], md5)
        return md5

    async def _hash(self, entry, file):
        if self._buf is None:
            self._buf = bytearray(4096)
        reader = entry.open(file)
        try:
            return await digest(reader, file["size"], self._buf, _breathe)
        finally:
            reader.close()

    async def _rehash(self, entry, file, md5):
        if await self._hash(entry, file) != md5:
            raise DamagedError("file %d no longer has its MD5" % file["index"])

    async def _complete(self, entry):
        asked = entry.asked
        if not asked:
            entry.note("asked")
        try:
            await _step(COMPLETE, self._api.complete(entry.recording_id))
        except ApiError as e:
            if not (asked and retry.verdict(COMPLETE, e) == retry.CONFLICT):
                raise
        entry.note("done")
        self._progress()

    def _progress(self):
        self._limited = 0
        self._backoff.reset()
        self._strike = False


def _may_be_its_own(e):
    return isinstance(e, ApiError) or e.kind in ("closed", "protocol", "refused")


async def _step(step, call):
    try:
        return await call
    except (ApiError, TransportError) as e:
        raise _step_error(step, e)


def _step_error(step, e):
    e.step = step
    return e


async def _breathe():
    await asyncio.sleep_ms(0)


def uniform():
    """A random float in [0, 1)."""
    return int.from_bytes(os.urandom(3), "big") / 16777216


def _with_md5(url, headers, md5):
    """The headers of a PUT. Content-MD5 (RFC 1864) is unsigned, so S3 takes it with a version
    4 URL; in a version 2 URL it is part of what was signed, and adding it breaks the URL."""
    if "AWSAccessKeyId=" in url:
        return headers
    for name, _ in headers:
        if name.lower() == "content-md5":
            return headers
    from binascii import b2a_base64, unhexlify

    return headers + [("Content-MD5", b2a_base64(unhexlify(md5)).decode().strip())]


def _check_etag(response, md5, proved):
    """Raise unless S3 says that it has these bytes. With KMS encryption the ETag is not an
    MD5 (S3 API reference, "Object"), and the accepted Content-MD5 is the proof."""
    if response.headers.get("x-amz-server-side-encryption", "").startswith("aws:kms") and proved:
        return
    if response.headers.get("etag", "").strip('"').lower() != md5:
        e = TransportError("protocol", "the ETag does not match what was sent", True)
        raise _step_error(PUT, e)
