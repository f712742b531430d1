"""A name server that knows one address for every name (RFC 1035), so that telephones ask us."""

import asyncio
import socket
import struct

from micropython import const

_POLL_MS = const(30)
_MAX_QUERY = const(512)  # RFC 1035 section 4.2.1
_A = const(1)
_IN = const(1)


async def serve(address, port):
    """Answer for ever on UDP port `port` that every name is at `address` (text)."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(socket.getaddrinfo(address, port)[0][-1])
        mine = bytes(int(part) for part in address.split("."))
        while True:
            try:
                query, peer = sock.recvfrom(_MAX_QUERY)
            except OSError:
                await asyncio.sleep_ms(_POLL_MS)
                continue
            answer = answer_to(query, mine)
            if answer:
                try:
                    sock.sendto(answer, peer)
                except OSError:
                    pass  # it is gone, or will ask again
    finally:
        sock.close()


def answer_to(query, mine):
    """The bytes of the answer to a question, `mine` (4 bytes) for an IPv4 address and nothing for
    all else; None to what is no question (RFC 1035 section 4.1)."""
    if len(query) < 17 or query[2] & 0xF8 or query[4:6] != b"\0\1":
        return None
    at = 12
    while query[at]:
        at += query[at] + 1
        if at + 5 > len(query):
            return None
    end = at + 5
    kind, group = struct.unpack_from("!HH", query, at + 1)
    found = kind == _A and group == _IN
    # Authoritative, recursion as desired; nobody is to keep it (a TTL of 0).
    head = query[:2] + bytes((0x84 | query[2] & 1, 0)) + struct.pack("!4H", 1, found, 0, 0)
    answer = head + query[12:end]
    if found:
        answer += struct.pack("!HHHIH", 0xC00C, _A, _IN, 0, 4) + mine
    return answer
