"""network.PPP of the esp32 port for the unix port: states, arguments and errors as in
ports/esp32/network_ppp.c at v1.26.1, PPP as in lwIP. Runs in MicroPython."""

import asyncio

from ppp.device import Device

_INACTIVE, _ACTIVE, _ERROR, _CONNECTING, _CONNECTED = range(5)
_EPERM = 1
_EALREADY = 114
# lwIP's netif/ppp/ppp.h; status() gives them negated.
_PPPERR = {"auth": 7, "": 6}
_NONE = "0.0.0.0"
_ALL = "255.255.255.255"


class PPP:
    """network.PPP(stream). Sockets go by the host's network, whatever this negotiated.

    What it does that one would not think: it is connected as soon as any network protocol is
    open, IPv6 among them, and stays so when IPCP ends, for as long as LCP lasts: the address is
    0.0.0.0 then. Input is read by `poll` alone, which the stream's irq() schedules: while
    anything blocks, PPP stands still.

    An end that is not answered is fatal on 1.26: when the timeouts are over, lwIP's thread
    waits for itself, and the next `connect` never returns (seen on an ESP32's image; 1.27 has
    mended it). `active(False)` instead of `disconnect` closes without a word and without harm
    while it is connected; while it negotiates or closes, lwIP keeps what is freed, and the
    board crashes later (seen there too): take the stream away, and keep the object.
    """

    SEC_NONE, SEC_PAP, SEC_CHAP = 0, 1, 2
    made = 0
    stack_dead = False

    def __init__(self, stream):
        _check(stream)
        PPP.made += 1
        self._stream = stream
        self._state = _INACTIVE
        self._error = 0
        self._link = None
        self._in_lwip = False
        self._freed = None

    def connect(
        self, *, security=-1, user=None, key=None, authmode=0, username=None, password=None
    ):
        """Begin; the rest goes on in the background."""
        security = authmode if security == -1 else security
        user = username if user is None else user
        key = password if key is None else key
        if PPP.stack_dead:
            self._stream.crash("connect() after an end without an answer never returns")
        if self._state == _INACTIVE:
            self._state = _ACTIVE
            self._listen()
        if self._state in (_CONNECTING, _CONNECTED):
            raise OSError(_EALREADY)
        if security not in (self.SEC_NONE, self.SEC_PAP, self.SEC_CHAP):
            raise ValueError("invalid auth")
        auth = None
        if security != self.SEC_NONE:
            if not isinstance(user, str) or not isinstance(key, str):
                raise TypeError("can't convert to str")
            auth = ("pap" if security == self.SEC_PAP else "chap", user, key)
        self._link = Device(self._write, self._stream.now, self, auth)
        self._stream.ppp = self
        self._state = _CONNECTING
        self._link.start()
        # lwIP's timeouts run in a thread of their own, input does not.
        asyncio.create_task(self._timeouts(self._link))
        self.poll()

    def _listen(self):
        if self._stream is not None:
            self._stream.irq(self.poll, self._stream.IRQ_RXIDLE)

    def _ignore(self):
        if self._stream is not None:
            self._stream.irq(None)

    async def _timeouts(self, link):
        while link in (self._link, self._freed):
            self._in_lwip = True
            link.tick()
            self._in_lwip = False
            await asyncio.sleep_ms(20)

    def _write(self, data):
        if self._stream is not None:
            self._stream.write(data)

    def poll(self, _=None):
        """Read what is there; called from the scheduler."""
        if self._state <= _ERROR:
            return -_EPERM
        total = 0
        while self._stream is not None:
            data = self._stream.read(256)
            if not data:
                break
            if self._link is None:
                self._stream.crash("input after PPP was freed (fixed in 1.27)")
            self._link.receive(data)
            total += len(data)
        return total

    # What the link tells

    def up(self):
        self._state = _CONNECTED

    def down(self):
        pass  # sifdown: no callback, the address alone goes

    def packet(self, packet):
        pass

    def ended(self, reason):
        if self._freed:
            self._stream.crash("lwIP used a PPP that was freed while it was not connected")
        if reason == "closed":
            self._ignore()
            self._state = _INACTIVE
            self._link = None
            PPP.stack_dead = self._in_lwip
        else:
            self._state = _ERROR
            self._error = _PPPERR[reason]

    # The rest of the API

    def disconnect(self):
        """Begin to end; connected until the other side agrees, or two timeouts of 6 s."""
        if self._state in (_CONNECTING, _CONNECTED):
            self._link.close()

    def isconnected(self):
        return self._state == _CONNECTED

    def status(self):
        return -self._error if self._state == _ERROR else self._state

    def active(self, value=None):
        if value and self._state == _INACTIVE:
            self._state = _ACTIVE
            self._listen()
        elif value is not None and not value and self._state != _INACTIVE:
            self.__del__()
        return self._state >= _ACTIVE

    def ifconfig(self, values=None):
        """(address, gateway, mask, name server), as the esp32 port orders them."""
        if values is not None:
            _, _, _, self._dns = values
            return None
        if self._state == _INACTIVE:
            return (None, None, None, None)
        ipcp = self._link and self._link.is_up and self._link.ipcp
        if not ipcp:
            return (_NONE, _NONE, _ALL, _NONE)
        return (ipcp.address, ipcp.gateway, _ALL, ipcp.dns[0])

    def ipconfig(self, *names, **values):
        if values:
            raise TypeError("setting properties not supported")
        if self._state == _INACTIVE:
            raise ValueError("PPP not active")
        if len(names) != 1:
            raise TypeError("must query one param")
        address, gateway, mask, _ = self.ifconfig()
        if names[0] == "addr4":
            return (address, mask)
        if names[0] == "gw4":
            return gateway
        raise ValueError("unexpected key")

    def config(self, *names, **values):
        if names and values:
            raise TypeError("either pos or kw args are allowed")
        if "stream" in values:
            stream = values["stream"]
            _check(stream)
            if self._state >= _ACTIVE:
                self._ignore()
            self._stream = stream
            if self._state >= _ACTIVE:
                self._listen()
        if values:
            return None
        if len(names) != 1:
            raise TypeError("can query only one param")
        if names[0] == "stream":
            return self._stream
        if names[0] == "ifname":
            return None if self._state == _INACTIVE else "pp1"
        raise ValueError("unknown config param")

    def __del__(self):
        if self._state >= _ACTIVE:
            link = self._link
            if link and link.is_running():
                link.carrier_lost()
            elif link and self._state != _ERROR:
                self._freed = link
                link.close()
            self._ignore()
            self._state = _INACTIVE
            self._link = None


def _check(stream):
    if stream is not None and not (hasattr(stream, "read") and hasattr(stream, "write")):
        raise OSError("stream operation not supported")
