"""The option negotiation automaton (RFC 1661 section 4), and the packets that drive it."""

from .packet import (
    CODE_REJ,
    CONF_ACK,
    CONF_NAK,
    CONF_REJ,
    CONF_REQ,
    TERM_ACK,
    TERM_REQ,
    pack,
    pack_options,
    unpack,
    unpack_options,
)

INITIAL, STARTING, CLOSED, STOPPED, CLOSING, STOPPING = range(6)
REQ_SENT, ACK_RCVD, ACK_SENT, OPENED = range(6, 10)

# Section 4.1: for each event, what each state does and which state comes next; "-" can't be.
# Options r, p and x are left out: none is needed here.
_TABLE = {
    "up": "2 irc,scr/6 - - - - - - - -",
    "down": "- - 0 tls/1 0 1 1 1 1 tld/1",
    "open": "tls/1 1 irc,scr/6 3 5 5 6 7 8 9",
    "close": "0 tlf/0 2 2 4 4 irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4",
    "to+": "- - - - str/4 str/5 scr/6 scr/6 scr/8 -",
    "to-": "- - - - tlf/2 tlf/3 tlf/3 tlf/3 tlf/3 -",
    "rcr+": "- - sta/2 irc,scr,sca/8 4 5 sca/8 sca,tlu/9 sca/8 tld,scr,sca/8",
    "rcr-": "- - sta/2 irc,scr,scn/6 4 5 scn/6 scn/7 scn/6 tld,scr,scn/6",
    "rca": "- - sta/2 sta/3 4 5 irc/7 scr/6 irc,tlu/9 tld,scr/6",
    "rcn": "- - sta/2 sta/3 4 5 irc,scr/6 scr/6 irc,scr/8 tld,scr/6",
    "rtr": "- - sta/2 sta/3 sta/4 sta/5 sta/6 sta/6 sta/6 tld,zrc,sta/5",
    "rta": "- - 2 3 tlf/2 tlf/3 6 6 8 tld,scr/6",
    "ruc": "- - scj/2 scj/3 scj/4 scj/5 scj/6 scj/7 scj/8 scj/9",
    "rxj+": "- - 2 3 4 5 6 6 8 9",
    "rxj-": "- - tlf/2 tlf/3 tlf/2 tlf/3 tlf/3 tlf/3 tlf/3 tld,irc,str/5",
}
_CELLS = {event: row.split() for event, row in _TABLE.items()}
_TIMED = (CLOSING, STOPPING, REQ_SENT, ACK_RCVD, ACK_SENT)


