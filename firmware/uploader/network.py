"""Choosing the link: in the owner's order, with cool-downs, back to the better one, off when
idle."""

from micropython import const

from .errors import LinkError
from .retry import Backoff

# A link that failed is left alone for up to so long, doubling from _COOL_S.
_COOL_S = const(15)
_COOL_MAX_S = const(900)


class Network:
    """`links` in the order of preference; `policy` may refuse one that is up. `emit(event,
    **info)` is told; `random` returns a float in [0, 1)."""

    def __init__(self, links, clock, policy, emit, idle_s=180, random=None):
        self.current = None
        self._links = links
        self._clock = clock
        self._policy = policy
        self._emit = emit
        self._idle_ms = idle_s * 1000
        self._cool = {}  # link name: (Backoff, uptime in ms until which it is left alone)
        self._random = random
        self._used_ms = 0
        self._proved = False

    async def ready(self):
        """Bring up the first link that works and is allowed; returns it.

        Raises LinkError with `wait_s`, after which it is worth trying again.
        """
        waits = []
        reasons = []
        for link in self._links:
            left = self._left_ms(link)
            if left > 0 and not (link is self.current and link.is_up()):
                waits.append(left / 1000)
                reasons.append("%s failed" % link.name)
                continue
            reason, wait = await self._try(link)
            if reason is None:
                if self.current not in (None, link):
                    await self._down(self.current)
                    self._proved = False
                self.current = link
                self._used_ms = self._clock.uptime_ms()
                return link
            waits.append(wait)
            reasons.append(reason)
        e = LinkError("; ".join(reasons) or "no link is configured")
        e.wait_s = max(1, min(waits)) if waits else _COOL_MAX_S
        raise e

    async def _try(self, link):
        try:
            if not link.is_up():
                await link.up(lambda: self._policy and self._policy.link(link))
                self._emit("link", link=link.name, state="up")
            refusal = self._policy and self._policy.link(link)
        except LinkError as e:
            refusal = getattr(e, "refusal", None)
            if not refusal:
                reason = "%s: %s" % (link.name, e)
                self._emit("link", link=link.name, state="failed", code=e.code, reason=reason)
                return reason, self._cool_down(link)
        if refusal:
            self._emit(
                "held_back",
                rule=refusal.rule,
                link=link.name,
                reason=refusal.reason,
                wait_s=refusal.wait_s,
            )
            # Neither tried nor powered before that.
            await self._down(link)
            backoff = self._cool.get(link.name, (None, 0))[0]
            until = self._clock.uptime_ms() + int(refusal.wait_s * 1000)
            self._cool[link.name] = (backoff, until)
            return refusal.reason, refusal.wait_s
        return None, 0

    def failed(self, reason, code=None):
        """Told that traffic over the current link failed; True if another one can be tried at
        once. The only link there is is not left alone: how soon it is tried again is for the
        session to say."""
        link = self.current
        if link is None or len(self._links) == 1:
            if code:
                self._emit("link", link=link.name, state="failing", code=code, reason=reason)
            return False
        self._cool_down(link)
        self._emit("link", link=link.name, state="failing", code=code, reason=reason)
        for other in self._links:
            if other is not link and self._left_ms(other) <= 0:
                return True
        return False

    def worked(self):
        """Told that a file went over the current link. Less proves little: where small calls
        pass and files stall, a link would be preferred again and again."""
        self._proved = True
        self.touch()
        if self.current:
            self._cool.pop(self.current.name, None)

    def touch(self):
        """Told that the current link was used."""
        self._used_ms = self._clock.uptime_ms()

    async def drop(self):
        """Take the current link down after a failure, so that it begins anew."""
        link, self.current = self.current, None
        self._proved = False
        if link:
            await self._down(link)

    def better(self):
        """True if a link that is preferred to the current one is due to be tried. Not before
        the current one, brought up at some cost, has carried a file."""
        return self._proved and self.current is not None and self.better_s() == 0

    def better_s(self):
        """Seconds until a link that is preferred to the current one is due; None if none is."""
        due = None
        for link in self._links:
            if link is self.current:
                break
            left = max(0, self._left_ms(link)) / 1000
            due = left if due is None else min(due, left)
        return due

    def alive(self):
        """False as soon as the current link says that it is down."""
        return self.current is None or self.current.is_up()

    def override(self):
        """Forget why links were left alone: the owner wishes an upload now."""
        self._cool.clear()

    def idle_s(self):
        """Seconds until the current link is to be powered down; None for never."""
        if self.current is None or not self._idle_ms:
            return None
        return max(0, self._used_ms + self._idle_ms - self._clock.uptime_ms()) / 1000

    async def down(self):
        """Power every link down."""
        self.current = None
        for link in self._links:
            await self._down(link)

    async def _down(self, link):
        was = link.is_up()
        await link.down()
        if was and not link.is_up():
            self._emit("link", link=link.name, state="down")
        if link.metered and self._policy:
            self._policy.meter.settle()

    def _left_ms(self, link):
        return self._cool.get(link.name, (None, 0))[1] - self._clock.uptime_ms()

    def _cool_down(self, link):
        backoff = self._cool.get(link.name, (None, 0))[0]
        if backoff is None:
            backoff = Backoff(self._random, _COOL_MAX_S, _COOL_S)
        wait = backoff.next()
        self._cool[link.name] = (backoff, self._clock.uptime_ms() + int(wait * 1000))
        return wait
