"""Finds out who calls, and tells the answer's headers."""

from starlette.requests import Request

from batchway.api.exchange import exchange_of
from batchway.domain.keys import Principal
from batchway.service.auth import Auth


class Caller:
    """The one authorization check of a request."""

    def __init__(self, *, auth: Auth) -> None:
        self._auth = auth

    async def of(self, request: Request) -> Principal:
        """Who sent the request. Raises `ApiError`."""
        principal = await self._auth.identify(request.headers.get("authorization"))
        exchange_of(request.scope).tenant = principal.tenant
        return principal
