"""The network's end of a PPP link: gives an address, may demand a name and a password."""

import os

from .auth import ChapServer, PapServer
from .framing import CHAP, IPCP, IPV6CP, PAP
from .ipcp import NetworkIpcp
from .ipv6cp import Ipv6cp
from .lcp import Lcp
from .link import Link


class Peer(Link):
    """`carrier` is a Carrier: what is given, demanded, and wrong. Otherwise as Link."""

    def __init__(self, write, now, user, carrier):
        super().__init__(write, now, user)
        self._carrier = carrier
        demand = carrier.auth[0] if carrier.auth else None
        self.lcp = Lcp(self, os.urandom(4), demand)
        self.ipcp = NetworkIpcp(self, carrier.gateway, carrier.address, carrier.dns)
        self.ipv6cp = Ipv6cp(lambda packet: self.send(IPV6CP, packet), now)

    def protocols(self):
        return [self.lcp, self.ipcp, self.ipv6cp]

    def send(self, protocol, info):
        if self._carrier.ppp:
            super().send(protocol, info)

    def handle(self, protocol, info):
        mute = self._carrier.mute_at_end and self.lcp.is_terminate(protocol, info)
        if self._carrier.ppp and not mute and (protocol != IPCP or self._carrier.ipcp):
            super().handle(protocol, info)

    def other_protocol(self, protocol, info):
        if protocol == IPV6CP and self._carrier.ipv6cp:
            self.ipv6cp.receive(info)
        else:
            super().other_protocol(protocol, info)

    def networks_up(self):
        if self._carrier.ipcp:
            super().networks_up()
        if self._carrier.ipv6cp:
            self.ipv6cp.event("open")
            self.ipv6cp.event("up")

    def make_auth(self):
        """Who checks the name and the password, None if nobody does."""
        if not self._carrier.auth or self.lcp.demand is None:
            return None
        kind, user, key = self._carrier.auth
        credentials = user.encode(), key.encode()
        if kind == "pap":
            return PapServer(credentials, lambda packet: self.send(PAP, packet), self.auth_done)
        return ChapServer(
            credentials,
            lambda packet: self.send(CHAP, packet),
            self.auth_done,
            self.now,
            os.urandom(16),
        )

    def lcp_up(self):
        if self.lcp.refused:
            self.auth_done(False)  # RFC 1661 section 3.5: no authentication, no network
        else:
            super().lcp_up()

    def end_ipcp(self):
        """End IPv4 while LCP stays, as a network does that takes an address back."""
        self.ipcp.event("close")
