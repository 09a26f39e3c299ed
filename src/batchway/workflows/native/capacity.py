"""An account's capacity for jobs of a model: whether it takes another, and when to ask again.

    open --no room--> closed for a while --asked again--> open, or closed for longer
                          |
                          +-- a job has ended: asked again at once

Owns the pauses between two askings, which all batches of the process share, and what may be told to
each of them. Does not own how large a job may be (`fit`), or what a refusal means (`submission`).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What a provider said to a batch of a tenant of what is wrong with its account."""

    tenant: str
    reason: Reason


class Capacity:
    """The capacity of one account for jobs of one model.

    What batches that wait may read is `reason`. A refusal that is about the account is repeated to
    batches of the tenant that was refused; any other words of the provider may name what belongs to
    another tenant, and are for the batch whose job it refused. `jobs` are the tags of our jobs that
    take up room, `fit` is how large one may be, `taken` whether any was ever taken.
    """

    def __init__(
        self, *, provider: str, model: str, clock: Clock, draw: Callable[[], float]
    ) -> None:
        self._provider = provider
        self._model = model
        self._told = self._busy
        self._refused: Refused | None = None
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

    def reason(self, tenant: str) -> Reason:
        """Why it takes none at present, for a batch of that tenant."""
        refused = self._refused
        return self._told if refused is None or refused.tenant != tenant else refused.reason

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

    def _denied(self, code: str) -> Reason:
        return Reason(
            kind=ReasonKind.ACCOUNT,
            sentence=(
                f"The provider '{self._provider}' refuses jobs of the model '{self._model}' "
                f"({code}): something about its account is to be mended."
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
        refused: Refused | None = None,
    ) -> None:
        """The provider took no job, for that reason, and asks for so many seconds.

        `credit` is whether the account is to be paid for first; `refused` is what was said to one
        tenant of what is wrong with it.
        """
        why = code or (None if status is None else str(status)) or "no room"
        if credit:
            self._told = no_credit_at(self._provider, why)
        else:
            self._told = self._busy if refused is None else self._denied(why)
        self._refused = refused
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
