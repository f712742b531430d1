"""Data mode: PPP on the line, the device's traffic behind it."""

import re
from dataclasses import dataclass

from .internet.names import NameServer
from .internet.noise import Noise
from .internet.relay import Relay
from .internet.tun import Tun
from .ppp.peer import Peer

_GUARD_S = 0.9  # V.250: a second; a model second is short, so a tenth less will do
_TEXT = re.compile(rb"\s*AT[ -~]*\r\n?")


@dataclass
class Traffic:
    """Bytes of IPv4, headers counted: `sent` by the device, and `received` by it."""

    sent: int = 0
    received: int = 0


class Data:
    """One call, from CONNECT to its end.

    `modem` has the `world`, `log`, `names`, `traffic`, and `send(bytes)` for the line; it is
    told of the end by `hang_up(text)`. `selector` is polled by the modem; `forward` is "relay"
    or "tun". `left` is a call that was under way before, of which the device knows nothing.
    """

    def __init__(self, modem, selector, forward, left=False):
        self._modem = modem
        self._to_line = Noise(modem.world, 1)
        self._from_line = Noise(modem.world, 2)
        self._escaping = None
        self._limit = None
        self.peer = Peer(self._write, modem.now, self, modem.world)
        self._names = NameServer(self._reply, modem.world, modem.names)
        if forward == "tun":
            carrier = modem.world
            self._forward = Tun(self._reply, carrier.gateway, carrier.address, selector)
        else:
            self._forward = Relay(self._reply, modem.world, selector)
        if left:
            self.peer.wait()
        else:
            self.peer.start()

    def receive(self, data: bytes, quiet: float):
        """Bytes of the line, after `quiet` model seconds without any."""
        if data == b"+++" and quiet >= _GUARD_S:
            self._escaping = self._modem.now()
            return
        self._escaping = None
        if _TEXT.fullmatch(data):
            self._modem.log.stray.append(data)
        self.peer.receive(self._from_line(data))

    def escaped(self) -> bool:
        """V.250: +++ between two silences of a second leads to command mode."""
        return self._escaping is not None and self._modem.now() - self._escaping >= _GUARD_S

    def drop_after(self, count: int):
        """Lose the carrier once the device has sent so many more bytes of IPv4."""
        self._limit = self._modem.traffic.sent + count

    def tick(self):
        """Call at least as often as timeouts should be seen."""
        self.peer.tick()
        self._names.tick()
        self._forward.tick()

    def close(self):
        """Nothing more comes or goes."""
        self._forward.close()

    def _write(self, data):
        self._modem.send(self._to_line(data))

    def _reply(self, packet):
        if self.peer.is_up:
            self._modem.traffic.received += len(packet)
            self.peer.send_ip(packet)

    # What the peer tells

    def up(self):
        """IPv4 can pass."""
        self._modem.log.events.append("ppp up")

    def down(self):
        """IPv4 can't pass any more."""
        self._modem.log.events.append("ppp down")

    def ended(self, _):
        """The network ends the call once nothing is left of PPP."""
        self._modem.hang_up()

    def packet(self, packet):
        """One of the device's IPv4 packets."""
        self._modem.traffic.sent += len(packet)
        if self._limit is not None and self._modem.traffic.sent >= self._limit:
            self._modem.hang_up("dropped")
        elif not self._names.take(packet):
            self._forward.packet(packet)
