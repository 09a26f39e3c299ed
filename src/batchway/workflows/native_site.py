"""What the native runs of one process share: the accounts, their slots and their room.

    slots    jobs of one provider being submitted or collected at once: memory and disk
    room     whether a provider takes another job of a model, and when to ask again

Both are by provider, so that one that hangs holds up no other. Belongs to one event loop.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from batchway.ports import Clock, NativeProvider

_SLOTS: Final = 4
_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeTuning:
    """How a provider's batch API is used; everything but `keep_files` in seconds.

    `poll_min` and `poll_max` bound the time between two looks at a job; `settle` is how long a
    submission of unknown outcome is looked for before it is repeated; `cancel_patience` is how
    long a cancelled job is waited for.
    """

    poll_min: float = 2.0
    poll_max: float = 60.0
    settle: float = 30.0
    cancel_patience: float = 900.0
    keep_files: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeAccount:
    """A provider with a batch API."""

    provider: NativeProvider
    tuning: NativeTuning


class Room:
    """Room for jobs of one model at one provider."""

    def __init__(self, *, clock: Clock, draw: Callable[[], float]) -> None:
        self._clock = clock
        self._draw = draw
        self._until = 0.0
        self._refusals = 0
        self.reason: str | None = None

    @property
    def closed_for(self) -> float:
        """Seconds until it is worth asking again."""
        return max(0.0, self._until - self._clock.monotonic())

    def close(self, reason: str, *, retry_after: float | None) -> None:
        """The provider took no job."""
        self.reason = reason
        if not self.closed_for:  # refusals that were under way together count as one
            self._refusals += 1
        pause = min(_FIRST_PAUSE * 2 ** (self._refusals - 1), _LONGEST_PAUSE)
        pause = max(pause * (0.8 + 0.4 * self._draw()), retry_after or 0.0)
        self._until = max(self._until, self._clock.monotonic() + pause)

    def open(self) -> None:
        """The provider took a job."""
        self._refusals = 0
        self.reason = None
        self._until = 0.0

    def ask_again(self) -> None:
        """A job has ended: perhaps there is room now."""
        self._until = 0.0


class NativeSite:
    """The accounts of a process, by name, and what their jobs share."""

    def __init__(
        self,
        *,
        accounts: Mapping[str, NativeAccount],
        clock: Clock,
        draw: Callable[[], float],
    ) -> None:
        self.accounts = accounts
        self._clock = clock
        self._draw = draw
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._rooms: dict[tuple[str, str], Room] = {}

    def slots(self, provider: str) -> asyncio.Semaphore:
        """Held while a job of the provider is submitted or collected."""
        return self._slots.setdefault(provider, asyncio.Semaphore(_SLOTS))

    def room(self, provider: str, model: str) -> Room:
        """Room for jobs of a model."""
        key = (provider, model)
        room = self._rooms.get(key)
        if room is None:
            room = self._rooms[key] = Room(clock=self._clock, draw=self._draw)
        return room

    async def close(self) -> None:
        """Close connections."""
        for account in self.accounts.values():
            await account.provider.close()
