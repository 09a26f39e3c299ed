"""Reads what a request asks for outside of its body: path, query and headers."""

import re
from typing import Final
from urllib.parse import unquote

from starlette.requests import Request

from batchway.api.overrides import HEADER_PREFIX, elsewhere
from batchway.api.parameters import check_range
from batchway.domain.errors import ApiError, ApiText
from batchway.service.commands import Elsewhere

_PREFIX: Final = HEADER_PREFIX.encode()
_KEY_HEADER: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")


def path_id(text: str) -> str:
    """An id from the path, which routes see as it was sent."""
    return unquote(text, errors="replace")


def limit_of(request: Request, *, default: int, highest: int) -> int:
    """`limit`, from 1. Raises `ApiError`."""
    text = request.query_params.get("limit")
    if text is None:
        return default
    if _INTEGER.fullmatch(text) is None:
        raise ApiError(
            ApiText.INVALID_PARAMETER,
            param="limit",
            reason=f"expected an integer, but got '{text[:64]}' instead.",
        )
    value = int(text)
    check_range("limit", value, lowest=1, highest=highest)
    return value


def after_of(request: Request) -> str | None:
    """`after`; an empty one means the start of the list."""
    return request.query_params.get("after") or None


def elsewhere_of(request: Request) -> Elsewhere | None:
    """Where a look-up may go on, `None` where the request names no provider."""
    return elsewhere(tfy_headers_of(request))


def tfy_headers_of(request: Request) -> dict[str, str]:
    """The `x-tfy-*` headers by lower-case name.

    Clients send UTF-8, which HTTP libraries read as Latin-1.
    """
    found: dict[str, str] = {}
    for name, value in request.headers.raw:  # ASGI servers write names in lower case
        if not name.startswith(_PREFIX):
            continue
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        found[name.decode("latin-1")] = text
    return found


def key_of(request: Request) -> str | None:
    """The `Idempotency-Key` header, as it was sent."""
    return request.headers.get(_KEY_HEADER)


def checked_key(key: str | None) -> str | None:
    """An idempotency key, if there is one. Raises `ApiError` unless it is as keys must be."""
    if key is not None and _KEY.fullmatch(key) is None:
        raise ApiError(
            ApiText.BAD_HEADER,
            param=_KEY_HEADER,
            reason="expected 1 to 255 printable ASCII characters.",
        )
    return key
