"""Names are looked up beside everything else, and only a real answer counts."""

import asyncio
import socket
import struct

from _support import Ticks, fails

from uploader.clock import Clock
from uploader.errors import TransportError
from uploader.links.resolver import Resolver, is_address, parse, question

WAITS = (60, 120)


class NameServer:
    """Answers on loopback with what `answer(query)` gives: bytes, a list of them, or None for
    silence."""

    def __init__(self, answer):
        self._answer = answer
        self.asked = []

    async def __aenter__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        for port in range(23230, 24000):
            try:
                self._socket.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
                break
            except OSError:
                pass
        self.name = "127.0.0.1:%d" % port
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        self._socket.close()

    def questions(self):
        """What was asked for, each once: on a busy machine a query is repeated."""
        return set(query[12:] for query, _ in self.asked)

    async def _run(self):
        while True:
            try:
                query, peer = self._socket.recvfrom(512)
            except OSError:
                await asyncio.sleep_ms(1)
                continue
            self.asked.append((query, bytes(peer)))
            answers = self._answer(query)
            for answer in [answers] if isinstance(answers, bytes) else answers or ():
                self._socket.sendto(answer, peer)


def reply(query, *records, flags=0x8180, count=None):
    """An answer to `query`; a record is (name, type, ttl, value), the name None for the one
    that was asked for."""
    out = query[:2] + struct.pack("!5H", flags, 1, len(records) if count is None else count, 0, 0)
    out += query[12:]
    for name, kind, ttl, value in records:
        owner = b"\xc0\x0c" if name is None else labels(name)
        out += owner + struct.pack("!HHIH", kind, 1, ttl, len(value)) + value
    return out


def labels(name):
    return question(name, 0)[12:-4]


def address(last, ttl=300, name=None):
    return (name, 1, ttl, bytes((192, 0, 2, last)))


def alias(target, name=None):
    return (name, 5, 300, labels(target))


async def ask(server, clock=None, host="api.example.test"):
    clock = clock or Clock()
    return await Resolver(clock, [], WAITS).resolve(host, [server.name])


async def test_a_name_becomes_its_addresses():
    async with NameServer(lambda q: reply(q, address(1), address(2))) as server:
        assert await ask(server) == ["192.0.2.1", "192.0.2.2"]
        assert len(server.asked) == 1
        assert server.asked[0][0][12:] == b"\x03api\x07example\x04test\0\0\x01\0\x01"


async def test_everything_else_goes_on_while_a_server_is_silent():
    turns = [0]

    async def count():
        while True:
            turns[0] += 1
            await asyncio.sleep_ms(5)

    task = asyncio.create_task(count())
    async with NameServer(lambda q: None) as server:
        e = await fails(TransportError, ask(server))
    task.cancel()
    assert e.kind == "dns" and "no answer" in str(e), e
    assert len(server.asked) == len(WAITS), server.asked
    assert turns[0] > 2, turns  # one that blocks leaves none


async def test_an_alias_is_followed_within_an_answer_and_by_asking_again():
    async with NameServer(
        lambda q: reply(q, alias(b"b.test"), address(5, name=b"B.test"))
    ) as server:
        assert await ask(server) == ["192.0.2.5"]
        assert len(server.questions()) == 1

    def half(query):
        if query[12:].startswith(labels(b"b.test")):
            return reply(query, address(6))
        return reply(query, alias(b"b.test"))

    async with NameServer(half) as server:
        assert await ask(server) == ["192.0.2.6"]
        assert len(server.questions()) == 2


async def test_aliases_that_never_end_are_given_up():
    async with NameServer(lambda q: reply(q, alias(b"a.test"), alias(b"a.test", b"a.test"))) as s:
        e = await fails(TransportError, ask(s))
        assert "circle" in str(e), e

    def onwards(query):
        return reply(query, alias(b"x" + query[13 : 13 + query[12]] + b".test"))

    async with NameServer(onwards) as s:
        e = await fails(TransportError, ask(s))
        assert "too many aliases" in str(e), e
        assert len(s.questions()) == 8


async def test_forged_answers_are_passed_over_and_the_true_one_is_taken():
    def forged(query):
        other_id = bytes((query[0] ^ 1,)) + query[1:]
        other_name = query[:12] + question(b"evil.test", 0)[12:]
        return [
            b"",
            b"\0" * 12,
            reply(other_id, address(66)),
            reply(other_name, address(66)),
            query,  # a question is no answer
            reply(query, address(1)),
        ]

    async with NameServer(forged) as server:
        assert await ask(server) == ["192.0.2.1"]


