"""JSON of rows of results, as every vendor's reader needs it.

Owns rows that a decoder refuses and that can be mended, and which values are none. Does not own
what a row's fields are called or mean (its vendor does). Pure, and the hot path of a native batch.
"""

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from batchway.dialects.tolerant_json import mended

R = TypeVar("R")

# What a decoder raises for what is not JSON, or not of the form that it is for.
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_EMPTY: Final = frozenset({b"", b"null", b"{}", b"[]", b'""'})
_LONGEST_EMPTY: Final = 16  # bytes, with spaces within
_SPACE: Final = re.compile(rb"\s+")


def row_in(raw: bytes, decode: Callable[[bytes], R]) -> R | None:
    """The row, mended where it has to be; `None` for what is no row. Never raises."""
    try:
        return decode(raw)
    except msgspec.DecodeError:
        whole = mended(raw)
    except (UnicodeDecodeError, RecursionError):
        return None
    if whole == raw:
        return None
    try:
        return decode(whole)
    except UNREADABLE:
        return None


def is_empty(value: bytes) -> bool:
    """Whether a value is missing, null, or holds nothing."""
    return len(value) < _LONGEST_EMPTY and _SPACE.sub(b"", value) in _EMPTY
