"""`Idempotency-Key`: turns the header and what the request says into a `ports.Once`."""

import hashlib
import json
import re
from typing import Final

from batchway.domain.errors import ApiError, ApiText
from batchway.ports import Once

HEADER: Final = "Idempotency-Key"
_SHAPE: Final = re.compile(r"[\x20-\x7e]{1,255}")


def once(key: str | None, *said: object) -> Once | None:
    """The once of a request, `None` without a key.

    `said` is what makes two requests the same; plain JSON values. Raises `ApiError` for a key
    that is not 1 to 255 printable ASCII characters.
    """
    if key is None:
        return None
    if _SHAPE.fullmatch(key) is None:
        raise ApiError(
            ApiText.BAD_HEADER,
            param=HEADER,
            reason="expected 1 to 255 printable ASCII characters.",
        )
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return Once(key=key, fingerprint=hashlib.sha256(text.encode()).hexdigest())


def mismatch(key: str | None) -> ApiError:
    """The answer when a key comes back with other parameters."""
    return ApiError(ApiText.IDEMPOTENCY_MISMATCH, key=key)
