"""How long one remote job waits for what, and what is said meanwhile.

    going on        as long as the provider asks for, or longer and longer pauses
    winding down    no longer than a cancelled job is worth waiting for (`cancel_patience`)

Owns the pauses of a job and its sentence in `status_details`. Does not own what is done after a
pause (`job`).
"""

import logging
from collections.abc import Callable
from typing import Final

from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.remote import RemoteError, Trouble
from batchway.ports import Clock
from batchway.workflows.native.accounts import NativeTuning
from batchway.workflows.native.batch import NativeBatch
from batchway.workflows.native.capacity import GOES_ON

_log: Final = logging.getLogger(__name__)
_FIRST_PAUSE: Final = 1.0
_AGE_PARTS: Final = 20.0  # a job is looked at again after this part of its age
_DOUBLINGS: Final = 16  # of a pause; a provider may be down for days
_KIND: Final = {
    Trouble.REFUSED: ReasonKind.REQUEST,
    Trouble.DENIED: ReasonKind.ACCOUNT,
    Trouble.NOT_FOUND: ReasonKind.ACCOUNT,
    Trouble.NO_ROOM: ReasonKind.CAPACITY,
    Trouble.NOT_YET: ReasonKind.CAPACITY,
    Trouble.BUSY: ReasonKind.CAPACITY,
    Trouble.UNREACHABLE: ReasonKind.UNREACHABLE,
    Trouble.UNCERTAIN: ReasonKind.OUTAGE,
}


class Waiting:
    """The pauses of one job; `source` names it in the details. All times are in seconds."""

    def __init__(
        self,
        *,
        shared: NativeBatch,
        source: str,
        clock: Clock,
        draw: Callable[[], float],
        tuning: NativeTuning,
    ) -> None:
        self._shared = shared
        self._source = source
        self._clock = clock
        self._draw = draw
        self._tuning = tuning
        self._until: float | None = None  # when waiting for a cancelled job ends, monotonic
        self._told = False
        self._logged: tuple[str, int | None, str | None] | None = None

    @property
    def lateness(self) -> float:
        """How late a provider may show what there is."""
        return self._tuning.lateness

    @property
    def is_over(self) -> bool:
        """Whether a job that is to be cancelled has been waited for long enough."""
        over = self._left() <= 0
        if over and not self._told:
            self._told = True
            _log.error("%s of batch %s is given up on", self._source, self._shared.batch.id)
        return over

    async def pause(self, seconds: float) -> None:
        """Let time pass. Raises `HaltedError`."""
        # The provider may ask for hours; the batch is to end before.
        await self._shared.pause(min(seconds, max(0.0, self._left())))

    async def out(self, error: RemoteError, *, failures: int) -> None:
        """Wait because of an error, the `failures`-th in a row. Raises `HaltedError`."""
        self.tell(waits(error, credential=self._tuning.credential))
        self.log(error)
        pause = min(_FIRST_PAUSE * 2 ** min(failures, _DOUBLINGS), self._tuning.poll_max)
        await self.pause(max(pause * (0.9 + 0.2 * self._draw()), error.retry_after or 0.0))

    def until_look(self, since: int) -> float:
        """Until the next look at a job of that time: often at a young one, seldom at an old one."""
        tuning = self._tuning
        if self._shared.winding_down:
            return tuning.poll_min
        age = self._clock.now() - since
        pause = min(max(age / _AGE_PARTS, tuning.poll_min), tuning.poll_max)
        return pause * (0.9 + 0.2 * self._draw())

    def tell(self, reason: Reason | None) -> None:
        """Say what holds the job up, `None` for nothing."""
        self._shared.details.tell(self._source, reason)

    def log(self, error: RemoteError | None) -> None:
        """Log that the job waits, and for what, once; `None`: that it does not any more."""
        reason = None if error is None else (error.trouble.value, error.status, error.code)
        if reason == self._logged:
            return
        if reason is None:
            _log.info("batch %s: %s goes on", self._shared.batch.id, self._source)
        else:
            _log.warning(
                "batch %s: %s waits (%s)", self._shared.batch.id, self._source, brief(error)
            )
        self._logged = reason

    def _left(self) -> float:
        if not self._shared.winding_down:
            return float("inf")
        now = self._clock.monotonic()
        if self._until is None:
            self._until = now + self._tuning.cancel_patience
        return self._until - now


def waits(error: RemoteError, *, credential: str) -> Reason:
    """The error, as what a batch waits for. `credential` is as in `NativeTuning`."""
    stop = "" if error.message.endswith((".", "!", "?")) else "."
    kind = _KIND[error.trouble]
    advice = ""
    if error.credit:
        kind = ReasonKind.ACCOUNT
        code = error.code or str(error.status or 402)
        advice = f" Add credit or raise the limit of the account at the provider ({code})."
    elif error.trouble is Trouble.DENIED and credential and not error.advised:
        advice = (
            f" Correct the provider's {credential} in the configuration and restart, or have the "
            "key enabled again at the provider."
        )
    return Reason(kind=kind, sentence=f"{error.message}{stop}{advice}", promise=GOES_ON)


def brief(error: RemoteError | None) -> str:
    """The error as a log may hold it: never a stranger's words, which may quote a request."""
    if error is None:
        return ""
    told = [error.trouble.value]
    if error.status is not None:
        told.append(f"status {error.status}")
    if error.code:
        told.append(f"code {error.code[:100]}")
    return ", ".join(told)
