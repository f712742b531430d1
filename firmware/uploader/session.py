"""One pass over the queue: create, upload-url, PUT, complete, delete.

With two connections each file goes straight from its upload-url to S3. With one, work is batched
(creates and upload-urls, then PUTs, then completes): each change of host costs a TLS handshake.
"""

from micropython import const

from . import memory, retry
from .entry import md5_of
from .errors import ApiError, DamagedError, StorageError, TransportError, UploaderError
from .grants import Grants
from .retry import COMPLETE, CREATE, PUT, UPLOAD_URL, PassResult

_BATCH = const(32)  # files whose upload-urls are held at once, with one connection
_SMALL_BATCH = const(1)  # ... where memory is short: each URL has a kilobyte or more
_BATCH_BYTES = const(32 << 20)  # and their bytes: a slow link must send them within the hour
_MOST_FAILED = const(7)
_VERDICT = __name__.rpartition(".")[0] + ".verdict"


class _Stop(Exception):
    """Ends the pass; its argument is the PassResult."""


class _Deferred(Exception):
    """Puts a recording off; its argument is the policy's Refusal."""


class Session:
    """Uploads what is pending in `store`, a pass at a time.

    Of `calls`, `api` (a DeviceApi) makes the calls and `s3` (an S3) the PUTs. Of `links` (a
    LinkManager) the policy is asked before each recording and file, and whether a better link
    is due; `emit(event, **info)` is told what happens.
    """

    def __init__(self, settings, store, calls, links, emit):
        self.settings = settings
        self.store = store
        self.calls = calls
        self.links = links
        self.emit = emit
        self.grants = Grants(calls, store.clock)

    def begin(self, patience):
        """Look for something to upload, before a link is brought up for it: a Pass over it,
        or, if there is nothing to do now, its PassResult. `patience` (a retry.Patience) is what
        outlives a pass. Raises StorageError."""
        begun = Pass(self, patience)
        return begun if begun.find() else begun.outcome


