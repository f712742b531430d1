"""Whom the device talks to: not one byte of the token goes to anybody else."""

import contextlib
import json
import socket
import ssl
import threading
from datetime import datetime, timedelta, timezone

import pytest
from conftest import Board

from tools.cloud.pki import Authority


class Listener:
    """Accepts connections, with TLS if given a context, and keeps all that arrives."""

    def __init__(self, context=None):
        self.context = context
        self.raw = b""  # as on the wire
        self.read = b""  # what a finished TLS handshake let through
        self.accepted = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.accepted += 1
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(60)
                    self._serve(connection)

    def _serve(self, connection):
        if self.context is None:
            self.raw += connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            while data := connection.recv(65536):
                self.raw += data
            return
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(incoming, outgoing, server_side=True)
        while data := connection.recv(65536):
            self.raw += data
            incoming.write(data)
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                self.read += tls.read(65536)
            connection.sendall(outgoing.read())
            if b"\r\n\r\n" in self.read:
                return  # a whole request, which is all that is wanted

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def attempt(tmp_path, context, **changes):
    """Drain one recording against a Listener; (listener, the drain's result)."""
    listener = Listener(context)
    settings = {
        "api_url": f"https://localhost:{listener.port}/v1",
        "device_token": "dtok_0123456789",
        "storage": str(tmp_path / "flash"),
        "roots": [str(tmp_path / "root.der")],
        **changes,
    }
    board = Board(tmp_path, settings)
    board.add(board.file("a.opus", b"abc"))
    result = board.drain(tries=1)
    listener.close()
    assert result.returncode == 1
    assert board.status()["pending"] == 1
    assert "dtok" not in result.stdout
    return listener, result


def test_the_right_certificate_gets_the_token(tmp_path, authority):
    """The counter-check: this listener would see a token that is sent."""
    listener, _ = attempt(tmp_path, authority.server_context())
    assert b"Authorization: Bearer dtok_0123456789" in listener.read


def test_a_wrong_root_gets_nothing(tmp_path, authority):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    listener, result = attempt(tmp_path, other.server_context())
    assert listener.accepted and listener.read == b"" and b"dtok" not in listener.raw
    assert "not correctly signed by the trusted CA" in result.stdout


def test_a_wrong_host_name_gets_nothing(tmp_path, authority):
    listener, result = attempt(tmp_path, authority.server_context("api.example.com"))
    assert listener.accepted and listener.read == b"" and b"dtok" not in listener.raw
    assert "does not match with the expected CN" in result.stdout


@pytest.mark.parametrize(
    ("days", "words"), [((-20, -10), "has expired"), ((10, 20), "starts in the future")]
)
def test_wrong_dates_get_nothing(tmp_path, authority, days, words):
    now = datetime.now(timezone.utc)
    context = authority.server_context(
        not_before=now + timedelta(days=days[0]), not_after=now + timedelta(days=days[1])
    )
    listener, result = attempt(tmp_path, context)
    assert listener.accepted and listener.read == b"" and b"dtok" not in listener.raw
    assert words in result.stdout


def test_a_plaintext_port_gets_nothing(tmp_path, authority):
    listener, result = attempt(tmp_path, None)
    assert listener.accepted and listener.raw and b"dtok" not in listener.raw
    assert "TLS failed" in result.stdout


def test_a_plaintext_address_is_refused_by_the_configuration(tmp_path, authority):
    settings = {
        "api_url": "http://localhost:1/v1",
        "device_token": "dtok_0123456789",
        "storage": str(tmp_path / "flash"),
        "roots": [str(tmp_path / "root.der")],
    }
    board = Board(tmp_path, settings)
    result = board.run("add", board.file("a.opus", b"abc"))
    assert result.returncode == 2 and "allow_insecure" in result.stderr
    assert not (tmp_path / "flash").exists()


def test_an_upload_url_that_is_not_https_gets_no_file(cloud, board):
    board.add(board.file("a.opus", b"abc"))
    listener = Listener()
    sign = cloud.service.sign
    cloud.service.sign = lambda *_: f"http://localhost:{listener.port}/x"
    try:
        result = board.drain(tries=1)
    finally:
        cloud.service.sign = sign
        listener.close()
    assert result.returncode == 1 and "not https" in result.stdout
    assert listener.accepted == 0 and board.status()["pending"] == 1


def test_the_token_is_never_sent_to_s3(cloud, board):
    board.add(board.file("a.opus", b"abc"))
    heads = []
    cloud.edge.intercept = lambda *head: heads.append(head)
    assert board.drain().returncode == 0
    ((method, target, headers),) = heads
    assert method == "PUT"
    assert sorted(headers) == ["content-length", "content-md5", "content-type", "host"]
    assert "dtok" not in json.dumps([target, headers])
