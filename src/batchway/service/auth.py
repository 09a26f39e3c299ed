"""Who is calling: a bearer key becomes a `Principal`.

Owns the comparison and the memory of stored keys, which lasts 3 seconds so that a revoked key
stops within 5. With no key anywhere, neither configured nor ever stored, everybody is the default
tenant (open mode); revoking the last key therefore does not open the door.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from batchway.domain.errors import ApiError, ApiText
from batchway.domain.keys import DEFAULT_TENANT, ApiKey, Principal
from batchway.ports import Clock, Keys
from batchway.service.keys import digest_of, hint_of
from batchway.telemetry import Sparse

_log: Final = logging.getLogger("batchway.auth")

_REMEMBER_SECONDS: Final = 3.0
_MOST_REMEMBERED: Final = 10_000
_DIGEST: Final = 8  # characters of a refused key's SHA-256 that are logged
_EVERYBODY: Final = Principal(tenant=DEFAULT_TENANT, key_name="open", passthrough=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remembered:
    principal: Principal
    until: float


class Auth:
    """Identifies callers. Keys are looked up by digest, so comparing leaks nothing by its time."""

    def __init__(self, *, keys: Keys, configured: Collection[ApiKey], clock: Clock) -> None:
        self._keys = keys
        self._configured = {key.digest: _principal(key) for key in configured}
        self._clock = clock
        self._remembered: dict[str, _Remembered] = {}
        self._open_until = 0.0
        self._closed = bool(configured)
        self._refused = Sparse(
            _log, "request refused", monotonic=clock.monotonic, level=logging.WARNING
        )

    async def identify(self, secret: str | None) -> Principal:
        """The caller, by the key that was sent, if any. Raises `ApiError`, `Unavailable`."""
        if not self._closed and await self._is_open():
            return _EVERYBODY
        if not secret:
            self._refused.tell(why="no key was sent")
            raise ApiError(ApiText.NO_KEY)
        digest = digest_of(secret)
        principal = self._configured.get(digest) or await self._stored(digest)
        if principal is None:
            # By the digest an operator can tell one wrong key from many; the key may be another
            # service's, sent here by mistake.
            self._refused.tell(why="unknown or revoked key", digest=digest[:_DIGEST])
            raise ApiError(ApiText.BAD_KEY, hint=hint_of(secret))
        return principal

    async def _stored(self, digest: str) -> Principal | None:
        now = self._clock.monotonic()
        remembered = self._remembered.get(digest)
        if remembered is not None and now < remembered.until:
            return remembered.principal
        key = await self._keys.find(digest)
        if key is None:
            self._remembered.pop(digest, None)
            return None
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        found = _Remembered(principal=_principal(key), until=now + _REMEMBER_SECONDS)
        self._remembered[digest] = found
        return found.principal

    async def _is_open(self) -> bool:
        now = self._clock.monotonic()
        if now < self._open_until:
            return True
        if await self._keys.list():
            self._closed = True
            return False
        self._open_until = now + _REMEMBER_SECONDS
        return True


def _principal(key: ApiKey) -> Principal:
    return Principal(
        tenant=key.tenant,
        key_name=key.name,
        providers=key.providers,
        passthrough=key.passthrough,
    )
