"""The phases of a PPP link (RFC 1661 section 3), common to both ends."""

from .framing import CHAP, IPCP, IPV4, LCP, PAP, Deframer, frame


class Link:
    """One end of a link. `write(bytes)` puts bytes on the line, `now()` is in seconds.

    `user` is told of what happens: `packet(ip)` for each IPv4 packet, `up()` and `down()` for
    IPv4's being able to pass, `ended(reason)` once nothing is left of the link; the reason is
    "closed", "auth" or "".

    Subclasses set `lcp` and `ipcp`, and make who authenticates (`make_auth`).
    """

    def __init__(self, write, now, user):
        self.now = now
        self.user = user
        self.reason = ""
        self.is_up = False
        self.authenticated = False
        self.auth = None
        self.line = Deframer()
        self._write = write

    def start(self):
        """The line is there: negotiate."""
        self.lcp.event("open")
        self.lcp.event("up")

    def close(self):
        """End the link in order."""
        self.reason = self.reason or "closed"
        self.lcp.event("close")

    def carrier_lost(self):
        """The line has gone."""
        self.lcp.event("down")

    def receive(self, data):
        """What came over the line."""
        for protocol, info in self.line.feed(data):
            self.handle(protocol, info)

    def tick(self):
        """Call at least as often as timeouts should be seen."""
        for protocol in self.protocols():
            protocol.tick()
        if self.auth:
            self.auth.tick()

    def protocols(self):
        """The control protocols."""
        return [self.lcp, self.ipcp]

    def handle(self, protocol, info):
        """One frame."""
        if protocol == LCP:
            self.lcp.receive(info)
        elif not self.lcp.is_open():
            pass  # RFC 1661 section 3.4: silently discarded
        elif protocol in (PAP, CHAP):
            if self.auth:
                self.auth.receive(info)
            else:
                self.lcp.reject_protocol(protocol, info)
        elif not self.authenticated:
            pass  # section 3.5: silently discarded
        elif protocol == IPCP:
            self.ipcp.receive(info)
        elif protocol == IPV4:
            if self.is_up:
                self.user.packet(info)
        else:
            self.other_protocol(protocol, info)

    def other_protocol(self, protocol, info):
        """A frame of a protocol that only a subclass may know."""
        self.lcp.reject_protocol(protocol, info)

    def send(self, protocol, info):
        """One frame."""
        sending = self.lcp.sending
        self._write(frame(protocol, info, sending.accm, sending.pfc, sending.acfc))

    def send_ip(self, packet):
        """An IPv4 packet; lost while the link is not up."""
        if self.is_up:
            self.send(IPV4, packet)

    def send_lcp(self, packet):
        self.send(LCP, packet)

    def send_ipcp(self, packet):
        self.send(IPCP, packet)

    # What the control protocols tell

    def lcp_up(self):
        self.auth = self.make_auth()
        if self.auth:
            self.auth.start()
        else:
            self.auth_done(True)

    def auth_done(self, passed):
        if passed:
            self.authenticated = True
            self.networks_up()
        else:
            self.reason = "auth"
            self.lcp.event("close")

    def networks_up(self):
        """The network phase begins (section 3.6)."""
        self.ipcp.event("open")
        self.ipcp.event("up")

    def lcp_down(self):
        self.auth = None
        self.authenticated = False
        for protocol in self.protocols()[1:]:
            protocol.event("down")

    def lcp_finished(self):
        self.user.ended(self.reason)

    def ipcp_up(self):
        self.is_up = True
        self.user.up()

    def ipcp_down(self):
        self.is_up = False
        self.user.down()

    def ipcp_finished(self):
        pass

    def protocol_rejected(self, protocol):
        """The other side does not speak it (section 5.7)."""
        if protocol == LCP:
            self.lcp.event("rxj-")
        elif protocol == IPCP:
            self.ipcp.event("rxj-")
