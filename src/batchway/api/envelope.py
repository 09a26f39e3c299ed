"""OpenAI's error envelope, and JSON answers in general.

    {"error": {"message": ..., "type": ..., "param": ..., "code": ...}}

Owns the form. Does not own the texts (`domain.errors`).
"""

import math
from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from batchway.domain.errors import ApiError, ApiText, Unavailable


def json_response(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer of a plain value."""
    return Response(
        msgspec.json.encode(value),
        status_code=status,
        headers=None if headers is None else dict(headers),
        media_type="application/json",
    )


def error_object(error: ApiError) -> dict[str, object]:
    """The envelope's body: all four keys, always."""
    return {
        "error": {
            "message": error.message,
            "type": error.type,
            "param": error.param,
            "code": error.code,
        }
    }


def error_response(error: ApiError, *, headers: Mapping[str, str] | None = None) -> Response:
    """An error's answer. SDKs retry 409 and 5xx by themselves unless told that it is pointless."""
    extra = dict(headers or {})
    if not error.retry:
        extra["x-should-retry"] = "false"
    if error.retry_after is not None:
        extra["retry-after"] = str(math.ceil(error.retry_after))
    return json_response(error_object(error), status=error.status, headers=extra)


def storage_error(error: Unavailable) -> ApiError:
    """What a client is told when storage fails."""
    return ApiError(ApiText.OUT_OF_SPACE if error.full else ApiText.READ_ONLY)
