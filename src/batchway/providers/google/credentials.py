"""Authorization of an account: access tokens, kept and renewed before they end."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token, good `until` a Unix second."""

    value: str
    until: float

    def __repr__(self) -> str:
        return f"Token(until={self.until:.0f})"


class Tokens(Protocol):
    """Access tokens of an account. Usable from several event loops and threads."""

    async def authorization(self) -> str:
        """`Bearer ...`, for a header. Cheap; raises `RemoteError` when there is no token."""
        ...

    def token(self) -> Token:
        """The same token, for a thread that may wait. Raises `RemoteError` as well."""
        ...