async def test_what_another_address_sends_is_not_taken():
    forger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def answer(query):
        forger.sendto(reply(query, address(66)), server.asked[-1][1])
        return None

    async with NameServer(answer) as server:
        await fails(TransportError, ask(server))
    forger.close()


async def test_ids_and_ports_can_not_be_guessed():
    async with NameServer(lambda q: reply(q, address(1, 0))) as server:
        for _ in range(12):
            await ask(server)
    assert len(set(q[:2] for q, _ in server.asked)) > 8
    assert len(set(peer for _, peer in server.asked)) > 8


async def test_every_server_is_asked_before_a_name_is_given_up():
    async with NameServer(lambda q: reply(q, flags=0x8182)) as broken:
        async with NameServer(lambda q: reply(q, address(9))) as good:
            r = Resolver(Clock(), [], WAITS)
            servers = ["127.0.0.1:1", broken.name, good.name]
            assert await r.resolve("a.test", servers) == ["192.0.2.9"]
        e = await fails(TransportError, ask(broken))
        assert "SERVFAIL" in str(e), e
        assert len(broken.asked) == 1 + len(WAITS)


async def test_an_answer_that_says_no_is_an_answer():
    for flags, word in ((0x8183, "NXDOMAIN"), (0x8180, "no A record")):
        async with NameServer(lambda q, f=flags: reply(q, flags=f)) as server:
            e = await fails(TransportError, ask(server))
            assert word in str(e) and len(server.asked) == 1, e


async def test_a_truncated_or_broken_answer_fails_by_name():
    cases = (
        (lambda q: reply(q, address(1), flags=0x8380), "truncated"),
        (lambda q: reply(q, address(1), count=2), "cut off"),
        (lambda q: reply(q, (b"x.test", 1, 5, b"abc")), "four bytes"),
        (lambda q: reply(q, count=1) + b"\xc0\xff" + bytes(10), "forwards"),
    )
    for change, word in cases:
        async with NameServer(change) as server:
            e = await fails(TransportError, ask(server))
            assert e.kind == "dns" and word in str(e), (word, e)


async def test_answers_are_kept_as_long_as_they_say_and_no_more_than_a_few():
    ticks = Ticks()
    clock = Clock(ticks_ms=ticks.ticks_ms)
    async with NameServer(lambda q: reply(q, address(1, 60))) as server:
        kept = []
        r = Resolver(clock, kept, WAITS)

        async def asked(host):
            before = len(server.asked)
            # Time stands still here: the wait for the answer is the loop's own.
            await r.resolve(host, [server.name])
            return len(server.asked) - before

        assert await asked("a.test") == 1
        assert await asked("A.test") == 0
        ticks.ms += 61000
        assert await asked("a.test") == 1
        for host in ("b.test", "c.test", "d.test"):
            assert await asked(host) == 1
        assert await asked("a.test") == 0
        assert await asked("e.test") == 1
        assert await asked("a.test") == 1
        kept.clear()
        assert await asked("e.test") == 1


async def test_an_address_needs_no_server_and_no_server_is_said():
    r = Resolver(Clock(), [], WAITS)
    assert await r.resolve("192.0.2.7", []) == ["192.0.2.7"]
    e = await fails(TransportError, r.resolve("a.test", []))
    assert "dns_servers" in str(e), e
    for host in ("", "a..b", "x" * 64 + ".test", "a." * 200):
        e = await fails(TransportError, r.resolve(host, ["127.0.0.1:1"]))
        assert "host name" in str(e), e


def test_addresses_are_told_from_names():
    for text in ("0.0.0.0", "255.255.255.255", "10.0.2.2"):
        assert is_address(text)
    for text in ("1.2.3", "1.2.3.256", "1.2.3.x", "::1", "a.b.c.d", "1.2.3.4.5", "1..2.3"):
        assert not is_address(text), text


def test_a_name_that_points_at_itself_ends():
    query = question(b"a.test", 7)
    data = reply(query, count=1) + bytes((0xC0, len(query))) + bytes(10)
    try:
        parse(data, query)
    except ValueError:
        return
    raise AssertionError("taken")
