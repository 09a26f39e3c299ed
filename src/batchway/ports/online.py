"""Online upstreams: one request, one answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from batchway.domain.batch import Usage
from batchway.domain.overrides import NO_OVERRIDES, Overrides


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


class Provider(Protocol):
    """A configured account that runs lines online: where and as whom to call."""

    @property
    def name(self) -> str: ...

    def url(self, endpoint: str, model: str, overrides: Overrides = NO_OVERRIDES) -> str:
        """The address for an endpoint such as `/v1/chat/completions`.

        `overrides` are the batch's own settings.
        """
        ...

    def health(self, model: str) -> Sequence[str]:
        """Addresses whose GET tells whether the account's server is well, the best one first.

        The last is one that only good credentials may read. Empty where there is none.
        """
        ...

    async def headers(self) -> Mapping[str, str]:
        """Headers of the next request, authorization included. Cheap: tokens are cached."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LineResult:
    """What a segment keeps of one line.

    `line` is the 0-based line number in the input file; `ok` is whether it belongs into the
    output file; `record` is the finished JSON line without its newline.
    """

    line: int
    ok: bool
    record: bytes
    usage: Usage
