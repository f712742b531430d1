"""The packets of LCP and of its kin, and the options in them (RFC 1661 sections 5 and 6)."""

CONF_REQ, CONF_ACK, CONF_NAK, CONF_REJ = 1, 2, 3, 4
TERM_REQ, TERM_ACK, CODE_REJ, PROTO_REJ = 5, 6, 7, 8
ECHO_REQ, ECHO_REP, DISCARD = 9, 10, 11


def pack(code, ident, data=b""):
    """Code, identifier, length (of all of it), data."""
    return bytes([code, ident, len(data) + 4 >> 8, len(data) + 4 & 255]) + data


def unpack(info):
    """(code, identifier, data); what is beyond the length is padding. Raises ValueError."""
    if len(info) < 4:
        raise ValueError("shorter than a header")
    length = info[2] << 8 | info[3]
    if not 4 <= length <= len(info):
        raise ValueError("a length that can't be")
    return info[0], info[1], info[4:length]


def pack_options(options):
    """`options` is [(type, value as bytes)]."""
    return b"".join([bytes([kind, len(value) + 2]) + value for kind, value in options])


def unpack_options(data):
    """[(type, value)] in their order. Raises ValueError."""
    options = []
    while data:
        if len(data) < 2 or not 2 <= data[1] <= len(data):
            raise ValueError("an option whose length can't be")
        options.append((data[0], bytes(data[2 : data[1]])))
        data = data[data[1] :]
    return options
