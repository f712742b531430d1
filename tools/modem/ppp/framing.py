"""PPP in HDLC-like framing: flags, escapes, the frame check sequence (RFC 1662)."""

_FLAG = 0x7E
_ESCAPE = 0x7D
_GOOD = 0xF0B8  # RFC 1662 appendix C.2: the FCS over a frame and its own FCS
_MAX = 4096

LCP = 0xC021
PAP = 0xC023
CHAP = 0xC223
IPCP = 0x8021
IPV6CP = 0x8057
IPV4 = 0x0021
IPV6 = 0x0057


def _table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0x8408 if value & 1 else value >> 1
        table.append(value)
    return table


_TABLE = _table()


def fcs16(data, fcs=0xFFFF):
    """The FCS of `data` after what gave `fcs`, not yet complemented (RFC 1662 appendix C.2)."""
    table = _TABLE
    for byte in data:
        fcs = fcs >> 8 ^ table[(fcs ^ byte) & 0xFF]
    return fcs


def frame(protocol, info, accm=0xFFFFFFFF, pfc=False, acfc=False):
    """The bytes of one frame, flags on both sides. `accm` has a bit for each control character
    that must be escaped (section 7.1); `pfc` and `acfc` leave out what may be left out."""
    if protocol == LCP:
        # Section 7.1 and RFC 1661 sections 6.5, 6.6: LCP is sent as if nothing were agreed.
        accm, pfc, acfc = 0xFFFFFFFF, False, False
    body = b"" if acfc else b"\xff\x03"
    body += bytes([protocol]) if pfc and protocol < 256 else bytes([protocol >> 8, protocol & 255])
    body += info
    fcs = fcs16(body) ^ 0xFFFF
    out = bytearray([_FLAG])
    for byte in body + bytes([fcs & 255, fcs >> 8]):
        if byte in (_FLAG, _ESCAPE) or byte < 32 and accm >> byte & 1:
            out.append(_ESCAPE)
            byte ^= 0x20
        out.append(byte)
    out.append(_FLAG)
    return bytes(out)


class Deframer:
    """Takes the line's bytes as they come, gives frames. `bad` counts what was damaged: a wrong
    FCS, too long, aborted (an escape and a flag), or not PPP."""

    def __init__(self):
        self.bad = 0
        self._frame = bytearray()
        self._escaped = False

    def feed(self, data):
        """[(protocol, information)] of the frames that `data` completes."""
        frames = []
        for byte in data:
            if byte == _FLAG:
                if self._escaped:
                    self.bad += 1
                elif self._frame:
                    self._end(frames)
                self._frame = bytearray()
                self._escaped = False
            elif byte == _ESCAPE:
                self._escaped = True
            elif len(self._frame) < _MAX:
                self._frame.append(byte ^ 0x20 if self._escaped else byte)
                self._escaped = False
        return frames

    def _end(self, frames):
        body = bytes(self._frame)
        if len(body) < 4 or fcs16(body) != _GOOD:
            self.bad += 1
            return
        body = body[:-2]
        if body[:2] == b"\xff\x03":
            body = body[2:]
        # RFC 1661 section 2: a protocol's last octet is odd, those before it are even.
        if body and body[0] & 1:
            frames.append((body[0], body[1:]))
        elif len(body) > 1 and body[1] & 1:
            frames.append((body[0] << 8 | body[1], body[2:]))
        else:
            self.bad += 1
