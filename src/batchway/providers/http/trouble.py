"""What went wrong in a call to a provider's batch API, as a `RemoteError` that its owner may read.

    no connection, an unusable proxy                    UNREACHABLE
    sent, and then silence, a broken connection         UNCERTAIN
    429; any other 4xx with the words of a quota        BUSY
    401, 402, 403                                       DENIED
    404, 410                                            NOT_FOUND
    408, 5xx                                            UNCERTAIN
    any other status than 2xx                           REFUSED

Owns the reading of every shape of error body, and that no credential gets into a message. Does not
own what a trouble means to a batch (`workflows.native`).
"""

import os
import re
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientSSLError,
    ConnectionTimeoutError,
)

from batchway.dialects.openai.job_error import means_no_room
from batchway.domain.remote import RemoteError, Trouble
from batchway.domain.retry_after import parse_retry_after
from batchway.providers.http.descriptors import lacking, none_left

_MOST_TEXT: Final = 1_000
_MOST_CODE: Final = 256
_LONGEST_WAIT: Final = 86_400.0

# Providers repeat a wrong key in part: `sk-proj-****abcd`.
# Each run of characters is tried from its start alone: a long one would be read again and again.
_MASKED: Final = re.compile(r"(?<![\w-])[\w-]*\*{3,}[\w*-]*")
_SPACE: Final = re.compile(r"[\s\x00-\x1f\x7f]+")
_TAGS: Final = re.compile(r"<[^>]{0,200}>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an error body says, whatever its shape."""

    message: str = ""
    code: str | None = None
    param: str | None = None
    line: int | None = None


def of_answer(
    provider: str,
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    *,
    secrets: Collection[str],
    now: float,
) -> RemoteError:
    """The error that an HTTP answer other than 2xx stands for. `headers` ignore case."""
    said = read_error(body)
    words = without_secrets(said.message, secrets)
    if 300 <= status < 400:
        words = words or "it answered with a redirect; check the address"
    message = f"The provider '{provider}' answered {status}" + (f": {words}" if words else ".")
    return RemoteError(
        _trouble(status, said),
        message,
        code=bounded(said.code, secrets),
        param=bounded(said.param, secrets),
        line=said.line,
        status=status,
        retry_after=retry_after(headers, now=now),
    )


def of_failure(
    provider: str, error: ClientError | OSError | TimeoutError | ValueError
) -> RemoteError:
    """The error that an exception of the HTTP client stands for."""
    match error:
        case ConnectionTimeoutError():
            return unreachable(provider, "no connection in time")
        case ClientHttpProxyError():
            return unreachable(provider, f"the proxy answered {error.status}")
        case ClientSSLError():
            return unreachable(provider, "the TLS connection cannot be trusted or made")
        case ClientConnectorError() if lacking(error) or none_left():
            return RemoteError(
                Trouble.UNREACHABLE,
                f"The provider '{provider}' cannot be asked: Batchway's process is out of file "
                "descriptors. Raise its limit (`ulimit -n`).",
            )
        case ClientConnectorError():
            return unreachable(provider, _reason(error.os_error))
        case TimeoutError():
            return uncertain(provider, "did not answer in time")
        case ValueError():
            return uncertain(provider, "cannot be asked, or its answer cannot be read")
        case _:
            return uncertain(provider, "closed the connection before its answer was complete")


def unreachable(provider: str, why: str) -> RemoteError:
    """Nothing was sent."""
    return RemoteError(Trouble.UNREACHABLE, f"The provider '{provider}' cannot be reached: {why}.")


def uncertain(provider: str, what: str) -> RemoteError:
    """Something was sent, and there is no answer to go by."""
    return RemoteError(Trouble.UNCERTAIN, f"The provider '{provider}' {what}.")


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds until the provider wants to hear again, `None` when it does not say.

    Never more than a day.
    """
    asked = parse_retry_after(
        milliseconds=headers.get("retry-after-ms"), value=headers.get("retry-after"), now=now
    )
    return None if asked is None else min(asked, _LONGEST_WAIT)


def read_error(body: bytes) -> Said:
    """What an error body says.

    Understands `{"error": {...}}`, `{"error": "..."}`, FastAPI's `detail`, a bare
    `{"code": ..., "message": ...}`, `{"errors": {"data": [...]}}`, and text.
    """
    try:
        parsed: object = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        # A proxy's page: its words without the markup.
        return Said(message=_TAGS.sub(" ", body[:8_192].decode("utf-8", "replace")))
    return _said(parsed, depth=0)


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """The text as one line of at most 1,000 characters, without credentials or parts of them."""
    for secret in secrets:
        if len(secret) > 3:
            text = text.replace(secret, "***")
    text = _SPACE.sub(" ", _MASKED.sub("***", text)).strip()
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"


def bounded(text: str | None, secrets: Collection[str]) -> str | None:
    """A code or the name of a parameter, in at most 256 characters; `None` for an empty one."""
    return None if text is None else without_secrets(text, secrets)[:_MOST_CODE] or None


def _trouble(status: int, said: Said) -> Trouble:
    if status == 408 or status >= 500:
        return Trouble.UNCERTAIN
    if status == 429 or (status >= 400 and means_no_room(said.code, said.message)):
        return Trouble.BUSY
    if status in {401, 402, 403}:
        return Trouble.DENIED
    return Trouble.NOT_FOUND if status in {404, 410} else Trouble.REFUSED


def _said(parsed: object, *, depth: int) -> Said:
    if isinstance(parsed, str):
        return Said(message=parsed)
    if depth > 4:
        return Said()
    if isinstance(parsed, list):
        items = cast("list[Any]", parsed)
        return _said(items[0], depth=depth + 1) if items else Said()
    if not isinstance(parsed, dict):
        return Said()
    fields = cast("dict[str, Any]", parsed)
    own = Said(
        message=_text(fields.get("message")) or _text(fields.get("msg")) or "",
        code=_text(fields.get("code")),
        param=_text(fields.get("param")),
        line=_line(fields.get("line")),
    )
    for key in ("error", "errors", "detail", "data"):
        inner = fields.get(key)
        if inner:
            within = _said(inner, depth=depth + 1)
            return Said(
                message=within.message or own.message,
                code=within.code or own.code,
                param=within.param or own.param,
                line=within.line if within.line is not None else own.line,
            )
    return own


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    # Python writes no number of thousands of digits.
    return str(value) if value.bit_length() < 64 else None


def _line(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < 1 << 63 else None


def _reason(error: OSError) -> str:
    # asyncio's own text names the address, which may be an internal one.
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return "no connection"
