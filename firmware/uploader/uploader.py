"""The loop: a recording ended, or it is time → a link → a pass over the queue → wait."""

import asyncio

from micropython import const

from .api import DeviceApi
from .config import redact
from .errors import LinkError, StorageError
from .http import Http
from .session import Session

_STORAGE_S = const(30)


class Uploader:
    """Brings what is in `store` to the cloud.

    `config` is a `config.Config`, `links` are tried in their order. `on_event(event, info)`
    is told what happens: a name and a dict, never with a secret in it; the README of
    `firmware/` lists them. `transport` replaces the JSON calls' HTTP client (see
    `requests_transport`).
    """

    def __init__(self, config, store, links, on_event=None, transport=None):
        self.store = store
        self.clock = store.clock
        self._links = links
        self._on_event = on_event
        self._secrets = (config.device_token,)
        self.http = Http(
            config.roots,
            config.max_connections,
            config.chunk_bytes,
            config.stall_timeout_s,
            config.allow_insecure,
        )
        self.api = DeviceApi(transport or self.http, config.api_url, config.device_token)
        self.session = Session(
            store,
            self.api,
            self.http,
            self.clock,
            self._emit,
            config.max_connections == 1,
            config.backoff_max_s,
        )
        self._trigger = asyncio.Event()
        store.on_event = self._event

    def record(self, name=None, started_at=None, metadata=None):
        """Begin a recording: see `Store.begin`."""
        recording = self.store.begin(name, started_at, metadata)
        self._emit("recording", id=recording.id)
        return recording

    async def run(self):
        """Upload for ever: at once what is pending, then whenever a recording ends."""
        lost = False
        while True:
            self._trigger.clear()
            try:
                if lost:
                    self.store.reopen()
                    lost = False
                await self._until_empty()
                await self._trigger.wait()
            except StorageError as e:
                # A card pulled: what was synced is still on it. Look again after a while.
                lost = True
                self._emit("storage", reason=str(e))
                await self.clock.sleep(_STORAGE_S)

    async def drain(self, timeout_s=None):
        """Upload what is pending; True once nothing is left, False if `timeout_s` seconds
        did not suffice. Raises StorageError."""
        try:
            if timeout_s is None:
                await self._until_empty()
            else:
                await asyncio.wait_for(self._until_empty(), timeout_s)
            return True
        except asyncio.TimeoutError:
            return False

    async def _until_empty(self):
        try:
            while True:
                wait, reason = await self._pass()
                if wait is None:
                    return
                self.http.close()
                self._emit("retry", wait_s=round(wait, 1), reason=reason)
                await self.clock.sleep(wait)
        finally:
            self.http.close()

    async def _pass(self):
        reason = "no link is configured"
        for link in self._links:
            try:
                await link.up()
            except LinkError as e:
                reason = "%s: %s" % (link.name, e)
                self._emit("link", link=link.name, state="failed", reason=reason)
                continue
            outcome = await self.session.run()
            return outcome.wait_s, outcome.reason
        return 30, reason

    def _emit(self, event, **info):
        self._event(event, info)

    def _event(self, event, info):
        if event == "ended":
            self._trigger.set()
        if self._on_event:
            if info.get("reason"):
                info["reason"] = redact(info["reason"], *self._secrets)
            self._on_event(event, info)
