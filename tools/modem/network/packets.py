"""IPv4, UDP, TCP and ICMP headers (RFC 791, 768, 9293, 792). Addresses are four bytes.

Of 20 lines each, and on the path of every packet: scapy takes about a millisecond for one, so
it is what the tests compare these with.
"""

import struct
from typing import NamedTuple

ICMP, TCP, UDP = 1, 6, 17
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_MSS = 2


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Ip(NamedTuple):
    """An IPv4 packet, whole: fragments are not put together."""

    protocol: int
    source: bytes
    target: bytes
    payload: bytes


def unpack_ip(packet: bytes) -> Ip:
    """Raises ValueError for what is damaged, a fragment, or not IPv4."""
    if len(packet) < 20 or packet[0] >> 4 != 4:
        raise ValueError("not IPv4")
    header = (packet[0] & 15) * 4
    length, _, fragment = struct.unpack("!HHH", packet[2:8])
    if header < 20 or not header <= length <= len(packet) or checksum(packet[:header]):
        raise ValueError("a damaged header")
    if fragment & 0x3FFF:
        raise ValueError("a fragment")
    return Ip(packet[9], packet[12:16], packet[16:20], packet[header:length])


def pack_ip(ip: Ip) -> bytes:
    """With a time to live of 64, not to be fragmented."""
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(ip.payload), 0, 0x4000, 64, ip.protocol, 0)
    header += ip.source + ip.target
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + ip.payload


def _pseudo(ip: Ip) -> bytes:
    return ip.source + ip.target + struct.pack("!BBH", 0, ip.protocol, len(ip.payload))


class Datagram(NamedTuple):
    """UDP."""

    source: int
    target: int
    data: bytes


def unpack_udp(ip: Ip) -> Datagram:
    """Raises ValueError for what is damaged."""
    if len(ip.payload) < 8:
        raise ValueError("short")
    source, target, length, given = struct.unpack("!HHHH", ip.payload[:8])
    if not 8 <= length <= len(ip.payload):
        raise ValueError("a length that can't be")
    ip = ip._replace(payload=ip.payload[:length])
    if given and checksum(_pseudo(ip) + ip.payload):
        raise ValueError("damaged")
    return Datagram(source, target, ip.payload[8:])


def pack_udp(source: bytes, target: bytes, datagram: Datagram) -> bytes:
    """A whole packet."""
    length = 8 + len(datagram.data)
    payload = struct.pack("!HHHH", datagram.source, datagram.target, length, 0) + datagram.data
    ip = Ip(UDP, source, target, payload)
    check = checksum(_pseudo(ip) + payload) or 0xFFFF
    return pack_ip(ip._replace(payload=payload[:6] + struct.pack("!H", check) + payload[8:]))


class Segment(NamedTuple):
    """TCP; `mss` is the option of a SYN, None without it."""

    source: int
    target: int
    seq: int
    ack: int
    flags: int
    window: int
    data: bytes = b""
    mss: int | None = None


def unpack_tcp(ip: Ip) -> Segment:
    """Raises ValueError for what is damaged."""
    if len(ip.payload) < 20 or checksum(_pseudo(ip) + ip.payload):
        raise ValueError("damaged")
    source, target, seq, ack, offset, flags, window = struct.unpack("!HHIIBBH", ip.payload[:16])
    header = (offset >> 4) * 4
    if not 20 <= header <= len(ip.payload):
        raise ValueError("a header that can't be")
    mss = _mss(ip.payload[20:header])
    return Segment(source, target, seq, ack, flags, window, ip.payload[header:], mss)


def _mss(options: bytes) -> int | None:
    while options and options[0]:
        if options[0] == 1:
            options = options[1:]
            continue
        if len(options) < 2 or not 2 <= options[1] <= len(options):
            return None
        if options[0] == _MSS and options[1] == 4:
            return int.from_bytes(options[2:4], "big")
        options = options[options[1] :]
    return None


def pack_tcp(source: bytes, target: bytes, segment: Segment) -> bytes:
    """A whole packet."""
    s = segment
    options = b"" if s.mss is None else struct.pack("!BBH", _MSS, 4, s.mss)
    offset = (20 + len(options)) // 4 << 4
    fields = (s.source, s.target, s.seq, s.ack, offset, s.flags, s.window, 0, 0)
    payload = struct.pack("!HHIIBBHHH", *fields) + options + s.data
    ip = Ip(TCP, source, target, payload)
    check = struct.pack("!H", checksum(_pseudo(ip) + payload))
    return pack_ip(ip._replace(payload=payload[:16] + check + payload[18:]))


def echo_reply(ip: Ip) -> bytes | None:
    """The answer to a ping (RFC 792), None if it is none."""
    if len(ip.payload) < 8 or ip.payload[0] != 8 or checksum(ip.payload):
        return None
    payload = b"\0\0\0\0" + ip.payload[4:]
    payload = payload[:2] + struct.pack("!H", checksum(payload)) + payload[4:]
    return pack_ip(Ip(ICMP, ip.target, ip.source, payload))