class Automaton:
    """One control protocol. `send(packet)` puts a packet on the link, `now()` is in seconds.

    Subclasses say what they ask for (`wanted`), judge what is asked of them (`judge`), take
    the other's verdict (`naked`, `rejected`), and are told when the layer is `up`, `down` or
    `finished`.
    """

    max_configure = 10
    max_terminate = 2
    max_failure = 5
    restart_s = 3

    def __init__(self, send, now):
        self.state = INITIAL
        self._send = send
        self._now = now
        self._left = 0
        self._naks = 0
        self._expires = None
        self._ident = 0
        self._asked = None
        self._other = (0, b"")
        self._answer = (0, b"")

    # For subclasses

    def wanted(self):
        """[(type, value)] to ask for."""
        return []

    def judge(self, kind, value):
        """What is said to an option that the other side asks for: `value` to agree, another
        value to ask for that (Nak), None to reject it."""
        return None

    def agreed(self, options):
        """What the other side asked for is acknowledged: these hold for what it sends."""

    def naked(self, kind, value):
        """The other side wants this value instead."""

    def rejected(self, kind):
        """The other side does not know the option, or does not want it."""

    def up(self):
        """The layer is open."""

    def down(self):
        """The layer is no longer open."""

    def finished(self):
        """The layer has ended, and needs nothing below it."""

    def other(self, code, ident, data):
        """A code beyond the seven of every control protocol; True if it was known."""
        return False

    # Events (section 4.3)

    def event(self, name):
        """Do what the table says."""
        cell = _CELLS[name][self.state]
        if cell == "-":
            return
        actions, _, state = cell.rpartition("/")
        self.state = int(state)
        if self.state not in _TIMED:
            self._expires = None
        for action in actions.split(","):
            if action:
                getattr(self, "_" + action)()

    def tick(self):
        """Call at least as often as timeouts should be seen."""
        if self._expires is not None and self._now() >= self._expires:
            self._expires = None
            self.event("to+" if self._left > 0 else "to-")

    def receive(self, info):
        """One packet of this protocol; what is malformed is dropped silently (section 5)."""
        try:
            code, ident, data = unpack(info)
            if code in (CONF_REQ, CONF_ACK, CONF_NAK, CONF_REJ):
                options = unpack_options(data)
        except ValueError:
            return
        if code == CONF_REQ:
            self._requested(ident, options)
        elif code in (CONF_ACK, CONF_NAK, CONF_REJ):
            self._answered(code, ident, data, options)
        elif code == TERM_REQ:
            self._other = (ident, b"")
            self.event("rtr")
        elif code == TERM_ACK:
            self.event("rta")
        elif code == CODE_REJ:
            # None of the seven can be done without; a code beyond them can.
            self.event("rxj-" if data and 1 <= data[0] <= CODE_REJ else "rxj+")
        elif not self.other(code, ident, data):
            self._other = (ident, info)
            self.event("ruc")

    def _requested(self, ident, options):
        nak, reject = [], []
        for kind, value in options:
            verdict = self.judge(kind, value)
            if verdict is None:
                reject.append((kind, value))
            elif verdict != value:
                nak.append((kind, verdict))
        # Section 5.4: rejections first; what is to be another value is said after them.
        if nak and self._naks >= self.max_failure:
            # Section 4.6: after Max-Failure it is assumed that asking does not converge.
            stubborn = [kind for kind, _ in nak]
            reject += [option for option in options if option[0] in stubborn]
        code = CONF_REJ if reject else CONF_NAK if nak else CONF_ACK
        self._naks = self._naks + 1 if code == CONF_NAK else 0
        self._answer = (code, pack_options(reject or nak or options))
        self._other = (ident, b"")
        if code == CONF_ACK:
            self.agreed(options)
        self.event("rcr+" if code == CONF_ACK else "rcr-")

    def _answered(self, code, ident, data, options):
        if ident != self._ident or self._asked is None:
            return
        if code == CONF_ACK:
            if data == self._asked:
                self._asked = None
                self.event("rca")
            return
        self._asked = None
        for kind, value in options:
            if code == CONF_NAK:
                self.naked(kind, value)
            else:
                self.rejected(kind)
        self.event("rcn")

    # Actions (section 4.4)

    def _tlu(self):
        self.up()

    def _tld(self):
        self.down()

    def _tls(self):
        pass

    def _tlf(self):
        self.finished()

    def _irc(self):
        ending = self.state in (CLOSING, STOPPING)
        self._left = self.max_terminate if ending else self.max_configure

    def _zrc(self):
        self._left = 0
        self._expires = self._now() + self.restart_s

    def _request(self, code, data):
        self._ident = self._ident + 1 & 255
        self._left -= 1
        self._expires = self._now() + self.restart_s
        self._send(pack(code, self._ident, data))

    def _scr(self):
        self._asked = pack_options(self.wanted())
        self._request(CONF_REQ, self._asked)

    def _str(self):
        self._request(TERM_REQ, b"")

    def _sca(self):
        self._send(pack(self._answer[0], self._other[0], self._answer[1]))

    _scn = _sca

    def _sta(self):
        self._send(pack(TERM_ACK, self._other[0]))

    def _scj(self):
        self._ident = self._ident + 1 & 255
        self._send(pack(CODE_REJ, self._ident, self._other[1]))
