"""Error answers: the envelope of the API's reference, and what becomes one."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from .models import ErrorAnswer, ErrorBody

CODES = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    422: "invalid_request",
    425: "too_early",
    429: "rate_limit_exceeded",
}


class Refusal(Exception):
    """An error answer: `status`, and `body` in the reference's envelope."""

    def __init__(self, status: int, message: str, code: str | None = None, **details):
        super().__init__(message)
        self.status = status
        self.headers = None
        self.body = ErrorAnswer(
            error=ErrorBody(
                code=code or CODES.get(status, "error"), message=message, details=details or None
            )
        )


def answer(refusal: Refusal) -> Response:
    """A refusal as it goes out."""
    return JSONResponse(
        refusal.body.model_dump(exclude_none=True), refusal.status, headers=refusal.headers
    )


def document(*statuses: int) -> dict:
    """These error answers for a route's OpenAPI, beside the ones that every route may give."""
    return {s: {"model": ErrorAnswer} for s in sorted({400, 401, 403, 429, *statuses})}


def handle(app: FastAPI):
    """Make every refusal, unknown path and invalid request of `app` an error answer."""

    @app.exception_handler(Refusal)
    def refused(_, e: Refusal):
        return answer(e)

    @app.exception_handler(HTTPException)
    def http(request: Request, e: HTTPException):
        refusal = Refusal(e.status_code, str(e.detail))
        if e.status_code == 405:
            # RFC 9110 section 15.5.6: every method that there is, not the first route's.
            refusal.headers = {"Allow": ", ".join(sorted(_allowed(app, request)))}
        return answer(refusal)

    @app.exception_handler(RequestValidationError)
    def invalid(_, e: RequestValidationError):
        first = e.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return answer(Refusal(400, f"{where}: {first['msg']}", field=where))


def _allowed(app, request) -> set[str]:
    found = set()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] == Match.FULL for route in app.router.routes):
            found.add(method)
    return found
