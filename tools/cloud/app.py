"""The service as a FastAPI application, documented at `/docs` without outside resources."""

from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline

from . import device_api, errors, management_api
from .errors import Refusal
from .service import Service

_UNLIMITED = ("/docs", "/static-offline-docs", "/v1/openapi.json")


def build(service: Service) -> FastAPI:
    """The application of a service."""
    app = FastAPIOffline(
        title="Recording service, local",
        version="1",
        description="Stands in for the service that devices upload to. What its public "
        "documents do not say is marked *unknown*.",
        openapi_url="/v1/openapi.json",
        redoc_url=None,
    )
    app.include_router(device_api.router(service))
    app.include_router(management_api.router(service))
    errors.handle(app)
    _without_422(app)

    @app.middleware("http")
    async def limited(request: Request, call_next):
        # The page has all this below a path of its own.
        path = request.url.path.removeprefix(request.scope.get("root_path", ""))
        method = request.method
        if path.startswith(_UNLIMITED):
            return await call_next(request)
        ok, headers = service.limits.take(path.endswith("/upload-url"))
        response = None
        if service.intercept:
            response = service.intercept(method, path)
        if response is None and not ok:
            response = errors.answer(Refusal(429, "Too many requests for this project."))
        if response is None:
            response = await call_next(request)
        response.headers.update(headers)
        service.calls.append((method, path, response.status_code))
        if service.after:
            service.after(method, path, response)
        return response

    return app


def _without_422(app):
    # FastAPI documents its own answer to an invalid request; here that is a 400 in the
    # reference's envelope.
    made = app.openapi

    def openapi():
        if app.openapi_schema is None:
            schema = made()
            for path in schema["paths"].values():
                for operation in path.values():
                    answer = operation["responses"].get("422", {})
                    if "HTTPValidationError" in str(answer):
                        del operation["responses"]["422"]
            for name in ("HTTPValidationError", "ValidationError"):
                schema["components"]["schemas"].pop(name, None)
        return app.openapi_schema

    app.openapi = openapi
