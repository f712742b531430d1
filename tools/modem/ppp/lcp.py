"""The Link Control Protocol (RFC 1661 sections 5 and 6; RFC 1662 section 7 for the ACCM)."""

from .automaton import OPENED, Automaton
from .framing import CHAP, LCP, PAP
from .packet import DISCARD, ECHO_REP, ECHO_REQ, PROTO_REJ, TERM_REQ, pack

MRU, ACCM, AUTH, MAGIC, PFC, ACFC = 1, 2, 3, 5, 7, 8
_MD5 = 5  # RFC 1994 section 3

AUTH_VALUES = {
    "pap": bytes([PAP >> 8, PAP & 255]),
    "chap": bytes([CHAP >> 8, CHAP & 255, _MD5]),
}


class Options:
    """What holds for one direction: `mru` in bytes, `accm` as a bit for each control character
    that is escaped, whether address, control and protocol fields are shortened (`acfc`, `pfc`),
    and `auth`, "pap" or "chap" or None, that the other side demands."""

    def __init__(self):
        self.mru = 1500
        self.accm = 0xFFFFFFFF
        self.pfc = False
        self.acfc = False
        self.auth = None


class Lcp(Automaton):
    """`demand` is the authentication that is asked for ("pap", "chap" or None), `accept` the
    kinds that one has an answer to. `link` is told of `lcp_up`, `lcp_down`, `lcp_finished` and
    `protocol_rejected(protocol)`.

    `sending` holds for what is sent, once the layer is up.
    """

    def __init__(self, link, magic, demand=None, accept=()):
        super().__init__(link.send_lcp, link.now)
        self._link = link
        self._accept = accept
        self._offer = [
            (MRU, b"\x05\xdc"),
            (ACCM, bytes(4)),
            (MAGIC, magic),
            (PFC, b""),
            (ACFC, b""),
        ]
        if demand:
            self._offer.insert(0, (AUTH, AUTH_VALUES[demand]))
        self._magic = magic
        self.demand = demand
        self.refused = False  # to authenticate
        self.sending = Options()
        self.echoes = 0  # answers to ours

    def wanted(self):
        return self._offer

    def judge(self, kind, value):
        if kind == MRU and len(value) == 2:
            # A smaller one is granted, down to RFC 1661's hint of what is still of use.
            return value if int.from_bytes(value, "big") >= 128 else b"\x00\x80"
        if kind == ACCM and len(value) == 4:
            return value
        if kind == MAGIC and len(value) == 4:
            # Section 6.4: one's own number means a looped line; another is asked for.
            looped = value in (self._magic, bytes(4))
            return bytes([value[0] ^ 0x80]) + value[1:] if looped else value
        if kind in (PFC, ACFC) and not value:
            return value
        if kind == AUTH and self._accept:
            for name in self._accept:
                if value == AUTH_VALUES[name]:
                    return value
            return AUTH_VALUES[self._accept[0]]
        return None

    def agreed(self, options):
        sending = Options()
        for kind, value in options:
            if kind == MRU:
                sending.mru = int.from_bytes(value, "big")
            elif kind == ACCM:
                sending.accm = int.from_bytes(value, "big")
            elif kind == AUTH:
                sending.auth = "pap" if value == AUTH_VALUES["pap"] else "chap"
            sending.pfc = sending.pfc or kind == PFC
            sending.acfc = sending.acfc or kind == ACFC
        self.sending = sending

    def naked(self, kind, value):
        if kind == AUTH:
            self.refused = True  # it has no answer to what is demanded
        elif kind in (MRU, ACCM, MAGIC):
            self._offer = [(k, value if k == kind else v) for k, v in self._offer]
            if kind == MAGIC:
                self._magic = value

    def rejected(self, kind):
        self.refused = self.refused or kind == AUTH
        self._offer = [option for option in self._offer if option[0] != kind]

    def up(self):
        self._link.lcp_up()

    def down(self):
        self._link.lcp_down()

    def finished(self):
        self._link.lcp_finished()

    def other(self, code, ident, data):
        if code not in (PROTO_REJ, ECHO_REQ, ECHO_REP, DISCARD):
            return False
        if self.state != OPENED:
            return True  # sections 5.7, 5.8: silently discarded
        if code == PROTO_REJ and len(data) >= 2:
            self._link.protocol_rejected(data[0] << 8 | data[1])
        elif code == ECHO_REQ and len(data) >= 4:
            self._send(pack(ECHO_REP, ident, self._magic_sent() + data[4:]))
        elif code == ECHO_REP and data[:4] != self._magic:
            self.echoes += 1
        return True

    def is_open(self):
        """Whether the link is established."""
        return self.state == OPENED

    def is_terminate(self, protocol, info):
        """Whether a frame asks for the link's end (section 5.5)."""
        return protocol == LCP and info[:1] == bytes([TERM_REQ])

    def _magic_sent(self):
        offered = [value for kind, value in self._offer if kind == MAGIC]
        return offered[0] if offered else bytes(4)

    def echo(self):
        """Ask whether the other side is still there (section 5.8)."""
        if self.state == OPENED:
            self._ident = self._ident + 1 & 255
            self._send(pack(ECHO_REQ, self._ident, self._magic_sent()))

    def reject_protocol(self, protocol, info):
        """Say that `protocol` is not spoken here (section 5.7)."""
        if self.state == OPENED:
            self._ident = self._ident + 1 & 255
            rejected = bytes([protocol >> 8, protocol & 255]) + info
            self._send(pack(PROTO_REJ, self._ident, rejected[: self.sending.mru - 4]))
