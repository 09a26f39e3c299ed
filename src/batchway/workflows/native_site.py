"""What the native runs of one process share: the accounts, their slots and their room.

    submissions, collections    jobs of one provider in that step at once: memory and disk
    room                        whether it takes another job of a model, and when to ask again

All are by provider, so that one that hangs holds up no other. Belongs to one event loop.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from batchway.ports import Clock, NativeProvider

_SLOTS: Final = 4
_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 300.0
_DOUBLINGS: Final = 10  # a quota may be used up for days, with a refusal every few minutes


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
    """Room for jobs of one model at one provider.

    `reason` is what every batch that waits may read. The provider's own words may name what
    belongs to somebody else: they are for the batch whose job it refused.
    """

    def __init__(self, *, reason: str, clock: Clock, draw: Callable[[], float]) -> None:
        self.reason = reason
        self._clock = clock
        self._draw = draw
        self._until = 0.0
        self._refusals = 0

    @property
    def closed_for(self) -> float:
        """Seconds until it is worth asking again."""
        return max(0.0, self._until - self._clock.monotonic())

    def close(self, *, retry_after: float | None) -> None:
        """The provider took no job, and asks for so many seconds."""
        if not self.closed_for:  # refusals that were under way together count as one
            self._refusals += 1
        pause = min(_FIRST_PAUSE * 2 ** min(self._refusals - 1, _DOUBLINGS), _LONGEST_PAUSE)
        # What one batch was told holds up all others: however long it is, somebody asks again.
        asked = min(retry_after or 0.0, _LONGEST_PAUSE)
        pause = max(pause * (0.8 + 0.4 * self._draw()), asked)
        self._until = max(self._until, self._clock.monotonic() + pause)

    def open(self) -> None:
        """The provider took a job."""
        self._refusals = 0
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
        self._submissions: dict[str, asyncio.Semaphore] = {}
        self._collections: dict[str, asyncio.Semaphore] = {}
        self._rooms: dict[tuple[str, str], Room] = {}

    def submissions(self, provider: str) -> asyncio.Semaphore:
        """Held while a job is brought to the provider."""
        return self._submissions.setdefault(provider, asyncio.Semaphore(_SLOTS))

    def collections(self, provider: str) -> asyncio.Semaphore:
        """Held while a job's results are collected: they wait for no submission."""
        return self._collections.setdefault(provider, asyncio.Semaphore(_SLOTS))

    def room(self, provider: str, model: str) -> Room:
        """Room for jobs of a model."""
        key = (provider, model)
        room = self._rooms.get(key)
        if room is None:
            reason = (
                f"The provider '{provider}' takes no more jobs of the model '{model}' at present. "
                "Batchway goes on trying."
            )
            room = self._rooms[key] = Room(reason=reason, clock=self._clock, draw=self._draw)
        return room

    async def close(self) -> None:
        """Close connections."""
        for account in self.accounts.values():
            await account.provider.close()
