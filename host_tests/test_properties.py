"""Properties of the HTTP client over generated answers, and of hostile values end to end."""

import json
import subprocess

import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools import micropython

SCRIPT = ROOT / "host_tests/scripts/parse.py"


@pytest.fixture(scope="module")
def parse():
    """`parse(answer)`: what the client, in a MicroPython of its own, makes of an answer."""
    process = micropython.start(SCRIPT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(answer: bytes) -> dict:
        process.stdin.write(answer.hex() + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.stdin.close()
    process.wait(60)


STATUS = st.integers(200, 599).filter(lambda s: s not in (204, 304))
FIELDS = st.lists(
    st.tuples(
        st.from_regex(r"X-[A-Za-z0-9-]{1,20}", fullmatch=True),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60),
    ),
    max_size=8,
)
CHUNKS = st.lists(st.binary(min_size=1, max_size=400), max_size=6)
INTERIM = st.lists(st.sampled_from([100, 102, 103]), max_size=3)


def head(status, fields, interim):
    before = b"".join(b"HTTP/1.1 %d Wait\r\n\r\n" % s for s in interim)
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return before + f'HTTP/1.1 {status} Any words\r\n{lines}ETag: "abc"\r\n'.encode()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STATUS, FIELDS, CHUNKS, INTERIM, st.booleans())
def test_what_was_sent_is_what_is_read(parse, status, fields, chunks, interim, chunked):
    body = b"".join(chunks)
    if chunked:
        framed = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
        answer = head(status, fields, interim) + b"Transfer-Encoding: chunked\r\n\r\n" + framed
    else:
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        answer = head(status, fields, interim) + length + body
    assert parse(answer) == {"status": status, "body": body.hex(), "etag": '"abc"', "kept": 1}
    # Bytes after an answer close the connection, and are never the next answer.
    assert parse(answer + b"HTTP/1.1 200 OK\r\n")["kept"] == 0
    # An answer that is cut anywhere is no answer.
    for cut in (len(answer) - 1, len(answer) // 2, 1):
        if cut < len(answer):
            assert "error" in parse(answer[:cut]), answer[:cut]


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=600))
def test_noise_is_an_error(parse, noise):
    assert parse(noise).keys() <= {"error"} or noise.startswith(b"HTTP/1.")


@pytest.mark.parametrize(
    "name", ["a\r\nX-Evil: 1", 'q"uote', "über – 録音", "\x00\x1f", "a\\u000d\\u000a", "x" * 200]
)
def test_hostile_names_and_metadata_arrive_as_they_are(cloud, board, name):
    metadata = board.folder / "m.json"
    metadata.write_text(json.dumps({"k\r\nHost: evil": name}))
    if "\x00" in name:
        name = name.replace("\x00", "")  # no command line can carry a NUL
    board.add("--name", name, "--metadata", f"@{metadata}", board.file("a.opus", b"abc"))
    assert board.drain().returncode == 0
    (recording,) = cloud.recordings()
    assert recording.name == name and "k\r\nHost: evil" in recording.metadata


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/x",
        "https://user:pw@localhost/x",
        "ftp://localhost/x",
        "https://localhost/x\r\nX-Evil: 1",
        "//localhost/x",
        "https://",
        "https://localhost:99999/",
        "x" * 5000,
    ],
)
def test_an_upload_url_that_is_not_to_be_trusted_gets_no_file(cloud, board, url):
    board.add(board.file("a.opus", b"abc"))
    sign = cloud.service.sign
    cloud.service.sign = lambda *_: url
    try:
        assert board.drain(tries=1).returncode == 1
        assert cloud.edge.connections == 0 and board.status()["pending"] == 1
    finally:
        cloud.service.sign = sign
    assert board.drain().returncode == 0


@pytest.mark.parametrize(
    "fields",
    [{"X-A": "b\r\nX-Evil: 1"}, {"X\r\nEvil": "1"}, {"": "x"}, {"Expect": "x"}, {"X-A": "é"}],
)
def test_headers_from_the_server_cannot_inject_others(cloud, board, fields):
    board.add(board.file("a.opus", b"abc"))
    grant = cloud.service.upload_url

    def spoiled(*args):
        answer = grant(*args)
        answer.headers = {**answer.headers, **fields}
        return answer

    cloud.service.upload_url = spoiled
    try:
        assert board.drain(tries=1).returncode == 1
        assert cloud.edge.puts == 0 and board.status()["pending"] == 1
    finally:
        cloud.service.upload_url = grant


def test_a_host_among_the_headers_is_set_as_the_url_has_it(cloud, board):
    board.add(board.file("a.opus", b"abc"))
    grant = cloud.service.upload_url
    hosts = []

    def spoiled(*args):
        answer = grant(*args)
        answer.headers = {**answer.headers, "Host": "evil", "Content-Length": "1"}
        return answer

    cloud.edge.intercept = lambda method, target, headers: hosts.append(headers["host"])
    cloud.service.upload_url = spoiled
    try:
        assert board.drain(tries=1).returncode == 0
    finally:
        cloud.service.upload_url = grant
    assert hosts and "evil" not in hosts[0]
    (recording,) = cloud.recordings()
    assert cloud.media_bytes(recording, recording.media[0]) == b"abc"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(cloud, board, status):
    from starlette.responses import Response

    board.add(board.file("a.opus", b"abc"))
    hits = []

    def redirect(method, path):
        hits.append(path)
        return Response(status_code=status, headers={"Location": cloud.api_url + "/elsewhere"})

    cloud.service.intercept = redirect
    assert board.drain(tries=1).returncode == 1
    assert hits and not [h for h in hits if "elsewhere" in h]
