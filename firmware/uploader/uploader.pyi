from collections.abc import Callable

from .clock import Clock
from .device import Device
from .recording import Recording
from .settings import Settings
from .store import Store

class Uploader:
    settings: Settings
    store: Store
    clock: Clock
    credentials: object
    heartbeat: object
    policy: object
    links: object
    patience: object
    waiting: object
    roomy: bool
    idle: bool
    def __init__(
        self,
        settings: Settings,
        store: Store,
        links: list,
        on_event: Callable[[str, dict], None] | None = None,
        on_command: Callable[[str, dict], None] | None = None,
        device: Device | None = None,
        http=None,
        api=None,
        clock: Clock | None = None,
    ) -> None: ...
    def record(self, *args, **more) -> Recording: ...
    @property
    def sending(self): ...
    def let_go(self) -> None: ...
    async def quiet(self) -> None: ...
    def upload_now(self, *rules: str) -> None: ...
    def resume(self, seconds: float, why: str) -> None: ...
    async def run(self) -> None: ...
    async def drain(self, timeout_s: float | None = None) -> bool: ...
    async def rotate_token(self) -> None: ...
    def report(self) -> None: ...
    def emit(self, event: str, **info) -> None: ...
