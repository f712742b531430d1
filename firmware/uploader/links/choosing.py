"""Bringing up a link: the first, in the owner's order, that works and is allowed. Loaded for it,
with the LinkManager as `own`."""

from micropython import const

from ..errors import LinkError
from .manager import COOL_MAX_S, NAMED

# Where the board sleeps a link that failed is left alone for so many times what the attempt took.
_TIMES = const(60)


async def ready(own, quiet, radios):
    """As LinkManager.ready."""
    waits = []
    reasons = []
    for link in own.in_order():
        if radios is not None and link.name in NAMED and link.name not in radios:
            continue
        left = own.left_ms(link)
        if left > 0 and not (link is own.current and link.is_up()):
            waits.append(left / 1000)
            reasons.append("%s failed" % link.name)
            continue
        reason, wait = await _try(own, link, quiet)
        if reason is None:
            if own.current not in (None, link):
                await own.take_down(own.current)
            for other in list(own.lit):
                if other is link:
                    own.lit.remove(link)
                else:
                    await own.take_down(other)
            own.use(link)
            return link
        waits.append(wait)
        reasons.append(reason)
    e = LinkError("; ".join(reasons) or "no link is configured")
    e.wait_s = max(1, min(waits)) if waits else COOL_MAX_S
    raise e


async def _try(own, link, quiet):
    """(None, 0) if the link is up and allowed, else why not and the seconds to wait."""
    clock, settings = own.clock, own.settings
    ask = lambda: own.policy and own.policy.link(link)  # noqa: E731
    refusal = ask()  # what no radio is needed to know
    start_ms = clock.uptime_ms()
    try:
        if not refusal and not link.is_up():
            await link.up(ask, quiet)
            own.tell("link", link=link.name, state="up")
            refusal = ask()
    except LinkError as e:
        refusal = e.refusal
        if not refusal:
            reason = "%s: %s" % (link.name, e)
            own.tell("link", link=link.name, state="failed", code=e.code, reason=reason)
            own.touch()
            own.lit.append(link)
            # What took long in vain costs much: where the battery matters, not so soon again.
            least_s = (clock.uptime_ms() - start_ms) * _TIMES // 1000
            least_s = min(least_s, settings.patience_s(0))
            return reason, own.leave(link, least_s)
    if not refusal:
        return None, 0
    reason, wait_s = refusal.reason, refusal.wait_s
    # What the radio has to be on for is not looked at too often where the battery matters.
    often = refusal.rule in ("cap", "recording") or not settings.patience_s(0)
    wait_s = own.leave(link, wait_s, often)
    own.tell("deferred", rule=refusal.rule, link=link.name, reason=reason, wait_s=wait_s)
    # Neither tried nor powered before that.
    await own.take_down(link)
    return reason, wait_s
