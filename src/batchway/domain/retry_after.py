"""When a provider wants to be asked again: `Retry-After` in every form that is sent.

Owns the reading alone: how long somebody is really waited for is the reader's. Pure. Sources:
RFC 9110, section 10.2.3; RFC 5322, section 3.3 ("-0000" is UTC); `retry-after-ms` as OpenAI's and
Azure's SDKs read it.
"""

import math
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime


def retry_after_of(header: Callable[[str], str | None], *, now: float) -> float | None:
    """As `parse_retry_after`; `header` gives an answer's header by its name in lower case."""
    return parse_retry_after(
        milliseconds=header("retry-after-ms"), value=header("retry-after"), now=now
    )


def parse_retry_after(*, milliseconds: str | None, value: str | None, now: float) -> float | None:
    """Seconds that `retry-after-ms` or `Retry-After` (seconds or an HTTP date) asks to wait.

    `None` when neither says anything usable; a date in the past is usable and means 0. `now` is
    in Unix seconds.
    """
    if milliseconds is not None and (asked := _number(milliseconds)) is not None:
        return asked / 1000.0
    if value is None:
        return None
    asked = _number(value)
    if asked is not None:
        return asked
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            # Without this, "-0000" is the local time of whoever reads it: hours off.
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
