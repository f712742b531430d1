"""The device's end of a PPP link, as lwIP negotiates it (src/netif/ppp of espressif/esp-lwip,
2.1.3-esp): what it asks for, its timeouts, and what ends the link."""

import os

from .auth import ChapClient, PapClient
from .automaton import OPENED
from .framing import CHAP, IPV6CP, PAP
from .ipcp import DeviceIpcp
from .ipv6cp import Ipv6cp
from .lcp import Lcp
from .link import Link

_RESTART_S = 6  # FSM_DEFTIMEOUT


class Device(Link):
    """`auth` is ("pap" or "chap", user, key), or None: then it refuses to authenticate. `user`
    is told of `up` for each network protocol that opens, IPv6 too. Otherwise as Link."""

    def __init__(self, write, now, user, auth=None, random=os.urandom):
        super().__init__(write, now, user)
        self._auth = auth
        self.lcp = Lcp(self, random(4), None, (auth[0],) if auth else ())
        self.ipcp = DeviceIpcp(self)
        self.ipv6cp = Ipv6cp(self._send_ipv6cp, now, self)
        for protocol in self.protocols():
            protocol.restart_s = _RESTART_S
        self._networks = 0

    def protocols(self):
        return [self.lcp, self.ipcp, self.ipv6cp]

    def make_auth(self):
        """Who answers, None if nobody is asked for."""
        kind = self.lcp.sending.auth
        if kind is None or self._auth is None:
            return None
        credentials = self._auth[1].encode(), self._auth[2].encode()
        if kind == "pap":
            return PapClient(credentials, self._send_pap, self.auth_done, self.now)
        return ChapClient(credentials, self._send_chap, self.auth_done)

    def _send_pap(self, packet):
        self.send(PAP, packet)

    def _send_chap(self, packet):
        self.send(CHAP, packet)

    def _send_ipv6cp(self, packet):
        self.send(IPV6CP, packet)

    def other_protocol(self, protocol, info):
        if protocol == IPV6CP:
            self.ipv6cp.receive(info)
        else:
            super().other_protocol(protocol, info)

    def networks_up(self):
        super().networks_up()
        self.ipv6cp.event("open")
        self.ipv6cp.event("up")
        self._networks = 2

    def protocol_rejected(self, protocol):
        if protocol == IPV6CP:
            self.ipv6cp.event("rxj-")
        else:
            super().protocol_rejected(protocol)

    def is_running(self):
        """lwIP's PPP_PHASE_RUNNING: LCP and a network protocol are open."""
        networks = (self.ipcp.state, self.ipv6cp.state)
        return self.lcp.state == OPENED and OPENED in networks

    def ipv6cp_up(self):
        self.user.up()

    def ipcp_finished(self):
        # np_finished: without any network protocol the link is of no use.
        self._networks -= 1
        if self._networks <= 0:
            self.lcp.event("close")

    ipv6cp_finished = ipcp_finished
