"""The JSON calls through `requests` (micropython-lib; once named urequests), as a plug-in:
`Uploader(..., api=DeviceApi(RequestsTransport(), settings, store.clock, token))`.

Not the default, for three reasons. It does not verify certificates (its request function
sets CERT_NONE), so over https whoever answers gets the device token; use it only over plain
HTTP to a gateway on the device's own network that does TLS, or in a lab. It blocks: no other
task runs during a call. And it closes the connection after each call, which costs a TLS
handshake every time. Files are always PUT by the module's own client.
"""

import requests

from .answer import KEPT, Response
from .errors import TransportError
from .request import check_field, split_url


class RequestsTransport:
    """What a DeviceApi may have as its `http`. https is refused unless `unverified_tls` says
    that not knowing who answers is acceptable. `timeout_s` bounds each socket operation."""

    def __init__(self, unverified_tls=False, timeout_s=30):
        self._unverified = unverified_tls
        self._timeout = timeout_s

    async def request(self, method, url, headers=(), body=b"", max_body=16384):
        """See `Http.request`; this one blocks. Raises TransportError."""
        if split_url(url, True)[0] and not self._unverified:
            raise TransportError("refused", "requests does not verify certificates")
        for name, value in headers:
            check_field(name, value)
        answer = None
        try:
            answer = requests.request(
                method,
                url,
                data=body,
                headers=dict(headers),
                timeout=self._timeout,
                parse_headers=read_field,
            )
            response = Response(answer.status_code, answer.headers)
            left = max_body
            length = answer.headers.get("content-length", "")
            if length.isdigit():
                left = min(left, int(length))
            while left > 0:
                part = answer.raw.read(left)
                if not part:
                    break
                response.body += part
                left -= len(part)
            return response
        except OSError as e:
            raise TransportError("closed", "requests: %s" % e)
        except (ValueError, IndexError, NotImplementedError) as e:
            raise TransportError("protocol", "requests: %s" % e, True)
        finally:
            if answer:
                answer.close()


def read_field(line, kept):
    """Add the header field `line` (bytes) to the dict `kept` if it is one of `answer.KEPT`.
    Raises OSError for a redirect."""
    name, colon, value = line.decode().partition(":")
    name = name.lower()
    if name == "location":
        # `requests` would follow it, token and all, wherever it leads. An OSError is what
        # makes it close its socket.
        raise OSError("redirects are refused")
    if colon and name in KEPT:
        kept[name] = value.strip()
