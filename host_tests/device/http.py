"""The HTTP client against a scripted server: framing, keep-alive, early answers, bounds."""

import asyncio
import socket
import sys

from _support import Script, Zeros, answer, fails, raises
from wire import Service, WiredHttp, settings

from uploader import connecting, memory
from uploader.errors import DamagedError, TransportError
from uploader.http import Http
from uploader.request import check_field, split_url


def client(**more):
    return Http(settings(**more))


async def test_requests_to_one_host_share_a_connection():
    async with Script(answer(), answer(201, b'{"a":1}'), answer(204, b"")) as server:
        http = client()
        for status in (200, 201, 204):
            assert (await http.request("POST", server.url, (), b"abc")).status == status
        assert server.connections == 1 and http.connections_opened == 1
        assert server.requests[0] == (
            b"POST /x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 3\r\n\r\nabc" % server.port
        )
        http.close()


async def test_no_more_connections_than_allowed_and_the_idle_one_gives_way():
    async with Script(*[answer()] * 9) as a, Script(*[answer()] * 9) as b:
        http = client(max_connections=1)
        for _ in range(2):
            await http.request("GET", a.url)
            await http.request("GET", a.url)
            await http.request("GET", b.url)
        assert (a.connections, b.connections) == (2, 2)
        assert len(http.idle) == 1
        http = client(max_connections=2)
        for _ in range(2):
            await http.request("GET", a.url)
            await http.request("GET", b.url)
        assert (a.connections, b.connections) == (3, 3)
        http.close()


async def test_a_connection_that_the_server_closed_while_idle_is_replaced():
    async with Script(answer(headers=[b"X: close"]), answer()) as server:
        http = client()
        assert (await http.request("GET", server.url)).status == 200
        await asyncio.sleep_ms(20)
        assert (await http.request("GET", server.url)).status == 200
        assert server.connections == 2
        http.close()


async def test_bodies_by_length_by_chunks_and_by_close():
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"4\r\nWiki\r\n5;x=y\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\nTrailer: 1\r\n\r\n"
    )
    by_close = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end"
    async with Script(answer(200, b"by length"), chunked, by_close) as server:
        http = client()
        assert (await http.request("GET", server.url)).body == b"by length"
        assert (await http.request("GET", server.url)).body == b"Wikipedia in\r\n\r\nchunks."
        assert (await http.request("GET", server.url)).body == b"until the end"
        assert server.connections == 1 and not http.idle


async def test_interim_answers_are_skipped():
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + answer(201)
    async with Script(early) as server:
        http = client()
        assert (await http.request("POST", server.url)).status == 201
        http.close()


async def test_bytes_after_an_answer_never_answer_the_next_request():
    async with Script(answer() + b"HTTP/1.1 200 OK\r\n\r\n", answer(201)) as server:
        http = client()
        assert (await http.request("GET", server.url)).status == 200
        assert (await http.request("GET", server.url)).status == 201
        assert server.connections == 2
        http.close()


async def test_answers_that_break_the_rules_are_refused():
    for bad in (
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 600 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20000,
    ):
        async with Script(bad) as server:
            http = client()
            e = await fails(TransportError, http.request("GET", server.url))
            assert e.kind == "protocol", (bad[:60], e.kind, str(e))
            assert not http.idle


async def test_an_answer_that_ends_early_is_not_an_answer():
    for cut in (
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    ):

        async def hang_up(reader, writer, request, cut=cut):
            writer.write(cut)
            await writer.drain()

        async with Script(hang_up) as server:
            e = await fails(TransportError, client().request("GET", server.url))
            assert e.kind == "closed" and e.answered == bool(cut)


async def test_a_long_answer_is_cut_and_costs_its_connection():
    async with Script(answer(200, b"x" * 300000), answer(200, b"y" * 30000)) as server:
        http = client()
        assert len((await http.request("GET", server.url, max_body=1000)).body) == 1000
        assert not http.idle
        assert len((await http.request("GET", server.url, max_body=1000)).body) == 1000
        assert len(http.idle) == 1
        http.close()


async def test_a_put_sends_its_length_and_every_byte_and_tells_of_progress():
    size = 100001
    sizes = []

    async def take(reader, writer, request):
        n = 0
        while n < size:
            n += len(await reader.read(min(65536, size - n)))
        sizes.append(n)
        writer.write(answer(200, b"", [b'ETag: "abc"']))
        await writer.drain()

    async with Script(take) as server:
        http = client()
        seen = []
        response = await http.put(
            server.url, [("Content-Type", "audio/wav")], Zeros(size), size, seen.append
        )
        assert response.status == 200 and response.headers["etag"] == '"abc"'
        assert seen[0] == 0 and seen[-1] == size and sizes == [size]
        assert b"Content-Length: %d\r\n" % size in server.requests[0]
        assert b"chunked" not in server.requests[0].lower()


