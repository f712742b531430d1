"""The IP Control Protocol: addresses (RFC 1332) and name servers (RFC 1877)."""

from .automaton import Automaton

ADDRESSES, COMPRESSION, ADDRESS, DNS1, DNS2 = 1, 2, 3, 129, 131
_NONE = bytes(4)


def to_bytes(text):
    """ "10.0.0.1" as four bytes."""
    return bytes([int(part) for part in text.split(".")])


def to_text(value):
    """Four bytes as "10.0.0.1"."""
    return ".".join([str(byte) for byte in value])


class NetworkIpcp(Automaton):
    """The side that gives: `gateway` is its own address, `address` the other's, `dns` two name
    servers; "0.0.0.0" for none. `link` is told of `ipcp_up` and `ipcp_down`."""

    def __init__(self, link, gateway, address, dns):
        super().__init__(link.send_ipcp, link.now)
        self._link = link
        self._offer = [(ADDRESS, to_bytes(gateway))]
        self._given = {ADDRESS: address, DNS1: dns[0], DNS2: dns[1]}

    def wanted(self):
        return self._offer

    def judge(self, kind, value):
        given = self._given.get(kind)
        return to_bytes(given) if given is not None and len(value) == 4 else None

    def rejected(self, kind):
        self._offer = [option for option in self._offer if option[0] != kind]

    def up(self):
        self._link.ipcp_up()

    def down(self):
        self._link.ipcp_down()

    def finished(self):
        self._link.ipcp_finished()


class DeviceIpcp(Automaton):
    """The side that asks: `address`, `gateway` and `dns` (two) are what it was given."""

    def __init__(self, link):
        super().__init__(link.send_ipcp, link.now)
        self._link = link
        self._values = {kind: _NONE for kind in (ADDRESS, DNS1, DNS2)}
        self._gateway = _NONE

    @property
    def address(self):
        return to_text(self._values.get(ADDRESS, _NONE))

    @property
    def gateway(self):
        return to_text(self._gateway)

    @property
    def dns(self):
        return [to_text(self._values.get(kind, _NONE)) for kind in (DNS1, DNS2)]

    def wanted(self):
        return sorted(self._values.items())

    def judge(self, kind, value):
        return value if kind == ADDRESS and len(value) == 4 and value != _NONE else None

    def agreed(self, options):
        for kind, value in options:
            if kind == ADDRESS:
                self._gateway = value

    def naked(self, kind, value):
        if kind in self._values and len(value) == 4:
            self._values[kind] = value

    def rejected(self, kind):
        self._values.pop(kind, None)

    def up(self):
        if self.address == "0.0.0.0":
            # As pppd and lwIP do: a link without an address is of no use.
            self.event("close")
            return
        self._link.ipcp_up()

    def down(self):
        self._link.ipcp_down()

    def finished(self):
        self._link.ipcp_finished()
