"""The pre-signed PUT to S3 (Amazon S3 API reference, "PutObject"): MD5, ETag, S3's errors."""

from binascii import b2a_base64, unhexlify

from .errors import ApiError, TransportError
from .settings import redact


class S3:
    """PUTs files over `http`, an Http."""

    def __init__(self, http):
        self._http = http

    async def put(self, grant, reader, size, md5, progress=None):
        """PUT `size` bytes that `reader.readinto(buf)` gives, of which `md5` is the MD5 (hex),
        with a Grant. Returns once S3 has said that it has these bytes; `progress(sent)` is told
        how many were sent. Raises ApiError with S3's code, TransportError, StorageError,
        DamagedError."""
        url = grant.url if isinstance(grant.url, str) else "&".join(grant.url)
        headers = _with_md5(url, grant.headers, md5)
        response = await self._http.put(url, headers, reader, size, progress)
        if not 200 <= response.status < 300 or response.early:
            raise s3_error(response)
        _check_etag(response, md5, len(headers) > len(grant.headers))


def s3_error(response):
    """The ApiError of an S3 answer (S3 API reference, "Error responses": XML)."""
    text = _text(response.body)
    code = _between(text, "<Code>", "</Code>") or "status %d" % response.status
    message = redact(_between(text, "<Message>", "</Message>"))
    return ApiError(response.status, code[:64], message[:200])


def _text(body):
    try:
        return body.decode()
    except UnicodeError:
        return ""


def _between(text, start, end):
    i = text.find(start)
    j = text.find(end, i)
    return text[i + len(start) : j] if 0 <= i < j else ""


def _with_md5(url, headers, md5):
    """The headers of a PUT. Content-MD5 (RFC 1864) is unsigned, so S3 takes it with a version
    4 URL; in a version 2 URL it is part of what was signed, and adding it breaks the URL."""
    if "AWSAccessKeyId=" in url:
        return headers
    for name, _ in headers:
        if name.lower() == "content-md5":
            return headers
    return headers + [("Content-MD5", b2a_base64(unhexlify(md5)).decode().strip())]


def _check_etag(response, md5, proved):
    # With KMS encryption the ETag is not an MD5 (S3 API reference, "Object"), and the accepted
    # Content-MD5 is the proof.
    if response.headers.get("x-amz-server-side-encryption", "").startswith("aws:kms") and proved:
        return
    if response.headers.get("etag", "").strip('"').lower() != md5:
        raise TransportError("protocol", "the ETag does not match what was sent", True)
