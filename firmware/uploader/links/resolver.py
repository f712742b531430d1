"""Names to IPv4 addresses without blocking: a stub resolver (RFC 1035, RFC 5452).

`socket.getaddrinfo` holds up the one thread that Python has, for seconds where the server is
slow, and over PPP until it fails, since PPP's input is only read from the scheduler that the
call holds up (micropython#18737). IPv4 only: A records.
"""

import os
import socket
import struct

from micropython import const

from .. import memory
from ..errors import TransportError

# How long each server is given, in turn, over three rounds.
_WAITS_MS = (1000, 2000, 4000)
_POLL_MS = const(10)
_EAGAIN = const(11)
_PORT = const(53)
_MAX_ANSWER = const(512)  # RFC 1035 section 2.3.4: a longer one is truncated
_MAX_NAME = const(253)
_MAX_RECORDS = const(24)
_MAX_ALIASES = const(8)
_MAX_ADDRESSES = const(3)
_MAX_KEPT = const(4)  # names: the API's, S3's, SNTP's
_MAX_LIFE_S = const(3600)
_A = const(1)
_CNAME = const(5)
_IN = const(1)
_FAILURES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_NXDOMAIN = const(3)


class Resolver:
    """`clock` gives `uptime_ms` and `sleep_ms`; `kept` is a list, at first empty, that it keeps
    answers in (name, addresses, uptime in ms until which they hold): it may outlive the Resolver.
    `waits_ms` is how long each server is given, a value for each round over them all."""

    def __init__(self, clock, kept, waits_ms=_WAITS_MS):
        self._clock = clock
        self._waits_ms = waits_ms
        self._kept = kept

    async def resolve(self, host, servers):
        """The addresses of `host`, one to three texts like `192.0.2.1`.

        `servers` are the name servers' addresses, each `address` or `address:port`. What they
        answer is kept as long as they say, an hour at most. Raises TransportError `dns`, whose
        text says what each round of them came to.
        """
        if is_address(host):
            return [host]
        name = _checked(host)
        now = self._clock.uptime_ms()
        for kept in list(self._kept):
            if kept[0] == name:
                if now < kept[2]:
                    return kept[1]
                self._kept.remove(kept)
        alias = name
        life_s = _MAX_LIFE_S
        for _ in range(_MAX_ALIASES):
            addresses, ttl_s, alias = await self._ask_all(host, alias, servers)
            life_s = min(life_s, ttl_s)
            if addresses:
                if len(self._kept) == _MAX_KEPT:
                    self._kept.pop(0)
                self._kept.append((name, addresses, now + life_s * 1000))
                return addresses
        raise TransportError("dns", "%s: too many aliases" % host)

    async def _ask_all(self, host, name, servers):
        """(addresses, seconds that they hold, alias) by the first server that answers."""
        reason = "the link names no name server; set dns_servers"
        for wait_ms in self._waits_ms:
            for server in servers:
                try:
                    answer = await self._ask(name, server, wait_ms)
                except (OSError, ValueError) as e:
                    if memory.lacking(e):
                        raise TransportError("memory", "out of memory: %s" % e)
                    reason = "%s: %s" % (server, e)
                    continue
                if answer is None:
                    reason = "no answer from %s" % server
                    continue
                code, addresses, ttl_s, alias = answer
                if addresses or (alias and not code):
                    return addresses, ttl_s, alias
                reason = "%s: %s" % (server, _FAILURES.get(code, code) if code else "no A record")
                if code in (0, _NXDOMAIN):
                    # That is an answer; another server would say the same.
                    raise TransportError("dns", "no address for %s: %s" % (host, reason))
        raise TransportError("dns", "no address for %s: %s" % (host, reason))

    async def _ask(self, name, server, wait_ms):
        """What `parse` makes of the server's answer, or None if none came in `wait_ms`."""
        query = question(name, struct.unpack("!H", os.urandom(2))[0])
        address, _, port = server.partition(":")
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            _bind(sock)
            # Connected: what others send is not delivered (RFC 5452 section 9.1).
            sock.connect(_sockaddr(address, int(port or _PORT)))
            sock.send(query)
            end = self._clock.uptime_ms() + wait_ms
            while True:
                # Read before the time is looked at: something else may have held it up.
                try:
                    data = sock.recv(_MAX_ANSWER)
                except OSError as e:
                    if e.errno != _EAGAIN:
                        raise
                    if self._clock.uptime_ms() >= end:
                        return None
                    await self._clock.sleep_ms(_POLL_MS)
                    continue
                answer = parse(data, query)
                if answer:
                    return answer
        finally:
            sock.close()


