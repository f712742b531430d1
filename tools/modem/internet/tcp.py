"""The far end of the device's TCP connections (RFC 9293), without a socket: segments in,
segments out, bytes between.

What a lossy line needs is there: retransmission with a measured timeout and its backoff (RFC
6298), fast retransmit and recovery (RFC 5681 section 3.2, RFC 6582), reordering, windows and
their probes, half-closing, resets. There is no congestion window: the line is one hop, and
lwIP's own window of four segments bounds what is on its way.
"""

from collections.abc import Callable

from .packets import ACK, FIN, PSH, RST, SYN, Segment

_ROOM = 32768
_MOD = 1 << 32
_RTO_S = 1.0
_RTO_MIN_S = 0.3
_RTO_MAX_S = 20.0
_TRIES = 12
_LINGER_S = 10.0


def _after(a: int, b: int) -> int:
    """How far `a` is behind `b` in sequence space, negative if it is before it."""
    return (a - b + (_MOD >> 1)) % _MOD - (_MOD >> 1)


class Endpoint:
    """Made from the device's SYN. `send(segment)` puts one on the line, `now()` is in seconds.

    `accept` answers the SYN, `write` and `finish` send, `read` takes what came; `gone` says
    that nothing is left, `broken` that it was reset or given up.
    """

    def __init__(self, syn: Segment, iss: int, send: Callable[[Segment], None], now):
        self.ports = syn.target, syn.source
        self.established = False
        self.broken = False
        self.mss = min(syn.mss or 536, 1460)
        self._send = send
        self._now = now
        # Sending: `_out` begins at `_una`; the SYN and the FIN are numbers without a byte.
        self._una = self._nxt = iss
        self._out = bytearray()
        self._window = syn.window
        self._finishing = False
        self._fin_at = None
        self._syn_acked = False
        # Receiving
        self._rcv = (syn.seq + 1) % _MOD
        self._in = bytearray()
        self._early: dict[int, bytes] = {}
        self._their_fin = None
        self._told_window = _ROOM
        self.ended = False  # the device has sent all, and `read` will give the rest
        # Timing
        self._rto = _RTO_S
        self._backoff = 1
        self._srtt = self._rttvar = None
        self._timed = None  # (sequence number, when sent)
        self._expires = None
        self._tries = 0
        self._duplicates = 0
        self._recover = self._una  # what was on its way at the last loss ends here
        self._gone_at = None

    # What the user does

    def accept(self):
        """Answer the SYN: the host's side is connected."""
        self._emit(SYN | ACK, self._una, mss=1460)
        self._nxt = (self._una + 1) % _MOD
        self._timer()

    def room(self) -> int:
        """How many bytes `write` takes."""
        return 0 if self._finishing else max(0, _ROOM - len(self._out))

    def write(self, data: bytes):
        """Send `data`."""
        self._out += data
        self._push()

    def finish(self):
        """Send no more."""
        if not self._finishing:
            self._finishing = True
            self._push()

    def readable(self) -> int:
        """How many bytes have come in order."""
        return len(self._in)

    def peek(self, count: int) -> bytes:
        """The next `count` bytes at most, left where they are."""
        return bytes(self._in[:count])

    def read(self, count: int) -> bytes:
        """Take at most `count` bytes, and tell of the room if that was short."""
        data = bytes(self._in[:count])
        del self._in[:count]
        if self.established and self._told_window < 2 * self.mss <= self._space():
            self._ack()
        return data

    def abort(self):
        """Reset."""
        if not self.broken:
            self._emit(RST | ACK, self._nxt)
            self.broken = True

    @property
    def gone(self) -> bool:
        """Nothing is left of it."""
        if self.broken:
            return True
        return self._gone_at is not None and self._now() >= self._gone_at

    # What the line brings

    def receive(self, segment: Segment):
        """A segment of this connection (RFC 9293 section 3.10.7)."""
        if segment.flags & RST:
            # In the window (section 3.5.3); a blind one is nobody's here.
            self.broken = self.broken or 0 <= _after(segment.seq, self._rcv) <= _ROOM
            return
        if segment.flags & SYN:
            if self._syn_acked:
                self._ack()
            elif self._nxt != self._una:
                self._emit(SYN | ACK, self._una, mss=1460)  # ours was lost
            return
        if not segment.flags & ACK or self._nxt == self._una and not self._syn_acked:
            return
        self._acknowledged(segment)
        if segment.data or segment.flags & FIN:
            self._data(segment)
        elif _after(segment.seq, self._rcv) < 0:
            self._ack()  # Linux asks so after a window or a life: with what came long ago
        self._push()

    def _acknowledged(self, segment):
        new = _after(segment.ack, self._una)
        if new < 0 or _after(segment.ack, self._nxt) > 0:
            return
        same_window = segment.window == self._window
        self._window = segment.window
        if not self._window:
            self._tries = 0  # it may stay shut as long as it answers (RFC 9293 section 3.8.6.1)
        if new == 0:
            waiting = self._nxt != self._una
            if waiting and not segment.data and not segment.flags & FIN and same_window:
                self._duplicates += 1
                if self._duplicates == 3:
                    self._retransmit()
            return
        self._measure(segment.ack)
        self._duplicates = self._tries = 0
        self._backoff = 1  # as in lwIP, not at the next measurement: what is sent again gives none
        if not self._syn_acked:
            self._syn_acked = self.established = True
            self._una = (self._una + 1) % _MOD
            new -= 1
        if self._fin_at is not None and _after(segment.ack, self._fin_at) > 0:
            new -= 1
        del self._out[:new]
        self._una = segment.ack
        self._timer()
        if _after(self._recover, self._una) > 0:
            self._retransmit()  # RFC 6582: the next that was lost with it
        self._linger()

    def _data(self, segment):
        data, seq = segment.data, segment.seq
        if segment.flags & FIN:
            self._their_fin = (seq + len(data)) % _MOD
        skip = _after(self._rcv, seq)
        if skip > 0:
            data, seq = data[skip:], self._rcv
        if data and _after(seq, self._rcv) < self._space():
            if len(data) > len(self._early.get(seq, b"")):
                self._early[seq] = data
        while self._early:
            first = min(self._early, key=lambda s: _after(s, self._rcv))
            ahead = _after(first, self._rcv)
            if ahead > 0:
                break
            piece = self._early.pop(first)[-ahead if ahead else 0 :][: self._space()]
            self._in += piece
            self._rcv = (self._rcv + len(piece)) % _MOD
        if self._rcv == self._their_fin and not self.ended:
            self.ended = True
        self._ack()
        self._linger()

    # Sending

    def _space(self):
        return _ROOM - len(self._in)

    def _ack(self):
        self._emit(ACK, self._nxt)

    def _emit(self, flags, seq, data=b"", mss=None):
        self._told_window = self._space()
        ack = (self._rcv + self.ended) % _MOD
        self._send(Segment(*self.ports, seq, ack, flags, self._told_window, bytes(data), mss))

    def _push(self):
        """Send what the device's window allows."""
        if not self.established or self.broken:
            return
        while True:
            at = _after(self._nxt, self._una)
            if self._fin_at is not None:
                return
            piece = self._out[at : at + min(self.mss, max(0, self._window - at))]
            last = self._finishing and at + len(piece) == len(self._out)
            if not piece and not last:
                if self._expires is None and len(self._out) > at:
                    self._timer()  # a window of nothing is probed
                return
            if self._timed is None and piece:
                self._timed = ((self._nxt + len(piece)) % _MOD, self._now())
            self._emit(ACK | PSH | (FIN if last else 0), self._nxt, piece)
            self._nxt = (self._nxt + len(piece)) % _MOD
            if last:
                self._fin_at = self._nxt
                self._nxt = (self._nxt + 1) % _MOD
            if self._expires is None:
                self._timer()

    def _retransmit(self):
        """The first segment that is not acknowledged, or a window's probe."""
        self._timed = None  # Karn: what is sent twice is not measured
        if _after(self._una, self._recover) >= 0:
            self._recover = self._nxt
        if not self._syn_acked:
            self._emit(SYN | ACK, self._una, mss=1460)
            return
        piece = self._out[: max(1, min(self.mss, self._window))]
        last = self._fin_at is not None and len(piece) == len(self._out)
        self._emit(ACK | PSH | (FIN if last else 0), self._una, piece)
        if _after(self._nxt, self._una) < len(piece):
            self._nxt = (self._una + len(piece)) % _MOD

    def tick(self):
        """Call at least as often as timeouts should be seen."""
        if self._expires is None or self._now() < self._expires or self.broken:
            return
        self._tries += 1
        if self._tries > _TRIES:
            self.abort()
            return
        self._backoff *= 2
        self._retransmit()
        self._timer()

    def _timer(self):
        waiting = self._nxt != self._una or self._out
        wait = min(_RTO_MAX_S, self._rto * self._backoff)
        self._expires = self._now() + wait if waiting else None

    def _measure(self, ack):
        if self._timed is None or _after(ack, self._timed[0]) < 0:
            return
        rtt = self._now() - self._timed[1]
        self._timed = None
        if self._srtt is None:
            self._srtt, self._rttvar = rtt, rtt / 2
        else:
            self._rttvar += (abs(self._srtt - rtt) - self._rttvar) / 4
            self._srtt += (rtt - self._srtt) / 8
        self._rto = min(_RTO_MAX_S, max(_RTO_MIN_S, self._srtt + 4 * self._rttvar))

    def _linger(self):
        """Both sides have ended: stay to answer a FIN that comes again (TIME-WAIT)."""
        acked = self._fin_at is not None and _after(self._una, self._fin_at) > 0
        if acked and self.ended and self._gone_at is None:
            self._gone_at = self._now() + _LINGER_S
