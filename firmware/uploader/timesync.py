"""Finding out the time: the modem's, then SNTP's; the API's Date refines it (see `api`).

SNTP is RFC 4330: one datagram each way, a few tries, no trust beyond plausibility. An answer
that lies is found out by the certificates, whose dates it would have to fit.
"""

import asyncio
import os
import socket
import struct
import time

from micropython import const

from .errors import TransportError

_TRIES = const(3)
_WAIT_MS = const(2000)
_POLL_MS = const(20)
# Seconds from 1900-01-01, NTP's epoch, to 1970-01-01 (RFC 5905 figure 4).
_NTP_1970 = const(2208988800)


async def find(clock, links, server, emit, wrong=None):
    """Set `clock` from the best source that answers; True if one did.

    The current link of `links` (a LinkManager) may have `await network_time()` (Unix seconds or
    None), `server` is an SNTP server's `host` or `host:port` ("" for none). `wrong` names a
    source that was found out.
    """
    ask = getattr(links.current, "network_time", None)
    if ask and wrong != "modem":
        now = await ask()
        if now and clock.set(now, "modem"):
            emit("clock", source="modem")
            return True
    if server and wrong != "sntp":
        try:
            host, _, port = server.partition(":")
            addresses = await links.resolve(host, int(port or 123), socket.SOCK_DGRAM)
            now = await sntp(addresses[0])
        except (OSError, TransportError) as e:
            emit("clock", source=None, reason="SNTP server %s: %s" % (server, e))
            return False
        if now and clock.set(now, "sntp"):
            emit("clock", source="sntp")
            return True
        emit("clock", source=None, reason="no usable answer from SNTP server " + server)
    return False


async def sntp(address, tries=_TRIES, wait_ms=_WAIT_MS):
    """Unix seconds by the SNTP server at a socket address, or None if no usable answer came.
    Raises OSError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        # connect: answers of others are not delivered.
        sock.connect(address)
        for _ in range(tries):
            request = bytearray(48)
            request[0] = 0x23  # no leap warning, version 4, mode 3 (client)
            # Any transmit time will do, as the server only hands it back: a random one
            # makes answers hard to forge (RFC 5905 section 15, "data minimization" practice).
            request[40:48] = os.urandom(8)
            sock.send(request)
            start = time.ticks_ms()
            while True:
                # Read before the time is looked at: something else may have held it up.
                try:
                    answer = sock.recv(64)
                except OSError as e:
                    if e.errno != 11:  # EAGAIN: nothing yet
                        break
                    answer = None
                if answer is None:
                    if time.ticks_diff(time.ticks_ms(), start) >= wait_ms:
                        break
                    await asyncio.sleep_ms(_POLL_MS)
                    continue
                now = _judge(answer, request)
                if now:
                    return now
        return None
    finally:
        sock.close()


def _judge(answer, request):
    """Unix seconds of an SNTP answer, or None if RFC 4330 section 5 says to discard it."""
    if len(answer) < 48 or answer[24:32] != request[40:48]:
        return None
    leap, mode, stratum = answer[0] >> 6, answer[0] & 7, answer[1]
    if mode != 4 or leap == 3 or not 0 < stratum < 16:
        return None
    seconds = struct.unpack_from("!I", answer, 40)[0]
    if seconds == 0:
        return None
    # RFC 4330 section 3: without the top bit it is the era that begins in 2036.
    if not seconds & 0x80000000:
        seconds += 1 << 32
    return seconds - _NTP_1970
