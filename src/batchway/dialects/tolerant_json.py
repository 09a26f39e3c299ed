"""Reading JSON of unknown origin: whatever comes in, nothing is raised.

Owns which exceptions a decoder has for bytes that are no JSON, and which of these can be mended.
Does not own what is read from the values. Pure.
"""

import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypeVar, cast

import msgspec

T = TypeVar("T")

# What a decoder raises for what is no JSON, or none of its form: of a document that is nested a
# hundred thousand deep, a RecursionError.
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_EMPTY: Final = frozenset({b"", b"null", b"{}", b"[]", b'""'})
_LONGEST_EMPTY: Final = 16  # bytes, with spaces within
_SPACE: Final = re.compile(rb"\s+")

_BOM: Final = b"\xef\xbb\xbf"
_HALF_SURROGATE: Final = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class NoJson(Enum):
    """What stands for bytes that are no JSON: `None` is a value of JSON."""

    NO_JSON = "no json"


def json_in(data: bytes) -> object:
    """The value that `data` holds, or `NoJson.NO_JSON`. Never raises."""
    try:
        return msgspec.json.decode(data)
    except UNREADABLE:
        return NoJson.NO_JSON


def object_in(data: bytes) -> dict[str, Any] | None:
    """The JSON object that `data` holds; `None` for anything else. Never raises."""
    return object_or_none(json_in(data))


def object_or_none(value: object) -> dict[str, Any] | None:
    """The value, if it is a JSON object."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def is_empty(value: bytes) -> bool:
    """Whether JSON is missing, null, or holds nothing."""
    return len(value) < _LONGEST_EMPTY and _SPACE.sub(b"", value) in _EMPTY


def read_by(decode: Callable[[bytes], T], data: bytes) -> T | None:
    """What a typed decoder reads, if need be of the `mended` bytes; `None` for what it refuses.

    Never raises.
    """
    try:
        return decode(data)
    except UNREADABLE:
        whole = mended(data)
    if whole == data:
        return None
    try:
        return decode(whole)
    except UNREADABLE:
        return None


def text_of(raw: msgspec.Raw) -> str:
    """JSON as text. A decoder passes `Raw` over unread, so it may be no UTF-8."""
    return bytes(raw).decode("utf-8", "replace")


def mended(data: bytes) -> bytes:
    """JSON without a byte order mark and half characters: a model may cut a character in two.

    Half surrogate pairs, and bytes that are no UTF-8, become U+FFFD. For what a decoder has
    refused; most of what it refuses is as before.
    """
    whole = _HALF_SURROGATE.sub(_mend, data.removeprefix(_BOM))
    return whole.decode("utf-8", "replace").encode()


def _mend(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape[2] else escape[0]