class Pass:
    """A pass over the queue of a Session. `result` is its PassResult once it is over."""

    def __init__(self, session, patience):
        self._s = session
        self._patience = patience
        self._clock = session.store.clock
        self.result = None
        self.outcome = PassResult()  # what it will come to
        roomy = memory.roomy()
        several = roomy and session.settings.max_connections > 1
        self._batch = 1 if several else _BATCH if roomy else _SMALL_BATCH
        self._puts = []
        self._entries = []  # to be completed once all their files are sent
        self._entry = None  # the one whose `_files` are being asked upload-urls for
        self._files = None
        self._flush = False  # send and complete what there is before anything else
        self._last = False  # ... and then end
        # How many things in a row failed, perhaps by their own fault, and how many may: more where
        # passes failed, for several such may be next to each other.
        self._failed = 0
        self._may_fail = 1 + min(patience.backoff.failures, _MOST_FAILED)
        self._proof = None  # made when a recording is to be completed with one
        self._url_parts = {}  # the last upload-url's query parts, shared among the next ones
        self._queue = self._due()

    def find(self):
        """Take the next recording from the queue; False if there is none."""
        self._entry = next(self._queue, None)
        if self._entry:
            self._s.store.protect(self._entry.seq)
        return self._entry is not None

    def _due(self):
        store, policy = self._s.store, self._s.links.policy
        closed = policy and policy.hours()
        told = urgent = False
        for entry in store.pending(self._s.settings.queue_order):
            if entry.live and next(_unsent(entry), None) is None:
                continue
            now = entry.begin.get("urgent")
            urgent = urgent or now
            if closed and not now:
                if not told:
                    self._tell(closed)
                told = True
                if store.urgent:
                    continue
                return  # none further on is any different
            refusal = policy and not now and policy.recording(self._ended(entry))
            refusal = refusal or policy and policy.entry(self._s.links, entry)
            if not refusal:
                yield entry
            else:
                self._tell(refusal, id=entry.id)
        store.urgent = bool(urgent or not closed or store.is_recording())

    def _ended(self, entry):
        text = entry.end and self._clock.resolve(entry.end.get("ended_at"))
        return memory.borrow("uploader.dates").known(text) if text else None

    async def step(self):
        """Do the next piece of work, one call or one file; True while there is more, False
        once `result` is there. Raises StorageError if the storage fails, which ends the pass."""
        try:
            if await self._piece():
                return True
        except _Stop as e:
            self.outcome = e.args[0]
            if self.outcome.verdict == retry.LIMIT and not self._last:
                # What the limit cut short may still be sent: the URLs are paid. What has more
                # files is not to be completed.
                self._flush = self._last = True
                self._drop(self._entry, False)
                return True
        self._s.grants.keep(self._puts)
        self.result = self.outcome
        self._s.store.protect(None)
        return False

    async def _piece(self):
        if self._flush:
            if self._puts:
                put = self._puts.pop(0)
                await self._guarded(put.entry, self._send(put))
                return True
            for entry in self._entries:
                if entry is not self._entry:
                    self._entries.remove(entry)
                    if not entry.live:
                        await self._guarded(entry, self._complete(entry))
                    return True
            self._flush = False
            if self._last:
                return False
        if self._entry is None and not self.find():
            self._flush = self._last = True
        elif self._files is None:
            self._better()
            await self._guarded(self._entry, self._open(self._entry))
        else:
            file = next(self._files, None)
            if file:
                self._better()
                await self._guarded(self._entry, self._ask(self._entry, file))
            else:
                self._entry = self._files = None
            full = max(len(self._puts), len(self._entries)) >= self._batch
            self._flush = full or self._bytes() > _BATCH_BYTES
        return True

    def _bytes(self):
        return sum(put.file["size"] for put in self._puts)

    def _better(self):
        # Between files, a better link that may be back is worth a look.
        if not self._puts and self._s.links.better():
            raise _Stop(PassResult(0, "a better link is due to be tried", retry.SWITCH))

    # What may go wrong

    async def _guarded(self, entry, step):
        """Run a step of one recording. A failure that is this recording's own does not stop
        the others; any other raises _Stop."""
        try:
            await step
        except _Deferred as e:
            self._drop(entry)
            self._tell(e.args[0], id=entry.id)
        except UploaderError as e:
            if isinstance(e, StorageError) and not isinstance(e, DamagedError):
                raise
            self._judge(entry, e)

    def _drop(self, entry, puts_too=True):
        if entry in self._entries:
            self._entries.remove(entry)
        if puts_too:
            self._s.grants.keep([put for put in self._puts if put.entry is entry])
            self._puts = [put for put in self._puts if put.entry is not entry]
        if entry is self._entry:
            self._entry = self._files = None

    def _tell(self, no, **about):
        self._s.emit("deferred", rule=no.rule, reason=no.reason, wait_s=no.wait_s, **about)
        self._later(no.wait_s, no.reason)

    def _later(self, wait_s, reason):
        if self.outcome.wait_s is None or wait_s < self.outcome.wait_s:
            self.outcome = PassResult(wait_s, reason)

    def _permit(self, size):
        links = self._s.links
        refusal = links.policy and links.current and links.policy.file(links.current, size)
        if refusal:
            raise _Deferred(refusal)

    def _judge(self, entry, e):
        step = PUT if isinstance(e, StorageError) else e.step
        verdict = _verdict(step, e)
        if verdict == retry.TOKEN and e.status == 403 and self._may_be_anothers(entry):
            verdict = retry.RECREATE
        self._drop(entry, verdict != retry.LIMIT)
        judged = memory.borrow(_VERDICT).judge(self._s, self._patience, entry, verdict, e)
        if not judged:
            return
        if judged.verdict == retry.UNVERIFIED:
            return self._later(judged.wait_s, judged.reason)
        # A refusal may be about this recording alone.
        own = judged.verdict in (retry.RETRY, retry.NEW_URL) and self._failed < self._may_fail
        if own and _may_be_its_own(e):
            self._failed += 1
            self.outcome = judged
            return
        raise _Stop(judged)

    def _may_be_anothers(self, entry):
        # Created by the token before this one, say, and not for the second time.
        return entry.recording_id and entry.creates < 2 and not self._s.grants.knows(entry)

    def _progress(self):
        # A step succeeded: what failed before it no longer counts.
        self._failed = 0
        self._patience.limited = self._patience.refused = 0
        self._patience.backoff.reset()

    # The steps of one recording

    async def _open(self, entry):
        """Create the recording if need be; then its files are next."""
        if entry.recording_id is None:
            for file in entry.files():
                self._permit(file["size"])
                break
            for file in entry.files():
                entry.open(file).close()  # what is damaged is not created first
            await self._create(entry)
        self._entries.append(entry)
        self._files = _unsent(entry)

    async def _create(self, entry):
        store = self._s.store
        fields = entry.about(self._clock)
        fields["metadata"]["capture_id"] = store.capture_id(entry)
        fields["metadata"].update(store.aside)
        entry.note("id", await _at(CREATE, self._s.calls.api.create_recording(fields)))
        store.aside.clear()
        self._s.grants.created(entry)
        self._progress()
        self._s.emit("created", id=entry.id, recording_id=entry.recording_id)

    async def _ask(self, entry, file):
        """Get an upload-url for a file."""
        self._permit(self._bytes() + file["size"])
        self._puts.append(await self._granted(entry, file))

    async def _granted(self, entry, file):
        put = await _at(UPLOAD_URL, self._s.grants.get(entry, file))
        put.grant.url = self._share(put.grant.url)
        return put

    def _share(self, url):
        # Pre-signed URLs differ in path and signature; held by the dozen, the parts that are
        # the same (a session token has 1 KB) are kept once.
        if self._batch == 1:
            return url
        parts = url.split("&") if isinstance(url, str) else url
        shared = {}
        for i in range(len(parts)):
            parts[i] = shared[parts[i]] = self._url_parts.get(parts[i], parts[i])
        self._url_parts = shared
        return parts

    async def _send(self, put, again=False):
        entry, file = put.entry, put.file
        if not again and self._clock.uptime_ms() >= put.deadline_ms:
            return await self._send(await self._granted(entry, file), True)
        md5 = entry.md5(file)
        if md5 is None:
            md5 = await (entry.hash_both(file) if self._proves(entry) else md5_of(entry, file))
            entry.note("md5", file["index"], md5)
        size = file["size"]

        def progress(sent):
            self._s.emit("progress", id=entry.id, file=file["index"], sent=sent, size=size)

        reader = entry.open(file)
        error = None
        try:
            await _at(PUT, self._s.calls.s3.put(put.grant, reader, size, md5, progress))
        except ApiError as e:
            error = e
        except TransportError:
            self._s.grants.keep([put])  # S3 may have it all
            raise
        finally:
            reader.close()
        if error:
            if error.code == "BadDigest" and await md5_of(entry, file) != md5:
                raise DamagedError("file %d no longer has its MD5" % file["index"])
            verdict = _verdict(PUT, error)
            if again or verdict != retry.NEW_URL:
                if verdict == retry.RETRY:
                    self._s.grants.keep([put])
                raise error
            return await self._send(await self._granted(entry, file), True)
        entry.note("sent", file["index"])
        self._progress()
        self._s.links.worked()
        self._s.emit("sent", id=entry.id, file=file["index"], size=size)

    def _proves(self, entry):
        # What one hash of several files would mean is undocumented.
        return entry.count == 1 and not entry.live and self._s.settings.verify_sha256

    async def _ask_completion(self, entry):
        if entry.plain or not self._proves(entry):
            return await self._s.calls.api.complete(entry.recording_id)
        from .proof import Proof

        self._proof = self._proof or Proof(self._s)
        await self._proof.complete(entry)

    async def _complete(self, entry):
        asked = entry.asked
        if not asked:
            # The hash is one file's: of a URL that was asked for twice the service may have two.
            once = self._s.grants.is_single(entry)
            entry.note("asked") if once or not self._proves(entry) else entry.note("asked", 1)
        try:
            await _at(COMPLETE, self._ask_completion(entry))
        except ApiError as e:
            if not (asked and _verdict(COMPLETE, e) == retry.CONFLICT):
                raise
        entry.note("done")
        self._s.grants.forget(entry)
        self._progress()
        self._s.store.remove(entry.seq, entry)
        self._s.emit("completed", id=entry.id, recording_id=entry.recording_id)


def _unsent(entry):
    for file in entry.files():
        if not entry.sent(file["index"]):
            yield file


def _verdict(step, error):
    return memory.borrow(_VERDICT).of(step, error)


def _may_be_its_own(e):
    return isinstance(e, ApiError) or e.kind in ("closed", "protocol", "refused")


async def _at(number, call):
    """Await a call, its errors marked with the number of the step at which they came."""
    try:
        return await call
    except (ApiError, TransportError) as e:
        e.step = number
        raise