async def test_an_answer_while_sending_is_seen_at_once_and_ends_the_sending():
    async def refuse(reader, writer, request):
        await reader.readexactly(10000)
        writer.write(answer(403, b"<Error><Code>AccessDenied</Code></Error>"))
        await writer.drain()
        await done.wait()

    done = asyncio.Event()
    async with Script(refuse) as server:
        http = client()
        source = Zeros(1 << 30)
        response = await http.put(server.url, (), source, 1 << 30)
        done.set()
        assert response.status == 403 and response.early
        assert b"AccessDenied" in response.body
        # What the kernel's buffers took before the answer, not the gigabyte.
        assert (1 << 30) - source.left < 64 << 20
        assert not http.idle


async def test_a_server_that_stops_reading_is_a_stall():
    async def stop(reader, writer, request):
        await done.wait()

    done = asyncio.Event()
    async with Script(stop) as server:
        http = client(stall_timeout_s=0.3)
        e = await fails(TransportError, http.put(server.url, (), Zeros(1 << 30), 1 << 30))
        done.set()
        assert e.kind == "stall"


async def test_a_server_that_never_answers_is_a_stall():
    async def stop(reader, writer, request):
        await done.wait()

    done = asyncio.Event()
    async with Script(stop) as server:
        http = client(stall_timeout_s=0.3)
        e = await fails(TransportError, http.request("GET", server.url))
        done.set()
        assert e.kind == "stall"


async def test_an_answer_that_trickles_for_ever_is_a_stall():
    async def trickle(reader, writer, request):
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not done.is_set():
            writer.write(b"y")
            await writer.drain()
            await asyncio.sleep_ms(30)

    done = asyncio.Event()
    async with Script(trickle) as server:
        http = client(stall_timeout_s=0.2)
        e = await fails(TransportError, http.request("GET", server.url))
        done.set()
        assert e.kind == "stall"


async def test_other_tasks_run_while_a_file_is_sent():
    async def take(reader, writer, request):
        buf = bytearray(65536)
        left = size
        while left:
            left -= await reader.readinto(buf)
        writer.write(answer())
        await writer.drain()

    async def recorder():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep_ms(5)

    size = 8 << 20
    turns = 0
    async with Script(take) as server:
        task = asyncio.create_task(recorder())
        await client().put(server.url, (), Zeros(size), size)
        task.cancel()
        # Alone before and behind it, it would have two.
        assert turns > 4, turns


async def test_a_file_that_is_shorter_than_promised_is_damaged():
    async def stop(reader, writer, request):
        await done.wait()

    done = asyncio.Event()
    async with Script(stop) as server:
        await fails(DamagedError, client().put(server.url, (), Zeros(5000), 6000))
        done.set()


async def test_a_closed_port_and_an_unknown_name_are_told_apart():
    async with Script() as server:
        port = server.port
    http = client()
    e = await fails(TransportError, http.request("GET", "http://127.0.0.1:%d/" % port))
    assert e.kind == "connect", e.kind
    e = await fails(TransportError, http.request("GET", "http://no.such.name.invalid/"))
    assert e.kind == "dns"


async def test_a_cancelled_request_leaves_no_connection_behind_and_the_next_one_works():
    async def stop(reader, writer, request):
        await done.wait()

    done = asyncio.Event()
    async with Script(stop) as server, Script(answer()) as another:
        http = client()
        await fails(asyncio.TimeoutError, asyncio.wait_for_ms(http.request("GET", server.url), 50))
        done.set()
        assert not http.idle
        assert (await http.request("GET", another.url)).status == 200
        http.close()


class Links:
    """What the client asks of a link manager, with answers to choose."""

    def __init__(self):
        self.up = True
        self.counted = 0
        self.addresses = None
        self.asked = []
        self.forgotten = False

    def link_up(self):
        return self.up

    def meter(self):
        return self

    def add(self, n):
        self.counted += n

    async def resolve(self, host, port):
        self.asked.append((host, port))
        if self.addresses is None:
            raise TransportError("dns", "no address for " + host)
        return self.addresses

    def forget_names(self):
        self.forgotten = True


