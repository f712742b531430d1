"""Completion with proof: the service hashes what it has, and says that it is what was recorded.

Device API, `POST /recordings/{id}/upload-complete` with `content_sha256`: 425 is "not verified
yet", 200 carries the same hash and `content_sha256_verified_at`; a hash that does not match ends
in the status `integrity_failure`. A service that does not know the field (400, 422, or an answer
that says nothing about it) is asked plainly from then on.
"""

import hashlib
from binascii import hexlify

from micropython import const

from .entry import md5_of
from .errors import ApiError, DamagedError
from .journal import Durable
from .memory import borrow
from .retry import COMPLETE, CONFLICT, INTEGRITY

# The service's own clients ask again after 2 s, doubling to 10 s, for at most 5 minutes.
_FIRST_S = const(2)
_MOST_S = const(10)
_PATIENCE_S = const(300)


class Proof:
    """Asks for completions in one pass of `session`, which all share its five minutes."""

    def __init__(self, session):
        self._s = session
        self._left_s = _PATIENCE_S
        self._learned = Durable(session.settings.state + "/proof")

    async def complete(self, entry):
        """Have an Entry of one file completed. Raises ApiError (425 if the service is not done
        yet, `integrity_failure` if it has other bytes than the flash), DamagedError if the
        flash has not what was recorded, TransportError, StorageError."""
        api = self._s.calls.api
        if self._learned.value.get("plain") == self._s.settings.api_url:
            return await api.complete(entry.recording_id)
        file = next(entry.files())
        sha256 = entry.sha256(file) or await sha256_of(entry, file)
        wait_s = _FIRST_S
        asked = False
        while True:
            early = None
            try:
                answer = await api.complete(entry.recording_id, {"content_sha256": sha256})
            except ApiError as e:
                verdict = borrow("uploader.verdict")
                if verdict.mismatched(e):
                    await self._mismatch(entry, file, sha256, e.status, None)
                if asked and verdict.of(COMPLETE, e) == CONFLICT:
                    return
                if e.status in (400, 422):
                    return await self._plainly(entry)
                if e.status != 425:
                    raise
                early = e
            if not early and not await self._pending(entry, file, sha256, answer):
                return
            asked = True
            if self._left_s <= 0:
                if early:
                    entry.keep_sha256(file, sha256)
                    raise early
                return  # acknowledged, though not verified in all that time
            self._s.emit("proof", id=entry.id, state="waiting", wait_s=wait_s)
            await self._s.store.clock.sleep(wait_s)
            self._left_s -= wait_s
            wait_s = min(2 * wait_s, _MOST_S)

    async def _pending(self, entry, file, sha256, answer):
        """True if the acknowledging `answer` says that it is not verified yet."""
        if not isinstance(answer, dict):
            return False
        theirs = answer.get("content_sha256")
        if answer.get("status") == INTEGRITY or theirs not in (None, sha256):
            await self._mismatch(entry, file, sha256, 200, theirs)
        if "content_sha256" in answer or "content_sha256_verified_at" in answer:
            return answer.get("content_sha256_verified_at") is None
        self._learn(entry)
        return False

    async def _plainly(self, entry):
        # If that is refused, too, it was not the field.
        await self._s.calls.api.complete(entry.recording_id)
        self._learn(entry)

    def _learn(self, entry):
        self._learned.value["plain"] = self._s.settings.api_url
        self._s.store.space.with_reserve(self._learned.save)
        self._s.emit("proof", id=entry.id, state="unknown")

    async def _mismatch(self, entry, file, sha256, status, theirs):
        # The flash first: were it wrong, another upload would bring the same.
        here = await sha256_of(entry, file)
        if here != sha256:
            raise DamagedError("file 0 has the SHA-256 %s, not %s" % (here, sha256))
        theirs = theirs[:64] if isinstance(theirs, str) else "another"
        raise ApiError(status, INTEGRITY, "SHA-256 here %s, there %s" % (here, theirs))


async def sha256_of(entry, file):
    """The SHA-256 (hex) of a file as it is on flash now. Raises DamagedError, StorageError."""
    sha256 = hashlib.sha256()
    try:
        await md5_of(entry, file, sha256)
    finally:
        digest = sha256.digest()  # an open hash may hold the chip's engine
    return hexlify(digest).decode()
