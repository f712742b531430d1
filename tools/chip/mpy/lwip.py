"""The `socket` module of the esp32 port, over the real one.

From ports/esp32/modsocket.c (v1.26.0; the same at v1.28.0), lwIP 2.1 as ESP-IDF v5.4.2 has it
(api/sockets.c, api/netdb.c, api/api_msg.c) and its Kconfig, which MicroPython changes only for
LWIP_MAX_ACTIVE_TCP (boards/sdkconfig.base):

- `getaddrinfo` holds the thread until it is answered (virtual time: nothing else runs), raises
  OSError(-200 to -204), and gives one address: an IPv4 one if there is one, else, unless AF_INET
  was asked for, an IPv6 one whose address is None. `connect` and `bind` look names up, too.
- At most 10 sockets (LWIP_MAX_SOCKETS), ENFILE beyond, and 12 TCP connections, those that are
  still closing included (`Net.closing`), ENOBUFS beyond.
- There is no SO_SNDBUF, getsockopt, shutdown; an option that is unknown prints a warning.
- A write takes what the send buffer (5760 bytes) has room for; it is writable again only with
  more than 2881 bytes free (TCP_SNDLOWAT).
- A failed connect and a reset connection are readable and writable; POLLHUP is told only to who
  asked for it, POLLERR to nobody. A socket that never connected is writable and hung up.
- What is left of a connection after its error was told raises ENOTCONN.

Not modelled: newlib's error numbers (EINPROGRESS is 119 there): `errno` is the host's.
"""

import errno
import io
import select
import socket as _real

_IN, _OUT, _ERR, _HUP, _NVAL = 1, 4, 8, 16, 32
_POLL, _CLOSE = 3, 4
_SOCKETS = 10
_CONNECTIONS = 12
_SEND_BUFFER = 5760
_LOW_WATER = 2881
_NEW, _CONNECTED, _CLOSED_BY_PEER = range(3)
EAI_NONAME, EAI_SERVICE, EAI_FAIL, EAI_MEMORY, EAI_FAMILY = -200, -201, -202, -203, -204


class Answer:
    """What a name server says of a name, after `ms`: an IPv4 and an IPv6 address or None, or
    `error` (EAI_)."""

    def __init__(self, v4=None, v6=None, ms=50, error=None):
        self.v4 = v4
        self.v6 = v6
        self.ms = ms
        self.error = error


class Net:
    """The module: `sys.modules["socket"] = Net(chip)`. `names` maps to Answers; a name that is
    not there has `unknown`. `bytes_per_s` is what the peers acknowledge, in virtual time; None:
    all of it by the next turn. For tests: `lookups` are the names that were asked for."""

    AF_INET, AF_INET6 = 2, 10
    SOCK_STREAM, SOCK_DGRAM, SOCK_RAW = 1, 2, 3
    IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP = 0, 6, 17
    SOL_SOCKET, SO_REUSEADDR, SO_BROADCAST, SO_BINDTODEVICE = 0xFFF, 4, 0x20, 0x100B
    IP_ADD_MEMBERSHIP, TCP_NODELAY, MSG_PEEK, MSG_DONTWAIT = 3, 1, 1, 8

    def __init__(self, chip):
        self.chip = chip
        self.names = {}
        self.unknown = Answer(error=EAI_FAIL)
        self.bytes_per_s = None
        self.closing = 0
        self.open = []
        self.lookups = []

    def getaddrinfo(self, host, port, family=0, kind=0, proto=0, flags=0):
        """One (family, type, protocol, name, address) in a list. Raises OSError."""
        if family not in (0, self.AF_INET, self.AF_INET6):
            raise OSError(EAI_FAMILY)
        if not str(port).isdigit() or int(port) > 65535:
            raise OSError(EAI_SERVICE)
        host = host or "0.0.0.0"
        if _is_v4(host):
            answer = Answer(host)
        else:
            self.lookups.append(host)
            answer = self.names.get(host, self.unknown)
            self.chip.block(answer.ms)
        if answer.error:
            raise OSError(answer.error)
        if answer.v4 and family != self.AF_INET6:
            family, address = self.AF_INET, (answer.v4, int(port))
        elif answer.v6 and family != self.AF_INET:
            family, address = self.AF_INET6, None
        else:
            raise OSError(EAI_FAIL)
        return [(family, kind or self.SOCK_STREAM, proto, host, address)]

    def socket(self, family=2, kind=1, proto=0):
        """A socket. Raises OSError: ENFILE, ENOBUFS."""
        tcp = [s for s in self.open if s.tcp]
        if kind == self.SOCK_STREAM and len(tcp) + self.closing >= _CONNECTIONS:
            raise OSError(errno.ENOBUFS if hasattr(errno, "ENOBUFS") else 105)
        if len(self.open) >= _SOCKETS:
            raise OSError(23)  # ENFILE
        real = _real.socket(_real.AF_INET, _real.SOCK_STREAM if kind == 1 else _real.SOCK_DGRAM)
        return Socket(self, real, kind == self.SOCK_STREAM)


