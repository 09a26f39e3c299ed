"""Joins routes, the frame and the error envelope into one application.

Owns which path exists and how each kind of failure is answered. Does not start a server.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from batchway import __version__
from batchway.api.batches import BatchRoutes
from batchway.api.caller import Caller
from batchway.api.direct_route import DirectRoute
from batchway.api.documented import openapi_document
from batchway.api.envelope import error_response, storage_error
from batchway.api.exchange import exchange_of
from batchway.api.files import FileRoutes
from batchway.api.frame import Frame
from batchway.api.models import ModelRoutes
from batchway.api.operations import OperationRoutes
from batchway.api.uploads import UploadRoutes
from batchway.domain.errors import ApiError, ApiText, Unavailable
from batchway.domain.ids import Ids
from batchway.ports import Clock
from batchway.service.auth import Auth
from batchway.service.batches import BatchService
from batchway.service.files import FileService
from batchway.service.limits import Limits
from batchway.service.models import ModelService
from batchway.service.remote import Remote
from batchway.service.uploads import UploadService

_log = logging.getLogger("batchway.api")


class _Application(FastAPI):
    """FastAPI with our own OpenAPI document, made once."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = openapi_document(self)
        return self.openapi_schema


def create_app(
    *,
    files: FileService,
    batches: BatchService,
    uploads: UploadService,
    remote: Remote,
    models: ModelService,
    auth: Auth,
    ids: Ids,
    clock: Clock,
    limits: Limits,
    health: Callable[[], Awaitable[None]],
    metrics: Callable[[], bytes],
    open_pages: bool = True,
) -> FastAPI:
    """The HTTP API. `health` raises while a request could not be served.

    `open_pages` is whether metrics and documentation need no key.
    """
    app = _Application(
        title="Batchway",
        version=__version__,
        docs_url=None,  # FastAPI's page loads its scripts from a network
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers={
            ApiError: _answer_api_error,
            Unavailable: _answer_unavailable,
            HTTPException: _answer_http_error,
        },
    )
    app.router.route_class = DirectRoute
    app.add_middleware(Frame, ids=ids, clock=clock, limits=limits)
    caller = Caller(auth=auth)
    nouns = (
        BatchRoutes(batches=batches, remote=remote, caller=caller, limits=limits),
        FileRoutes(files=files, remote=remote, caller=caller, limits=limits),
        UploadRoutes(uploads=uploads, caller=caller, limits=limits),
        ModelRoutes(models=models, caller=caller),
    )
    for noun in nouns:
        noun.install(app, prefix="/v1", documented=True)
    OperationRoutes(
        health=health, metrics=metrics, app=app, caller=None if open_pages else caller
    ).install()
    for noun in nouns:
        noun.install(app, prefix="", documented=False)
    return app


async def _answer_api_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return error_response(error)


async def _answer_unavailable(request: Request, error: Exception) -> Response:
    if not isinstance(error, Unavailable):
        raise error
    _log.error("storage failed: %s (%s)", error, exchange_of(request.scope).request_id)
    return error_response(storage_error(error))


async def _answer_http_error(request: Request, _: Exception) -> Response:
    """What the router refuses: an unknown path, or a method that a known one does not take."""
    path, method = request.scope["path"], request.method
    allowed = ", ".join(sorted(_allowed(request)))
    if not allowed:
        return error_response(ApiError(ApiText.NO_ROUTE, method=method, path=path))
    return error_response(
        ApiError(ApiText.WRONG_METHOD, method=method, path=path, allowed=allowed),
        headers={"allow": allowed},
    )


def _allowed(request: Request) -> Iterable[str]:
    """Methods of every route of the path; the router itself names those of the first alone."""
    methods: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return methods
