"""Routes of `/batches`."""

from enum import Enum
from functools import partial
from typing import Any, Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from batchway.api import documented as doc
from batchway.api.asked import after_of, elsewhere_of, key_of, limit_of, path_id, tfy_headers_of
from batchway.api.body import read_json
from batchway.api.caller import Caller
from batchway.api.envelope import json_response
from batchway.api.filters import read_filter
from batchway.api.new_batch import read_new_batch
from batchway.api.objects import any_batch_object, batch_object, list_object
from batchway.api.overrides import PROVIDER_HEADER
from batchway.api.schemas import BatchObject, BatchPage, CreateBatchRequest
from batchway.domain.endpoint import Endpoint
from batchway.domain.status import BatchStatus
from batchway.service.batches import BatchService
from batchway.service.limits import Limits
from batchway.service.remote import Remote

_TAGS: Final[list[str | Enum]] = ["Batches"]


class BatchRoutes:
    """HTTP for `BatchService`, and for the batches that `Remote` finds elsewhere."""

    def __init__(
        self, *, batches: BatchService, remote: Remote, caller: Caller, limits: Limits
    ) -> None:
        self._batches = batches
        self._remote = remote
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
            responses=doc.answers(BatchObject, 400, 403, 404, *doc.ELSEWHERE),
            openapi_extra={"parameters": doc.tfy_headers(doc.LOOKED_UP_AT)},
        )
        add(
            prefix + "/batches",
            self.create,
            methods=["POST"],
            summary="Create a batch",
            responses=doc.answers(
                BatchObject, 400, 403, 404, 408, 409, 413, 415, 507, *doc.ELSEWHERE
            ),
            openapi_extra={
                "requestBody": doc.json_body(CreateBatchRequest),
                "parameters": [doc.IDEMPOTENCY, *doc.tfy_headers(doc.RUN_BY, doc.KEPT)],
            },
        )
        add(
            prefix + "/batches",
            self.list,
            methods=["GET"],
            summary="List batches, newest first",
            responses=doc.answers(BatchPage, 400),
            openapi_extra={"parameters": [*_list_parameters(), *doc.tfy_headers(doc.NOT_READ)]},
        )
        add(
            prefix + "/batches/{batch_id}/cancel",
            self.cancel,
            methods=["POST"],
            summary="Cancel a batch",
            responses=doc.answers(BatchObject, 400, 403, 404, 409, 507, *doc.ELSEWHERE),
            openapi_extra={"parameters": doc.tfy_headers(doc.LOOKED_UP_AT)},
        )

    async def retrieve(self, request: Request, batch_id: str) -> Response:
        """The batch as it is now. Cheap: poll it as often as you like."""
        principal = await self._caller.of(request)
        found = await self._remote.batch(principal, path_id(batch_id), elsewhere_of(request))
        return json_response(any_batch_object(found))

    async def create(self, request: Request) -> Response:
        """Start a batch over an uploaded file. What is in the file is checked afterwards.

        With `x-tfy-provider-name` of a provider that has a batch API, `input_file_id` may be a file
        that lives there: it is fetched now, once, and kept like an upload.
        """
        principal = await self._caller.of(request)
        body = await read_json(request, self._limits)
        headers = tfy_headers_of(request)
        new = read_new_batch(
            body,
            headers=headers,
            key=key_of(request),
            anywhere=self._remote.knows_files(headers.get(PROVIDER_HEADER)),
        )
        batch = await self._remote.create(principal, new)
        return json_response(batch_object(batch))

    async def list(self, request: Request) -> Response:
        """A page of the caller's batches, whoever runs them; filters narrow it."""
        principal = await self._caller.of(request)
        page = await self._batches.page(
            principal,
            limit=limit_of(request, default=20, highest=100),
            after=after_of(request),
            where=read_filter(request.query_params.multi_items()),
        )
        return json_response(list_object(page, batch_object))

    async def cancel(self, request: Request, batch_id: str) -> Response:
        """Stop a batch; what is done by then is delivered. A body is not read."""
        principal = await self._caller.of(request)
        found = await self._remote.cancel(principal, path_id(batch_id), elsewhere_of(request))
        return json_response(any_batch_object(found))


def _list_parameters() -> list[dict[str, Any]]:
    moment: dict[str, Any] = {
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "format": "date-time"}]
    }
    return [
        doc.query("after", {"type": "string"}, "The last id of the page before."),
        doc.query(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            "Batches a page.",
        ),
        doc.query(
            "status",
            {"type": "string", "enum": list(BatchStatus)},
            "Batchway's own: only batches with this status.",
        ),
        doc.query(
            "provider",
            {"type": "string", "maxLength": 255},
            "Batchway's own: only batches of which this provider runs lines.",
        ),
        doc.query(
            "endpoint",
            {"type": "string", "enum": list(Endpoint)},
            "Batchway's own: only batches of this endpoint.",
        ),
        {
            **doc.query(
                "metadata",
                {
                    "type": "object",
                    "maxProperties": 16,
                    "propertyNames": {"minLength": 1, "maxLength": 64},
                    "additionalProperties": {"type": "string", "maxLength": 512},
                },
                "Batchway's own: only batches with these pairs in their metadata, each written "
                "`metadata[key]=value`.",
            ),
            "style": "deepObject",
            "explode": True,
        },
        doc.query(
            "created_after",
            moment,
            "Batchway's own: only batches created after this moment, in Unix seconds or ISO 8601.",
        ),
        doc.query(
            "created_before",
            moment,
            "Batchway's own: only batches created before this moment, in Unix seconds or ISO 8601.",
        ),
    ]
