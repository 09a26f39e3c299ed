"""Reading JSON of unknown origin: whatever comes in, nothing is raised.

Owns which exceptions a decoder has for bytes that are no JSON. Does not own what is read from the
values. Pure.
"""

from enum import Enum
from typing import Any, Final, cast

import msgspec

# A document nested a hundred thousand deep is answered with a RecursionError.
_NO_JSON: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class NoJson(Enum):
    """What stands for bytes that are no JSON: `None` is a value of JSON."""

    NO_JSON = "no json"


def json_in(data: bytes) -> object:
    """The value that `data` holds, or `NoJson.NO_JSON`. Never raises."""
    try:
        return msgspec.json.decode(data)
    except _NO_JSON:
        return NoJson.NO_JSON


def object_in(data: bytes) -> dict[str, Any] | None:
    """The JSON object that `data` holds; `None` for anything else. Never raises."""
    return object_or_none(json_in(data))


def object_or_none(value: object) -> dict[str, Any] | None:
    """The value, if it is a JSON object."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
