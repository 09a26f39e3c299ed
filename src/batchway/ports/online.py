"""Online upstreams: one request, one answer.

    Account.online --> Online.request --> Transport.post --> Answer --> Dialect.decode

Owns the request, what sends it, and what comes back. What bodies mean is `ports.dialect`'s.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, Protocol
from urllib.parse import urlsplit

import msgspec

from batchway.ports.dialect import Dialect, Refused, Result


class Failure(StrEnum):
    """Why a request drew no HTTP answer."""

    UNREACHABLE = "unreachable"  # nothing was sent: refused, DNS, TLS
    NO_DESCRIPTORS = "no_descriptors"  # nothing was sent: this process has no descriptor left
    TIMEOUT = "timeout"  # sent, not answered in time
    INTERRUPTED = "interrupted"  # the connection broke; the provider may have done the work
    TOO_LARGE = "too_large"  # the answer passed the limit and was dropped


class Answer(Protocol):
    """An HTTP answer, body read to the end."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...

    def header(self, name: str) -> str | None:
        """First value of a header, by any case."""
        ...


class Transport(Protocol):
    """The one seam to online upstreams. Belongs to one event loop."""

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> Answer | Failure:
        """Send once, without retries. `timeout` in seconds covers the whole exchange.

        Cancelling the call closes the connection. Headers may hold secrets: never logged.
        """
        ...

    async def get(
        self, url: str, headers: Mapping[str, str], *, timeout: float
    ) -> Answer | Failure:
        """Ask once for something small, such as whether a server is well; as `post` otherwise.

        An answer of more than a MiB is `TOO_LARGE`.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class Request(msgspec.Struct, frozen=True, gc=False):
    """A request that can be sent as it is. Headers and address may hold secrets: never logged."""

    url: str
    headers: Mapping[str, str]
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Request(to {urlsplit(self.url).hostname}, {len(self.body)} bytes)"


class Allowance(msgspec.Struct, frozen=True, gc=False):
    """What a provider says is left of one limit, in how many seconds all of it is back.

    `limit` is infinite and `reset` `None` where it does not say.
    """

    remaining: float
    limit: float
    reset: float | None


Scarce = Literal["requests", "tokens"]


class Notes(Protocol):
    """What answers say beside their bodies, in headers of the provider's own. Pure."""

    def request_id(self, answer: Answer) -> str | None:
        """The provider's own id of the request, for people to ask it about."""
        ...

    def allowance(self, answer: Answer, what: Scarce) -> Allowance | None:
        """What is left of a limit; `None` where the answer does not say."""
        ...

    def retry_after(self, answer: Answer, *, now: float) -> float | None:
        """Seconds until the provider wants to be asked again; `now` is in Unix seconds."""
        ...

    def refusal(self, answer: Answer, read: Refused) -> Refused:
        """The refusal that an answer is; `read` is what the dialect made of its status and body.

        That, where headers say nothing of errors. Where they name the error, it is its `kind`, and
        what follows from it (`of_account`, `of_model`, `advice`, ...) is said here.
        """
        ...

    def counted(self, answer: Answer, read: Result) -> Result:
        """The result that an answer is; `read` is what the dialect made of it, without any usage.

        That, where headers do not count tokens. Where they do, with their usage, which its body
        says as well. Only asked of results whose usage is nothing.
        """
        ...


class Online(Protocol):
    """How lines of one kind of call are sent. Belongs to one event loop."""

    @property
    def dialect(self) -> Dialect:
        """What lines become, and their answers."""
        ...

    @property
    def notes(self) -> Notes:
        """How the headers of answers are read."""
        ...

    async def request(self, body: bytes) -> Request:
        """The request for one body that `dialect` made: address, authorization, signature.

        Of every line, so it is cheap: tokens are kept, and renewed before they end. Without a token
        the request is made all the same, and refused by the provider: the line waits as it does for
        any credentials that do not do.
        """
        ...
