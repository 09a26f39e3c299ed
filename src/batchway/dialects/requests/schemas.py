"""JSON schemas in requests, which stay the bytes they are until a dialect asks for them. Pure."""

from typing import Any, Final

import msgspec

from batchway.dialects.requests.problems import problem
from batchway.dialects.tolerant_json import UNREADABLE
from batchway.ports.dialect import Unfaithful

# Raw JSON that is not given.
NOTHING: Final = msgspec.Raw()
_NOT_GIVEN: Final = frozenset((b"", b"null"))

_decode: Final = msgspec.json.Decoder().decode


def bytes_of(raw: msgspec.Raw) -> bytes:
    """Raw JSON as bytes; empty where it is not there at all, or null."""
    text = bytes(raw)
    return b"" if text in _NOT_GIVEN else text


def read_schema(text: bytes) -> Any | Unfaithful:
    """The JSON value that a schema's bytes are; or what is wrong with it, its place the schema's.

    The decoder of requests looks at no number and no character of what stays raw: this one does.
    """
    try:
        return _decode(text)
    except UNREADABLE as error:
        return Unfaithful("", problem(error).why)
