"""Routes of `/files`."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from enum import Enum
from functools import partial
from typing import Any, Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from batchway.api import documented as doc
from batchway.api.asked import after_of, checked_key, elsewhere_of, key_of, limit_of, path_id
from batchway.api.caller import Caller
from batchway.api.conditions import entity_tag, is_known, may_continue
from batchway.api.disposition import attachment
from batchway.api.envelope import json_response
from batchway.api.multipart import read_form
from batchway.api.objects import any_file_object, deleted_file_object, file_object, list_object
from batchway.api.parameters import Parameters, upload_purpose
from batchway.api.ranges import parse_range
from batchway.api.schemas import DeletedFile, FileObject, FilePage
from batchway.domain.errors import ApiError, ApiText
from batchway.domain.file import LISTED_PURPOSES, UPLOAD_PURPOSES, ExpiresAfter, File, Purpose
from batchway.ports import Order, Page
from batchway.service.filename import clean_filename
from batchway.service.files import FileService
from batchway.service.limits import Limits
from batchway.service.remote import Remote, RemoteDownload

_MOST_LISTED: Final = 10_000
# SDKs write nested fields with brackets, Azure's documentation with dots.
_EXPIRY_FIELD: Final = re.compile(r"expires_after(?:\[(anchor|seconds)\]|\.(anchor|seconds))")
_SECONDS: Final = re.compile(r"-?[0-9]{1,18}")
_FORM: Final[dict[str, Any]] = {
    "file": {"type": "string", "format": "binary"},
    "purpose": {"type": "string", "enum": list(UPLOAD_PURPOSES)},
    "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
    "expires_after[seconds]": {"type": "integer", "minimum": 3_600, "maximum": 2_592_000},
}
_CONTENT: Final[dict[str, Any]] = {
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
}
_TAGS: Final[list[str | Enum]] = ["Files"]


class FileRoutes:
    """HTTP for `FileService`, and for the files that `Remote` finds elsewhere."""

    def __init__(
        self, *, files: FileService, remote: Remote, caller: Caller, limits: Limits
    ) -> None:
        self._files = files
        self._remote = remote
        self._caller = caller
        self._limits = limits

    def install(self, app: FastAPI, *, prefix: str, documented: bool) -> None:
        """Add the routes below a prefix."""
        add = partial(app.add_api_route, tags=_TAGS, include_in_schema=documented)
        add(
            prefix + "/files",
            self.create,
            methods=["POST"],
            summary="Upload a file",
            responses=doc.answers(FileObject, 400, 408, 409, 415, 507),
            openapi_extra={
                "requestBody": doc.form_body(_FORM, ("file", "purpose")),
                "parameters": [doc.IDEMPOTENCY, *doc.tfy_headers(doc.NOT_READ)],
            },
        )
        add(
            prefix + "/files",
            self.list,
            methods=["GET"],
            summary="List files",
            responses=doc.answers(FilePage, 400),
            openapi_extra={"parameters": [*_list_parameters(), *doc.tfy_headers(doc.NOT_READ)]},
        )
        add(
            prefix + "/files/{file_id}",
            self.retrieve,
            methods=["GET"],
            summary="Retrieve a file's description",
            responses=doc.answers(FileObject, 400, 403, 404, *doc.ELSEWHERE),
            openapi_extra={"parameters": doc.tfy_headers(doc.LOOKED_UP_AT)},
        )
        add(
            prefix + "/files/{file_id}",
            self.delete,
            methods=["DELETE"],
            summary="Delete a file",
            responses=doc.answers(DeletedFile, 400, 403, 404, 507, *doc.ELSEWHERE),
            openapi_extra={"parameters": doc.tfy_headers(doc.LOOKED_UP_AT)},
        )
        add(
            prefix + "/files/{file_id}/content",
            self.content,
            methods=["GET"],
            summary="Download a file",
            response_class=Response,
            responses={
                200: {"content": _CONTENT, "description": "The bytes"},
                206: {"content": _CONTENT, "description": "The range of bytes asked for"},
                304: {"description": "The client has it: `If-None-Match` names its `ETag`"},
                **doc.failures(400, 403, 404, 416, *doc.ELSEWHERE),
            },
            openapi_extra={
                "parameters": [
                    doc.header("Range", "One range of bytes; not read for a provider's file."),
                    doc.header("If-Range", "The `ETag` of what the range is to continue."),
                    doc.header("If-None-Match", "The `ETag` of what the client has."),
                    *doc.tfy_headers(doc.LOOKED_UP_AT),
                ]
            },
        )
        add(
            prefix + "/files/{file_id}/content",
            self.content,
            methods=["HEAD"],
            include_in_schema=False,
        )

    async def create(self, request: Request) -> Response:
        """Keep a file. Its form's fields may come in any order."""
        principal = await self._caller.of(request)
        async with self._files.receive() as incoming:
            form = await read_form(
                request,
                file_field="file",
                into=incoming,
                limits=self._limits,
                accept=_refuse_early,
            )
            if form.filename is None:
                raise ApiError(ApiText.MISSING_PARAMETER, param="file")
            if "purpose" not in form.fields:
                raise ApiError(ApiText.MISSING_PARAMETER, param="purpose")
            file = await self._files.keep(
                principal,
                incoming,
                filename=form.filename,
                purpose=upload_purpose(form.fields["purpose"]),
                expires_after=_read_expiry(form.fields),
                key=checked_key(key_of(request)),
            )
        return json_response(file_object(file))

    async def list(self, request: Request) -> Response:
        """A page of the caller's files."""
        principal = await self._caller.of(request)
        page = await self._files.page(
            principal,
            purpose=_read_purpose_filter(request),
            limit=limit_of(request, default=_MOST_LISTED, highest=_MOST_LISTED),
            after=after_of(request),
            order=_read_order(request),
        )
        # In a thread: 10,000 files are 2 MB of JSON.
        return await asyncio.to_thread(_render_page, page)

    async def retrieve(self, request: Request, file_id: str) -> Response:
        """The file's description."""
        principal = await self._caller.of(request)
        found = await self._remote.file(principal, path_id(file_id), elsewhere_of(request))
        return json_response(any_file_object(found))

    async def delete(self, request: Request, file_id: str) -> Response:
        """Forget the file. A batch that runs over it goes on."""
        principal = await self._caller.of(request)
        removed = await self._remote.remove(principal, path_id(file_id), elsewhere_of(request))
        return json_response(deleted_file_object(removed))

    async def content(self, request: Request, file_id: str) -> Response:
        """The file's bytes, whatever `Accept` says: the SDK asks for `application/binary`."""
        principal = await self._caller.of(request)
        file = await self._remote.downloadable(principal, path_id(file_id), elsewhere_of(request))
        if isinstance(file, RemoteDownload):
            return await _pass_on(file, head=request.method == "HEAD")
        tag = entity_tag(file)
        if is_known(request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers={"etag": tag})
        span = None
        if may_continue(request.headers.get("if-range"), tag):
            span = parse_range(request.headers.get("range"), file.bytes)
        start, stop = span or (0, file.bytes)
        headers = {
            "content-type": "application/octet-stream",
            "content-disposition": attachment(file.filename),
            "content-length": str(stop - start),
            "accept-ranges": "bytes",
            "etag": tag,
        }
        if span is not None:
            headers["content-range"] = f"bytes {start}-{stop - 1}/{file.bytes}"
        status = 200 if span is None else 206
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        return await self._stream(file, start, stop, status, headers)

    async def _stream(
        self, file: File, start: int, stop: int, status: int, headers: Mapping[str, str]
    ) -> Response:
        rest = self._files.content(file, start=start, end=stop)
        # The first piece is read before the answer starts, so that storage that fails is an error
        # that the client can read and not a download that breaks off.
        first = await anext(rest, b"")
        return StreamingResponse(_chain(first, rest), status_code=status, headers=headers)


