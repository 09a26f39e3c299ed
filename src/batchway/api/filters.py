"""The filters of `GET /batches`: reads a query into a `ports.BatchFilter`.

OpenAI has none, so names and texts are ours. A filter that is there but cannot be understood is an
error, never ignored: whoever deletes or counts what a list shows must not see too much. An empty
value means not set, as it does for `after`. Parameters of other names are ignored.
"""

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from batchway.api.parameters import listed
from batchway.domain.batch import LONGEST_KEY, LONGEST_VALUE, MOST_PAIRS
from batchway.domain.endpoint import Endpoint
from batchway.domain.errors import ApiError, ApiText
from batchway.domain.status import BatchStatus
from batchway.ports import BatchFilter

_NAMES: Final = frozenset({"status", "provider", "endpoint", "created_after", "created_before"})
_METADATA: Final = re.compile(r"metadata(?:\[(.*)\])?", re.DOTALL)
_LONGEST_NAME: Final = 255
_UNIX: Final = re.compile(r"[0-9]{1,12}")
# A plus sign that was not escaped arrives as a space.
_LOST_PLUS: Final = re.compile(r"(T[0-9:.,]+) ([0-9]{2}:?[0-9]{2})$")
_MOMENT: Final = "Unix seconds or an ISO 8601 time such as '2026-11-23T00:00:00Z'"


def read_filter(query: Sequence[tuple[str, str]]) -> BatchFilter:
    """The filter that the parameters of a query ask for. Raises `ApiError`."""
    given = _once_each(query)
    return BatchFilter(
        status=_read_status(given.get("status")),
        provider=_read_provider(given.get("provider")),
        endpoint=_read_endpoint(given.get("endpoint")),
        metadata=_read_metadata(given),
        # Both bounds are exclusive and what they bound is whole seconds.
        created_after=_read_moment(given, "created_after", math.floor),
        created_before=_read_moment(given, "created_before", math.ceil),
    )


def _once_each(query: Sequence[tuple[str, str]]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in query:
        if name not in _NAMES and _METADATA.fullmatch(name) is None:
            continue
        if name in given:
            raise _bad(name, "it is given twice.")
        if value or name not in _NAMES:
            given[name] = value
    return given


def _read_status(text: str | None) -> BatchStatus | None:
    if text is None:
        return None
    if text not in set(BatchStatus):
        raise ApiError(
            ApiText.WRONG_VALUE, param="status", given=text, supported=listed(tuple(BatchStatus))
        )
    return BatchStatus(text)


def _read_provider(text: str | None) -> str | None:
    if text is not None and len(text) > _LONGEST_NAME:
        raise _bad("provider", f"expected at most {_LONGEST_NAME} characters.")
    return text


def _read_endpoint(text: str | None) -> Endpoint | None:
    if text is None:
        return None
    if text not in set(Endpoint):
        raise ApiError(
            ApiText.WRONG_VALUE, param="endpoint", given=text, supported=listed(tuple(Endpoint))
        )
    return Endpoint(text)


def _read_metadata(given: dict[str, str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for name, value in given.items():
        match = _METADATA.fullmatch(name)
        if match is None:
            continue
        if not match[1]:
            raise _bad("metadata", "expected a key in brackets, as in 'metadata[team]=search'.")
        if len(match[1]) > LONGEST_KEY or len(value) > LONGEST_VALUE:
            raise _bad(
                "metadata",
                f"expected a key of at most {LONGEST_KEY} characters and a value of at most "
                f"{LONGEST_VALUE}, which is what metadata can hold.",
            )
        pairs[match[1]] = value
    if len(pairs) > MOST_PAIRS:
        raise _bad("metadata", f"expected at most {MOST_PAIRS} keys, but got {len(pairs)}.")
    return pairs


def _read_moment(given: dict[str, str], name: str, whole: Callable[[float], int]) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if _UNIX.fullmatch(text) is not None:
        return int(text)
    try:
        moment = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return whole(moment.timestamp())
    except (ValueError, OverflowError) as error:
        raise _bad(name, f"expected {_MOMENT}, but got '{text[:64]}'.") from error


def _bad(name: str, reason: str) -> ApiError:
    return ApiError(ApiText.INVALID_PARAMETER, param=name, reason=reason)