def _bind(sock):
    # A port that can't be guessed (RFC 5452 section 9.2): lwIP would take the next in turn.
    for _ in range(3):
        try:
            port = 49152 + (struct.unpack("!H", os.urandom(2))[0] & 0x3FFF)
            sock.bind(_sockaddr("0.0.0.0", port))
            return
        except OSError:
            pass  # in use


def _sockaddr(address, port):
    # A literal is not looked up, so this does not block.
    return socket.getaddrinfo(address, port, socket.AF_INET, socket.SOCK_DGRAM)[0][-1]


def is_address(host):
    """True if `host` is an IPv4 address in dotted decimal."""
    parts = host.split(".")
    if len(parts) != 4:
        return False
    for part in parts:
        if not part.isdigit() or len(part) > 3 or int(part) > 255:
            return False
    return True


def _checked(host):
    """The name as it goes into a question, lower-case bytes (RFC 1035 section 2.3.1)."""
    name = host.lower().encode()
    if name[-1:] == b".":
        name = name[:-1]
    if not name or len(name) > _MAX_NAME:
        raise TransportError("dns", "%s is no host name" % host[:_MAX_NAME])
    for label in name.split(b"."):
        if not 0 < len(label) < 64:
            raise TransportError("dns", "%s is no host name" % host)
    return name


def question(name, ident):
    """The bytes that ask for the A records of `name` (bytes) under `ident` (RFC 1035 section
    4.1), recursion desired."""
    out = bytearray(struct.pack("!6H", ident, 0x0100, 1, 0, 0, 0))
    for label in name.split(b"."):
        out.append(len(label))
        out.extend(label)
    out.extend(b"\0\0\x01\0\x01")
    return bytes(out)


def parse(data, query):
    """What an answer says: (RCODE, addresses, seconds that they hold, alias), or None if it is
    no answer to `query`, the bytes that were sent: another id or another question.

    `addresses` are texts, of the name or of what its CNAMEs lead to; without one, `alias` is the
    last name (bytes) that they lead to, or None. Raises ValueError if the answer is truncated or
    breaks the rules of RFC 1035 section 4.
    """
    if len(data) < len(query) or data[:2] != query[:2] or data[2] & 0xF8 != 0x80:
        return None
    # Names are compared without regard to case; no length byte or type is a capital letter.
    if data[4:6] != query[4:6] or data[12 : len(query)].lower() != query[12:]:
        return None
    if data[2] & 2:
        raise ValueError("the answer is truncated")
    records = []
    at = len(query)
    for _ in range(min(struct.unpack_from("!H", data, 6)[0], _MAX_RECORDS)):
        owner, at = _name(data, at)
        if at + 10 > len(data):
            raise ValueError("the answer is cut off")
        kind, group, ttl_s, length = struct.unpack_from("!HHIH", data, at)
        at += 10
        if at + length > len(data):
            raise ValueError("the answer is cut off")
        if group == _IN and kind in (_A, _CNAME):
            if kind == _A and length != 4:
                raise ValueError("an address that is not four bytes")
            value = data[at : at + 4] if kind == _A else _name(data, at)[0]
            # RFC 2181 section 8: with the top bit set a TTL is zero.
            records.append((owner, kind, 0 if ttl_s >> 31 else ttl_s, value))
        at += length
    return (data[3] & 15,) + _follow(_name(query, 12)[0], records)


def _follow(name, records):
    """(addresses, seconds, alias) that the records come to for `name`."""
    alias = None
    life_s = _MAX_LIFE_S
    for _ in range(_MAX_ALIASES):
        addresses = []
        target = None
        for owner, kind, ttl_s, value in records:
            if owner == name:
                if kind == _CNAME:
                    target = value
                elif len(addresses) < _MAX_ADDRESSES:
                    addresses.append("%d.%d.%d.%d" % tuple(value))
                life_s = min(life_s, ttl_s)
        if addresses:
            return addresses, life_s, None
        if target is None:
            return [], life_s, alias
        name = alias = target
    raise ValueError("aliases go round in a circle")


def _name(data, at):
    """The name at `at` (lower-case bytes) and where what follows it begins (RFC 1035 section
    4.1.4). Raises ValueError."""
    labels = []
    size = 0
    after = None
    while True:
        if at >= len(data):
            raise ValueError("a name is cut off")
        n = data[at]
        if n >= 0xC0:
            if at + 1 >= len(data):
                raise ValueError("a name is cut off")
            if after is None:
                after = at + 2
            to = (n & 0x3F) << 8 | data[at + 1]
            if to >= at:  # only ever backwards, or it may never end
                raise ValueError("a name that points forwards")
            at = to
            continue
        at += 1
        if n == 0:
            return b".".join(labels), at if after is None else after
        size += n + 1
        if n > 63 or size > _MAX_NAME + 1 or at + n > len(data):
            raise ValueError("a name that is too long")
        labels.append(data[at : at + n].lower())
        at += n
