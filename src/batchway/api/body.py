"""Reads request bodies: as a stream of pieces, or as one JSON object.

Owns the limits of size, of pace and of standing still. Does not own multipart (`api.multipart`).
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, cast

import msgspec
from starlette.requests import ClientDisconnect, Request

from batchway.domain.errors import ApiError, ApiText
from batchway.service.limits import Limits

_FORMS: Final = ("multipart/", "application/x-www-form-urlencoded")


async def pieces(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The body as it arrives.

    Raises `ClientDisconnect` when the client goes, `ApiError` when nothing comes for as long as a
    body may stand still, or less than it must bring: a half-open connection, or one that drips,
    would otherwise keep its partial file for ever. Only the time spent waiting for the client
    counts, not what becomes of the pieces meanwhile.
    """
    clock = asyncio.get_running_loop().time
    idle, waited, brought = limits.idle_seconds, 0.0, 0
    more = True
    while more:
        since = clock()
        try:
            async with asyncio.timeout(idle):
                message = await request.receive()
        except TimeoutError as error:
            raise ApiError(ApiText.BODY_STALLED, seconds=f"{idle:g}") from error
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = bool(message.get("more_body", False))
        body: bytes = message.get("body", b"")
        waited += clock() - since
        brought += len(body)
        if waited >= limits.pace_seconds:
            if more and brought < limits.pace_bytes:
                raise ApiError(
                    ApiText.BODY_TOO_SLOW,
                    least=limits.pace_bytes,
                    seconds=f"{limits.pace_seconds:g}",
                )
            waited, brought = 0.0, 0
        if body:
            yield body


def announced_size(request: Request) -> int | None:
    """`Content-Length`, if there is a sound one."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def read_json(request: Request, limits: Limits) -> dict[str, object]:
    """The body as a JSON object, whatever type it claims unless that is a form. Raises `ApiError`.

    Clients forget the header, and ruby-openai sends the JSON one everywhere.
    """
    given = request.headers.get("content-type", "")
    if given.lower().startswith(_FORMS):
        raise ApiError(ApiText.WRONG_CONTENT_TYPE, given=_bare(given), expected="application/json")
    size = announced_size(request)
    if size is not None and size > limits.json_bytes:
        raise ApiError(ApiText.BODY_TOO_LARGE, limit=limits.json_bytes)
    body = bytearray()
    async for piece in pieces(request, limits):
        body += piece
        if len(body) > limits.json_bytes:
            raise ApiError(ApiText.BODY_TOO_LARGE, limit=limits.json_bytes)
    value = _decode(bytes(body))
    if not isinstance(value, dict):
        raise ApiError(ApiText.BODY_NOT_OBJECT)
    return cast("dict[str, object]", value)


def _decode(body: bytes) -> object:
    if not body.strip():
        raise ApiError(ApiText.NOT_JSON, reason="the body is empty")
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise ApiError(ApiText.NOT_JSON, reason=str(error)) from error
    except UnicodeDecodeError as error:
        raise ApiError(ApiText.NOT_JSON, reason="it is not valid UTF-8") from error
    except RecursionError as error:
        raise ApiError(ApiText.NOT_JSON, reason="it is nested too deep") from error


def _bare(content_type: str) -> str:
    return content_type.partition(";")[0].strip()
