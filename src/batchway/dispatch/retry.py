"""What to do after an exchange that brought no result: a table, and nothing but a table.

    fault         attempt   then
    REJECTED      -         deliver it
    ACCOUNT       no        the next target at once, else again
    DENIED        no        the next target at once, else again; deliver it once it is proven to be
                            about the line (`lane`)
    THROTTLED     no        again (the whole gate pauses if told); deliver it once it is proven to
                            be about the line, and no pause is asked for
    UNREACHABLE   no        again
    NO_DESCRIPTORS  no      again
    UNAVAILABLE   yes *     again (the whole gate pauses if told)
    BROKEN        yes *     again; deliver it soon while it is the target's verdict (`lane`)
    GARBAGE       yes *     again
    TIMEOUT       yes *     again
    INTERRUPTED   yes *     again
    TOO_LARGE     -         the next target, else give up
    STREAMED      -         the next target, else give up
    UNSENDABLE    -         the next target, else give up

    * not while the target as a whole is down, unless another line was answered since its last one

"Again" ends with the next target when the attempts at this one are used up, or when it is down
and another is not; after the last target the last HTTP answer is the line's result. What counted as
an attempt is that too when there is no time for another one before the batch's deadline. What is
the account's or the target's (no attempt) never is a result: such a line expires with its batch.

Owns the decision. Holds no state, reads no clock, draws nothing; faults are `fault`'s.
"""

from dataclasses import dataclass
from typing import Final, assert_never

from batchway.dispatch.fault import Fault

BACKOFF_BASE: Final = 0.5
BACKOFF_CAP: Final = 60.0

# While a target is down its own pauses decide when it is asked; a line that sleeps beyond the end
# of an outage would only be late.
_CAP_WHILE_DOWN: Final = 2.0

# A provider that names more than this is not believed: it is asked again after ten minutes.
MOST_RETRY_AFTER: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Everything a decision depends on besides the fault.

    `attempts` counts those that the line has used up at this target before this exchange, `tries`
    its exchanges there since it last had none. `down` is whether the target as a whole is down or
    denied, `proven` whether others were answered between this line's failures, `verdict` whether
    the target gives every line this answer and is believed. `elsewhere` is whether another target
    is left, `open_elsewhere` whether one of those is up, `untried_elsewhere` whether one of those
    has not denied the line in this round. Times are in seconds; `time_left` is until the batch's
    deadline; `draw` is uniform in [0, 1).
    """

    attempts: int
    tries: int
    max_attempts: int
    draw: float
    time_left: float
    retry_after: float | None = None
    down: bool = False
    proven: bool = False
    verdict: bool = False
    elsewhere: bool = False
    open_elsewhere: bool = False
    untried_elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """This answer is the line's result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try again after `after` seconds; for `cools_down` seconds no line is sent there."""

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
        case Fault.DENIED | Fault.THROTTLED if at.proven and not at.retry_after:
            return NextTarget(for_good=True) if at.elsewhere else Deliver()
        case Fault.ACCOUNT | Fault.DENIED:
            if at.untried_elsewhere:
                return NextTarget(for_good=False)
            return Retry(after=_pause(at), uses_attempt=False)
        case Fault.TOO_LARGE | Fault.STREAMED | Fault.UNSENDABLE:
            return NextTarget(for_good=True) if at.elsewhere else GiveUp()
        case Fault.THROTTLED:
            return _again(at, uses_attempt=False, cools_down=at.retry_after)
        case Fault.UNREACHABLE | Fault.NO_DESCRIPTORS:
            return _again(at, uses_attempt=False, cools_down=None)
        case Fault.UNAVAILABLE:
            return _again(at, uses_attempt=_blamed(at), cools_down=at.retry_after)
        case Fault.BROKEN if at.verdict and at.tries > 0:
            if at.elsewhere:
                return NextTarget(for_good=True, uses_attempt=True)
            return GiveUp()
        case Fault.BROKEN | Fault.GARBAGE | Fault.TIMEOUT | Fault.INTERRUPTED:
            return _again(at, uses_attempt=_blamed(at), cools_down=None)
        case _:
            assert_never(fault)


def _blamed(at: Circumstances) -> bool:
    """Whether the fault counts against the line."""
    return not at.down or at.proven


def _again(at: Circumstances, *, uses_attempt: bool, cools_down: float | None) -> Decision:
    if cools_down is not None:
        cools_down = min(cools_down, MOST_RETRY_AFTER)
    if at.attempts + uses_attempt >= at.max_attempts and uses_attempt:
        if at.elsewhere:
            return NextTarget(for_good=True, uses_attempt=True, cools_down=cools_down)
        return GiveUp(cools_down=cools_down)
    if at.down and at.open_elsewhere:
        return NextTarget(for_good=False, uses_attempt=uses_attempt, cools_down=cools_down)
    after = max(_pause(at), min(at.retry_after or 0.0, MOST_RETRY_AFTER))
    if after >= at.time_left:
        if at.open_elsewhere:
            return NextTarget(for_good=False, uses_attempt=uses_attempt, cools_down=cools_down)
        if uses_attempt:
            return GiveUp(cools_down=cools_down)
        # No line ends with what was never held against it: it waits, and expires with its batch.
    return Retry(after=after, uses_attempt=uses_attempt, cools_down=cools_down)


def _pause(at: Circumstances) -> float:
    pause = backoff(at.tries, at.draw)
    return min(pause, at.draw * _CAP_WHILE_DOWN) if at.down else pause


def backoff(tries: int, draw: float) -> float:
    """Exponential with full jitter: lines that failed together do not come back together."""
    return draw * min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(tries, 20))
