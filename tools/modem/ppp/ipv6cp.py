"""The IPv6 Control Protocol (RFC 5072), as far as a link needs it to open."""

from .automaton import Automaton

_INTERFACE = 1
_NONE = bytes(8)


class Ipv6cp(Automaton):
    """Agrees to any interface identifier but none (section 4.1). `link`, if there is one, is
    told of `ipv6cp_up` and `ipv6cp_finished`."""

    def __init__(self, send, now, link=None):
        super().__init__(send, now)
        self._link = link

    def wanted(self):
        return [(_INTERFACE, b"\x02\x00\x00\xff\xfe\x00\x00\x01")]

    def judge(self, kind, value):
        if kind != _INTERFACE or len(value) != 8:
            return None
        return value if value != _NONE else b"\x02\x00\x00\xff\xfe\x00\x00\x02"

    def up(self):
        if self._link:
            self._link.ipv6cp_up()

    def finished(self):
        if self._link:
            self._link.ipv6cp_finished()
