"""How many lines may be in flight at one target: a fixed number, or what it turns out to take.

`Auto` watches two things: refusals and the time an output token takes. A refusal is explicit when
the provider asks for less (429, or 503 with `Retry-After`); what only looks like one (any other
502, 503 or 529, timeouts, broken connections) counts where there is much of it. The time is what
finds the limit of vLLM and its like, which never refuse but queue. While every slot is taken,
lines in flight = goodput x latency (Little's law), so whether more concurrency brought more
goodput is read from latency alone, without a stopwatch.

    GROW --round pays in full--> x2 --pays in part--> x1.25 --pays no more--> TRIM
      ^                                                                        | x0.8 while that
      |  +------------------------ costs goodput <-----------------------------+ costs nothing
      |  v
      | HOLD for some rounds --x1.25--> PROBE --pays--> GROW (at x1.25, then x2 again)
      |  ^                                |
      |  +---- longer each time ----------+ does not pay: back
      |
      +--- x0.7 and at most one such cut a cohort --- refusals, in any state; grows by 1/16 then

A round ends after enough answers to requests that were all sent at the present limit and with
every slot taken: a limit that is not used is not judged, and never grows.

Owns the number. Does not own who gets a slot (`fairness`) or rates (`bucket`). No clock: it
counts rounds, so that a slow and a fast provider are treated alike.
"""

import math
from enum import Enum
from typing import Final, Protocol, assert_never

START: Final = 8

_CUT: Final = 0.7
_DOUBLE: Final = 2.0
_STEP: Final = 1.25
_CREEP: Final = 1.0 + 1 / 16  # after a refusal
_TRIM: Final = 0.8

# Share of the growth in concurrency that must come back as goodput: above the first the growth
# goes on as before, below the second it is undone.
_PAYS_IN_FULL: Final = 0.5
_PAYS_AT_ALL: Final = 0.15
_TRIM_LOSS: Final = 0.03

# Answers that a round must see. Few suffice to notice that nothing has changed; a step that may
# be taken back deserves a steadier look.
_QUICK: Final = 8
_STEADY: Final = 64
_CAREFUL: Final = 128

_SETTLE: Final = 2  # limits' worth of answers

_FIRST_HOLD: Final = 4
_LONGEST_HOLD: Final = 32
_WORSE: Final = 1.5  # latency against the baseline of a hold that means the provider got slower
_FORGET: Final = 0.02  # of that baseline a round
_CONFIDENCE: Final = 1.5  # standard errors
_INSTANT: Final = 1e-9

# An explicit refusal adds to the pressure, every answer takes away a little; the limit is cut when
# it reaches the mark. So four in a hundred are borne, and a provider that is full is seen at once.
_PRESSURE: Final = 2.0
_PRESSURE_SHARE: Final = 1 / 16  # of the limit: chance alone piles up more where more is sent
_RELIEF: Final = 0.04

# What only looks like a refusal is borne up to this share of the exchanges: a provider that fails
# one in ten whatever its load is not throttled for it. Beyond, the excess adds up to a mark of its
# own. The mark grows with the limit because failures are quick: those among the first requests of a
# cohort come in a bunch, before its answers.
_BORNE: Final = 0.2
_STRAIN: Final = 8.0
# A failure that held its slot for longer than an answer counts for as many as would have come
# meanwhile, but not for any number: a request that hangs is no worse than some that break.
_MOST_WEIGHT: Final = 4.0
_TYPICAL: Final = 1 / 16
# Where a cut brought the share of failures down by less than a quarter of what it would have if the
# load were their cause, something else is, and that share is borne too while it lasts. There is a
# limit to it: a provider that fails most requests is spared whatever the reason.
_MOST_BORNE: Final = 0.6
_MOST_BLAMELESS: Final = 0.5
_CLEARLY_BELOW: Final = 0.85


class Control(Protocol):
    """What a gate asks of a concurrency control."""

    limit: int
    cohort: int

    def answered(self, *, cohort: int, latency: float, tokens: int, full: bool) -> None:
        """An answer came; `full` is whether every slot was taken until now."""
        ...

    def refused(self, *, cohort: int, explicit: bool, latency: float = 0.0) -> None:
        """A sign of overload; `explicit` if the provider said so (429, `Retry-After`)."""
        ...


