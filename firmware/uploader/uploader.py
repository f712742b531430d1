"""The loop: a recording ended, or it is time → policy → link → a pass over the queue → wait."""

import asyncio

from micropython import const

from . import retry
from .api import DeviceApi
from .errors import ApiError, LinkError, StorageError, TransportError, UploaderError
from .http import Http
from .network import Network
from .session import Outcome, Session, uniform
from .settings import redact

_STORAGE_S = const(30)
_ERROR_S = const(300)
_DAY_S = const(86400)
# The longest that one step of a pass may take without an event: a modem's registration with
# the recovery before it.
_STEP_S = const(900)


class Uploader:
    """Brings what is in `store` to the cloud.

    `config` is a `Settings`, `links` are tried in their order. `on_event(event, info)`
    is told what happens: a name and a dict, never with a secret in it; the README of
    `firmware/` lists them. `battery` is a callable that returns percent (None while unknown).
    `on_command(name, command)` gets `start_recording` and `stop_recording` from heartbeats;
    `firmware_version` is reported in them.
    `transport` replaces the JSON calls' HTTP client (see `requests_transport`), `random`
    (floats in [0, 1)) is for tests.
    """

    def __init__(
        self,
        config,
        store,
        links,
        on_event=None,
        battery=None,
        transport=None,
        random=None,
        on_command=None,
        firmware_version=None,
    ):
        self.config = config
        self.store = store
        self.clock = store.clock
        self.credentials = store.credentials
        self._on_event = on_event
        self._nudge = asyncio.Event()  # one of the two below may have become true
        self._ended = False  # a recording ended since the last pass began
        self._urgent = False  # the owner wants it done now
        random = random or uniform
        self.policy = None
        self._link = None
        if battery or config.heartbeat_minutes or _limits(config) or _metered(links):
            from .policy import Policy  # whoever has no use for it is spared its 6 KB

            self.policy = Policy(config, self.clock, battery)
        self.network = Network(
            links, self.clock, self.policy, self.emit, config.radio_idle_timeout_s, random
        )
        self.http = Http(
            config.roots,
            config.max_connections,
            config.chunk_bytes,
            config.stall_timeout_s,
            config.allow_insecure,
        )
        self.http.alive = self.network.alive
        token = self.credentials.token if self.credentials else config.device_token
        self.api = DeviceApi(transport or self.http, config.api_url, token)
        self.api.on_date = self._on_date
        self.session = Session(
            store,
            self.api,
            self.http,
            self.clock,
            self.emit,
            config.max_connections == 1,
            config.backoff_max_s,
            random,
            config.queue_order,
            self.policy,
            self.network,
        )
        self.heartbeat = None
        if config.heartbeat_minutes:
            from .heartbeat import Heartbeat

            self.heartbeat = Heartbeat(self, on_command, battery, firmware_version)
            self.session.between = self._beat
        self.idle = False  # nothing is pending and nothing under way
        self.alive_until_ms = 0  # uptime by which the loop shows life again
        store.on_event = self._event

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
        self.network.override()
        self._urgent = True
        self._nudge.set()

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
            await self.network.down()

    async def rotate_token(self):
        """Have the service replace the device token; a link must be up.

        Raises ApiError if it refused (the token in use stays valid), TransportError if no
        answer came: then the service may or may not have done it, which the next call's
        answer will tell. Raises UploaderError while the device's id is not known yet.
        """
        if self.credentials is None or self.credentials.device_id is None:
            raise UploaderError("the device's id is known once a recording was created")
        self.store.with_spare(self.credentials.asking)
        try:
            token = await self.api.refresh_token(self.credentials.device_id)
        except ApiError as e:
            if 400 <= e.status < 500 and e.status not in (401, 403):
                self.store.with_spare(self.credentials.settled)
            raise
        self.store.with_spare(lambda: self.credentials.settled(token, self.clock.now()))
        self.api.token = token
        self.emit("token", state="rotated")

    async def _until_empty(self):
        try:
            while True:
                self._ended = self._urgent = False
                outcome = await self._pass()
                if outcome.wait_s is None:
                    if self.policy:
                        self.policy.override(())
                    return
                if outcome.wait_s:
                    self.http.close()
                    self.emit("retry", wait_s=round(outcome.wait_s, 1), reason=outcome.reason)
                    await self._wait(outcome.wait_s, not outcome.verdict)
        finally:
            self.http.close()

    async def _pass(self):
        idle = self.session.look()
        refusal = not idle and self.policy and self.policy.now()
        if refusal:
            self.emit("held_back", rule=refusal.rule, reason=refusal.reason, wait_s=refusal.wait_s)
            idle = Outcome(refusal.wait_s, refusal.reason)
        beat = self.heartbeat and self.heartbeat.due_s() == 0
        if idle and not beat:
            return idle
        try:
            link = await self.network.ready()
        except LinkError as e:
            return Outcome(e.wait_s, str(e))
        if link is not self._link:
            # What was opened over another link leads nowhere now.
            self.http.close()
            self._link = link
            self.http.meter = self.policy.meter.add if link.metered else None
        self.clock.follow()
        if self.clock.now() is None:
            await self._find_time(link)
        if beat:
            await self._beat()
        if idle:
            self.network.touch()
            return idle
        outcome = await self.session.run()
        if outcome.verdict == retry.CLOCK:
            outcome = await self._mend_clock(link, outcome)
        await self._after(outcome)
        return outcome

    async def _mend_clock(self, link, outcome):
        """Certificates don't fit the time: find another, and try again at once if it is new."""
        wrong = self.clock.source
        if self.clock.follow():
            return Outcome(0, outcome.reason, retry.CLOCK)
        self.clock.doubt()
        if await self._find_time(link, wrong):
            return Outcome(outcome.wait_s if wrong == self.clock.source else 0, outcome.reason)
        return outcome

    async def _find_time(self, link, wrong=None):
        from .timesync import find

        if await find(self.clock, link, self.config.ntp_server, self.emit, wrong):
            return True
        try:
            # Any call brings the server's Date, before a recording is created without times.
            await (self.heartbeat.beat() if self.heartbeat else self.api.heartbeat({}))
        except (ApiError, TransportError):
            pass  # what is wrong is for the session to find out
        return self.clock.now() is not None

    async def _after(self, outcome):
        credentials = self.credentials
        if self.api.accepted:
            self.api.accepted = False
            self.network.touch()
            if credentials:
                if credentials.lost and outcome.verdict != retry.TOKEN:
                    self.store.with_spare(credentials.settled)
                if self.api.device_id:
                    device_id = self.api.device_id
                    self.store.with_spare(lambda: credentials.learn_device(device_id))
                await self._rotate_if_due()
        if outcome.wait_s and not outcome.verdict:
            # Held back by the policy: over a better link it might not be.
            better_s = self.network.better_s()
            if better_s is not None:
                outcome.wait_s = min(outcome.wait_s, max(1, better_s))
        if outcome.verdict == retry.TOKEN:
            lost = credentials and credentials.lost
            self.emit(
                "token", state="needs_new_token" if lost else "refused", reason=outcome.reason
            )
        if outcome.verdict == retry.CERT:
            self.emit("certificate", reason=outcome.reason)
        if outcome.path:
            self.http.close()
            code = "captive_portal" if outcome.path == "not_tls" else None
            if self.network.failed(outcome.reason, code):
                outcome.wait_s = 0  # the next link, at once
            await self.network.drop()

    async def _rotate_if_due(self):
        days = self.config.token_refresh_days
        now = self.clock.now()
        if not days or now is None or not self.credentials.older_than(days * _DAY_S, now):
            return
        try:
            await self.rotate_token()
        except (ApiError, TransportError, UploaderError) as e:
            self.emit("token", state="not_rotated", reason=str(e))

    async def _idle(self):
        """Wait for something to do; power the links down when they were idle for long."""
        self.idle = True
        while not (self._ended or self._urgent):
            due = self.network.idle_s()
            if due == 0:
                await self.network.down()
                continue
            if self.heartbeat:
                beat_s = self.heartbeat.due_s()
                if beat_s == 0:
                    break
                due = beat_s if due is None else min(due, beat_s)
            self._alive_for(due)
            await self.clock.wait(self._nudge, due)
        self.idle = False

    def _alive_for(self, seconds):
        """Tell by when the loop will show life again: that of a wait, and time for a pass's
        longest step; a day for a wait without an end."""
        seconds = _DAY_S if seconds is None else seconds
        self.alive_until_ms = self.clock.uptime_ms() + int(seconds + _STEP_S) * 1000

    async def _beat(self):
        """Send a heartbeat if one is due; what goes wrong with it is no reason to stop."""
        if self.heartbeat.due_s():
            return
        try:
            await self.heartbeat.beat()
        except (ApiError, TransportError) as e:
            self.emit("heartbeat", state="failed", reason=str(e))
            return
        self.emit("heartbeat", state="sent")

    async def _wait(self, seconds, no_error=False):
        """Wait, unless the owner wants it done now. Where it was `no_error` that ended the
        pass, a heartbeat or another recording, which may be allowed, ends the wait, too."""
        if no_error and self.heartbeat and self.heartbeat.due_s():
            seconds = min(seconds, self.heartbeat.due_s())
        self._alive_for(seconds)
        end = self.clock.uptime_ms() + int(seconds * 1000)
        while not self._urgent and not (no_error and self._ended):
            left = end - self.clock.uptime_ms()
            if left <= 0:
                break
            await self.clock.wait(self._nudge, left / 1000)

    def _on_date(self, date):
        self.clock.refine(date)
        self.store.keep_time(date)

    def emit(self, event, **info):
        """Tell `on_event`."""
        self._event(event, info)

    def _event(self, event, info):
        self._alive_for(0)
        if event in ("ended", "segment"):
            self._ended = True
            self._nudge.set()
        if self._on_event:
            if info.get("reason"):
                info["reason"] = redact(info["reason"], self.api.token)
            self._on_event(event, info)


def _limits(config):
    return config.off_peak_start or config.upload_delay_minutes


def _metered(links):
    for link in links:
        if link.metered:
            return True
    return False
