"""OpenAI's error body, from what a dialect has read of a refusal. Pure."""

from typing import Final

import msgspec

from batchway.ports.dialect import Refused

_MOST_MESSAGE: Final = 4_000
_MOST_CODE: Final = 64

# The types that OpenAI gives errors of these statuses; of every other: by their hundred.
_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}

_encode: Final = msgspec.json.Encoder().encode


def error_body(status: int, message: str, *, code: str = "") -> bytes:
    """An error in one line of JSON: `code` and `message` are the provider's words."""
    error = {
        "message": message[:_MOST_MESSAGE] or f"The provider answered {status} without a message.",
        "type": type_of(status),
        "param": None,
        "code": code[:_MOST_CODE] or None,
    }
    return _encode({"error": error})


def advised(refusal: Refused, advice: str, *, message: str) -> Refused:
    """A refusal that says what to do about it: `advice` is a clause, `message` what it says."""
    told = f"{message.rstrip('. ')}. To mend it: {advice}."
    body = error_body(refusal.status, told, code=refusal.code)
    return msgspec.structs.replace(refusal, advice=advice, message=message, body=body)


def type_of(status: int) -> str:
    """What OpenAI calls an error of a status."""
    default = "invalid_request_error" if 400 <= status < 500 else "server_error"
    return _TYPES.get(status, default)
