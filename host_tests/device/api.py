"""The API client over both transports, against a scripted server."""

from _support import Script, answer, fails, raises
from wire import settings

from uploader.answer import Response
from uploader.api import DeviceApi
from uploader.clock import FLOOR, Clock
from uploader.dates import parse_http_date
from uploader.errors import ApiError, TransportError
from uploader.http import Http
from uploader.requests_transport import RequestsTransport, read_field
from uploader.s3 import s3_error

DATE = b"Date: Sun, 06 Nov 1994 08:49:37 GMT"
GRANT = (
    b'{"media_id":"med_1","upload_url":"https://s3/x?X-Amz-Signature=s",'
    b'"expires_at":"1994-11-06T09:19:37Z","headers":{"Content-Type":"audio/opus"}}'
)


def native():
    return Http(settings())


async def check(transport, call, *answers):
    async with Script(*answers) as server:
        made = settings(api_url="http://127.0.0.1:%d/v1" % server.port)
        api = DeviceApi(transport, made, Clock(lambda: 0), "dtok_t")
        try:
            return await call(api), server.requests
        finally:
            if hasattr(transport, "close"):
                transport.close()


async def test_create_sends_the_token_and_the_fields_and_returns_the_id():
    result, requests = await check(
        native(),
        lambda api: api.create_recording({"name": "n"}),
        answer(201, b'{"id":"rec_1","media":[]}'),
    )
    assert result == "rec_1"
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/recordings HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer dtok_t\r\n" in head
    assert b"\r\nContent-Type: application/json\r\n" in head
    assert body == b'{"name": "n"}' or body == b'{"name":"n"}'


async def test_upload_url_lives_as_long_as_the_servers_own_clock_says():
    grant, _ = await check(
        native(), lambda api: api.upload_url("rec_1", {}), answer(200, GRANT, [DATE])
    )
    assert grant.life_s == 1800 and grant.media_id == "med_1"
    assert grant.headers == [("Content-Type", "audio/opus")]
    grant, _ = await check(native(), lambda api: api.upload_url("rec_1", {}), answer(200, GRANT))
    assert grant.life_s == 3600


async def test_upload_url_may_not_set_what_frames_the_request():
    for name in (b"Content-Length", b"host"):  # signed, say: they are set as they must be
        more = GRANT.replace(b"Content-Type", name)
        grant, _ = await check(native(), lambda a: a.upload_url("rec_1", {}), answer(200, more))
        assert grant.headers == []
    for name in (b"Expect", b"Transfer-Encoding", b"Authorization"):
        bad = GRANT.replace(b"Content-Type", name)
        e = await fails(
            TransportError,
            check(native(), lambda api: api.upload_url("rec_1", {}), answer(200, bad)),
        )
        assert e.kind == "refused"


async def test_complete_needs_no_body_and_reads_none():
    _, requests = await check(
        native(), lambda api: api.complete("rec_1"), answer(200, b"x" * 100000)
    )
    assert requests[0].startswith(b"POST /v1/recordings/rec_1/upload-complete HTTP/1.1\r\n")
    assert b"\r\nContent-Length: 0\r\n" in requests[0]


async def test_errors_carry_the_servers_words_without_secrets():
    body = b'{"error":{"code":"invalid_request","message":"bad dtok_t, see https://x?k=v"}}'
    e = await fails(ApiError, check(native(), lambda api: api.complete("rec_1"), answer(400, body)))
    assert (e.status, e.code) == (400, "invalid_request")
    assert "dtok_t" not in e.message and "k=v" not in e.message


async def test_the_limits_reset_is_read_and_nonsense_ignored():
    for text, reset in ((b"1700000000", 1700000000), (b"soon", None), (b"-5", None)):
        e = await fails(
            ApiError,
            check(
                native(),
                lambda api: api.complete("rec_1"),
                answer(429, b"", [b"X-RateLimit-Reset: " + text, DATE]),
            ),
        )
        assert (e.status, e.reset_at, e.server_time) == (429, reset, 784111777)


async def test_unusable_answers_are_protocol_errors():
    for body in (
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"id":7}',
        b'{"id":""}',
        b'{"id":"a/b"}',
        b'{"id":"a b"}',
        b'{"id":"' + b"x" * 200 + b'"}',
        b'{"id":"rec_1"',
        b"[" * 5000,
    ):
        e = await fails(
            TransportError,
            check(native(), lambda api: api.create_recording({}), answer(201, body)),
        )
        assert e.kind == "protocol", body[:20]
    for body in (b"{}", b'{"upload_url":7}', GRANT.replace(b'{"Content-Type":"audio/opus"}', b"7")):
        e = await fails(
            TransportError,
            check(native(), lambda api: api.upload_url("rec_1", {}), answer(200, body)),
        )
        assert e.kind == "protocol", body


async def test_a_refreshed_token_is_checked():
    token, requests = await check(
        native(), lambda api: api.refresh_token("dev_1"), answer(200, b'{"device_token":"dtok_n"}')
    )
    assert token == "dtok_n"
    assert requests[0].startswith(b"POST /v1/devices/dev_1/token/refresh ")
    await fails(
        TransportError, check(native(), lambda api: api.refresh_token("dev_1"), answer(200, b"{}"))
    )


def test_errors_of_s3_are_read_from_xml_or_their_lack():
    response = Response(403, {})
    response.body = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message>"
    e = s3_error(response)
    assert (e.status, e.code, e.message) == (403, "AccessDenied", "Request has expired")
    for body in (b"", b"<Code>", b"\xff\xfe<Code>x</Code>", b"<Message></Message>"):
        response.body = body
        assert s3_error(response).code == "status 403"


async def test_requests_does_not_speak_to_https_unless_told():
    e = await fails(TransportError, RequestsTransport().request("GET", "https://x/"))
    assert e.kind == "refused"


def test_requests_does_not_follow_redirects_with_the_token():
    # Its blocking socket can't share this interpreter with the scripted server.
    raises(OSError, read_field, b"Location: https://evil/\r\n", {})


async def test_each_answers_date_refines_the_clock():
    date = b"Date: Sun, 03 May 2026 08:49:37 GMT"
    clock = Clock(lambda: FLOOR + 1000)
    async with Script(answer(401, b"", [date])) as server:
        made = settings(api_url="http://127.0.0.1:%d/v1" % server.port)
        await fails(ApiError, DeviceApi(native(), made, clock, "dtok_t").heartbeat({}))
    assert clock.source == "server"
    assert 0 <= clock.now() - parse_http_date(date[6:].decode()) <= 2
