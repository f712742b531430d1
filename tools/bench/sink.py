"""A TLS server that takes any request's body as fast as it comes and answers 200: the far
end of measurements, in a process of its own so that it does not slow what is measured."""

import multiprocessing
import socket
import ssl
from pathlib import Path

from tools.cloud.pki import Authority


class Sink:
    """Listens on `port` of loopback, its root in `folder`, from `with Sink(folder)` on."""

    def __init__(self, folder: Path):
        self.authority = Authority(folder)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._process = None

    def __enter__(self):
        self._process = multiprocessing.get_context("fork").Process(target=self._run, daemon=True)
        self._process.start()
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.join()
        self._listener.close()

    def _run(self):
        context = self.authority.server_context()
        while True:
            plain, _ = self._listener.accept()
            try:
                with context.wrap_socket(plain, server_side=True) as connection:
                    _take(connection)
            except (OSError, ssl.SSLError):
                pass


def _take(connection):
    buf = bytearray(262144)
    while True:
        head = b""
        while b"\r\n\r\n" not in head:
            n = connection.recv_into(buf)
            if not n:
                return
            head += buf[:n]
        head, _, rest = head.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        left = length - len(rest)
        while left > 0:
            left -= connection.recv_into(buf) or left
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
