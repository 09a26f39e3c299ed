"""`Range` of a download (RFC 9110, section 14): one byte range, anything else is ignored."""

import re
from typing import Final

from batchway.domain.errors import ApiError, ApiText

_SHAPE: Final = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one past the last; `None` for the whole file.

    Raises `ApiError` when nothing of the file lies within the range.
    """
    match = None if header is None else _SHAPE.fullmatch(header)
    if match is None or not (match[1] or match[2]):
        return None
    if match[1]:
        start, stop = int(match[1]), int(match[2]) + 1 if match[2] else size
        if match[2] and stop <= start:
            return None  # not a range by its grammar
    else:
        start, stop = max(0, size - int(match[2])), size
    stop = min(stop, size)
    if start >= stop:
        raise ApiError(ApiText.BAD_RANGE, given=header, size=size)
    return start, stop
