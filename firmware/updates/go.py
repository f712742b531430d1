"""One update over the air, from what was offered to the reset: run by the app while it is idle."""

import asyncio
import json
import time
from binascii import unhexlify

from micropython import const

from uploader import __version__, memory
from uploader.errors import LinkError, TransportError

from . import offer
from .bundle import UpdateError
from .install import Bundle, install
from .slots import Slots
from .source import Expired, UrlSource

_TOLD_MS = const(60000)
_SOON_S = const(60)
_LATER_S = const(1800)


class Busy(Exception):
    """A recording begins: it goes on when the device is idle again."""


class Update:
    """Does what the heartbeats' answers offered, `offered` (None: what is kept on flash)."""

    def __init__(self, app, offered=None):
        self._app = app
        self._emit = app.up.emit
        self._offered = offered
        self._kept = offer.Kept(app.settings.state)
        self._told_ms = time.ticks_ms()

    async def between(self):
        """Let others run; raises Busy once a recording is wanted."""
        await asyncio.sleep_ms(0)
        if self._app.control.busy:
            raise Busy
        if time.ticks_diff(time.ticks_ms(), self._told_ms) > _TOLD_MS:
            self._told_ms = time.ticks_ms()
            self._emit("update", state="under_way")

    async def run(self):
        """Do it; a reset follows if all went well. Returns after how many seconds it is worth
        doing again, None if there is nothing left to do."""
        app, kept = self._app, self._kept
        if self._offered and not await self._take():
            return None
        if app.trial or app.only_records or app.control.busy:
            return _SOON_S
        if not kept.value.get("url"):
            return None
        if kept.value["version"] == __version__:
            kept.end()
            return None
        now = await self._now()
        if now is None or not (app.alone or kept.due(now)):
            return _SOON_S
        try:
            link = await app.up.links.ready(False)
            refusal = self._refusal(link)
            if refusal:
                self._emit("update", state="deferred", reason=refusal)
                return _LATER_S
            if not (app.up.roomy or app.alone):
                if kept.again(now) is None:
                    raise UpdateError("tried too often", True)
                await leave(app)
            await self._fetch()
        except (Busy, LinkError):
            return _SOON_S
        except Expired as e:
            self._emit("update", state="expired", reason=str(e))
            if kept.expired():
                app.up.report()
        except (UpdateError, TransportError, OSError) as e:
            return self._failed(e, getattr(e, "final", False), now)

    async def _now(self):
        app = self._app
        if app.clock.now() is None:
            from uploader import timesync

            try:
                await app.up.links.ready(False)
                server = app.settings.ntp_server
                await timesync.find(app.clock, app.up.links, server, self._emit)
            except LinkError:
                pass
            memory.forget(timesync.__name__)
        return app.clock.now()

    async def _fetch(self):
        from uploader.http import Http

        http = Http(self._app.settings, self._app.up.links)
        try:
            await self._install(UrlSource(http, self._kept.value["url"], self.between))
        finally:
            http.close()

    async def _take(self):
        try:
            offered = await self._proved()
        except UpdateError as e:
            self._emit("update", state="refused", reason=str(e))
            return False
        found = offer.parse(offered)
        if found is None:
            self._emit("update", state="refused", reason="not understood")
            return False
        # A heartbeat may repeat the offer: what runs, or failed, is no news.
        return found["version"] != __version__ and self._kept.take(found)

    async def _proved(self):
        """What was offered; of a manifest that is signed itself what is in it. Raises
        UpdateError."""
        text, signature = self._offered.get("manifest"), self._offered.get("signature")
        if not isinstance(text, str) or not isinstance(signature, str):
            return self._offered
        from .ed25519 import verify

        try:
            for key in offer.provisioned().get("keys") or ():
                raw = unhexlify(signature)
                if await verify(unhexlify(key), raw, text.encode(), self.pause):
                    return json.loads(text)
        except ValueError:
            pass
        raise UpdateError("the manifest's signature is wrong")

    async def pause(self):
        """Let others run."""
        await asyncio.sleep_ms(0)

    def _refusal(self, link):
        if not link.metered:
            return None
        if not offer.provisioned().get("metered"):
            return "%s is metered" % link.name
        policy = self._app.up.policy
        no = policy and (policy.link(link) or policy.file(link, self._kept.value["size"] or 0))
        return no and no.reason

    async def _install(self, source):
        app, value = self._app, self._kept.value
        keys = offer.provisioned().get("keys")
        if not keys:
            raise UpdateError("no key is provisioned", True)
        self._emit("update", state="begun", version=value["version"])
        bundle = Bundle(source, app.settings.state + "/update.lst", self.between)
        await bundle.open(keys)
        slots = Slots()
        if bundle.head.image:
            from .image import install as install_image

            if slots.on_trial:
                raise UpdateError("another is on trial")
            await install_image(app, bundle.head, source, value["version"], self.between)
            # Where memory is short what sends is to come first: a reset would end the trial.
            mark = "update" if memory.roomy() else "send"
            await restart(app, "installed", mark, version=value["version"])
            return
        await bundle.fetch_list()
        bundle.check_whole(value["size"], value["crc"])
        await install(bundle, slots, app.board.NAME, __version__)
        self._kept.end()
        await restart(app, "installed", version=slots.value["version"])

    def _failed(self, e, final, now):
        wait = None if final else self._kept.again(now)
        if wait is None:
            self._kept.end(str(e))
        self._emit("update", state="failed", reason=str(e), wait_s=wait)
        return wait


async def restart(app, state, mark="update", **info):
    """Reset, as soon as nothing is recorded; what led to it is told before. `mark` is power's."""
    import machine

    app.up.emit("update", state=state, **info)
    while app.control.busy:
        await app.clock.sleep(1)
    app.close()
    app.load("power").mark(mark)
    machine.reset()


async def leave(app):
    """Have the update done alone by the next boot: it does not fit beside the app."""
    with open(offer.ALONE, "w"):
        pass
    await restart(app, "alone")


async def go(app):
    """Have the app's uploads rest, and do what there is to do."""
    left_s, why = not app.up.idle and app.up.waiting.left_s(), app.up.waiting.why
    app.uploads.cancel()
    app.up.let_go()
    beat = app.up.heartbeat
    offered = wait = None
    app.go_on = False
    if beat:
        offered, beat.offer = beat.offer, None
    try:
        wait = await Update(app, offered).run()
    except asyncio.CancelledError:  # a recording is wanted
        wait = _SOON_S
    finally:
        app.updating = None
        if left_s:
            app.up.resume(left_s, why)  # what was waited for
        app.uploads = asyncio.create_task(app.up.run())
        if wait is not None:
            from .later import later

            if app.again:
                app.again.cancel()
            app.again = asyncio.create_task(later(app, wait))
        names = "go offer bundle install image apply source slots ed25519 sha512 later".split()
        memory.forget("updates", *["updates." + name for name in names])
