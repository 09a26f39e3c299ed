"""Reads what a request asks for outside of its body: path, query and headers."""

import re
from typing import Final
from urllib.parse import unquote

from starlette.requests import Request

from batchway.domain.errors import ApiError, ApiText
from batchway.service.overrides import HEADER_PREFIX
from batchway.service.parameters import check_range

_PREFIX: Final = HEADER_PREFIX.encode()
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


def overrides_of(request: Request) -> dict[str, str]:
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


def idempotency_key(request: Request) -> str | None:
    """The `Idempotency-Key` header."""
    return request.headers.get("idempotency-key")