class Fixed:
    """A number from the configuration."""

    __slots__ = ("cohort", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.cohort = 0

    def answered(self, *, cohort: int, latency: float, tokens: int, full: bool) -> None:
        """Nothing to learn."""

    def refused(self, *, cohort: int, explicit: bool, latency: float = 0.0) -> None:
        """Nothing to change."""


class _State(Enum):
    GROW = "grow"
    TRIM = "trim"
    HOLD = "hold"
    PROBE = "probe"


class _Level:
    """A limit that was tried, the latency seen there, and how far (relatively) that may be off."""

    __slots__ = ("doubt", "latency", "limit", "per_token")

    def __init__(self, limit: int, latency: float, doubt: float, *, per_token: bool) -> None:
        self.limit = limit
        self.latency = latency
        self.doubt = doubt
        self.per_token = per_token

    @property
    def goodput(self) -> float:
        """Tokens or answers a second."""
        return self.limit / self.latency


class Auto:
    """Finds the limit. A cohort is the requests sent between two changes of the limit."""

    __slots__ = (
        "_answered_since",
        "_answers",
        "_baseline",
        "_borne",
        "_cross",
        "_cut_from",
        "_factor",
        "_failures",
        "_hold",
        "_hold_for",
        "_latency",
        "_latency_squares",
        "_most",
        "_needed",
        "_paid",
        "_pressure",
        "_reference",
        "_refused_cohort",
        "_refused_since",
        "_skip",
        "_state",
        "_strain",
        "_strayed",
        "_token_squares",
        "_tokens",
        "_typical",
        "_used",
        "cohort",
        "limit",
    )

    def __init__(self, *, most: int) -> None:
        self._most = most
        self.limit = min(START, most)
        self.cohort = 0
        self._state = _State.GROW
        self._factor = _DOUBLE
        self._reference: _Level | None = None  # what the present limit is compared with
        self._baseline: _Level | None = None  # of a hold
        self._hold = 0  # rounds held so far
        self._hold_for = _FIRST_HOLD
        self._paid = 0  # small steps in a row that paid in full
        self._strayed = 0  # rounds in a row that were worse than the baseline
        self._pressure = 0.0
        self._strain = 0.0  # by what only looks like a refusal
        self._refused_since = 0.0  # the same by weight, since there was none
        self._answered_since = 0
        self._typical = _INSTANT  # latency of late
        self._borne = _BORNE
        self._cut_from: tuple[int, float] | None = None  # limit, share of failures at it
        self._refused_cohort = 0  # the first cohort whose refusals are news
        self._skip = 0
        self._new_round(_QUICK)

    def answered(self, *, cohort: int, latency: float, tokens: int, full: bool) -> None:
        """Add to the round; at its end, judge."""
        if self._pressure > 0.0:
            self._pressure -= _RELIEF
        if self._strain > 0.0:
            self._strain -= self._borne
            self._answered_since += 1
        self._typical += _TYPICAL * (latency - self._typical)
        if cohort != self.cohort:
            return  # sent at another limit: it says nothing about this one
        if self._skip:
            self._skip -= 1
            return
        self._answers += 1
        self._latency += latency
        self._latency_squares += latency * latency
        self._tokens += tokens
        self._token_squares += tokens * tokens
        self._cross += latency * tokens
        self._used += full
        if self._answers >= self._needed:
            self._judge()

    def refused(self, *, cohort: int, explicit: bool, latency: float = 0.0) -> None:
        """Cut once a cohort, unless the refusals are as rare as a healthy provider's."""
        if cohort < self._refused_cohort:
            return
        if explicit:
            self._pressure = max(self._pressure, 0.0) + 1.0
            if self._pressure >= max(_PRESSURE, self.limit * _PRESSURE_SHARE):
                self._cut_from = None
                self._cut()
        elif self._strained(cohort, latency):
            share = self._refused_since / (self._refused_since + self._answered_since)
            if self._blameless(share):
                self._borne = min(_MOST_BORNE, 1.5 * share)
                self._cut_from = None
                self._factor = _STEP  # back to where it was
                self._strain = 0.0
            else:
                self._cut_from = self.limit, share
                self._cut()

    def _strained(self, cohort: int, latency: float) -> bool:
        if self._strain <= 0.0:
            self._strain = 0.0
            self._refused_since, self._answered_since = 0.0, 0
        latency = min(latency, _MOST_WEIGHT * self._typical)
        weight = max(1.0, latency / self._typical)
        self._strain += weight * (1.0 - self._borne)
        self._refused_since += weight
        if cohort == self.cohort and not self._skip:
            # A slot that fails costs its time and brings nothing: growth that brings only
            # failures must be seen not to pay.
            self._failures += 1
            self._latency += latency
            self._latency_squares += latency * latency
        return self._strain >= _STRAIN + self._borne * self.limit

    def _blameless(self, share: float) -> bool:
        """Whether the latest cut shows that the load is not why this share of requests fails."""
        if self._cut_from is None:
            return False
        limit, before = self._cut_from
        if before > _MOST_BLAMELESS or self.limit > _CLEARLY_BELOW * limit:
            return False
        by_load = max(0.0, 1 - (1 - before) * limit / self.limit)
        return share > before - (before - by_load) / 4

    def _cut(self) -> None:
        self._state = _State.GROW
        self._factor = _CREEP
        self._reference = None
        self._move(max(1, int(self.limit * _CUT)), _STEADY)
        # Whatever was sent before the cut has already been punished by it.
        self._refused_cohort = self.cohort
        self._pressure = self._strain = 0.0

    # ------------------------------------------------------------------ rounds

    def _new_round(self, needed: int) -> None:
        self._answers = 0
        self._failures = 0
        self._used = 0
        self._tokens = 0
        self._token_squares = 0
        self._latency = 0.0
        self._latency_squares = 0.0
        self._cross = 0.0
        self._needed = max(needed, self.limit)

    def _move(self, limit: int, needed: int) -> None:
        self.limit = min(max(1, limit), self._most)
        self.cohort += 1
        # The first answers of a cohort are its quickest. While doubling all rounds see just those
        # and compare; a closer look waits until the slow ones come in too.
        self._skip = 0 if needed == _QUICK else _SETTLE * self.limit
        self._new_round(needed)

    def _judge(self) -> None:
        # What was borne because it came anyway is not any longer once it stays away.
        share = self._failures / (self._failures + self._answers)
        self._borne = max(_BORNE, min(self._borne, 3 * share))
        if self._used < 0.8 * self._answers:
            self._new_round(self._needed)
            return
        seen = self._seen()
        match self._state:
            case _State.GROW | _State.PROBE:
                self._judge_growth(seen)
            case _State.TRIM:
                self._judge_trim(seen)
            case _State.HOLD:
                self._judge_hold(seen)
            case _:
                assert_never(self._state)

    def _seen(self) -> _Level:
        """This round in brief: latency is a ratio of sums, its doubt the ratio's standard error."""
        per_token = self._tokens >= self._answers
        if per_token:
            latency = self._latency / self._tokens
            cross, squares = self._cross, self._token_squares
        else:
            latency = self._latency / self._answers
            cross, squares = self._latency, self._answers
        residue = self._latency_squares - 2 * latency * cross + latency * latency * squares
        doubt = math.sqrt(max(residue, 0.0)) / max(self._latency, _INSTANT)
        return _Level(self.limit, max(latency, _INSTANT), doubt, per_token=per_token)

    def _judge_growth(self, seen: _Level) -> None:
        before = self._reference
        if before is None or before.per_token != seen.per_token:
            self._reference = seen
            self._grow()
            return
        if seen.limit < before.limit * 1.2 and seen.limit < self._most:
            # Creeping: steps too small to be told from noise are judged once they add up.
            self._grow()
            return
        pays, at_best = _payback(before, seen)
        if pays >= _PAYS_IN_FULL:
            self._reference = seen
            self._quicken()
            self._grow()
        elif at_best >= _PAYS_IN_FULL and self.limit < self._most:
            # Too noisy to tell. Going on is the better look: with the same reference the
            # difference grows with every step.
            self._grow()
        elif self._answers < _STEADY:
            self._needed = max(_STEADY, self.limit)
        elif pays < _PAYS_AT_ALL:
            self._undo(before, seen)
        else:
            self._slow_down(before, seen)

    def _quicken(self) -> None:
        if self._state is _State.PROBE:
            self._state = _State.GROW
            self._hold_for = _FIRST_HOLD
        self._paid += 1
        if self._factor == _STEP and self._paid >= 2:
            self._factor = _DOUBLE
        elif self._factor == _CREEP and self._paid >= 3:
            self._factor = _STEP  # far above where it was refused: that has passed

    def _slow_down(self, before: _Level, seen: _Level) -> None:
        self._paid = 0
        if self._state is _State.PROBE:
            self._state = _State.GROW
            self._hold_for = _FIRST_HOLD
        if self._factor == _DOUBLE:
            # The knee lies between the two: go to where latency would be that of before.
            self._factor = _STEP
            self._reference = None
            self._move(_without_queue(before, seen), _STEADY)
        else:
            self._reference = seen
            self._grow()

    def _grow(self) -> None:
        if self.limit >= self._most:
            self._rest()
            return
        needed = _STEADY if self._factor == _STEP else _QUICK
        self._move(max(self.limit + 1, int(self.limit * self._factor)), needed)

    def _undo(self, before: _Level, seen: _Level) -> None:
        if self._state is _State.PROBE:
            self._hold_for = min(_LONGEST_HOLD, self._hold_for * 2)
            self._move(before.limit, _STEADY)
            self._rest()
            return
        self._move(_without_queue(before, seen), _CAREFUL)
        self._state = _State.TRIM
        self._reference = None

    def _judge_trim(self, seen: _Level) -> None:
        before = self._reference
        if before is None or before.per_token != seen.per_token:
            self._reference = seen
        elif seen.goodput >= (1 - _TRIM_LOSS) * before.goodput:
            self._reference = seen  # as much came through with less: the rest was a queue
        else:
            self._move(before.limit, _STEADY)
            self._rest()
            return
        smaller = int(self.limit * _TRIM)
        if smaller < 1 or smaller == self.limit:
            self._rest()
        else:
            self._move(smaller, _CAREFUL)

    def _rest(self) -> None:
        self._state = _State.HOLD
        self._hold = 0
        self._strayed = 0
        self._baseline = None
        self._paid = 0
        self._new_round(_STEADY)

    def _judge_hold(self, seen: _Level) -> None:
        base = self._baseline
        if base is None or base.per_token != seen.per_token:
            self._baseline = seen
            self._new_round(_STEADY)
            return
        self._hold += 1
        if seen.latency > _WORSE * base.latency:
            self._strayed += 1
            if self._strayed >= 2:
                # The provider got slower (others use it too): the old latency shows how far.
                self._move(max(int(self.limit * 0.5), _without_queue(base, seen)), _STEADY)
                self._rest()
                return
        else:
            self._strayed = 0
            rate = 1.0 if seen.latency < base.latency else _FORGET
            base.latency += rate * (seen.latency - base.latency)
        if self._hold >= self._hold_for and self.limit < self._most:
            self._state = _State.PROBE
            self._factor = _STEP
            self._reference = seen
            self._grow()
        else:
            self._new_round(_STEADY)


def _payback(before: _Level, seen: _Level) -> tuple[float, float]:
    """What share of the added concurrency came back as goodput, and what it may be at best.

    1 is all of it, 0 is nothing: the rest went into a queue.
    """
    grown = seen.limit / before.limit - 1
    if grown <= 0:
        return 1.0, 1.0
    gained = seen.goodput / before.goodput
    noise = 1 + _CONFIDENCE * math.hypot(before.doubt, seen.doubt)
    return (gained - 1) / grown, (gained * noise - 1) / grown


def _without_queue(before: _Level, seen: _Level) -> int:
    """The concurrency that carries today's goodput at the latency of before."""
    least = before.limit if seen.limit > before.limit else 1
    return max(least, round(seen.limit * before.latency / seen.latency))
