"""What one limit brings: goodput seen in a round, and two limits compared in turns.

Goodput is read from latency, not from a stopwatch: while every slot is taken, requests in flight =
goodput x latency (Little's law). An engine answers in waves, and a stopwatch would count one wave
or two; an answer's own pace has no such edge. A round is requests *sent* one after the other, not
those that come back first: these are the short ones. Where the limit grew, the burst that fills it
is left out: it finds less of a queue than the limit will make. Answers of one wave share their
engine's mood, so a round is one sample, however many answers it has.

Owns the two measurements. Does not own what follows from them (`concurrency`).
"""

import math
from typing import Final

# Requests of a round: one for every other slot, and at small limits enough that a long line among
# short ones does not decide. 32 costs 0.015 where lines fail at random.
_LEAST: Final = 16
# The last eighth of a round is not waited for: lines that hang, or were cancelled. Waiting for all
# costs 0.005 to 0.01.
_ENOUGH: Final = 7 / 8
# The fewest answers of a burst that are looked at.
_HEAD: Final = 8
# Rounds later than this: nothing of the round is still to come.
_LOST: Final = 8
# A round in which fewer of the answers than this found every slot taken says nothing of its limit.
_USED: Final = 0.8

# Two neighbouring rounds at one limit differ by about this (standard deviation of the logarithm),
# by the drift of 10 to 30 % of a real engine; counts as one earlier pair, because the spread of
# two or three pairs is itself hardly known.
_DRIFT: Final = 0.1
_SIGNIFICANT: Final = 2.0  # standard errors
# With 6 a queue of lines whose lengths vary as much as they can is decided by chance (limits of 256
# instead of 64 at an engine that runs 4).
_MOST_PAIRS: Final = 12


class Sample:
    """Answers, and what they took; `latency` also has what failures took."""

    __slots__ = ("answers", "failures", "full", "latency", "tokens")

    def __init__(self) -> None:
        self.answers = 0
        self.failures = 0
        self.full = 0
        self.latency = 0.0
        self.tokens = 0

    def add(self, latency: float, tokens: int, full: bool) -> None:
        """An answer; `full` is whether it found every slot taken."""
        self.answers += 1
        self.latency += latency
        self.tokens += tokens
        self.full += full

    def fail(self, latency: float) -> None:
        """A failure: its slot cost time and brought nothing."""
        self.failures += 1
        self.latency += latency

    @property
    def used(self) -> bool:
        """Whether the limit was."""
        return self.full >= _USED * self.answers

    def goodput(self, limit: int) -> float:
        """Tokens a second, or answers a second where answers name none."""
        work = max(self.tokens, self.answers)
        return limit * work / self.latency if self.latency > 0 else 0.0


class Round:
    """What is sent at one limit: a burst that fills it, then one request for each that ends.

    `sent` were before the limit was set; the one before it was `previous`. `head` is the end of
    the burst, an early look; `body` is what the round is judged by.
    """

    __slots__ = ("after", "body", "head", "limit", "size")

    def __init__(self, *, limit: int, sent: int, previous: int) -> None:
        self.limit = limit
        self.size = max(_LEAST, limit // 2)
        self.after = sent + max(0, limit - previous)
        self.head = Sample()
        self.body = Sample()

    def sample(self, number: int) -> Sample | None:
        """The sample that a request belongs to, if to any."""
        place = number - self.after
        if 0 < place <= self.size:
            return self.body
        return self.head if -max(_HEAD, self.size // 4) < place <= 0 else None

    def lost(self, number: int) -> bool:
        """Whether a request so late was answered that the rest will not be: it was cancelled."""
        return number > self.after + _LOST * self.size

    @property
    def over(self) -> bool:
        """Whether all that is waited for has come."""
        return self.body.answers + self.body.failures >= self.size * _ENOUGH

    @property
    def early(self) -> bool:
        """Whether enough of the burst has come back for a first look."""
        return self.head.answers >= _HEAD and self.head.used

    @property
    def goodput(self) -> float:
        """Tokens, or answers, a second."""
        return self.body.goodput(self.limit)


class Trial:
    """Another limit tried in turns with the present one: A B A B A ...

    Each B is compared with the mean of the A before and after it, so that drift cancels.
    """

    __slots__ = ("_before", "_differences", "_other", "limit", "other")

    def __init__(self, *, limit: int, goodput: float, other: int) -> None:
        self.limit = limit
        self.other = other
        self._before = goodput
        self._other = 0.0
        self._differences: list[float] = []

    def add(self, round_: Round) -> int:
        """Take the next round in; returns the limit of the one after it."""
        if round_.limit == self.other:
            self._other = round_.goodput
            return self.limit
        if self._other > 0 and self._before > 0 and round_.goodput > 0:
            between = (math.log(self._before) + math.log(round_.goodput)) / 2
            self._differences.append(math.log(self._other) - between)
        self._before = round_.goodput
        return self.other

    def verdict(self, worth: float) -> bool | None:
        """Whether the other limit is to be taken; `None` while that is open.

        The larger of the two must bring `worth` times the goodput of the smaller, for a doubling.
        """
        pairs = len(self._differences)
        if not pairs:
            return None
        larger = self.other > self.limit
        mean = sum(self._differences) / pairs
        squares = sum((each - mean) ** 2 for each in self._differences) + _DRIFT**2
        doubt = _SIGNIFICANT * math.sqrt(squares) / pairs
        gain = (mean if larger else -mean) - math.log(worth) * abs(
            math.log2(self.other / self.limit)
        )
        if abs(gain) <= doubt and pairs < _MOST_PAIRS:
            return None
        return (gain > 0) is larger
