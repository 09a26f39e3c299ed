"""What to do after an exchange that brought no result: a table, and nothing but a table.

    fault         what it is                      attempt   then
    REJECTED      3xx, any 4xx not below          -         deliver it
    DENIED        401, 403, 404                   -         the next target, else deliver it
    THROTTLED     429                             no        again (the whole gate pauses if told)
    UNAVAILABLE   502, 503, 529                   yes *     again (the whole gate pauses if told)
    BROKEN        408, 409, every other 5xx       yes *     again
    GARBAGE       2xx whose body is not JSON      yes *     again
    TIMEOUT       sent, no answer in time         yes *     again
    INTERRUPTED   the connection broke            yes *     again
    UNREACHABLE   nothing was sent                no        again
    NO_DESCRIPTORS  nor could it be: our own lack no        again
    TOO_LARGE     the answer passed the limit     -         the next target, else give up

    * not while the target as a whole is down, within reason (`_PATIENCE`)

"Again" ends with the next target when the attempts at this one are used up, or when it is down
and another is not; after the last target the last HTTP answer is the line's result. Nothing is
tried again after the batch's deadline.

Owns the decision. Holds no state, reads no clock, draws nothing.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from batchway.ports import Failure


class Fault(Enum):
    """Why an exchange brought no result."""

    REJECTED = "rejected"
    DENIED = "denied"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    BROKEN = "broken"
    GARBAGE = "garbage"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"
    UNREACHABLE = "unreachable"
    NO_DESCRIPTORS = "no_descriptors"
    TOO_LARGE = "too_large"


BACKOFF_BASE: Final = 0.5
BACKOFF_CAP: Final = 60.0

# A provider that names more than this is not believed: it is asked again after ten minutes.
MOST_RETRY_AFTER: Final = 600.0

# While nothing but failures come from a target its lines are not to blame, and an hour of that
# must cost no line its result. But lines that fail by their own fault look the same once only
# they are left; so patience ends, sooner for faults that a line can cause more easily.
_PATIENCE: Final = {
    Fault.UNAVAILABLE: 75 * 60.0,
    Fault.BROKEN: 15 * 60.0,
    Fault.GARBAGE: 15 * 60.0,
    Fault.TIMEOUT: 15 * 60.0,
    Fault.INTERRUPTED: 15 * 60.0,
}

_STATUS: Final = {
    401: Fault.DENIED,
    403: Fault.DENIED,
    404: Fault.DENIED,
    408: Fault.BROKEN,
    409: Fault.BROKEN,
    429: Fault.THROTTLED,
    502: Fault.UNAVAILABLE,
    503: Fault.UNAVAILABLE,
    529: Fault.UNAVAILABLE,
}
_FAILURE: Final = {
    Failure.UNREACHABLE: Fault.UNREACHABLE,
    Failure.NO_DESCRIPTORS: Fault.NO_DESCRIPTORS,
    Failure.TIMEOUT: Fault.TIMEOUT,
    Failure.INTERRUPTED: Fault.INTERRUPTED,
    Failure.TOO_LARGE: Fault.TOO_LARGE,
}


def fault_of(drawn: int | Failure) -> Fault:
    """The fault that a status (one whose answer is no result) or a failure stands for."""
    if isinstance(drawn, Failure):
        return _FAILURE[drawn]
    fault = _STATUS.get(drawn)
    if fault is not None:
        return fault
    if 200 <= drawn < 300:
        return Fault.GARBAGE
    return Fault.BROKEN if drawn >= 500 else Fault.REJECTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Everything a decision depends on besides the fault.

    `attempts` counts those that the line has used up at this target before this exchange, `tries`
    its exchanges there since it last had none. `down_for` is for how many seconds nothing but
    failures have come from the target, `None` while it is up. `elsewhere` is whether another
    target is left, `open_elsewhere` whether one of those is up. Times are in seconds; `time_left`
    is until the batch's deadline; `draw` is uniform in [0, 1).
    """

    attempts: int
    tries: int
    max_attempts: int
    draw: float
    time_left: float
    retry_after: float | None = None
    down_for: float | None = None
    elsewhere: bool = False
    open_elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """This answer is the line's result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try again after `after` seconds; for `cools_down` seconds nobody uses the target."""

    after: float
    uses_attempt: bool
    cools_down: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextTarget:
    """Try another target now; `for_good` tells whether this one is done with."""

    for_good: bool
    uses_attempt: bool = False
    cools_down: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The last HTTP answer is the line's result, or there is none."""

    cools_down: float | None = None


Decision = Deliver | Retry | NextTarget | GiveUp


def decide(fault: Fault, at: Circumstances) -> Decision:
    """What to do after a fault."""
    match fault:
        case Fault.REJECTED:
            return Deliver()
        case Fault.DENIED:
            return NextTarget(for_good=True) if at.elsewhere else Deliver()
        case Fault.TOO_LARGE:
            return NextTarget(for_good=True) if at.elsewhere else GiveUp()
        case Fault.THROTTLED:
            return _again(at, uses_attempt=False, cools_down=at.retry_after)
        case Fault.UNREACHABLE | Fault.NO_DESCRIPTORS:
            return _again(at, uses_attempt=False, cools_down=None)
        case Fault.UNAVAILABLE:
            return _again(at, uses_attempt=_blamed(fault, at), cools_down=at.retry_after)
        case Fault.BROKEN | Fault.GARBAGE | Fault.TIMEOUT | Fault.INTERRUPTED:
            return _again(at, uses_attempt=_blamed(fault, at), cools_down=None)
        case _:
            assert_never(fault)


def _blamed(fault: Fault, at: Circumstances) -> bool:
    """Whether the fault counts against the line."""
    return at.down_for is None or at.down_for >= _PATIENCE[fault]


def _again(at: Circumstances, *, uses_attempt: bool, cools_down: float | None) -> Decision:
    if cools_down is not None:
        cools_down = min(cools_down, MOST_RETRY_AFTER)
    if at.attempts + uses_attempt >= at.max_attempts and uses_attempt:
        if at.elsewhere:
            return NextTarget(for_good=True, uses_attempt=True, cools_down=cools_down)
        return GiveUp(cools_down=cools_down)
    if at.down_for is not None and at.open_elsewhere:
        return NextTarget(for_good=False, uses_attempt=uses_attempt, cools_down=cools_down)
    after = max(backoff(at.tries, at.draw), min(at.retry_after or 0.0, MOST_RETRY_AFTER))
    if after >= at.time_left:
        if at.open_elsewhere:
            return NextTarget(for_good=False, uses_attempt=uses_attempt, cools_down=cools_down)
        return GiveUp(cools_down=cools_down)
    return Retry(after=after, uses_attempt=uses_attempt, cools_down=cools_down)


def backoff(tries: int, draw: float) -> float:
    """Exponential with full jitter: lines that failed together do not come back together."""
    return draw * min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(tries, 20))
