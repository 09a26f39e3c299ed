"""Routes of `/batches`."""

from enum import Enum
from functools import partial
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from batchway.api import documented as doc
from batchway.api.asked import after_of, headers_of, idempotency_key, limit_of, path_id
from batchway.api.body import read_json
from batchway.api.caller import Caller
from batchway.api.envelope import json_response
from batchway.api.objects import batch_object, list_object
from batchway.api.schemas import BatchObject, BatchPage, CreateBatchRequest
from batchway.service.batches import BatchService
from batchway.service.limits import Limits

_HEADERS: Final = (
    doc.IDEMPOTENCY,
    doc.header("x-tfy-provider-name", "The configured provider that runs the batch."),
    doc.header("x-tfy-metadata", "A JSON object of strings, kept with the batch."),
)
_TAGS: Final[list[str | Enum]] = ["Batches"]


class BatchRoutes:
    """HTTP for `BatchService`."""

    def __init__(self, *, batches: BatchService, caller: Caller, limits: Limits) -> None:
        self._batches = batches
        self._caller = caller
        self._limits = limits

    def install(self, app: FastAPI, *, prefix: str, documented: bool) -> None:
        """Add the routes below a prefix."""
        add = partial(app.add_api_route, tags=_TAGS, include_in_schema=documented)
        add(
            prefix + "/batches/{batch_id}",
            self.retrieve,
            methods=["GET"],
            summary="Retrieve a batch",
            responses=doc.answers(BatchObject, 400, 404),
        )
        add(
            prefix + "/batches",
            self.create,
            methods=["POST"],
            summary="Create a batch",
            responses=doc.answers(BatchObject, 400, 403, 408, 409, 413, 415, 507),
            openapi_extra={
                "requestBody": doc.json_body(CreateBatchRequest),
                "parameters": list(_HEADERS),
            },
        )
        add(
            prefix + "/batches",
            self.list,
            methods=["GET"],
            summary="List batches, newest first",
            responses=doc.answers(BatchPage, 400),
            openapi_extra={
                "parameters": [
                    doc.query("after", {"type": "string"}, "The last id of the page before."),
                    doc.query(
                        "limit",
                        {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
                        "Batches a page.",
                    ),
                ]
            },
        )
        add(
            prefix + "/batches/{batch_id}/cancel",
            self.cancel,
            methods=["POST"],
            summary="Cancel a batch",
            responses=doc.answers(BatchObject, 400, 404, 409, 507),
        )

    async def retrieve(self, request: Request, batch_id: str) -> Response:
        """The batch as it is now. Cheap: poll it as often as you like."""
        principal = await self._caller.of(request)
        return json_response(batch_object(await self._batches.get(principal, path_id(batch_id))))

    async def create(self, request: Request) -> Response:
        """Start a batch over an uploaded file. What is in the file is checked afterwards."""
        principal = await self._caller.of(request)
        batch = await self._batches.create(
            principal,
            await read_json(request, self._limits),
            headers=headers_of(request),
            idempotency_key=idempotency_key(request),
        )
        return json_response(batch_object(batch))

    async def list(self, request: Request) -> Response:
        """A page of the caller's batches."""
        principal = await self._caller.of(request)
        page = await self._batches.page(
            principal, limit=limit_of(request, default=20, highest=100), after=after_of(request)
        )
        return json_response(list_object(page, batch_object))

    async def cancel(self, request: Request, batch_id: str) -> Response:
        """Stop a batch; what is done by then is delivered. A body is not read."""
        principal = await self._caller.of(request)
        batch = await self._batches.cancel(principal, path_id(batch_id))
        return json_response(batch_object(batch))
