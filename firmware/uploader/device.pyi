from collections.abc import Callable

from .clock import Clock
from .settings import Settings

class Device:
    battery: Callable[[], int | None] | None
    firmware_version: str | None
    charging: Callable[[], bool] | None
    reset_cause: str | None
    def __init__(
        self,
        battery: Callable[[], int | None] | None = None,
        firmware_version: str | None = None,
        charging: Callable[[], bool] | None = None,
        reset_cause: str | None = None,
    ) -> None: ...
    def policy(self, settings: Settings, clock: Clock, links: list): ...
