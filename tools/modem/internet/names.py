"""A name server (RFC 1035): the mobile network's, or one on this machine's loopback."""

import socket
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from . import packets

_TTL_S = 60


class Names:
    """`addresses` is {name: address or list of them}, `aliases` {name: name} are CNAMEs,
    `failing` names are answered with SERVFAIL, and so are the next `refuse` queries; all other
    names do not exist. `silent` answers nothing, `delay_s` is waited before each answer.
    `asked` has the names asked for.
    """

    def __init__(self, addresses=None, aliases=None):
        self.addresses = dict(addresses or {})
        self.aliases = dict(aliases or {})
        self.failing = set()
        self.refuse = 0
        self.silent = False
        self.delay_s = 0.0
        self.asked = []

    def answer(self, query: bytes) -> bytes | None:
        """The answer to a query; None for what is no query, and while `silent`."""
        try:
            message = dns.message.from_wire(query)
            (question,) = message.question
        except (dns.exception.DNSException, ValueError):
            return None
        if message.flags & dns.flags.QR:
            return None
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append(name)
        if self.silent:
            return None
        response = dns.message.make_response(message, recursion_available=True)
        response.set_rcode(self._fill(response, question, name))
        return response.to_wire()

    def _fill(self, response, question, name):
        if self.refuse:
            self.refuse -= 1
            return dns.rcode.SERVFAIL
        at = question.name
        for _ in range(8):  # aliases may go round
            if name in self.failing:
                return dns.rcode.SERVFAIL
            alias = self.aliases.get(name)
            if alias is None:
                break
            response.answer.append(dns.rrset.from_text(at, _TTL_S, "IN", "CNAME", alias + "."))
            at, name = dns.name.from_text(alias), alias.lower()
        found = self.addresses.get(name)
        if found is None:
            return dns.rcode.NXDOMAIN
        if question.rdtype == dns.rdatatype.A:
            found = [found] if isinstance(found, str) else found
            response.answer.append(dns.rrset.from_text(at, _TTL_S, "IN", "A", *found))
        return dns.rcode.NOERROR


class NameServer:
    """Takes the queries to `carrier.dns` out of the device's packets and answers them."""

    def __init__(self, send, carrier, names):
        self._send = send
        self._carrier = carrier
        self._names = names
        self._later = []

    def take(self, data: bytes) -> bool:
        """Whether the packet was a query, and is dealt with."""
        try:
            ip = packets.unpack_ip(data)
            if ip.protocol != packets.UDP or socket.inet_ntoa(ip.target) not in self._carrier.dns:
                return False
            query = packets.unpack_udp(ip)
        except ValueError:
            return False
        answer = self._names.answer(query.data) if query.target == 53 else None
        if answer:
            back = packets.Datagram(53, query.source, answer)
            packet = packets.pack_udp(ip.target, ip.source, back)
            self._later.append((time.monotonic() + self._names.delay_s, packet))
        return True

    def tick(self):
        """Send the answers that are due."""
        now = time.monotonic()
        due = [packet for at, packet in self._later if at <= now]
        self._later = [entry for entry in self._later if entry[0] > now]
        for packet in due:
            self._send(packet)


class LocalNameServer:
    """Answers from `names` over UDP, at `address` (`127.0.0.1:port`), from `with` on."""

    def __init__(self, names: Names):
        self._names = names
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.address = "%s:%d" % self._socket.getsockname()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        # An empty datagram ends it.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()

    def _run(self):
        while True:
            query, sender = self._socket.recvfrom(512)
            if not query:
                return
            answer = self._names.answer(query)
            if answer:
                time.sleep(self._names.delay_s)
                self._socket.sendto(answer, sender)
