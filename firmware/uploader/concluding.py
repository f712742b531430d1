"""What follows from a pass that is over, and finding the time: loaded for each."""

from . import memory, retry
from .errors import ApiError, TransportError
from .retry import PassResult


async def _mend_clock(up, result):
    """Certificates don't fit the time: find another, and try again at once if it is new."""
    wrong = up.clock.source
    if up.clock.follow():
        return PassResult(0, result.reason, retry.CLOCK)
    up.clock.doubt()
    if await find_time(up, wrong):
        wait_s = result.wait_s if wrong == up.clock.source else 0
        return PassResult(wait_s, result.reason)
    return result


async def find_time(up, wrong=None):
    """Have the time from whoever knows it but the source `wrong`; True once it is known."""
    from . import timesync

    server = up.settings.ntp_server
    try:
        if await timesync.find(up.clock, up.links, server, up.emit, wrong):
            return True
    finally:
        memory.forget(timesync.__name__)
    try:
        # Any call brings the server's Date, before a recording is created without times.
        if up.heartbeat:
            await up.exchange_news()
        else:
            await up.sending.api.heartbeat({})
    except (ApiError, TransportError):
        pass  # what is wrong is for the session to find out
    return up.clock.now() is not None


async def conclude(up, result):
    """Draw the conclusions from a pass of the Uploader `up`: clock, token, certificate, link; its
    PassResult, another one where the clock was mended."""
    if result.verdict == retry.CLOCK:
        result = await _mend_clock(up, result)
    api = up.sending.api
    if api.accepted:
        api.accepted = False
        up.links.touch()
        up.store.keep_time()
        from .rotation import settle

        await settle(up.store, api, up.settings, result.verdict, up.emit)
    if result.wait_s and not result.verdict:
        # Deferred by the policy: over a better link it might not be.
        better_s = up.links.better_s()
        if better_s is not None:
            result.wait_s = min(result.wait_s, max(1, better_s))
    if result.verdict == retry.TOKEN:
        lost = up.credentials.lost
        up.emit("token", state="needs_new_token" if lost else "refused", reason=result.reason)
    if result.verdict == retry.CERT:
        up.emit("certificate", reason=result.reason)
    if result.path:
        up.close()
        code = "captive_portal" if result.path == "not_tls" else None
        if up.links.failed(result.reason, code):
            result.wait_s = 0  # the next link, at once
        await up.links.drop()
    return result
