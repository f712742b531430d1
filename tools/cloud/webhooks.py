"""Webhooks: what happened is POSTed to the URLs that were registered for it.

Public reference, "Webhooks": the event's shape, HMAC-SHA256 with the endpoint's secret, six tries
with growing waits, anything but 2xx within 30 s is a failure. The signature header's name and
form are *unknown*: here `X-Webhook-Signature: t=<epoch seconds>,v1=<hex>` over `t.body`.
"""

import hashlib
import heapq
import hmac
import itertools
import threading
import time

import httpx

from .errors import Refusal
from .management import CreateWebhook, Event, NewWebhook, Webhook
from .shared import utc_now
from .state import State, new_id

WAITS_S = (60, 300, 1800, 7200, 28800)
_TIMEOUT_S = 30


class Webhooks:
    """The endpoints, and a thread that delivers. `waits_s` are the waits between tries."""

    def __init__(self, state: State, waits_s=WAITS_S):
        self._state = state
        self.waits_s = waits_s
        self._due = []  # heap of (when, number, try, endpoint's id, event)
        self._number = itertools.count()
        self._change = threading.Condition()
        self._thread = None
        self._stopped = False
        self.deliveries = []  # (event's type, URL, status or the error's name)

    def create(self, wanted: CreateWebhook) -> NewWebhook:
        """Register an endpoint; the answer alone shows its secret."""
        webhook = NewWebhook(
            id=new_id("we"),
            created_at=utc_now(),
            secret=new_id("whsec"),
            **wanted.model_dump(),
        )
        self._state.put("webhook", webhook.id, webhook)
        return webhook

    def all(self) -> list[Webhook]:
        """Every endpoint, without its secret."""
        return self._state.all("webhook", Webhook)

    def delete(self, webhook_id: str):
        """Forget an endpoint. Raises 404."""
        if self._state.get("webhook", webhook_id, Webhook) is None:
            raise Refusal(404, "No such webhook.")
        self._state.delete("webhook", webhook_id)

    def tell(self, kind: str, data: dict):
        """Send an event to whoever wants it, in the background."""
        wanted = [w for w in self.all() if kind in w.events or "*" in w.events]
        if not wanted:
            return
        event = Event(id=new_id("evt"), type=kind, created_at=utc_now(), data=data)
        with self._change:
            for webhook in wanted:
                self._push(time.monotonic(), 0, webhook.id, event)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            self._change.notify()

    def stop(self):
        """End the thread; what is still to be delivered is given up."""
        with self._change:
            self._stopped = True
            self._change.notify()
        if self._thread:
            self._thread.join(_TIMEOUT_S + 5)

    def _push(self, when, tried, webhook_id, event):
        heapq.heappush(self._due, (when, next(self._number), tried, webhook_id, event))

    def _run(self):
        while True:
            with self._change:
                while not self._stopped and not self._ready():
                    self._change.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._stopped:
                    return
                _, _, tried, webhook_id, event = heapq.heappop(self._due)
            webhook = self._state.get("webhook", webhook_id, NewWebhook)
            if webhook is None:
                continue
            if not self._deliver(webhook, event) and tried < len(self.waits_s):
                with self._change:
                    self._push(time.monotonic() + self.waits_s[tried], tried + 1, webhook_id, event)

    def _ready(self):
        return self._due and self._due[0][0] <= time.monotonic()

    def _deliver(self, webhook, event) -> bool:
        body = event.model_dump_json().encode()
        headers = {
            "Content-Type": "application/json",
            "X-Webhook-Signature": signature(webhook.secret, int(time.time()), body),
        }
        try:
            answer = httpx.post(webhook.url, content=body, headers=headers, timeout=_TIMEOUT_S)
            outcome, done = answer.status_code, answer.is_success
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as e:
            outcome, done = type(e).__name__, False
        self.deliveries.append((event.type, webhook.url, outcome))
        return done


def signature(secret: str, at: int, body: bytes) -> str:
    """The signature header of `body` sent `at` epoch seconds."""
    text = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={text}"
