"""What the native runs of one process share: the accounts, their slots and their room.

    submissions, collections    jobs of one provider in that step at once: memory and disk
    room                        whether it takes another job of a model, and when to ask again

All are by provider, so that one that hangs holds up no other. Belongs to one event loop.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from batchway.dialects.openai.job_error import means_no_credit
from batchway.domain.reason import Reason, ReasonKind
from batchway.ports import Clock, NativeProvider
from batchway.workflows.native.fit import Fit

_log: Final = logging.getLogger(__name__)

_SLOTS: Final = 4
_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 300.0
GOES_ON: Final = "Batchway goes on trying."
_DOUBLINGS: Final = 10  # a quota may be used up for days, with a refusal every few minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeTuning:
    """How a provider's batch API is used; everything but `keep_files` in seconds.

    `poll_min` and `poll_max` bound the time between two looks at a job; `settle` is how long a
    submission of unknown outcome is looked for before it is repeated; `lateness` is how late a
    provider may show what there is (a job, the ids of its files, rows, counts): only then is its
    absence believed. `cancel_patience` is how long a cancelled job is waited for.
    """

    poll_min: float = 2.0
    poll_max: float = 60.0
    settle: float = 120.0
    # Storage behind a provider is consistent in the end only: users of several report files that
    # came seconds to minutes after `completed`. Ten minutes cost little of a window of a day.
    lateness: float = 600.0
    cancel_patience: float = 900.0
    keep_files: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeAccount:
    """A provider with a batch API."""

    provider: NativeProvider
    tuning: NativeTuning


def no_credit_at(provider: str, code: str) -> Reason:
    """What to do about an account without credit, for every batch that waits for it."""
    return Reason(
        kind=ReasonKind.ACCOUNT,
        sentence=(
            f"The account at the provider '{provider}' has no credit left, or is at a spending "
            f"limit of its own ({code}): add credit or raise the limit there."
        ),
        promise=GOES_ON,
    )


class Room:
    """Room for jobs of one model at one provider.

    `reason` is what every batch that waits may read. The provider's own words may name what
    belongs to somebody else: they are for the batch whose job it refused. `jobs` are the tags of
    our jobs that take up room, `fit` is how large one may be, `taken` whether any was ever taken.
    """

    def __init__(
        self, *, provider: str, model: str, clock: Clock, draw: Callable[[], float]
    ) -> None:
        self._provider = provider
        self._model = model
        self.reason = self._busy
        self.jobs: set[str] = set()
        self.fit = Fit(clock=clock)
        self.taken = False
        self._shut = False
        self._clock = clock
        self._draw = draw
        self._until = 0.0
        self._refusals = 0

    @property
    def closed_for(self) -> float:
        """Seconds until it is worth asking again."""
        return max(0.0, self._until - self._clock.monotonic())

    @property
    def _busy(self) -> Reason:
        return Reason(
            kind=ReasonKind.CAPACITY,
            sentence=(
                f"The provider '{self._provider}' takes no more jobs of the model '{self._model}' "
                "at present."
            ),
            promise=GOES_ON,
        )

    def close(
        self, *, retry_after: float | None, code: str | None = None, status: int | None = None
    ) -> None:
        """The provider took no job, for that reason, and asks for so many seconds."""
        why = code or (None if status is None else str(status)) or "no room"
        no_credit = means_no_credit(code, status)
        self.reason = no_credit_at(self._provider, why) if no_credit else self._busy
        if not self._shut:
            self._shut = True
            _log.warning(
                "provider %s takes no job of the model %s: %s", self._provider, self._model, why
            )
        if not self.closed_for:  # refusals that were under way together count as one
            self._refusals += 1
        pause = min(_FIRST_PAUSE * 2 ** min(self._refusals - 1, _DOUBLINGS), _LONGEST_PAUSE)
        # What one batch was told holds up all others: however long it is, somebody asks again.
        asked = min(retry_after or 0.0, _LONGEST_PAUSE)
        pause = max(pause * (0.8 + 0.4 * self._draw()), asked)
        self._until = max(self._until, self._clock.monotonic() + pause)

    def open(self) -> None:
        """The provider took a job."""
        if self._shut:
            self._shut = False
            _log.info("provider %s takes jobs of the model %s again", self._provider, self._model)
        self.taken = True
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
            room = self._rooms[key] = Room(
                provider=provider, model=model, clock=self._clock, draw=self._draw
            )
        return room
