"""The loop: a recording ended, or it is time → policy → link → a pass over the queue → wait."""

import asyncio

from micropython import const

from . import retry
from .api import DeviceApi
from .errors import ApiError, LinkError, StorageError, TransportError, UploaderError
from .http import Http
from .links.manager import LinkManager
from .s3 import S3
from .session import PassResult, Session
from .settings import redact

_STORAGE_S = const(30)
_ERROR_S = const(300)
_DAY_S = const(86400)
# The longest that one step of a pass may take without an event: a modem's registration with
# the recovery before it.
_STEP_S = const(900)


class Device:
    """What the hardware around the module knows of itself: `battery` is a callable that returns
    percent (0-100), None while unknown; `firmware_version` is text for heartbeats."""

    def __init__(self, battery=None, firmware_version=None):
        self.battery = battery
        self.firmware_version = firmware_version


class Uploader:
    """Brings what is in `store` to the cloud.

    `settings` is the Settings, `links` a list of links (see `links`). `on_event(event, info)`
    is told what happens: a name and a dict, never with a secret in it; the README of
    `firmware/` lists them. `on_command(name, command)` gets `start_recording` and
    `stop_recording` from heartbeats. `device` is a Device. `http` (an Http) and `api` (a
    DeviceApi) are made from the settings if left out, `clock` is the store's.
    """

    def __init__(
        self,
        settings,
        store,
        links,
        on_event=None,
        on_command=None,
        device=None,
        http=None,
        api=None,
        clock=None,
    ):
        if settings.heartbeat_minutes:
            from .heartbeat import Heartbeat, recall

            recall(settings)
        self.settings = settings
        self.store = store
        self.clock = clock or store.clock
        self.credentials = store.credentials
        self._on_event = on_event
        self._on_command = on_command
        self._urgent = asyncio.Event()  # the owner wants it done now
        device = device or Device()
        self.policy = _policy(settings, self.clock, links, device)
        self.links = LinkManager(links, settings, self.clock, self.policy, self.emit)
        self._link = None  # the one that open connections lead over
        self.http = http or Http(settings, self.links)
        self.api = api or DeviceApi(self.http, settings, self.clock, self.credentials.token)
        self.session = Session(settings, store, self.api, S3(self.http), self.links, self.emit)
        self.heartbeat = None
        if settings.heartbeat_minutes:
            self.heartbeat = Heartbeat(settings, store, self.api, self.links, device, self.emit)
        self.idle = False  # nothing is pending and nothing under way
        self.deadline_ms = 0  # uptime by which the loop shows life again
        self._show_life()
        store.listen(self.emit)

    def record(self, name=None, started_at=None, metadata=None, priority=0, live=False):
        """Begin a recording: see `Store.begin`."""
        recording = self.store.begin(name, started_at, metadata, priority, live)
        self.emit("recording", id=recording.id)
        return recording

    def upload_now(self, *rules):
        """Upload at once what is pending, over whatever waits there are, and over the named
        rules of the policy (`battery hours delay roaming signal cap`), until the queue is
        empty. Raises ValueError for an unknown rule."""
        if self.policy:
            self.policy.override(rules)
        self.links.override()
        self._urgent.set()
        self.store.ended.set()

    async def run(self):
        """Upload for ever: at once what is pending, then whenever a recording ends."""
        lost = False
        while True:
            try:
                if lost:
                    self.store.reopen()
                    lost = False
                await self._until_empty()
                await self._idle()
            except StorageError as e:
                # A card pulled: what was synced is still on it. Look again after a while.
                lost = True
                self.emit("storage", reason=str(e))
                await self._wait(_STORAGE_S)
            except Exception as e:
                # A mistake of ours must not end the uploads of a device out of reach.
                self.emit("error", reason="%s: %s" % (type(e).__name__, e), exception=e)
                await self._wait(_ERROR_S)

    async def drain(self, timeout_s=None):
        """Upload what is pending; True once nothing is left, False if `timeout_s` seconds
        did not suffice. Powers the links down. Raises StorageError."""
        try:
            if timeout_s is None:
                await self._until_empty()
            else:
                await asyncio.wait_for(self._until_empty(), timeout_s)
            return True
        except asyncio.TimeoutError:
            return False
        finally:
            await self.links.down()

    async def rotate_token(self):
        """Have the service replace the device token; a link must be up.

        Raises ApiError if it refused (the token in use stays valid), TransportError if no
        answer came: then the service may or may not have done it, which the next call's
        answer will tell. Raises UploaderError while the device's id is not known yet.
        """
        if self.credentials.device_id is None:
            raise UploaderError("the device's id is known once a recording was created")
        self.store.space.with_reserve(self.credentials.asking)
        try:
            token = await self.api.refresh_token(self.credentials.device_id)
        except ApiError as e:
            if 400 <= e.status < 500 and e.status not in (401, 403):
                self.store.space.with_reserve(self.credentials.settled)
            raise
        self.store.space.with_reserve(self.credentials.settled, token, self.clock.now())
        self.api.token = token
        self.emit("token", state="rotated")

    # One pass after another

    async def _until_empty(self):
        try:
            while True:
                self._urgent.clear()
                self.store.ended.clear()
                result = await self._pass()
                if result.wait_s is None:
                    if self.policy:
                        self.policy.override(())
                    return
                if result.wait_s:
                    self.http.close()
                    self.emit("retry", wait_s=round(result.wait_s, 1), reason=result.reason)
                    await self._wait(result.wait_s, not result.verdict)
        finally:
            self.http.close()

    async def _pass(self):
        """A heartbeat if one is due, then a pass over the queue if there is something to do and
        nothing against it; its PassResult."""
        try:
            beaten = self.heartbeat and not self.heartbeat.due_s()
            if beaten:
                await self._connect()
                await self._beat()
            work = self.session.begin()
            idle = work if isinstance(work, PassResult) else self._defer()
            if idle:
                if beaten:
                    self.links.touch()
                return idle
            await self._connect()
        except LinkError as e:
            return PassResult(e.wait_s, str(e))
        while await work.step():
            await self._beat()
        result = work.result
        if result.verdict == retry.CLOCK:
            result = await self._mend_clock(result)
        await self._after(result)
        return result

    def _defer(self):
        """The PassResult of a rule that says no to every upload at this moment, or None."""
        refusal = self.policy and self.policy.now()
        if not refusal:
            return None
        self.emit("deferred", rule=refusal.rule, reason=refusal.reason, wait_s=refusal.wait_s)
        return PassResult(refusal.wait_s, refusal.reason)

    async def _connect(self):
        """Have a link, and the time if that can be had. Raises LinkError."""
        link = await self.links.ready(self.store.is_recording())
        if link is not self._link:
            # What was opened over another link leads nowhere now.
            self.http.close()
            self._link = link
        self.clock.follow()
        if self.clock.now() is None:
            await self._find_time()

    async def _mend_clock(self, result):
        """Certificates don't fit the time: find another, and try again at once if it is new."""
        wrong = self.clock.source
        if self.clock.follow():
            return PassResult(0, result.reason, retry.CLOCK)
        self.clock.doubt()
        if await self._find_time(wrong):
            wait_s = result.wait_s if wrong == self.clock.source else 0
            return PassResult(wait_s, result.reason)
        return result

    async def _find_time(self, wrong=None):
        from .timesync import find

        if await find(self.clock, self._link, self.settings.ntp_server, self.emit, wrong):
            return True
        try:
            # Any call brings the server's Date, before a recording is created without times.
            if self.heartbeat:
                await self._exchange()
            else:
                await self.api.heartbeat({})
        except (ApiError, TransportError):
            pass  # what is wrong is for the session to find out
        return self.clock.now() is not None

    async def _after(self, result):
        """Draw the conclusions from a pass: token, certificate, link."""
        if self.api.accepted:
            self.api.accepted = False
            self.links.touch()
            self.store.keep_time()
            await self._settle_token(result)
        if result.wait_s and not result.verdict:
            # Deferred by the policy: over a better link it might not be.
            better_s = self.links.better_s()
            if better_s is not None:
                result.wait_s = min(result.wait_s, max(1, better_s))
        if result.verdict == retry.TOKEN:
            lost = self.credentials.lost
            self.emit("token", state="needs_new_token" if lost else "refused", reason=result.reason)
        if result.verdict == retry.CERT:
            self.emit("certificate", reason=result.reason)
        if result.path:
            self.http.close()
            code = "captive_portal" if result.path == "not_tls" else None
            if self.links.failed(result.reason, code):
                result.wait_s = 0  # the next link, at once
            await self.links.drop()

    async def _settle_token(self, result):
        """The service took the token: it is the right one, and may be due for another."""
        credentials = self.credentials
        if credentials.lost and result.verdict != retry.TOKEN:
            self.store.space.with_reserve(credentials.settled)
        device_id = self.api.device_id
        if device_id:
            self.store.space.with_reserve(credentials.learn_device, device_id)
        days = self.settings.token_refresh_days
        now = self.clock.now()
        if not days or now is None or not credentials.older_than(days * _DAY_S, now):
            return
        try:
            await self.rotate_token()
        except UploaderError as e:
            self.emit("token", state="not_rotated", reason=str(e))

    # Heartbeats

    async def _beat(self):
        """Send a heartbeat if one is due; what goes wrong with it is no reason to stop."""
        if not self.heartbeat or self.heartbeat.due_s():
            return
        try:
            await self._exchange()
        except (ApiError, TransportError) as e:
            self.emit("heartbeat", state="failed", reason=str(e))
            return
        self.emit("heartbeat", state="sent")

    async def _exchange(self):
        for name, command in await self.heartbeat.beat():
            if self._on_command:
                self._on_command(name, command)

    # Waiting

    async def _idle(self):
        """Wait for something to do; power the links down when they were idle for long."""
        self.idle = True
        while not self.store.ended.is_set():
            due = self.links.idle_s()
            if due == 0:
                await self.links.down()
                continue
            if self.heartbeat:
                beat_s = self.heartbeat.due_s()
                if beat_s == 0:
                    break
                due = beat_s if due is None else min(due, beat_s)
            self._show_life(due)
            await self.clock.wait(self.store.ended, due)
        self.idle = False

    async def _wait(self, seconds, no_error=False):
        """Wait, unless the owner wants it done now. Where it was `no_error` that ended the
        pass, a heartbeat or another recording, which may be allowed, ends the wait, too."""
        if no_error and self.heartbeat and self.heartbeat.due_s():
            seconds = min(seconds, self.heartbeat.due_s())
        self._show_life(seconds)
        await self.clock.wait(self.store.ended if no_error else self._urgent, seconds)

    def _show_life(self, seconds=0):
        """Promise the next sign of life: after a wait of `seconds` (None: without an end, a
        day) and a pass's longest step."""
        seconds = _DAY_S if seconds is None else seconds
        self.deadline_ms = self.clock.uptime_ms() + int(seconds + _STEP_S) * 1000

    def emit(self, event, **info):
        """Tell `on_event`, with no secret in the reason."""
        self._show_life()
        if self._on_event:
            if info.get("reason"):
                info["reason"] = redact(info["reason"], self.api.token)
            self._on_event(event, info)


def _policy(settings, clock, links, device):
    """The Policy; None for a device with no use for it, which is spared its 6 KB."""
    wanted = device.battery or settings.heartbeat_minutes
    wanted = wanted or settings.off_peak_start or settings.upload_delay_minutes
    for link in links:
        wanted = wanted or link.metered
    if not wanted:
        return None
    from .policy import Policy

    return Policy(settings, clock, device.battery)
