"""The IPv6 Control Protocol (RFC 5072), as far as a link needs it to open."""

from .automaton import Automaton

_INTERFACE = 1
_NONE = bytes(8)


class Ipv6cp(Automaton):
    """Agrees to any interface identifier but none (section 4.1)."""

    def wanted(self):
        return [(_INTERFACE, b"\x02\x00\x00\xff\xfe\x00\x00\x01")]

    def judge(self, kind, value):
        if kind != _INTERFACE or len(value) != 8:
            return None
        return value if value != _NONE else b"\x02\x00\x00\xff\xfe\x00\x00\x02"
