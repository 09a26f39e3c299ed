"""Routes of `/uploads`."""

from collections.abc import Mapping
from enum import Enum
from functools import partial
from typing import Any, Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from batchway.api import documented as doc
from batchway.api.asked import path_id
from batchway.api.body import read_json
from batchway.api.caller import Caller
from batchway.api.envelope import json_response
from batchway.api.multipart import read_form
from batchway.api.objects import part_object, upload_object
from batchway.api.parameters import Parameters, upload_purpose
from batchway.api.schemas import (
    CompleteUploadRequest,
    CreateUploadRequest,
    UploadObject,
    UploadPartObject,
)
from batchway.domain.errors import ApiError, ApiText
from batchway.service.commands import NewUpload
from batchway.service.limits import Limits
from batchway.service.uploads import UploadService

_FORM: Final[dict[str, Any]] = {"data": {"type": "string", "format": "binary"}}
_TAGS: Final[list[str | Enum]] = ["Uploads"]


class UploadRoutes:
    """HTTP for `UploadService`."""

    def __init__(self, *, uploads: UploadService, caller: Caller, limits: Limits) -> None:
        self._uploads = uploads
        self._caller = caller
        self._limits = limits

    def install(self, app: FastAPI, *, prefix: str, documented: bool) -> None:
        """Add the routes below a prefix."""
        add = partial(app.add_api_route, tags=_TAGS, include_in_schema=documented)
        add(
            prefix + "/uploads",
            self.create,
            methods=["POST"],
            summary="Announce a file in parts",
            responses=doc.answers(UploadObject, 400, 408, 413, 415, 507),
            openapi_extra={"requestBody": doc.json_body(CreateUploadRequest)},
        )
        add(
            prefix + "/uploads/{upload_id}/parts",
            self.add_part,
            methods=["POST"],
            summary="Send a part",
            responses=doc.answers(UploadPartObject, 400, 404, 408, 415, 507),
            openapi_extra={"requestBody": doc.form_body(_FORM, ("data",))},
        )
        add(
            prefix + "/uploads/{upload_id}/complete",
            self.complete,
            methods=["POST"],
            summary="Join the parts",
            responses=doc.answers(UploadObject, 400, 404, 408, 413, 415, 507),
            openapi_extra={"requestBody": doc.json_body(CompleteUploadRequest)},
        )
        add(
            prefix + "/uploads/{upload_id}/cancel",
            self.cancel,
            methods=["POST"],
            summary="Give an upload up",
            responses=doc.answers(UploadObject, 400, 404, 507),
        )

    async def create(self, request: Request) -> Response:
        """Announce a file's name and size; its parts have an hour to arrive."""
        principal = await self._caller.of(request)
        new = _read_new_upload(await read_json(request, self._limits), self._limits)
        return json_response(upload_object(await self._uploads.create(principal, new)))

    async def add_part(self, request: Request, upload_id: str) -> Response:
        """Keep a part. Parts may come in any order, and at the same time."""
        principal = await self._caller.of(request)
        upload = await self._uploads.pending(principal, path_id(upload_id))
        async with self._uploads.receive_part(upload) as incoming:
            form = await read_form(request, file_field="data", into=incoming, limits=self._limits)
            if form.filename is None:
                raise ApiError(ApiText.MISSING_PARAMETER, param="data")
            part = await self._uploads.keep_part(upload, incoming)
        return json_response(part_object(part))

    async def complete(self, request: Request, upload_id: str) -> Response:
        """Make a file of the parts, in the order of `part_ids`."""
        principal = await self._caller.of(request)
        body = await read_json(request, self._limits)
        pending = await self._uploads.pending(principal, path_id(upload_id))
        fields = Parameters(body)
        upload, file = await self._uploads.complete(
            principal, pending, part_ids=fields.strings("part_ids"), md5=fields.maybe_string("md5")
        )
        return json_response(upload_object(upload, file))

    async def cancel(self, request: Request, upload_id: str) -> Response:
        """Forget the upload and its parts. A body is not read."""
        principal = await self._caller.of(request)
        return json_response(
            upload_object(await self._uploads.cancel(principal, path_id(upload_id)))
        )


def _read_new_upload(body: Mapping[str, object], limits: Limits) -> NewUpload:
    fields = Parameters(body)
    fields.require("bytes", "filename", "mime_type", "purpose")
    return NewUpload(
        bytes=fields.integer("bytes", lowest=1, highest=limits.upload_bytes),
        filename=fields.string("filename", longest=4_096),
        mime_type=_read_mime_type(fields),
        purpose=upload_purpose(fields.string("purpose")),
        expires_after=fields.maybe_expiry("expires_after"),
    )


def _read_mime_type(fields: Parameters) -> str:
    text = fields.string("mime_type", longest=255)
    if not (text.isascii() and text.isprintable()):  # a database may not take anything else
        raise ApiError(
            ApiText.INVALID_PARAMETER,
            param="mime_type",
            reason="expected printable ASCII characters.",
        )
    return text
