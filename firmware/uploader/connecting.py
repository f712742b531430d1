"""Opening a connection: to an address, and over TLS if so. Loaded for each."""

import errno
import select
import socket
import sys

import tls
from micropython import const

from . import memory
from .connection import Connection
from .errors import TransportError
from .journal import Durable

_OUT = const(4)  # select.POLLOUT
_HUP = const(16)  # select.POLLHUP, which the esp32 port reports only where it is asked for
_BAD = const(0x38)  # POLLERR, POLLHUP, POLLNVAL
_IPPROTO_TCP = const(6)
_SO_SNDBUF = const(7)  # Linux, asm-generic/socket.h; MicroPython has no name for it
_SEND_BUFFER = const(262144)
# Of a first handshake all but mbedTLS's two buffers, and the root: 10 KB are too few on MicroPython
# 1.26.1 in an emulated ESP32, and of 14 KB the module alone would have too little left.
_SMALL = const(12032)
_ROOM = const(32768)
_STACK_MIN = const(4608)  # of a thread: ports/esp32/mpthreadport.c has 4 KB, and some to spare


async def connect(http, key, found):
    """A Connection of an Http for `key` (see Connection) to the first of the addresses `found`
    that lets it. Raises TransportError."""
    error = None
    links = http.links
    secure, host, port = key
    for address in found:
        conn = Connection(key, http.buffer, http.settings, links)
        try:
            await _open(conn, address)
            http.connections_opened += 1
            meter = links and links.meter()
            if meter:
                from .data_meter import MeteredSocket

                conn.wrap(MeteredSocket, meter)
            if secure:
                wrap = _context_for(http, host, port).wrap_socket
                conn.wrap(wrap, server_hostname=host, do_handshake_on_connect=False)
            return conn
        except BaseException as e:
            conn.close()
            if isinstance(e, OSError):
                kind = "memory" if memory.lacking(e) else "connect"
                e = TransportError(kind, "%s:%d: %s" % (host, port, e))
            if not isinstance(e, TransportError):
                raise
            error = error or e
    if links:
        links.forget_names()
    raise error or TransportError("dns", "no address for " + host)


async def _open(conn, address):
    """Connect to a socket address (IPv4). Raises OSError, TransportError."""
    conn.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    conn.poll = select.poll()
    conn.poll.register(conn.sock, _OUT | _HUP)
    conn.sock.setblocking(False)
    try:
        # TLS sends its handshake in small pieces, each of which would wait for the
        # other side's delayed acknowledgement of the one before.
        conn.sock.setsockopt(_IPPROTO_TCP, getattr(socket, "TCP_NODELAY", 1), 1)
        # What the system holds back can't be seen to stall; ESP32's lwIP holds 6 KB.
        if sys.platform == "linux":
            conn.sock.setsockopt(socket.SOL_SOCKET, _SO_SNDBUF, _SEND_BUFFER)
    except OSError:
        pass  # a port that can't is only slower
    try:
        conn.sock.connect(address)
    except OSError as e:
        if e.errno != errno.EINPROGRESS:
            raise
    # A connection that failed is writable, too.
    if await conn.ready(_OUT) & _BAD:
        raise TransportError("connect", "no connection to %s:%d" % conn.key[1:])


def _context_for(http, host, port):
    host = "%s:%d" % (host, port)
    if host not in http.own:
        http.own[host] = None
        wanted = http.settings.root_bundle and Durable(http.settings.state + "/trust").value
        if wanted and host in wanted:
            from .trust import context

            http.own[host] = context(http.settings, wanted[host])
    if http.own[host]:
        return http.own[host]
    if not http.trusting:
        trust_roots(http)
    return http.context


def trust_roots(http):
    """Load the roots of an Http into its context. Raises TransportError."""
    # The first handshake leaves a semaphore (SHA's engine) and a struct tm (newlib's gmtime) for
    # good, in the middle of what is free. So a piece comes free below the roots that are loaded
    # now: what is small goes there. No other region may have room for them, or nothing would
    # divide that piece from the rest: so it is with a modem, and WiFi off.
    *others, largest = memory.pieces()
    held = []
    if largest > _ROOM and not memory.roomy():
        held = memory.hold(*(piece for piece in others if piece >= _STACK_MIN), _SMALL)
    try:
        _load(http)
    finally:
        memory.let_go(held)


def _load(http):
    if http.context is None:
        http.context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    http.context.verify_mode = tls.CERT_REQUIRED
    # One call a root: of concatenated DER only the first would be read. With no root at
    # all every server is refused, which is what a device without roots must do.
    for root in http.settings.roots:
        try:
            with open(root, "rb") as f:
                http.context.load_verify_locations(f.read())
        except (OSError, ValueError) as e:
            if memory.lacking(e):
                raise TransportError("memory", "out of memory: %s: %s" % (root, e))
            text = "root certificate %s is not usable DER: %s" % (root, e)
            raise TransportError("cert", text)
    http.trusting = True
