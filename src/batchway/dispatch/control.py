"""What a gate asks of a concurrency control, and the two there are.

    a number in the configuration   Fixed
    `auto`                          Auto (`concurrency`)

Owns the protocol and the choice. Does not own how a limit is found out (`concurrency`).
"""

from typing import Final, Protocol

from batchway.dispatch.concurrency import Auto
from batchway.dispatch.engine_load import EngineLoad
from batchway.dispatch.fault import Fault
from batchway.dispatch.limits import Limits

# What may say that more is in flight than the target takes.
OVERLOADED: Final = frozenset(
    {
        Fault.THROTTLED,
        Fault.UNAVAILABLE,
        Fault.TIMEOUT,
        Fault.INTERRUPTED,
        Fault.UNREACHABLE,
        Fault.NO_DESCRIPTORS,
    }
)


class Control(Protocol):
    """What a gate asks of a concurrency control. Requests are numbered as they are sent."""

    limit: int

    @property
    def found(self) -> int | None:
        """The limit, once it has been found out."""
        ...

    def answered(self, *, number: int, sent: int, latency: float, tokens: int, full: bool) -> None:
        """An answer came. `sent` requests were so far; `full` is whether all slots were taken."""
        ...

    def refused(
        self, *, number: int, sent: int, latency: float, explicit: bool, in_flight: int
    ) -> None:
        """A sign of overload while so many others are in flight; `explicit` if the provider's."""
        ...

    def heard(self, load: EngineLoad, *, sent: int, in_flight: int) -> None:
        """The engine says how many requests run in it and wait."""
        ...


class Fixed:
    """A number from the configuration."""

    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        self.limit = limit

    @property
    def found(self) -> int | None:
        """It was told, not found."""
        return None

    def answered(self, *, number: int, sent: int, latency: float, tokens: int, full: bool) -> None:
        """Nothing to learn."""

    def refused(
        self, *, number: int, sent: int, latency: float, explicit: bool, in_flight: int
    ) -> None:
        """Nothing to change."""

    def heard(self, load: EngineLoad, *, sent: int, in_flight: int) -> None:
        """Nothing to change."""


def control_of(limits: Limits, *, start: int | None) -> Control:
    """The control that the limits ask for; `start` is a limit that was found out earlier."""
    if limits.concurrency is not None:
        return Fixed(limits.concurrency)
    return Auto(most=limits.max_concurrency, start=start, aim=limits.aim, timeout=limits.timeout)
