"""API keys and the principal that one stands for."""

from dataclasses import dataclass
from typing import Final

DEFAULT_TENANT: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling. `providers` limits which providers the caller may use; `None` is all.

    `passthrough` is whether the caller may look up at a provider what Batchway did not make there;
    `None` leaves that to whether the provider serves other tenants, too (`service.ownership`).
    """

    tenant: str
    key_name: str
    providers: frozenset[str] | None = None
    passthrough: bool | None = None

    def may_use(self, provider: str) -> bool:
        """Whether this caller may use the provider of that name."""
        return self.providers is None or provider in self.providers


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A stored key. `digest` is the SHA-256 of the secret in hex; the secret is never kept.

    A fast hash is enough: secrets are 192 random bits, so there is nothing to guess.
    """

    name: str
    tenant: str
    digest: str
    hint: str
    created_at: int
    providers: frozenset[str] | None = None
    revoked_at: int | None = None
    passthrough: bool | None = None

    def may_use(self, provider: str) -> bool:
        """Whether this key may use the provider of that name."""
        return self.providers is None or provider in self.providers