async def test_names_are_looked_up_by_the_links_own_resolver_where_it_has_one():
    async with Script(answer(200, b"found")) as server:
        links = Links()
        http = Http(settings(), links)
        e = await fails(TransportError, http.request("GET", "http://a.test:8080/"))
        assert e.kind == "dns" and links.asked == [("a.test", 8080)]
        port = 1  # nobody listens
        # The first address does not answer, the next one is tried.
        links.addresses = [socket.getaddrinfo("127.0.0.1", p)[0][-1] for p in (port, server.port)]
        assert (await http.request("GET", "http://a.test/")).body == b"found"
        http.close()
        assert not links.forgotten
        # None of them answers: what was answered for the name is no longer believed.
        links.addresses = links.addresses[:1]
        await fails(TransportError, http.request("GET", "http://a.test/"))
        assert links.forgotten


async def test_what_a_metered_link_moves_is_counted_to_the_byte():
    async with Script(answer(200, b"x" * 1000)) as server:
        links = Links()
        links.addresses = [socket.getaddrinfo("127.0.0.1", server.port)[0][-1]]
        http = Http(settings(), links)
        await http.request("GET", server.url)
        whole = len(server.requests[0]) + len(answer(200, b"x" * 1000))
        assert links.counted == http.buffer.moved == whole
        http.close()


async def test_a_link_that_goes_down_ends_the_waiting_at_once():
    async def stop(reader, writer, request):
        links.up = False
        await done.wait()

    done = asyncio.Event()
    async with Script(stop) as server:
        links = Links()
        links.addresses = [socket.getaddrinfo("127.0.0.1", server.port)[0][-1]]
        e = await fails(TransportError, Http(settings(), links).request("GET", server.url))
        done.set()
        assert e.kind == "link"


async def test_a_connection_whose_failure_shows_as_writable_is_seen_to_have_failed():
    # As the esp32 port shows it: POLLOUT, and POLLHUP beside it where that is asked for
    # (ports/esp32/modsocket.c, MP_STREAM_POLL).
    class Failed:
        asked = 0

        def register(self, sock, events):
            self.asked = events

        def unregister(self, sock):
            pass

        def modify(self, sock, events):
            self.asked = events

        def ipoll(self, timeout):
            yield None, (4 | 16) & self.asked

    class Select:
        poll = Failed

    real, connecting.select = connecting.select, Select
    try:
        async with Script(answer()) as server:
            e = await fails(TransportError, client().request("GET", server.url))
        assert e.kind == "connect"
    finally:
        connecting.select = real


async def test_an_answer_that_comes_with_the_last_chunk_is_not_early():
    def handle(method, path, headers, body):
        return Service().answer(200, {})

    # Looks for an early answer fall between chunks: every 16th, and so on the last one, too.
    for chunks in (15, 16, 32):
        http = WiredHttp(handle, settings())
        size = chunks * 4096
        response = await http.put("http://s3.test/x", (), Zeros(size), size)
        assert response.status == 200 and not response.early, chunks


def test_addresses_are_checked_before_use():
    assert split_url("https://a.b/c?d=e#f") == (True, "a.b", 443, "/c?d=e")
    assert split_url("https://a.b:8443") == (True, "a.b", 8443, "/")
    assert split_url("https://[::1]:9/x") == (True, "::1", 9, "/x")
    assert split_url("https://a.b?q") == (True, "a.b", 443, "/?q")
    assert split_url("http://a.b/", True) == (False, "a.b", 80, "/")
    for bad in (
        None,
        "",
        "a.b/c",
        "http://a.b/",
        "ftp://a.b/",
        "https://me:pw@a.b/",
        "https://a.b@evil/",
        "https:///x",
        "https://a.b:0/",
        "https://a.b:99999/",
        "https://a.b:x/",
        "https://a.b/\r\nX: y",
        "https://a.b/ c",
        "https://a.b/é",
        "https://a.b/" + "x" * 5000,
    ):
        assert raises(TransportError, split_url, bad).kind == "refused", bad


def test_header_fields_can_not_smuggle_lines():
    check_field("Content-Type", "audio/ogg; codecs=opus")
    for name, value in (
        ("A\r\nB", "c"),
        ("A", "b\r\nC: d"),
        ("A", "b\nc"),
        ("A", "b\0"),
        ("", "x"),
        ("A B", "c"),
        ("A:", "c"),
        ("A", None),
        (None, "b"),
        ("A", "é"),
        ("A", 7),
    ):
        raises(TransportError, check_field, name, value)


