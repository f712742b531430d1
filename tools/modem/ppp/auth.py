"""PAP (RFC 1334) and CHAP with MD5 (RFC 1994), the side that asks and the side that answers."""

from hashlib import md5

from .packet import pack, unpack

_PAP_REQ, _PAP_ACK, _PAP_NAK = 1, 2, 3
_CHALLENGE, _RESPONSE, _SUCCESS, _FAILURE = 1, 2, 3, 4


def chap_value(ident, secret, challenge):
    """The response to `challenge` (RFC 1994 section 2.1)."""
    return md5(bytes([ident]) + secret + challenge).digest()


def _with_length(value):
    return bytes([len(value)]) + value


def _take(data):
    """What a length octet says, and what follows it. Raises ValueError."""
    if not data or data[0] > len(data) - 1:
        raise ValueError("shorter than its length says")
    return bytes(data[1 : 1 + data[0]]), data[1 + data[0] :]


class Authenticator:
    """The network's side: knows `user` and `key` (bytes). `send(packet)` puts a packet on the
    link; `done(passed)` is told once."""

    def __init__(self, credentials, send, done):
        self._user, self._key = credentials
        self._send = send
        self._done = done
        self._verdict = None

    def _decide(self, passed, ident, codes, words):
        # A packet that comes again, because its answer was lost, is answered as the first was
        # (RFC 1334 section 2.2.1, RFC 1994 section 4.2).
        first = self._verdict is None
        if first:
            self._verdict = passed
        self._send(pack(codes[0] if self._verdict else codes[1], ident, words[not self._verdict]))
        if first:
            self._done(passed)

    def tick(self):
        """Call at least as often as timeouts should be seen."""

    def start(self):
        """The link is established."""


class PapServer(Authenticator):
    """Waits for the other side's name and password."""

    def receive(self, info):
        try:
            code, ident, data = unpack(info)
            user, data = _take(data)
            key, _ = _take(data)
        except ValueError:
            return
        if code == _PAP_REQ:
            passed = (user, key) == (self._user, self._key)
            words = (_with_length(b"Login ok"), _with_length(b"Login incorrect"))
            self._decide(passed, ident, (_PAP_ACK, _PAP_NAK), words)


class ChapServer(Authenticator):
    """Challenges; again each `restart_s` until there is an answer."""

    restart_s = 3
    tries = 10

    def __init__(self, credentials, send, done, now, challenge):
        super().__init__(credentials, send, done)
        self._now = now
        self._value = challenge
        self._ident = 1
        self._left = self.tries
        self._expires = None

    def start(self):
        self._left -= 1
        self._expires = self._now() + self.restart_s
        self._send(pack(_CHALLENGE, self._ident, _with_length(self._value) + b"network"))

    def tick(self):
        if self._verdict is None and self._expires is not None and self._now() >= self._expires:
            if self._left > 0:
                self.start()
            else:
                self._expires = None
                self._verdict = False
                self._done(False)

    def receive(self, info):
        try:
            code, ident, data = unpack(info)
            value, user = _take(data)
        except ValueError:
            return
        if code == _RESPONSE and ident == self._ident:
            expected = chap_value(ident, self._key, self._value)
            passed = (value, bytes(user)) == (expected, self._user)
            self._decide(passed, ident, (_SUCCESS, _FAILURE), (b"Welcome", b"Go away"))


class PapClient:
    """Sends name and password until there is an answer."""

    restart_s = 6  # lwIP's UPAP_DEFTIMEOUT and UPAP_DEFTRANSMITS
    tries = 10

    def __init__(self, credentials, send, done, now):
        self._user, self._key = credentials
        self._send = send
        self._done = done
        self._now = now
        self._ident = 0
        self._left = self.tries
        self._expires = None

    def start(self):
        self._ident = self._ident + 1 & 255
        self._left -= 1
        self._expires = self._now() + self.restart_s
        self._send(pack(_PAP_REQ, self._ident, _with_length(self._user) + _with_length(self._key)))

    def tick(self):
        if self._expires is not None and self._now() >= self._expires:
            if self._left > 0:
                self.start()
            else:
                self._expires = None
                self._done(False)

    def receive(self, info):
        try:
            code, ident, _ = unpack(info)
        except ValueError:
            return
        if self._expires is not None and ident == self._ident and code in (_PAP_ACK, _PAP_NAK):
            self._expires = None
            self._done(code == _PAP_ACK)


class ChapClient:
    """Answers challenges."""

    def __init__(self, credentials, send, done):
        self._user, self._key = credentials
        self._send = send
        self._done = done
        self._told = False

    def start(self):
        pass

    def tick(self):
        pass

    def receive(self, info):
        try:
            code, ident, data = unpack(info)
            if code == _CHALLENGE:
                challenge, _ = _take(data)
                value = _with_length(chap_value(ident, self._key, challenge))
                self._send(pack(_RESPONSE, ident, value + self._user))
        except ValueError:
            return
        if code in (_SUCCESS, _FAILURE) and not self._told:
            self._told = True
            self._done(code == _SUCCESS)
