"""What surrounds the modem and what is wrong with it; and what happened, for tests to see."""

from dataclasses import dataclass, field

from .network import Carrier


@dataclass
class World(Carrier):
    """SIM, mobile network and serial line, beside what Carrier has of data mode. Tests change
    them as they go, from any thread."""

    sim: str = "READY"  # READY, SIM PIN, SIM PUK, absent, failure
    pin: str = "1234"
    tries: int = 3
    cpinr: bool = True  # whether it knows AT+CPINR
    sim_busy_s: float = 0
    register_s: float = 3  # until registered; stat before that is 2 (searching)
    stat: int = 1  # 1 home, 3 denied, 5 roaming; 0 never
    rssi: int = 21
    operator: str = "Test Net"
    act: int = 7
    nitz: str | None = "26/11/24,12:00:00+04"  # None: the network sent no time
    apn: str | None = None  # the only one that is let in
    dial: str = r"D\*99#|D\*99\*\*\*1#"  # what it lets dial
    silent: bool = False  # says nothing at all
    noise: bool = False  # garbage after power-up
    urcs: bool = False  # URCs in the middle of answers
    echo: bool = True
    baud: int = 115200
    stuck: bool = False  # ignores AT until its power is cut or its key pressed long
    key_tied: bool = False  # the power key is wired to ground: it boots whenever it is off


@dataclass
class Log:
    """What happened, for tests: `commands` in their order, `stray` AT text in data mode,
    `pins` (PINs tried), `events`."""

    commands: list = field(default_factory=list)
    stray: list = field(default_factory=list)
    pins: list = field(default_factory=list)
    events: list = field(default_factory=list)
