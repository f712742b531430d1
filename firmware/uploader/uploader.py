"""The loop: a recording ended, or it is time → policy → link → a pass over the queue → wait."""

import asyncio

from micropython import const

from . import memory, retry
from .device import Device
from .errors import ApiError, LinkError, StorageError, TransportError
from .links.manager import LinkManager
from .retry import PassResult
from .settings import redact
from .waiting import Waiting

_NEAR = __name__.rpartition(".")[0] + "."
_STORAGE_S = const(30)
_ERROR_S = const(300)


class _Paused(Exception):
    """A recording needs the memory: what was being sent is given up."""


class Uploader:
    """Brings what is in `store` to the cloud.

    `settings` is the Settings, `links` a list of links (see `links`). `on_event(event, info)`
    is told what happens: a name and a dict, never with a secret in it; the README of
    `firmware/` lists them. `on_command(name, command)` gets `start_recording` and
    `stop_recording` from heartbeats. `device` is a Device. `http` (an Http) and `api` (a DeviceApi)
    are made from the settings if left out, `clock` is the store's. Unless `roomy`, uploads pause
    while a recording is under way that is not live. `waiting` (a Waiting) knows what is waited for.
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
        self.heartbeat = None
        self._on_command = on_command
        self._urgent = asyncio.Event()  # the owner wants it done now
        self._keep = False  # a command may begin a recording
        device = device or Device()
        self.policy = device.policy(settings, self.clock, links)
        self.links = LinkManager(links, settings, self.clock, self.policy, self.emit)
        self._link = None  # the one that open connections lead over
        self._given = http, api
        self._sending = None
        self.patience = retry.Patience(self.clock.random)
        self._exchange = None  # the task that is at the network now
        if settings.heartbeat_minutes:
            self.heartbeat = Heartbeat(settings, store, self.links, device, self.emit)
        self.roomy = memory.roomy()  # recording and sending fit the heap side by side
        self.idle = False  # nothing is pending and nothing under way
        self.waiting = Waiting(self.clock, self.links)
        self._resumed = None
        store.listen(self.emit)

    def record(self, *args, **more):
        """Begin a recording: see `Store.begin`."""
        recording = self.store.begin(*args, **more)
        self.emit("recording", id=recording.id)
        if self._paused():
            if self._exchange:
                self._exchange.cancel()
            else:
                self.let_go()
        return recording

    @property
    def sending(self):
        """The Sending, its `http`, `api` and `session`: loaded when asked for."""
        if self._sending is None:
            from .sending import Sending

            http, api = self._given
            self._sending = Sending(self.settings, self.store, self.links, self.emit, http, api)
        return self._sending

    def let_go(self):
        """Close the connections and, where memory is short, forget the code that sends."""
        if self._sending:
            self._sending.close()
            if not self.roomy:
                self._sending = None
                from .sending import modules

                memory.forget(*modules(__name__.rpartition(".")[0]))

    def _paused(self):
        """True while what is recorded needs the memory, and nothing is sent."""
        return not self.roomy and self.store.is_recording(live=False)

    async def quiet(self):
        """Return once nothing is being sent, which a recording that is not live brings about
        where memory is short."""
        while self._paused() and self._sending:
            await asyncio.sleep_ms(0)

    def upload_now(self, *rules):
        """Upload at once what is pending, over whatever waits there are, and over the named
        rules of the policy (`battery hours delay roaming signal cap`), until the queue is
        empty. Raises ValueError for an unknown rule."""
        if self.policy:
            self.policy.override(rules)
        self.links.override()
        self._urgent.set()
        self.store.ended.set()

    def resume(self, seconds, why):
        """Have `run` begin with the rest of a wait for what `why` says (see Waiting)."""
        self._resumed = seconds, why

    async def run(self):
        """Upload for ever: at once what is pending, then whenever a recording ends."""
        lost = self.idle = False
        while True:
            try:
                if lost:
                    self.store.reopen()
                    lost = False
                if self._resumed:
                    (seconds, why), self._resumed = self._resumed, None
                    await self._wait(seconds, why, why != "retry")
                await self._until_empty()
                await self._idle()
            except StorageError as e:
                # A card pulled: what was synced is still on it. Look again after a while.
                lost = True
                self.emit("storage", reason=str(e))
                await self._wait(_STORAGE_S, "storage")
            except Exception as e:
                # A mistake of ours must not end the uploads of a device out of reach.
                self.emit("error", reason="%s: %s" % (type(e).__name__, e), exception=e)
                await self._wait(_ERROR_S, "error")

    async def drain(self, timeout_s=None):
        """Upload what is pending; True once nothing is left, False if `timeout_s` seconds
        did not suffice. Powers the links down. Raises StorageError."""
        try:
            await asyncio.wait_for(self._until_empty(), timeout_s)
            return True
        except asyncio.TimeoutError:
            return False
        finally:
            await self.links.down()

    async def rotate_token(self):
        """Have the service replace the device token; a link must be up. Raises ApiError if it
        refused (the token in use stays valid), TransportError if no answer came: whether it was
        done the next call's answer will tell, UploaderError while the device's id is unknown."""
        from .rotation import rotate

        await rotate(self.store, self.sending.api, self.emit)

    # One pass after another

    async def _until_empty(self):
        try:
            while True:
                self._urgent.clear()
                self._keep = False
                self.store.ended.clear()
                if self._paused():
                    await self._rest(self.store.ended, None, "recording")
                    continue
                result = await self._pass()
                if result.wait_s is None:
                    if self.policy:
                        self.policy.override(())
                    return
                if result.wait_s:
                    self.close()
                    self.emit("retry", wait_s=round(result.wait_s, 1), reason=result.reason)
                    why = "retry" if result.verdict else result.path or "deferred"
                    await self._wait(result.wait_s, why, not result.verdict)
        finally:
            # A handshake would hold up a recording: it keeps the connection that there is.
            if not (self._keep or self.store.is_recording()):
                self.close()

    def close(self):
        """Close the connections."""
        if self._sending:
            self._sending.close()

    async def _pass(self):
        """A heartbeat if one is due, then a pass over the queue if there is something to do and
        nothing against it; its PassResult."""
        try:
            beaten = self.heartbeat and not self.heartbeat.due_s() and await self._report()
            work = self.sending.session.begin(self.patience)
            idle = work if isinstance(work, PassResult) else self._defer()
            if idle:
                if beaten:
                    self.links.touch()
                return idle
            await self._connect()
            while await self._at_network(work.step()):
                await self._at_network(self._beat())
        except LinkError as e:
            return PassResult(e.wait_s, str(e), 0, "link")
        except _Paused:
            self.store.protect(None)
            return PassResult(0, "a recording is under way")
        return await self._concluding().conclude(self, work.result)

    def _concluding(self):
        return memory.borrow(_NEAR + "concluding")

    async def _at_network(self, call):
        """Await a call, unless a recording needs the memory. Raises _Paused."""
        if self._paused():
            call.close()
            raise _Paused
        self._exchange = asyncio.create_task(call)
        try:
            return await self._exchange
        except asyncio.CancelledError:
            if not self._paused():
                raise
            raise _Paused
        finally:
            self._exchange = None

    def _defer(self):
        """The PassResult of a rule that says no to every upload at this moment, or None."""
        no = self.policy and self.policy.now()
        if not no:
            return None
        self.emit("deferred", rule=no.rule, reason=no.reason, wait_s=no.wait_s)
        return PassResult(no.wait_s, no.reason)

    async def _connect(self, radios=None):
        """Have a link (of `radios`), and the time if that can be had. Raises LinkError."""
        before = self.links.current
        link = await self.links.ready(self.store.is_recording(), radios)
        if link is not self._link or link is not before:
            # What was opened over another link leads nowhere now.
            self.close()
            self._link = link
        self.clock.follow()
        if self.clock.now() is None or self.clock.estimated:
            await self._at_network(self._concluding().find_time(self))

    # Heartbeats

    def report(self):
        """Have a heartbeat sent as soon as may be."""
        if self.heartbeat:
            self.heartbeat.hurry()
            self.store.ended.set()

    async def _report(self):
        """Connect over a radio that heartbeats may use, and send one; False if there is none."""
        try:
            await self._connect(self.settings.heartbeat_radios)
        except LinkError:
            if len(self.settings.heartbeat_radios) < 2:
                self.heartbeat.skip()
                return False
            raise
        await self._at_network(self._beat())
        self.heartbeat.settle(self.let_go)
        return True

    async def _beat(self):
        """Send a heartbeat if one is due; what goes wrong with it is no reason to stop."""
        beat = self.heartbeat
        if not beat or beat.due_s() or not beat.may_use(self._link):
            return
        try:
            await self.exchange_news()
        except (ApiError, TransportError) as e:
            beat.failed()
            self.emit("heartbeat", state="failed", reason=str(e))
            return
        self.emit("heartbeat", state="sent")

    async def exchange_news(self):
        """Send a heartbeat, and see to the commands that it brings. Raises ApiError,
        TransportError."""
        for name, command in await self.heartbeat.beat(self.sending.api):
            if name == "trigger_upload":
                self.upload_now("delay", "hours")
                self.report()
            elif self._on_command:
                self._keep = self.roomy
                self._on_command(name, command)

    # Waiting

    async def _idle(self):
        """Wait for something to do."""
        self.idle = True
        await self._rest(self.store.ended, self.heartbeat and self.heartbeat.left_s(), "heartbeat")
        self.idle = False

    async def _wait(self, seconds, why, no_error=False):
        """Wait, unless the owner wants it done now. Where it was `no_error` that ended the
        pass, a heartbeat or another recording, which may be allowed, ends the wait, too."""
        beat_s = no_error and self.heartbeat and self.heartbeat.left_s()
        if beat_s and beat_s < seconds - 1:
            seconds, why = beat_s, "heartbeat"
        await self._rest(self.store.ended if no_error else self._urgent, seconds, why)

    async def _rest(self, event, seconds, why):
        """Wait for `event`, at most so many seconds (None: for ever), for what `why` says."""
        if self._paused():
            self.let_go()  # a recording began when its exchange had just ended
        if self.heartbeat and self.heartbeat.settle(self.let_go):
            return  # what was decided was decided under other settings
        await self.waiting.rest(event, seconds, why)

    def emit(self, event, **info):
        """Tell `on_event`, with no secret in the reason."""
        self.waiting.show_life()
        if self.heartbeat:
            self.heartbeat.note(event, info)
        if self._on_event:
            if info.get("reason"):
                info["reason"] = redact(info["reason"], self.credentials.token)
            self._on_event(event, info)
