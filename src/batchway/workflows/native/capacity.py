"""An account's capacity for jobs of a model: whether it takes another, and when to ask again.

    open --no room--> closed for a while --asked again--> open, or closed for longer
                          |
                          +-- a job has ended: asked again at once

Owns the pauses between two askings, which all batches of the process share, and what may be told to
each of them. Does not own how large a job may be (`fit`), or what a refusal means (`submission`).
"""

import logging
from collections.abc import Callable
from typing import Final

from batchway.domain.reason import Reason, ReasonKind
from batchway.ports import Clock
from batchway.workflows.native.fit import Fit

_log: Final = logging.getLogger(__name__)

GOES_ON: Final = "Batchway goes on trying."

_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 300.0
_DOUBLINGS: Final = 10  # a quota may be used up for days, with a refusal every few minutes


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


class Capacity:
    """The capacity of one account for jobs of one model.

    `reason` is what every batch that waits may read. The provider's own words may name what
    belongs to another tenant: they are for the batch whose job it refused. `jobs` are the tags of
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
        self,
        *,
        retry_after: float | None,
        code: str | None = None,
        status: int | None = None,
        credit: bool = False,
    ) -> None:
        """The provider took no job, for that reason, and asks for so many seconds.

        `credit` is whether the account is to be paid for first.
        """
        why = code or (None if status is None else str(status)) or "no room"
        self.reason = no_credit_at(self._provider, why) if credit else self._busy
        if not self._shut:
            self._shut = True
            _log.warning(
                "provider %s takes no job of the model %s: %s", self._provider, self._model, why
            )
        if not self.closed_for:  # refusals that were under way together count as one
            self._refusals += 1
        pause = min(_FIRST_PAUSE * 2 ** min(self._refusals - 1, _DOUBLINGS), _LONGEST_PAUSE)
        # What one batch was told holds up all others: however long it is, one asks again.
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
