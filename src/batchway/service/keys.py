"""API keys: making, listing and revoking them. Used by the command line, never by the HTTP API.

A secret is shown once, when it is made; what is stored is its digest.
"""

import hashlib
from collections.abc import Collection

from batchway.domain.ids import Ids
from batchway.domain.keys import DEFAULT_TENANT, ApiKey
from batchway.ports import Clock, Keys


def digest_of(secret: str) -> str:
    """SHA-256 of a secret in hex: what is compared and stored."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def hint_of(secret: str) -> str:
    """A secret as it may be shown: enough to recognise it, too little to use it."""
    return f"{secret[:3]}****{secret[-4:]}" if len(secret) >= 16 else "****"


def configured_key(
    *,
    name: str,
    secret: str,
    tenant: str,
    providers: Collection[str] | None = None,
    passthrough: bool | None = None,
) -> ApiKey:
    """A key of the configuration, in the form that `Auth` takes."""
    return ApiKey(
        name=name,
        tenant=tenant,
        digest=digest_of(secret),
        hint=hint_of(secret),
        created_at=0,
        providers=None if providers is None else frozenset(providers),
        passthrough=passthrough,
    )


class DuplicateKeyName(Exception):
    """An active key of that name exists."""


class KeyService:
    """Use cases of stored API keys."""

    def __init__(self, *, keys: Keys, clock: Clock, ids: Ids) -> None:
        self._keys = keys
        self._clock = clock
        self._ids = ids

    async def create(
        self,
        name: str,
        *,
        tenant: str = DEFAULT_TENANT,
        providers: Collection[str] | None = None,
        passthrough: bool | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key; returns it with its secret, which cannot be had again.

        Raises `DuplicateKeyName`, `Unavailable`.
        """
        secret = self._ids.key()
        key = ApiKey(
            name=name,
            tenant=tenant,
            digest=digest_of(secret),
            hint=hint_of(secret),
            created_at=int(self._clock.now()),
            providers=None if providers is None else frozenset(providers),
            passthrough=passthrough,
        )
        if not await self._keys.add(key):
            raise DuplicateKeyName(name)
        return key, secret

    async def list(self) -> list[ApiKey]:
        """Every stored key, revoked ones included, oldest first."""
        return await self._keys.list()

    async def revoke(self, name: str) -> bool:
        """Revoke the active key of that name; `False` if there is none."""
        return await self._keys.revoke(name, int(self._clock.now()))
