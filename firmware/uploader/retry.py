"""What an attempt may come to, and how long to wait for the next; `verdict` has the table of what
errors mean."""

from micropython import const

from .memory import borrow

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

# Steps of an upload, as `verdict.of` is told.
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
        return borrow("uploader.verdict").limit_wait(error, now, self._random, self.limited - 1)

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
