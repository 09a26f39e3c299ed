"""Finds out who calls, and tells the answer's headers."""

from starlette.requests import Request

from batchway.api.exchange import exchange_of
from batchway.domain.keys import Principal
from batchway.service.auth import Auth


def bearer_of(request: Request) -> str | None:
    """The key of the `Authorization` header, `None` where it has none or another scheme."""
    given = request.headers.get("authorization", "")
    scheme, _, secret = given.strip().partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" else None


class Caller:
    """The one authorization check of a request."""

    def __init__(self, *, auth: Auth) -> None:
        self._auth = auth

    async def of(self, request: Request) -> Principal:
        """Who sent the request. Raises `ApiError`."""
        principal = await self._auth.identify(bearer_of(request))
        exchange_of(request.scope).tenant = principal.tenant
        return principal
