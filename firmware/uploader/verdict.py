"""What an error means, and how long to wait: the one table.

met                                            verdict    then
---------------------------------------------- ---------- -----------------------------------
DNS, connect, reset, stall, TLS alert, 3xx,    RETRY      back off; the next recording or
408, 425, 5xx, an answer that breaks the rules            link is tried
out of memory, in any disguise                 RETRY      tried once more with all other
                                                          connections closed; back off
429                                            LIMIT      wait for X-RateLimit-Reset
S3: 401, 403, 404, 405, 409; 400 for an        NEW_URL    a new upload-url, once at once,
expired or invalid token                                  then back off: it is the URL or the
                                                          bucket, not the recording
S3: 400 IncompleteBody, RequestTimeout         RETRY
S3: 400 BadDigest                              RETRY      the file is hashed again first
API: 401, 403                                  TOKEN      stop uploading, keep everything,
                                                          probe slowly, tell the owner
API: 403 on a recording of an earlier boot     RECREATE   once, as it may be of a token before;
                                                          then as above (see session)
API: 404 on a recording, 409 on its upload-url RECREATE   once; then quarantine
API: 404, 405 on the creation itself           RETRY      the address is wrong, not the
                                                          recording
API: 409 on completion                         CONFLICT   success if it was asked for before
API: 425 on completion                         UNVERIFIED the others first, then ask again
API: the service has other bytes               RECREATE   (integrity_failure, another hash)
other 4xx                                      REFUSED    quarantine with code and message
certificate refused                            CERT       send nothing, tell the owner, slowly
certificate not valid at this time             CLOCK      set the clock, then again
the file is not what was recorded              REFUSED    quarantine
"""

from micropython import const

from . import memory
from .errors import ApiError, DamagedError, TransportError
from .retry import (
    CERT,
    CLOCK,
    COMPLETE,
    CONFLICT,
    CREATE,
    LIMIT,
    NEW_URL,
    PUT,
    RECREATE,
    REFUSED,
    RETRY,
    SLOW_S,
    TOKEN,
    UNVERIFIED,
    UNVERIFIED_S,
    UPLOAD_URL,
    PassResult,
)

# Kinds of TransportError that mean the way to the server, not its answer.
_PATH = ("dns", "connect", "closed", "stall", "tls", "not_tls", "link")

# A 429 without a usable reset is waited out for one window of the documented limit.
_WINDOW_S = const(60)
# A reset further away than this is taken for a mistake.
_MAX_RESET_S = const(3600)

# S3 error codes (Amazon S3 API reference, "Error responses") whose status says too little.
_S3_NEW_URL = ("ExpiredToken", "InvalidToken", "TokenRefreshRequired", "RequestTimeTooSkewed")
_S3_RETRY = ("BadDigest", "IncompleteBody", "RequestTimeout", "SlowDown", "InternalError")


def of(step, error):
    """What `error`, met at `step` (one of retry's), means: one of retry's constants."""
    if isinstance(error, TransportError):
        if error.kind == "cert":
            return CERT
        if error.kind == "cert_time":
            return CLOCK
        return RETRY
    if isinstance(error, DamagedError):
        return REFUSED
    if not isinstance(error, ApiError):
        return RETRY
    status = error.status
    if step == COMPLETE and mismatched(error):
        return RECREATE
    if status == 425 and step == COMPLETE:
        return UNVERIFIED
    if status < 400 or status >= 500 or status in (408, 425):
        return RETRY
    if status == 429:
        return LIMIT
    if step == PUT:
        if error.code in _S3_RETRY:
            return RETRY
        if status in (401, 403, 404, 405, 409) or error.code in _S3_NEW_URL:
            return NEW_URL
        return REFUSED
    if status in (401, 403):
        return TOKEN
    if step == CREATE:
        return RETRY if status in (404, 405) else REFUSED
    if status == 404 or (status == 409 and step == UPLOAD_URL):
        return RECREATE
    if step == COMPLETE and (status == 409 or (status == 400 and _not_pending(error))):
        return CONFLICT
    return REFUSED


def mismatched(error):
    """True if the ApiError of a completion says that the service has other bytes than declared.
    How is undocumented: as the code, or in words beside the code of any conflict."""
    return "integrity" in _words(error)


def _not_pending(error):
    # The answer to a second completion is undocumented; a 400 may say so in words.
    text = _words(error)
    return "pending" in text or "already" in text or "uploaded" in text


def _words(error):
    return ("%s %s" % (error.code, error.message)).lower()


def judge(session, patience, entry, verdict, e):
    """See to a failure of `entry` in a Session: the PassResult of a pass that it ends, `verdict`
    being what `of` says of it; None where it is the recording's own and the others go on."""
    if verdict == RECREATE and entry.creates < 2:
        entry.note("gone")  # the next pass creates it again
        session.emit("gone", id=entry.id, reason=str(e))
        verdict = RETRY
    elif verdict in (REFUSED, CONFLICT, RECREATE):
        session.store.quarantine(entry, str(e), isinstance(e, DamagedError))
        return None
    clock, settings = session.store.clock, session.settings
    path = None
    if isinstance(e, TransportError):
        if e.kind == "memory":
            session.emit("memory", reason=str(e), **memory.figures())
        path = e.kind if e.kind in _PATH else None
    if verdict == UNVERIFIED:
        wait_s = UNVERIFIED_S * (0.5 + clock.random())
    elif verdict == LIMIT:
        wait_s = patience.limit_s(e, clock.now())
    elif verdict in (TOKEN, CERT):
        wait_s = patience.slow_s(settings.patience_s(SLOW_S))
    else:
        most = settings.backoff_max_s
        wait_s = patience.backoff.next(settings.patience_s(most) if path else most)
    return PassResult(wait_s, str(e), verdict, path)


def limit_wait(error, fallback_now, random, times=0):
    """Seconds to wait after a 429, the `times`th in a row (counted from 0).

    Up to its `X-RateLimit-Reset`, by the server's own `Date` where given, plus jitter over
    one window or, after several, somewhat more: the limit is the whole fleet's, and a fleet
    that wakes at the same second would only meet it again. `random` is a callable that
    returns a float in [0, 1).
    """
    now = error.server_time or fallback_now
    wait = _WINDOW_S
    if error.reset_at is not None and now is not None:
        ahead = error.reset_at - now
        if ahead <= _MAX_RESET_S:
            wait = max(ahead, 1)
    # Measured on 200 devices behind 30 upload-urls a minute: with wider jitter the limit
    # goes unused towards the end, with narrower more than half of all requests are refused.
    return wait + random() * _WINDOW_S * 1.3 ** min(times, 3)
