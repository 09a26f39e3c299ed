"""Which configured provider a caller names, and whether the caller may use it."""

from collections.abc import Collection

from batchway.domain.errors import ApiError, ApiText
from batchway.domain.keys import Principal


def usable_provider(name: str, principal: Principal, providers: Collection[str]) -> str:
    """The name of a configured provider that the caller may use. Raises `ApiError`."""
    if name not in providers:
        # A key that may use few providers does not get to read the names of the others.
        usable = [f"'{provider}'" for provider in providers if principal.may_use(provider)]
        raise ApiError(
            ApiText.UNKNOWN_PROVIDER, provider=name, configured=", ".join(usable) or "none"
        )
    if not principal.may_use(name):
        raise ApiError(ApiText.PROVIDER_FORBIDDEN, provider=name)
    return name
