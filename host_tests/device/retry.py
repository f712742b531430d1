"""The table of errors, and the waits."""

from uploader import retry, verdict
from uploader.errors import ApiError, DamagedError, TransportError

STEPS = (retry.CREATE, retry.UPLOAD_URL, retry.PUT, retry.COMPLETE)


def api(status, code="x", message="", reset_at=None, server_time=None):
    return ApiError(status, code, message, reset_at, server_time)


def test_what_never_came_back_is_tried_again_at_every_step():
    for step in STEPS:
        for kind in ("dns", "connect", "closed", "stall", "tls", "protocol", "refused"):
            assert verdict.of(step, TransportError(kind, "")) == retry.RETRY
        for status in (200, 204, 301, 307, 408, 425, 500, 501, 502, 503, 504):
            patient = status == 425 and step == retry.COMPLETE
            wanted = retry.UNVERIFIED if patient else retry.RETRY
            assert verdict.of(step, api(status)) == wanted, (step, status)
        assert verdict.of(step, api(429)) == retry.LIMIT


def test_a_certificate_is_never_a_passing_fault():
    for step in STEPS:
        assert verdict.of(step, TransportError("cert", "")) == retry.CERT
        assert verdict.of(step, TransportError("cert_time", "")) == retry.CLOCK


def test_refusals_of_the_api():
    for step in (retry.CREATE, retry.UPLOAD_URL, retry.COMPLETE):
        for status in (401, 403):
            assert verdict.of(step, api(status)) == retry.TOKEN
        for status in (400, 411, 413, 422):
            assert verdict.of(step, api(status)) == retry.REFUSED, (step, status)
    assert verdict.of(retry.CREATE, api(404)) == retry.RETRY
    assert verdict.of(retry.CREATE, api(409)) == retry.REFUSED
    assert verdict.of(retry.UPLOAD_URL, api(404)) == retry.RECREATE
    assert verdict.of(retry.UPLOAD_URL, api(409)) == retry.RECREATE
    assert verdict.of(retry.COMPLETE, api(404)) == retry.RECREATE
    assert verdict.of(retry.COMPLETE, api(409)) == retry.CONFLICT
    assert verdict.of(retry.COMPLETE, api(400, "x", "recording is not pending")) == (retry.CONFLICT)
    for status in (400, 409, 422):
        words = "The recording is integrity_failure, not pending."
        assert verdict.of(retry.COMPLETE, api(status, "conflict", words)) == retry.RECREATE


def test_refusals_of_s3_by_name():
    for status, code, wanted in (
        (403, "AccessDenied", retry.NEW_URL),
        (403, "SignatureDoesNotMatch", retry.NEW_URL),
        (400, "ExpiredToken", retry.NEW_URL),
        (400, "BadDigest", retry.RETRY),
        (400, "RequestTimeout", retry.RETRY),
        (400, "IncompleteBody", retry.RETRY),
        (400, "EntityTooLarge", retry.REFUSED),
        (404, "NoSuchBucket", retry.NEW_URL),
        (411, "MissingContentLength", retry.REFUSED),
        (503, "SlowDown", retry.RETRY),
        (500, "InternalError", retry.RETRY),
        (307, "TemporaryRedirect", retry.RETRY),
        (501, "NotImplemented", retry.RETRY),
    ):
        assert verdict.of(retry.PUT, api(status, code)) == wanted, code


def test_a_damaged_file_is_never_retried():
    assert verdict.of(retry.PUT, DamagedError("short")) == retry.REFUSED


def test_the_limit_is_waited_out_by_the_servers_own_clock():
    none = lambda: 0.0  # noqa: E731
    assert verdict.limit_wait(api(429, reset_at=1030, server_time=1000), 5, none) == 30
    assert verdict.limit_wait(api(429, reset_at=1030), 1020, none) == 10
    for odd in (
        api(429),
        api(429, reset_at=10**9, server_time=1000),
        api(429, reset_at=1030),
    ):
        assert verdict.limit_wait(odd, None, none) == 60
    assert verdict.limit_wait(api(429, reset_at=900, server_time=1000), 5, none) == 1
    spread = verdict.limit_wait(api(429, reset_at=1030, server_time=1000), 5, lambda: 0.999)
    assert 80 < spread < 90


def test_backoff_doubles_up_to_its_cap_and_starts_over_after_progress():
    backoff = retry.Backoff(lambda: 1.0)
    assert [backoff.next(60) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    for _ in range(100):
        assert backoff.next(60) == 60
    backoff.reset()
    assert backoff.next(60) == 1


def test_backoff_has_full_jitter_but_never_spins():
    backoff = retry.Backoff(lambda: 0.0)
    assert backoff.next() == 0.1
    backoff = retry.Backoff(lambda: 0.5)
    assert [backoff.next() for _ in range(3)] == [0.5, 1.0, 2.0]