async def _pass_on(download: RemoteDownload, *, head: bool) -> Response:
    """A provider's file. How long it is shows at its end: it may be translated on the way."""
    headers = {
        "content-type": "application/octet-stream",
        "content-disposition": attachment(clean_filename(download.file.filename)),
        "accept-ranges": "none",
    }
    if head:
        await download.content.aclose()
        return StreamingResponse(
            _nothing(), headers=headers
        )  # another would say `0` for its length
    first = await anext(download.content, b"")
    return StreamingResponse(_chain(first, download.content), headers=headers)


async def _nothing() -> AsyncIterator[bytes]:
    for piece in ():
        yield piece


def _render_page(page: Page[File]) -> Response:
    return json_response(list_object(page, file_object))


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _refuse_early(name: str, value: str) -> None:
    """A purpose that comes before the file is checked before the file is stored."""
    if name == "purpose":
        upload_purpose(value)


def _read_expiry(fields: Mapping[str, str]) -> ExpiresAfter | None:
    found: dict[str, object] = {}
    for name, value in fields.items():
        match = _EXPIRY_FIELD.fullmatch(name)
        if match is None:
            continue
        key = match[1] or match[2]
        whole = key == "seconds" and _SECONDS.fullmatch(value) is not None
        found[key] = int(value) if whole else value
    return Parameters({"expires_after": found or None}).maybe_expiry("expires_after")


def _read_purpose_filter(request: Request) -> str | None:
    given = request.query_params.get("purpose")
    if not given:
        return None
    if given not in LISTED_PURPOSES:
        supported = ", ".join(f"'{purpose}'" for purpose in Purpose)
        raise ApiError(ApiText.WRONG_VALUE, param="purpose", given=given, supported=supported)
    return given


def _read_order(request: Request) -> Order:
    given = request.query_params.get("order")
    if not given:
        return Order.DESC
    if given not in set(Order):
        raise ApiError(
            ApiText.WRONG_VALUE, param="order", given=given, supported="'asc' and 'desc'"
        )
    return Order(given)


def _list_parameters() -> list[dict[str, Any]]:
    return [
        doc.query("after", {"type": "string"}, "The last id of the page before."),
        doc.query(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": _MOST_LISTED, "default": _MOST_LISTED},
            "Files a page.",
        ),
        doc.query("order", {"type": "string", "enum": ["asc", "desc"]}, "By creation."),
        doc.query(
            "purpose",
            {"type": "string", "enum": list(LISTED_PURPOSES)},
            "Only files of this purpose; there are never any of some that OpenAI has.",
        ),
    ]
