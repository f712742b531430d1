"""The rate limits: per project, counted in windows of a minute."""

import time


class Limits:
    """`requests` over all endpoints and `upload_urls` a window; `now` gives epoch seconds."""

    WINDOW_S = 60

    def __init__(self, requests: int = 100, upload_urls: int = 30, now=time.time):
        self.requests = requests
        self.upload_urls = upload_urls
        self.granted = 0
        self.refused = 0
        self.now = now
        self._window = None
        self._counts = [0, 0]

    def forget(self):
        """Begin a new window."""
        self._window = None

    def take(self, upload_url: bool) -> tuple[bool, dict[str, str]]:
        """Count a request: whether it is within the limits, and the headers that say so."""
        window = int(self.now()) // self.WINDOW_S
        if window != self._window:
            self._window = window
            self._counts = [0, 0]
        limit = self.upload_urls if upload_url else self.requests
        ok = self._counts[0] < self.requests
        if upload_url:
            ok = ok and self._counts[1] < self.upload_urls
        if ok:
            self._counts[0] += 1
            self._counts[1] += upload_url
            self.granted += 1
        else:
            self.refused += 1
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - self._counts[upload_url])),
            "X-RateLimit-Reset": str((window + 1) * self.WINDOW_S),
        }
        return ok, headers
