"""The device's TCP and UDP relayed to the host's sockets, so that no root is needed."""

import selectors
import socket
import struct
import time

from . import packets
from .packets import ACK, RST, SYN, Datagram, Segment
from .tcp import Endpoint

_IDLE_S = 60.0
_READ = selectors.EVENT_READ
_WRITE = selectors.EVENT_WRITE


class Relay:
    """Takes the device's IPv4 packets (`packet`), gives others to `send`.

    Which addresses lead to the host is `carrier.hosts`; to others, SYNs are refused and
    datagrams are lost. `selector` is polled by the caller, who calls what is registered there
    as its data, and `tick` at least as often as timeouts should be seen.
    """

    def __init__(self, send, carrier, selector):
        self._send = send
        self._carrier = carrier
        self._selector = selector
        self._streams = {}
        self._flows = {}

    def close(self):
        """Let go of all sockets."""
        for stream in list(self._streams.values()):
            stream.end()
        for flow in self._flows.values():
            flow.end()
        self._streams.clear()
        self._flows.clear()

    def packet(self, data: bytes):
        """One packet from the device; what is damaged is dropped."""
        try:
            ip = packets.unpack_ip(data)
            if ip.protocol == packets.TCP:
                self._tcp(ip, packets.unpack_tcp(ip))
            elif ip.protocol == packets.UDP:
                self._udp(ip, packets.unpack_udp(ip))
            elif ip.protocol == packets.ICMP and self._host(ip.target):
                reply = packets.echo_reply(ip)
                if reply:
                    self._send(reply)
        except ValueError:
            pass

    def tick(self):
        """Timeouts."""
        now = time.monotonic()
        for key, stream in list(self._streams.items()):
            stream.tick()
            if stream.endpoint.gone:
                stream.end()
                del self._streams[key]
        for key, flow in list(self._flows.items()):
            if now - flow.used > _IDLE_S:
                flow.end()
                del self._flows[key]

    def _host(self, address):
        return self._carrier.hosts.get(socket.inet_ntoa(address))

    def _tcp(self, ip, segment):
        key = (ip.target, segment.target, ip.source, segment.source)
        stream = self._streams.get(key)
        if stream is None and segment.flags & (SYN | ACK | RST) == SYN and self._host(ip.target):

            def reply(s):
                self._send(packets.pack_tcp(ip.target, ip.source, s))

            stream = Stream(segment, self._host(ip.target), reply, self._selector)
            self._streams[key] = stream
        elif stream is not None:
            stream.receive(segment)
        elif not segment.flags & RST:
            self._send(packets.pack_tcp(ip.target, ip.source, _refusal(segment)))

    def _udp(self, ip, datagram):
        host = self._host(ip.target)
        if not host:
            return
        key = (ip.target, datagram.target, ip.source, datagram.source)
        if key not in self._flows:
            self._flows[key] = Flow(key, host, self._send, self._selector)
        self._flows[key].write(datagram.data)


def _refusal(segment):
    """The reset that a segment of no connection gets (RFC 9293 section 3.10.7.1)."""
    if segment.flags & ACK:
        return Segment(segment.target, segment.source, segment.ack, 0, RST, 0)
    length = len(segment.data) + bool(segment.flags & SYN) + bool(segment.flags & packets.FIN)
    ack = (segment.seq + length) % (1 << 32)
    return Segment(segment.target, segment.source, 0, ack, RST | ACK, 0)


class Flow:
    """The datagrams of one pair of ports."""

    def __init__(self, key, host, send, selector):
        self._key = key
        self._send = send
        self._selector = selector
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect((host, key[1]))
        selector.register(self._socket, _READ, self._readable)
        self.used = time.monotonic()

    def write(self, data):
        """One of the device's datagrams."""
        self.used = time.monotonic()
        try:
            self._socket.send(data)
        except OSError:
            pass  # nobody listens: datagrams are lost without a word

    def _readable(self, _):
        try:
            data = self._socket.recv(65535)
        except OSError:
            return
        self.used = time.monotonic()
        target, port, source, back = self._key
        if len(data) <= 1472:  # no fragments
            self._send(packets.pack_udp(target, source, Datagram(port, back, data)))

    def end(self):
        """Let go of the socket."""
        self._selector.unregister(self._socket)
        self._socket.close()


class Stream:
    """One TCP connection: the device's endpoint on one side, a socket on the other."""

    def __init__(self, syn, host, send, selector):
        iss = int.from_bytes(struct.pack("!d", time.monotonic())[4:], "big")
        self.endpoint = Endpoint(syn, iss, send, time.monotonic)
        self._refuse = lambda: send(_refusal(syn))
        self._selector = selector
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._connected = False
        self._host_ended = False
        self._shut = False
        self._mask = _WRITE
        selector.register(self._socket, _WRITE, self._ready)
        try:
            self._socket.connect((host, syn.target))
        except BlockingIOError:
            pass
        except OSError:
            self._refused()

    def receive(self, segment):
        """One of the device's segments."""
        self.endpoint.receive(segment)
        self._move()

    def tick(self):
        """Timeouts."""
        self.endpoint.tick()
        self._move()

    def end(self):
        """Let go; what has not ended in order is reset."""
        if self._socket is None:
            return
        if self._mask:
            self._selector.unregister(self._socket)
        if self.endpoint.broken:
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()
        self._socket = None

    def _refused(self):
        self._refuse()
        self.endpoint.broken = True

    def _ready(self, mask):
        if not self._connected:
            if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._refused()
                return
            self._connected = True
            self.endpoint.accept()
        elif mask & _READ:
            self._from_host()
        self._move()

    def _from_host(self):
        room = self.endpoint.room()
        if not room:
            return
        try:
            data = self._socket.recv(room)
        except BlockingIOError:
            return
        except OSError:
            self.endpoint.abort()
            return
        if data:
            self.endpoint.write(data)
        else:
            self._host_ended = True
            self.endpoint.finish()

    def _move(self):
        """To the host what came, and watch for what can go on."""
        endpoint = self.endpoint
        if self._socket is None or endpoint.broken or not self._connected:
            return
        blocked = False
        while endpoint.readable() and not blocked:
            try:
                taken = self._socket.send(bytes(endpoint.peek(65536)))
                endpoint.read(taken)
            except BlockingIOError:
                blocked = True
            except OSError:
                endpoint.abort()
                return
        if endpoint.ended and not endpoint.readable() and not self._shut:
            self._shut = True
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        self._watch(
            (_WRITE if blocked else 0) | (_READ if endpoint.room() and not self._host_ended else 0)
        )

    def _watch(self, mask):
        if mask == self._mask:
            return
        if not self._mask:
            self._selector.register(self._socket, mask, self._ready)
        elif not mask:
            self._selector.unregister(self._socket)
        else:
            self._selector.modify(self._socket, mask, self._ready)
        self._mask = mask
