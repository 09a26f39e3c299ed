"""Routes for whoever runs the server: health, metrics, documentation.

Health needs no key: whoever asks has none, and learns nothing. The rest may need one: metrics name
providers and models.
"""

import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from functools import partial
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from batchway.api import documented as doc
from batchway.api.caller import Caller
from batchway.api.docs_page import docs_page
from batchway.api.envelope import json_response
from batchway.api.schemas import Health
from batchway.domain.errors import ApiError, ApiText

_log = logging.getLogger("batchway.api")
_TAGS: Final[list[str | Enum]] = ["Operations"]
# What prometheus-client writes.
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class OperationRoutes:
    """HTTP for operators."""

    def __init__(
        self,
        *,
        health: Callable[[], Awaitable[None]],
        metrics: Callable[[], bytes],
        app: FastAPI,
        caller: Caller | None,
    ) -> None:
        self._health = health
        self._metrics = metrics
        self._app = app
        self._caller = caller
        self._ready = True  # as it was when last asked for

    def install(self) -> None:
        """Add the routes."""
        add = partial(self._app.add_api_route, tags=_TAGS)
        text = {"text/plain": {"schema": {"type": "string"}}}
        add(
            "/healthz",
            self.alive,
            methods=["GET"],
            summary="Whether the process answers",
            responses=doc.answers(Health, 405, always=()),
        )
        add(
            "/readyz",
            self.ready,
            methods=["GET"],
            summary="Whether storage answers and takes what is written, too",
            responses=doc.answers(Health, 405, 503, always=()),
        )
        add(
            "/metrics",
            self.metrics,
            methods=["GET"],
            summary="Metrics for Prometheus",
            response_class=Response,
            responses={200: {"content": text}, **doc.failures(401, 405, always=())},
        )
        add("/docs", self.docs, methods=["GET"], include_in_schema=False)
        add("/openapi.json", self.openapi, include_in_schema=False)

    async def alive(self, _: Request) -> Response:
        """Always, while the process runs."""
        return json_response({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """503 while a request could not be served."""
        try:
            await self._health()
        except Exception as error:
            if self._ready:
                _log.warning("not ready: %s", type(error).__qualname__)
            self._ready = False
            raise ApiError(ApiText.NOT_READY) from error
        if not self._ready:
            _log.warning("ready again")
        self._ready = True
        return json_response({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """Counters and gauges in Prometheus' text format."""
        await self._admit(request)
        return Response(self._metrics(), headers={"content-type": _METRICS_TYPE})

    async def docs(self, request: Request) -> Response:
        """This API, as a page that needs no network."""
        await self._admit(request)
        return Response(docs_page(self._app.openapi()), media_type="text/html")

    async def openapi(self, request: Request) -> Response:
        """The OpenAPI document."""
        await self._admit(request)
        return json_response(self._app.openapi())

    async def _admit(self, request: Request) -> None:
        if self._caller is not None:
            await self._caller.of(request)
