"""What the mobile network gives in data mode, and what can be wrong with it."""

from dataclasses import dataclass, field


@dataclass
class Carrier:
    """Read at the time of use, so that a test can change anything while the link is up.

    The device gets `address`, its peer has `gateway`, and `dns` is told by IPCP. What the
    device sends to an address in `hosts` goes to that address of the host.
    """

    address: str = "10.0.0.2"
    gateway: str = "10.0.0.1"
    dns: tuple = ("10.0.0.3", "0.0.0.0")
    hosts: dict = field(default_factory=lambda: {"10.0.0.1": "127.0.0.1", "10.0.2.2": "127.0.0.1"})
    auth: tuple | None = None  # ("pap" or "chap", user, key) that PPP must bring
    ppp: bool = True  # False: LCP is never answered
    ipcp: bool = True  # False: IPCP is never answered
    ipv6cp: bool = False  # whether IPV6CP is agreed to; else it is protocol-rejected
    mute_at_end: bool = False  # LCP's Terminate-Request is not answered
    loss: float = 0.0  # share of the line's bytes that are lost, each way
    damage: float = 0.0  # share of the line's bytes that have a bit turned, each way
