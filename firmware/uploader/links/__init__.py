"""Ways to the network. A link has:

`name` (`host`, `wifi`, `cellular`), `metered` (True where bytes cost money),
`await up(may, quiet)` (returns when traffic can pass, raises LinkError; where `metered` it asks
`may()` for a Refusal before the first byte is charged; while `quiet`, a recording being under
way, it does nothing that holds Python up for long), `await down()` (powers it off; never
raises, safe at any time), `is_up()` (True while traffic can be expected to pass),
`signal_dbm()` (None if unknown), `connection` (the heartbeat's name for it, None if it has
none), and where `metered`: `roaming()`. It may have `await network_time()` (Unix seconds or
None), and `name_servers()` (addresses; without it names are looked up by the port itself, which
blocks).
"""

import socket

from .. import memory
from ..errors import TransportError


def addresses(host, port, kind=socket.SOCK_STREAM):
    """The socket addresses (IPv4) of a host for sockets of a `kind`, by the port's own resolver:
    it blocks, except for an address in digits. Raises TransportError `dns`."""
    try:
        return [info[-1] for info in socket.getaddrinfo(host, port, socket.AF_INET, kind)]
    except OSError as e:
        kind = "memory" if memory.lacking(e) else "dns"
        raise TransportError(kind, "no address for %s: %s" % (host, e))
