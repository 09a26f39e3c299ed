"""`ports.Online` of accounts whose requests differ in nothing but their bodies.

Owns the headers between two credentials: made anew when there is another. Does not own the
credential, nor signatures over bodies: an account that makes those has an `Online` of its own.
"""

from collections.abc import Awaitable, Callable, Mapping

from batchway.domain.remote import RemoteError
from batchway.ports import Dialect, Notes, Request


class AccountHeaders:
    """The headers of an account's requests; `authorization` gives those of its credential.

    That is cheap, and raises `RemoteError` when there is none.
    """

    __slots__ = ("_authorization", "_made", "_own")

    def __init__(self, authorization: Callable[[], Awaitable[Mapping[str, str]]]) -> None:
        self._authorization = authorization
        self._own: Mapping[str, str] | None = None
        self._made: Mapping[str, str] = {}

    async def current(self) -> Mapping[str, str]:
        """Those of the next request."""
        try:
            own = await self._authorization()
        except RemoteError:
            # Logged where it failed. Sent without a token, the line waits as every line does whose
            # credentials do not do: for the provider's own 401 to end.
            own = {}
        if own != self._own:
            self._own, self._made = own, {"content-type": "application/json", **own}
        return self._made


class AddressedOnline:
    """`ports.Online`: one address, and the credential of the moment."""

    __slots__ = ("_headers", "_url", "dialect", "notes")

    def __init__(
        self, *, url: str, headers: AccountHeaders, dialect: Dialect, notes: Notes
    ) -> None:
        self._url = url
        self._headers = headers
        self.dialect = dialect
        self.notes = notes

    async def request(self, body: bytes) -> Request:
        """The request for one body."""
        return Request(self._url, await self._headers.current(), body)