class Poor:
    """The socket module of a port whose memory is used up for the first `times` sockets."""

    AF_INET, SOCK_STREAM = socket.AF_INET, socket.SOCK_STREAM
    SOL_SOCKET = socket.SOL_SOCKET

    def __init__(self, error, times):
        self.error = error
        self.left = times

    def socket(self, *args):
        if self.left:
            self.left -= 1
            raise self.error
        return socket.socket(*args)


async def test_memory_that_ran_out_is_tried_once_more_with_other_connections_closed():
    for times, errno in ((1, 12), (2, 12), (1, -203), (2, -203)):
        async with Script(*[answer()] * 3) as a, Script(*[answer()] * 3) as b:
            http = client(max_connections=2)
            await http.request("GET", a.url)
            assert len(http.idle) == 1
            connecting.socket = Poor(OSError(errno, "poor"), times)
            try:
                if times == 1:
                    assert (await http.request("GET", b.url)).status == 200
                    assert http.idle[0].key[2] == b.port and len(http.idle) == 1
                else:
                    e = await fails(TransportError, http.request("GET", b.url))
                    assert e.kind == "memory" and not http.idle, e.kind
                    assert not b.requests
            finally:
                connecting.socket = socket
                http.close()


def test_out_of_memory_is_known_in_every_disguise_and_nothing_else_is_taken_for_it():
    lacking = memory.lacking
    for e in (
        OSError(12, "ENOMEM"),
        OSError(-203, "EAI_MEMORY"),
        OSError(-0x2890, "MBEDTLS_ERR_X509_ALLOC_FAILED+MBEDTLS_ERR_MPI_ALLOC_FAILED"),
        OSError(-0x7F00, "MBEDTLS_ERR_SSL_ALLOC_FAILED"),
        MemoryError(),
    ):
        assert lacking(e), e
    for e in (OSError(-202, "EAI_FAIL"), OSError(104), OSError(-0x7200, "MBEDTLS_ERR_SSL_X")):
        assert not lacking(e), e
    bad = ValueError("The certificate is not correctly signed by the trusted CA")
    largest = memory.largest_piece
    try:
        for piece, wanted in ((0, False), (40000, False), (1500, True)):
            memory.largest_piece = lambda piece=piece: piece
            assert lacking(bad) is wanted
    finally:
        memory.largest_piece = largest


def test_pieces_are_held_while_roots_are_loaded_where_memory_is_short():
    let_go = []
    before = memory.pieces, memory.roomy, memory.hold, memory.let_go
    try:
        memory.hold = lambda *sizes: sizes
        memory.let_go = let_go.append
        for pieces, roomy, others in (
            ([0], False, None),  # no ESP-IDF
            ([60000], True, None),
            ([20000], False, None),  # it would be missing at once
            ([45000], False, []),
            ([4, 4096, 45000], False, []),  # too small for a thread
            ([4, 5632, 11776, 45000], False, [5632, 11776]),  # roots would go there
        ):
            memory.pieces = lambda pieces=pieces: pieces
            memory.roomy = lambda roomy=roomy: roomy
            http = client(roots=("/there-is-none.der",))
            assert raises(TransportError, connecting.trust_roots, http).kind == "cert"
            held = list(let_go.pop())
            assert not let_go and not http.trusting
            http.close()
            if others is None:
                assert not held, (pieces, roomy)
            else:
                assert held[:-1] == others, (pieces, roomy)
                assert held[-1] < 45000 - 21 * 1024  # mbedTLS's two buffers go beside it
    finally:
        memory.pieces, memory.roomy, memory.hold, memory.let_go = before


async def test_what_holds_memory_ends_when_it_is_let_go():
    held = memory.hold(16384, 8192)
    assert len(held) == 2
    await asyncio.sleep_ms(20)
    assert all(lock.locked() for lock in held)
    memory.let_go(held)
    for lock in held:
        while not lock.locked():  # its thread has it
            await asyncio.sleep_ms(1)


def test_where_no_thread_can_be_made_nothing_is_held():
    import _thread

    class NoThread:
        allocate_lock, stack_size = _thread.allocate_lock, _thread.stack_size

        def start_new_thread(*_):
            raise OSError("can't create thread")

    sys.modules["_thread"] = NoThread
    try:
        assert memory.hold(16384) == []
    finally:
        sys.modules["_thread"] = _thread
