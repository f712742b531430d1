from collections.abc import Callable

from ..clock import Clock
from ..settings import Settings

class CellularLink:
    name: str
    metered: bool
    connection: str
    modem: object
    operator: str | None
    technology: str | None
    address: str | None
    def __init__(
        self,
        uart,
        profile,
        pins,
        settings: Settings,
        clock: Clock,
        on_event: Callable[[str, dict], None] | None = None,
    ) -> None: ...
    async def up(self, may=None, quiet: bool = False) -> None: ...
    async def down(self) -> None: ...
    def is_up(self) -> bool: ...
    def name_servers(self) -> list[str]: ...
    def roaming(self) -> bool: ...
    def signal_dbm(self) -> int | None: ...
    async def network_time(self) -> int | None: ...
