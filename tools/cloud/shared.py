"""What the parts of the service share."""

import threading
from datetime import datetime, timezone

from .behaviour import Behaviour
from .limits import Limits
from .state import State


class Shared:
    """`state`, `limits`, `behaviour`; S3 as `storage` (`s3.Storage`) and the way in which upload
    URLs are signed, `sign(key, content_type, expires_s)`; `url_life_s`, how long they are valid;
    `now()`, the time; `on_event(type, data)`, called with what webhooks tell; `lock`, held while
    a document is read, changed and written."""

    def __init__(self, state: State, limits: Limits, storage, url_life_s: int = 3600):
        self.state = state
        self.limits = limits
        self.storage = storage
        self.sign = storage.sign_put
        self.url_life_s = url_life_s
        self.behaviour = Behaviour()
        self.now = utc_now
        self.on_event = lambda kind, data: None
        self.lock = threading.RLock()


def utc_now() -> datetime:
    """The time in whole seconds, as the reference's examples have it."""
    return datetime.now(timezone.utc).replace(microsecond=0)
