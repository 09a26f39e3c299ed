"""`google.rpc.Code` as HTTP: what an error names its status by, in numbers and in words.

Owns the mapping of google/rpc/code.proto and the reading of it. Pure.
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

# By number, from 0: the word, and the HTTP status that google/rpc/code.proto gives it.
_CODES: Final = (
    ("OK", 200),
    ("CANCELLED", 499),
    ("UNKNOWN", 500),
    ("INVALID_ARGUMENT", 400),
    ("DEADLINE_EXCEEDED", 504),
    ("NOT_FOUND", 404),
    ("ALREADY_EXISTS", 409),
    ("PERMISSION_DENIED", 403),
    ("RESOURCE_EXHAUSTED", 429),
    ("FAILED_PRECONDITION", 400),
    ("ABORTED", 409),
    ("OUT_OF_RANGE", 400),
    ("UNIMPLEMENTED", 501),
    ("INTERNAL", 500),
    ("UNAVAILABLE", 503),
    ("DATA_LOSS", 500),
    ("UNAUTHENTICATED", 401),
)
_BY_WORD: Final[Mapping[str, int]] = MappingProxyType(dict(_CODES[1:]))
# HTTP's own phrases.
_PHRASES: Final[Mapping[str, int]] = MappingProxyType(
    {each.phrase.lower(): each.value for each in HTTPStatus}
)


def status_named(error: Mapping[str, Any], reason: str) -> int | None:
    """The HTTP status of an error: by its `code`, its `status`, or the `reason` before it."""
    code, word = error.get("code"), error.get("status")
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) <= 3:
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool):
        if 300 <= code <= 999:
            return code
        if 0 < code < len(_CODES):
            return _CODES[code][1]
    if isinstance(word, str) and word in _BY_WORD:
        return _BY_WORD[word]
    first = reason.split(":", 1)[0].strip()
    if first in _BY_WORD:
        return _BY_WORD[first]
    number = first[:3]
    if number.isascii() and number.isdigit() and 300 <= int(number) <= 599:
        return int(number)
    return _PHRASES.get(first.lower())