class Socket(io.IOBase):
    """A socket of that module."""

    def __init__(self, net, real, tcp):
        self._net = net
        self._sock = real
        self.tcp = tcp
        self._state = _NEW if tcp else _CONNECTED
        self._failed = False
        self._told = False
        self._sent = 0  # not acknowledged yet
        self._us = net.chip.us
        self._poll = select.poll()
        self._poll.register(real, 0)
        net.open.append(self)

    # Connections

    def _address(self, address):
        if address is None or len(address) != 2:
            raise TypeError("object 'NoneType' isn't a tuple or list")
        found = self._net.getaddrinfo(address[0], address[1])[0][4]
        if found is None:
            raise OSError(errno.EHOSTUNREACH)
        return _real.getaddrinfo(found[0], found[1])[0][-1]

    def bind(self, address):
        self._state = _CONNECTED
        self._sock.bind(self._address(address))

    def listen(self, backlog=2):
        self._state = _CONNECTED
        self._sock.listen(backlog)

    def accept(self):
        """(socket, (address, port))."""
        real, sender = self._sock.accept()
        sock = Socket(self._net, real, True)
        sock._state = _CONNECTED
        return sock, _tuple(sender)

    def connect(self, address):
        """Raises OSError: EINPROGRESS for a socket that does not block."""
        to = self._address(address)
        self._state = _CONNECTED
        try:
            self._sock.connect(to)
        except OSError as e:
            if e.errno != errno.EINPROGRESS:
                self._failed = True
                raise self._error(e)
            raise

    def _error(self, e):
        """The error as lwIP's err_to_errno has it: a refused connection was reset."""
        self._failed = True
        if self._told:
            return OSError(107)  # ENOTCONN
        self._told = True
        return OSError(errno.ECONNRESET if e.errno == errno.ECONNREFUSED else e.errno)

    # Reading

    def _alive(self):
        if self._sock is None:
            raise OSError(errno.EBADF)
        if self._state == _NEW:
            raise OSError(107)  # ENOTCONN
        if self._failed and self._told:
            raise OSError(107)

    def readinto(self, buf, n=None):
        """The number read, 0 at the end (again and again), None if it would block."""
        self._alive()
        if self._state == _CLOSED_BY_PEER:
            return 0
        try:
            got = self._sock.readinto(buf if n is None else memoryview(buf)[:n])
        except OSError as e:
            raise self._error(e)
        if got == 0 and self.tcp:
            self._state = _CLOSED_BY_PEER
        return got

    def recv(self, n, flags=0):
        """Raises OSError (EAGAIN) if it would block."""
        buf = bytearray(n)
        got = self.readinto(buf)
        if got is None:
            raise OSError(errno.EAGAIN)
        return bytes(buf[:got])

    def recvfrom(self, n, flags=0):
        """As recv, with the sender: (data, (address, port))."""
        data, sender = self._sock.recvfrom(n)
        return data, _tuple(sender)

    def read(self, n=-1):
        """Up to n bytes, all to the end if n is -1; None if it would block at once."""
        data = b""
        while n < 0 or len(data) < n:
            buf = bytearray(512 if n < 0 else n - len(data))
            got = self.readinto(buf)
            if not got:
                return data or (None if got is None else b"")
            data += bytes(buf[:got])
            if n > 0:
                break
        return data

    def readline(self):
        """A line, or what there is of it."""
        line = b""
        while line[-1:] != b"\n":
            c = self.read(1)
            if not c:
                return line or c
            line += c
        return line

    # Writing

    def _room(self, polled):
        chip, rate = self._net.chip, self._net.bytes_per_s
        if rate is None:
            if polled or chip.us > self._us:
                self._sent = 0
            self._us = chip.us
        else:
            acked = (chip.us - self._us) * rate // 1000000
            if acked:
                self._sent = max(0, self._sent - acked)
                self._us = chip.us
        return _SEND_BUFFER - self._sent

    def write(self, buf):
        """The number taken, None if it would block."""
        self._alive()
        room = self._room(False) if self.tcp else len(buf)
        if room <= 0:
            return None
        try:
            n = self._sock.write(memoryview(buf)[:room])
        except OSError as e:
            if e.errno == errno.EINPROGRESS:
                return None
            raise self._error(e)
        self._sent += n or 0
        return n

    def send(self, buf):
        """Raises OSError (EAGAIN) if it would block."""
        n = self.write(buf)
        if n is None:
            raise OSError(errno.EAGAIN)
        return n

    def sendall(self, buf):
        """Raises OSError (ETIMEDOUT) if not all of it was taken."""
        if self.send(buf) < len(buf):
            raise OSError(errno.ETIMEDOUT)

    def sendto(self, buf, address):
        """To an address, never a name: ValueError."""
        if not _is_v4(address[0]):
            raise ValueError("invalid arguments")
        return self._sock.sendto(buf, self._address(address))

    # The rest

    def setsockopt(self, level, option, value):
        """An unknown option is a line at the console."""
        net = self._net
        if option == net.SO_REUSEADDR:
            self._sock.setsockopt(_real.SOL_SOCKET, _real.SO_REUSEADDR, value)
        elif option not in (net.SO_BROADCAST, net.SO_BINDTODEVICE, net.TCP_NODELAY, 3, 20):
            print("Warning: lwip.setsockopt() option not implemented")

    def setblocking(self, flag):
        self._sock.setblocking(flag)

    def settimeout(self, seconds):
        self._sock.settimeout(seconds)

    def makefile(self, *_):
        return self

    def fileno(self):
        return self._sock.fileno()

    def ioctl(self, request, arg):
        """The stream protocol's: readiness as lwIP's select tells it, and closing."""
        if request == _CLOSE:
            self._shut()
            return 0
        if request != _POLL:
            return -1
        if self._sock is None:
            return _NVAL
        real = 0
        self._poll.modify(self._sock, arg & (_IN | _OUT))
        for _, events in self._poll.ipoll(0):
            real = events
        told = real & arg & _IN
        if real & _OUT and self._room(True) > _LOW_WATER:
            told |= arg & _OUT
        if self._state == _NEW:
            return told | arg & _OUT | _HUP
        self._failed = self._failed or bool(real & _ERR)
        if self._failed:
            told |= arg & (_IN | _OUT | _HUP)
        elif real & _HUP:
            told |= arg & _IN
        return told

    def close(self):
        self._shut()

    def _shut(self):
        if self._sock is not None:
            self._poll.unregister(self._sock)
            self._sock.close()
            self._sock = None
            self._net.open.remove(self)


def _tuple(sockaddr):
    # struct sockaddr_in, as the unix port has it.
    return ".".join(str(b) for b in sockaddr[4:8]), sockaddr[2] << 8 | sockaddr[3]


def _is_v4(host):
    parts = host.split(".")
    return len(parts) == 4 and all(p.isdigit() and int(p) < 256 for p in parts)
