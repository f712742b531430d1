"""An SNTP server (RFC 4330) on loopback: the guest's clock starts at nothing, like a board's."""

import socket
import struct
import threading
import time

_1900_TO_1970 = 2208988800


class Sntp:
    """Answers at UDP `port` of loopback, from `with Sntp() as s:` on; `asked` counts."""

    def __init__(self):
        self.asked = 0

    def __enter__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port = self._socket.getsockname()[1]
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop = True
        self._thread.join(5)
        self._socket.close()

    def _run(self):
        while not self._stop:
            try:
                request, peer = self._socket.recvfrom(256)
            except TimeoutError:
                continue
            if len(request) >= 48:
                self.asked += 1
                self._socket.sendto(answer(request, time.time()), peer)


def answer(request: bytes, now: float) -> bytes:
    """A server's answer (mode 4, stratum 1), section 5; the request's transmit time is handed
    back as the originate time."""
    stamp = struct.pack("!II", int(now) + _1900_TO_1970, int(now % 1 * 2**32))
    version = request[0] & 0x38
    head = struct.pack("!BBbb", version | 4, 1, 4, -20)
    return head + bytes(8) + b"LOCL" + stamp + request[40:48] + stamp + stamp
