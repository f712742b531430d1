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
API: 404 on a recording                        RECREATE   once; then quarantine
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

from .errors import ApiError, DamagedError, TransportError

RETRY = const(1)
LIMIT = const(2)
NEW_URL = const(3)
TOKEN = const(4)
RECREATE = const(5)
CONFLICT = const(6)
REFUSED = const(7)
CERT = const(8)
CLOCK = const(9)
SWITCH = const(10)  # no error: a better link is due
UNVERIFIED = const(11)

# Steps of an upload, as `verdict` is told.
CREATE = const(0)
UPLOAD_URL = const(1)
PUT = const(2)
COMPLETE = const(3)

# A recording's status, and an error's code, when what was uploaded is not what was declared.
INTEGRITY = "integrity_failure"

# A request that is refused for a reason that time or the owner mends, not the next attempt.
SLOW_S = const(900)
# What the service has not verified in all of a pass's patience.
UNVERIFIED_S = const(300)
# A 429 without a usable reset is waited out for one window of the documented limit.
_WINDOW_S = const(60)
# A reset further away than this is taken for a mistake.
_MAX_RESET_S = const(3600)

# S3 error codes (Amazon S3 API reference, "Error responses") whose status says too little.
_S3_NEW_URL = ("ExpiredToken", "InvalidToken", "TokenRefreshRequired", "RequestTimeTooSkewed")
_S3_RETRY = ("BadDigest", "IncompleteBody", "RequestTimeout", "SlowDown", "InternalError")


def verdict(step, error):
    """What `error`, met at `step`, means: one of the constants above."""
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
    if error.code == INTEGRITY and step == COMPLETE:
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
    if status == 404:
        return RECREATE
    if step == COMPLETE and (status == 409 or (status == 400 and _not_pending(error))):
        return CONFLICT
    return REFUSED


def _not_pending(error):
    # The answer to a second completion is undocumented; a 400 may say so in words.
    text = ("%s %s" % (error.code, error.message)).lower()
    return "pending" in text or "already" in text or "uploaded" in text


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


class Backoff:
    """Exponential waits with full jitter, capped, and never quite nothing.

    `random` is a callable that returns a float in [0, 1), `base_s` the most that the first
    wait may be; `failures` is how many there were in a row.
    """

    def __init__(self, random, base_s=1):
        self._random = random
        self._base = base_s
        self.failures = 0

    def reset(self):
        """Progress was made."""
        self.failures = 0

    def next(self, cap_s=300):
        """Seconds to wait after one more failure, at most `cap_s`."""
        top = min(cap_s, self._base << min(self.failures, 20))
        self.failures += 1
        return max(0.1, top * self._random())


class Patience:
    """What outlives a pass over the queue: `backoff`; `limited`, how many answers in a row were a
    429; `refused`, how many refused the token or could not be trusted. `random` as for Backoff."""

    def __init__(self, random):
        self.backoff = Backoff(random)
        self.limited = 0
        self.refused = 0
        self._random = random

    def limit_s(self, error, now):
        """Seconds to wait after one more 429: see `limit_wait`."""
        self.limited += 1
        return limit_wait(error, now, self._random, self.limited - 1)

    def slow_s(self, most_s):
        """Seconds until what only the owner mends is tried again: around SLOW_S, and longer each
        time, up to around `most_s`."""
        top = min(SLOW_S << min(self.refused, 8), most_s)
        self.refused += 1
        return top * (0.5 + self._random())


class PassResult:
    """How a pass ended. `wait_s` is None if nothing is left to do, else the seconds until the
    next pass is worth trying; `reason` says why, `verdict` is one of `retry`'s (0 for none),
    `path` the TransportError's kind if the way to the server failed, not its answer."""

    def __init__(self, wait_s=None, reason=None, verdict=0, path=None):
        self.wait_s = wait_s
        self.reason = reason
        self.verdict = verdict
        self.path = path
