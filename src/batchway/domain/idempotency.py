"""Idempotency keys: what a client sends so that a request it repeats makes nothing a second time.

Owns the fingerprint only. Its form is kept: keys of an earlier release are still met.
"""

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """A client's `key` and the `fingerprint` of the request that it came with.

    The same key with another fingerprint is a mistake.
    """

    key: str
    fingerprint: str


def idempotency_key(key: str | None, *said: object) -> IdempotencyKey | None:
    """The key of a request, `None` where it has none.

    `said` is what makes two requests the same; plain JSON values.
    """
    if key is None:
        return None
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return IdempotencyKey(key=key, fingerprint=hashlib.sha256(text.encode()).hexdigest())
