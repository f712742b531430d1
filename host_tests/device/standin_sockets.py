"""The stand-in for `socket` is no kinder than the port: over real sockets."""

import errno
import select
import socket

from _support import free_port, raises
from chip import Chip
from lwip import EAI_FAIL, EAI_MEMORY, Answer, Net

_IN, _OUT, _HUP = 1, 4, 16


def net(**names):
    n = Net(Chip())
    n.names = names
    return n


def server():
    listener, port = taken()
    listener.listen(5)
    return listener, port


def taken():
    """A socket at a port of its own, at which nobody listens: it is refused."""
    while True:
        port = free_port()
        listener = socket.socket()
        try:
            listener.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
            return listener, port
        except OSError:
            listener.close()


def client(n, port):
    s = n.socket()
    s.setblocking(False)
    try:
        s.connect(("127.0.0.1", port))
    except OSError as e:
        assert e.errno == errno.EINPROGRESS
    return s


def readiness(s, asked):
    poll = select.poll()
    poll.register(s, asked)
    return poll.poll(200)[0][1] if poll.poll(200) else 0


def test_a_name_takes_its_time_and_nothing_else_runs_meanwhile():
    n = net(slow=Answer("192.0.2.1", ms=14000))
    ran = []
    n.chip.schedule(ran.append, 1)
    assert n.getaddrinfo("slow", 443) == [(2, 1, 0, "slow", ("192.0.2.1", 443))]
    assert n.chip.us == 14000000 and not ran
    before = n.chip.us
    n.getaddrinfo("192.0.2.1", 443)
    assert n.chip.us == before and n.lookups == ["slow"]


def test_a_name_with_ipv6_alone_has_no_address_unless_ipv4_is_asked_for():
    n = net(six=Answer(v6="2001:db8::1"), both=Answer("192.0.2.1", "2001:db8::1"))
    assert n.getaddrinfo("six", 443)[0][0] == n.AF_INET6
    assert n.getaddrinfo("six", 443)[0][-1] is None
    assert raises(OSError, n.getaddrinfo, "six", 443, n.AF_INET).errno == EAI_FAIL
    assert n.getaddrinfo("both", 443)[0][-1] == ("192.0.2.1", 443)
    assert len(n.getaddrinfo("both", 443)) == 1
    raises(TypeError, n.socket().connect, n.getaddrinfo("six", 443)[0][-1])


def test_failures_are_numbers_below_minus_200():
    n = net(poor=Answer(error=EAI_MEMORY))
    assert raises(OSError, n.getaddrinfo, "nowhere", 1).errno == -202
    assert raises(OSError, n.getaddrinfo, "poor", 1).errno == -203
    assert raises(OSError, n.getaddrinfo, "poor", "http").errno == -201


def test_connecting_by_name_looks_it_up_and_blocks():
    listener, port = server()
    n = net(here=Answer("127.0.0.1", ms=3000))
    s = n.socket()
    s.connect(("here", port))
    assert n.chip.us == 3000000 and n.lookups == ["here"]
    listener.close()


def test_what_the_port_does_not_have():
    n = net()
    for name in ("SO_SNDBUF", "SO_RCVBUF", "SO_KEEPALIVE", "SO_ERROR"):
        assert not hasattr(n, name)
    for name in ("getsockopt", "shutdown"):
        assert not hasattr(n.socket(), name)


def test_a_failed_connect_is_writable_and_hangs_up_only_for_who_asked():
    listener, port = taken()
    n = net()
    s = client(n, port)
    assert readiness(s, _IN | _OUT) == _IN | _OUT
    assert readiness(s, _OUT | _HUP) == _OUT | _HUP
    assert readiness(s, _OUT | 8) == _OUT  # POLLERR is never told
    assert raises(OSError, s.write, b"x").errno == errno.ECONNRESET
    assert raises(OSError, s.write, b"x").errno == 107


def test_a_socket_that_never_connected_is_writable_and_hung_up():
    n = net()
    s = n.socket()
    assert readiness(s, _OUT) == _OUT | _HUP
    assert raises(OSError, s.readinto, bytearray(1)).errno == 107


def test_a_peer_that_closed_is_readable_and_at_its_end_again_and_again():
    listener, port = server()
    n = net()
    s = client(n, port)
    peer, _ = listener.accept()
    peer.close()
    assert readiness(s, _IN | _HUP) == _IN
    assert [s.readinto(bytearray(4)) for _ in range(3)] == [0, 0, 0]
    listener.close()


def test_a_write_takes_what_the_send_buffer_has_room_for():
    listener, port = server()
    n = net()
    n.bytes_per_s = 10000
    s = client(n, port)
    peer, _ = listener.accept()
    assert s.write(bytes(20000)) == 5760 and s.write(b"x") is None
    assert readiness(s, _OUT) == 0
    n.chip.busy(280)
    assert readiness(s, _OUT) == 0  # 2800 free: not above the low-water mark
    n.chip.busy(20)
    assert readiness(s, _OUT) == _OUT and s.write(bytes(20000)) == 3000
    peer.close()
    listener.close()


def test_ten_sockets_are_all_and_connections_that_still_close_count():
    n = net()
    held = [n.socket() for _ in range(9)]
    udp = n.socket(n.AF_INET, n.SOCK_DGRAM)
    assert raises(OSError, n.socket).errno == 23
    udp.close()
    n.closing = 3
    assert raises(OSError, n.socket).errno == 105
    n.closing = 2
    held.append(n.socket())
