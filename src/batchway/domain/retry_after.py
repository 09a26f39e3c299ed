"""`Retry-After`: how long a provider asks to be left alone. The one reading of it.

Source: RFC 9110 10.2.3 (seconds, or an HTTP date); `retry-after-ms` is Azure's and OpenAI's.
"""

import math
from datetime import UTC
from email.utils import parsedate_to_datetime


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
        if moment.tzinfo is None:  # "-0000": UTC, says RFC 5322
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
