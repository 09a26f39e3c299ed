"""The accounts with a batch API, and what the jobs of a process share at each of them.

    submissions, collections    jobs of one provider in that step at once: memory and disk
    capacity                    whether it takes another job of a model, and when to ask again

All are by provider, so that one that hangs holds up no other. Belongs to one event loop.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.ports import BatchAccount, Clock
from batchway.workflows.native.capacity import Capacity

_SLOTS: Final = 4
# Capacities that are kept while no job uses them: callers choose models and buckets, so there may
# be any number. One that is forgotten is asked anew.
_MOST_REMEMBERED: Final = 1_000

_Key = tuple[str, str, Overrides]  # a provider, a model, what a batch sets itself


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeTuning:
    """How a provider's batch API is used; its times are in seconds.

    `poll_min` and `poll_max` bound the time between two looks at a job; `settle` is how long a
    submission of unknown outcome is looked for before it is repeated; `lateness` is how late a
    provider may show what there is (a job, the ids of its files, rows, counts): only then is its
    absence believed. `cancel_patience` is how long a cancelled job is waited for. `credential` is
    the setting that a refused key leads to; empty where the account's words say what to do.
    """

    poll_min: float = 2.0
    poll_max: float = 60.0
    settle: float = 120.0
    # Storage behind a provider is consistent in the end only: users of several report files that
    # came seconds to minutes after `completed`. Ten minutes cost little of a window of a day.
    lateness: float = 600.0
    cancel_patience: float = 900.0
    keep_files: bool = False
    credential: str = "api_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeAccount:
    """A provider with a batch API."""

    provider: BatchAccount
    tuning: NativeTuning


class NativeAccounts(Mapping[str, NativeAccount]):
    """The accounts of a process, by name, and what their jobs share."""

    def __init__(
        self,
        *,
        accounts: Mapping[str, NativeAccount],
        clock: Clock,
        draw: Callable[[], float],
    ) -> None:
        self._accounts = accounts
        self._clock = clock
        self._draw = draw
        self._submissions: dict[str, asyncio.Semaphore] = {}
        self._collections: dict[str, asyncio.Semaphore] = {}
        self._used: WeakValueDictionary[_Key, Capacity] = WeakValueDictionary()
        self._last_used: OrderedDict[_Key, Capacity] = OrderedDict()

    def __getitem__(self, name: str) -> NativeAccount:
        return self._accounts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._accounts)

    def __len__(self) -> int:
        return len(self._accounts)

    def submissions(self, provider: str) -> asyncio.Semaphore:
        """Held while a job is brought to the provider."""
        return self._submissions.setdefault(provider, asyncio.Semaphore(_SLOTS))

    def collections(self, provider: str) -> asyncio.Semaphore:
        """Held while a job's results are collected: they wait for no submission."""
        return self._collections.setdefault(provider, asyncio.Semaphore(_SLOTS))

    def capacity(self, provider: str, model: str, overrides: Overrides = NO_OVERRIDES) -> Capacity:
        """The provider's capacity for jobs of a model, of batches with these settings of their own.

        What is refused in one region, or over one bucket, says nothing of another.
        """
        key = (provider, model, overrides)
        capacity = self._used.get(key)
        if capacity is None:
            capacity = self._used[key] = Capacity(
                provider=provider, model=model, clock=self._clock, draw=self._draw
            )
        self._last_used[key] = capacity
        self._last_used.move_to_end(key)
        if len(self._last_used) > _MOST_REMEMBERED:
            self._last_used.popitem(last=False)
        return capacity

    async def close(self) -> None:
        """Close connections."""
        for account in self._accounts.values():
            await account.provider.close()
