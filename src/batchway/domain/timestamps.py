"""Times as providers write them (RFC 3339, and what is near to it), in Unix seconds. Pure."""

from datetime import UTC, datetime


def unix_seconds(value: object) -> int | None:
    """The second that a text names, in UTC where it says no zone.

    `None` for what is no time, and for times before 1970: Go's zero time is one of them.
    """
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = int(moment.timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None
