"""What lies behind the modem: packets, the relay's TCP against the kernel's, the name server."""

import json
import shutil
import subprocess
import sys

import dns.message
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers import inet

from tools.modem.internet import packets
from tools.modem.internet.names import Names
from tools.modem.internet.packets import Datagram, Ip, Segment
from tools.modem.internet.tcp import Endpoint

A, B = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
ports = st.integers(0, 65535)
numbers = st.integers(0, 2**32 - 1)


@given(ports, ports, st.binary(max_size=100))
def test_a_datagram_is_what_another_implementation_makes_of_it(source, target, data):
    ours = packets.pack_udp(A, B, Datagram(source, target, data))
    theirs = inet.IP(src="10.0.0.1", dst="10.0.0.2", flags="DF", id=0) / inet.UDP(
        sport=source, dport=target
    )
    assert ours == bytes(theirs / data)
    assert packets.unpack_udp(packets.unpack_ip(ours)) == (source, target, data)


segments = st.builds(
    Segment, ports, ports, numbers, numbers, st.integers(0, 63), ports, st.binary(max_size=100)
)


@given(segments, st.none() | st.integers(1, 65535))
def test_a_segment_is_what_another_implementation_makes_of_it(segment, mss):
    s = segment._replace(mss=mss)
    ours = packets.pack_tcp(A, B, s)
    tcp = inet.TCP(
        sport=s.source, dport=s.target, seq=s.seq, ack=s.ack, flags=s.flags, window=s.window
    )
    tcp.options = [] if mss is None else [("MSS", mss)]
    ip = inet.IP(src="10.0.0.1", dst="10.0.0.2", flags="DF", id=0)
    assert ours == bytes(ip / tcp / s.data)
    assert packets.unpack_tcp(packets.unpack_ip(ours)) == s


@given(st.binary(max_size=80), segments, st.data())
def test_what_is_damaged_is_refused_never_misread(junk, segment, data):
    whole = packets.pack_tcp(A, B, segment._replace(mss=None))
    bad = bytearray(whole)
    bad[data.draw(st.integers(0, len(bad) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for packet in (junk, bytes(bad)):
        with pytest.raises(ValueError):
            ip = packets.unpack_ip(packet)
            packets.unpack_tcp(ip)
            packets.unpack_udp(ip)


def test_fragments_are_not_taken_for_whole_packets():
    packet = bytes(inet.IP(src="10.0.0.1", dst="10.0.0.2", flags="MF") / inet.UDP() / b"x")
    with pytest.raises(ValueError):
        packets.unpack_ip(packet)


def test_a_ping_is_answered():
    asked = bytes(inet.IP(src="10.0.0.2", dst="10.0.0.1") / inet.ICMP(id=3, seq=4) / b"hello")
    answer = inet.IP(packets.echo_reply(packets.unpack_ip(asked)))
    assert (answer.src, answer.dst) == ("10.0.0.1", "10.0.0.2")
    assert (answer[inet.ICMP].type, answer[inet.ICMP].id, answer[inet.ICMP].seq) == (0, 3, 4)
    assert packets.echo_reply(Ip(packets.ICMP, A, B, b"junk")) is None


NAMESPACE = ["unshare", "--user", "--map-root-user", "--net"]


def namespace_allowed():
    if not shutil.which("unshare") or not shutil.which("ip"):
        return False
    command = [*NAMESPACE, sys.executable, "-c", "open('/dev/net/tun', 'r+b', buffering=0)"]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.skipif(
    not namespace_allowed(),
    reason="needs a network namespace with a TUN device (unshare, iproute2, /dev/net/tun)",
)
@pytest.mark.parametrize(
    ("scenario", "loss", "expected"),
    [
        ("upload", 0, [True, "thanks"]),
        ("upload", 0.05, [True, "thanks"]),
        ("download", 0, True),
        ("download", 0.05, True),
        ("slow", 0, True),
        ("slow", 0.05, True),
        ("refused", 0, "refused"),
        ("refused", 0.05, "refused"),
        ("elsewhere", 0, "refused"),
        ("reset_by_host", 0, "reset"),
        ("reset_by_device", 0, "reset"),
        ("udp", 0, "margatad"),
    ],
)
def test_the_kernels_own_tcp_gets_on_with_the_relays(scenario, loss, expected):
    result = subprocess.run(
        [*NAMESPACE, sys.executable, ROOT / "host_tests/scripts/kernel_guest.py", str(loss)]
        + [scenario],
        capture_output=True,
        text=True,
        timeout=600,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads(result.stdout) == expected


class Peer:
    """A device's side in hand: what the endpoint sends, at times that we say."""

    def __init__(self):
        self.sent, self.time = [], 0.0
        syn = Segment(1000, 80, 99, 0, packets.SYN, 8192, b"", 1000)
        self.endpoint = Endpoint(syn, 500, self.sent.append, lambda: self.time)
        self.endpoint.accept()
        self.says(ack=501)

    def says(self, ack, seq=100):
        self.sent.clear()
        self.endpoint.receive(Segment(1000, 80, seq, ack, packets.ACK, 8192, b"", None))

    def until_sent(self):
        """How long until the endpoint says something again by itself."""
        self.sent.clear()
        begun = self.time
        while not self.sent:
            self.time += 0.05
            self.endpoint.tick()
        return self.time - begun


def test_the_wait_for_what_was_lost_is_short_again_once_something_comes_through():
    peer = Peer()
    peer.endpoint.write(bytes(3000))
    waits = [peer.until_sent() for _ in range(4)]
    assert waits == sorted(waits) and waits[3] > 7 * waits[0]
    peer.says(ack=1501)
    assert peer.until_sent() <= 1.1 * waits[0]


def test_an_empty_segment_of_before_is_answered_and_no_other():
    peer = Peer()
    peer.says(ack=501, seq=99)  # Linux's probe of a window: tcp_xmit_probe_skb in tcp_output.c
    assert [(s.seq, s.ack, s.data) for s in peer.sent] == [(501, 100, b"")]
    peer.says(ack=501)
    assert peer.sent == []


def ask(names, name, kind="A"):
    answer = names.answer(dns.message.make_query(name, kind).to_wire())
    message = dns.message.from_wire(answer)
    return message.rcode().name, [str(r) for rrset in message.answer for r in rrset]


def test_names_are_answered_with_addresses_aliases_and_errors():
    names = Names({"a.test": "10.0.2.2", "b.test": ["10.0.0.8", "10.0.0.9"]}, {"c.test": "b.test"})
    names.failing.add("broken.test")
    assert ask(names, "a.test") == ask(names, "A.TEST") == ("NOERROR", ["10.0.2.2"])
    code, found = ask(names, "c.test")
    assert code == "NOERROR" and sorted(found) == ["10.0.0.8", "10.0.0.9", "b.test."]
    assert ask(names, "a.test", "AAAA") == ("NOERROR", [])
    assert ask(names, "none.test") == ("NXDOMAIN", [])
    assert ask(names, "broken.test") == ("SERVFAIL", [])
    names.aliases["round.test"] = "round.test"
    assert ask(names, "round.test")[0] == "NXDOMAIN"
    names.silent = True
    assert names.answer(dns.message.make_query("a.test", "A").to_wire()) is None
    assert names.asked[-1] == "a.test"


@given(st.binary(max_size=100))
def test_a_query_that_is_none_is_not_answered(data):
    answer = Names().answer(data)
    assert answer is None or dns.message.from_wire(answer)
