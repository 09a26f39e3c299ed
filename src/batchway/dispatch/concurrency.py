"""How many lines may be in flight at one target: what it turns out to take.

`Auto` wants goodput: no caller of a batch waits for a single answer. It rises fast and falls only
for a reason:

    RAMP: doubles after each round, until the limit's ceiling, a refusal, a loss of goodput
      |   or two doublings in a row that brought nothing
      v
    HOLD: now and then TRIES half or double in turns with the present limit (`goodput.Trial`):
          takes the smaller if the larger is proven not to pay, the larger if it does

    refused more often than borne, in any state: falls below what was just in flight, remembers
    where, HOLDs; from there up in small steps, rarely

A doubling "pays" by the aim: for throughput if it brings a few percent, for latency half as much
again.

Owns the number. Does not own who gets a slot (`fairness`), rates (`bucket`), or how goodput is
measured (`goodput`). No clock: it counts rounds, so that a slow and a fast provider are treated
alike.
"""

from typing import Final

from batchway.dispatch.engine_load import EngineLoad
from batchway.dispatch.goodput import Round, Sample, Trial
from batchway.dispatch.limits import Aim

# The numbers below were tried on the models of `bench auto` (time of a cold run against that of the
# best fixed number; `h200`, `cpu`, `small`). Where nothing is said, half and double change medians
# by less than 0.01.

# 8 costs 0.02 on the H200, 32 costs 0.04 on an engine that is best at 16.
START: Final = 16
# What a doubling must bring. For throughput 1.02 to 1.08 are alike: what matters is that it is less
# than the 5 % which 1,024 instead of 512 bring on the H200, and more than nothing, or a queue would
# grow. For latency the H200 is left at 64 or 128.
_WORTH: Final = {Aim.THROUGHPUT: 1.04, Aim.LATENCY: 1.5}
# Doublings in a row that may bring nothing before the ramp ends. With 1 the drift ends it too soon:
# the worst seed of the H200 goes from 1.06 to 1.24.
_FLAT: Final = {Aim.THROUGHPUT: 2, Aim.LATENCY: 1}
# A burst that looks so much better ends its round early. 1.25 costs 0.03 on the H200.
_QUICK_WORTH: Final = 1.1
# A doubling that brings less than this part of the best is the last; 1.0 takes drift for a loss
# (the worst seed of the H200 from 1.10 to 1.20).
_LOST: Final = 0.9
# Of the best: as good as it.
_NEAR: Final = 0.95

# Rounds held before the next trial, and the most after trials that changed nothing: a trial costs
# half of what the other limit loses, so that trials of a bad one cost under 2 % in the long run.
_HOLD: Final = 8
_LONGEST_HOLD: Final = 64

# An explicit refusal (429, `Retry-After`) is the provider's word, and weighs four times what only
# looks like one (5xx, timeouts): those are common at healthy providers and may be the lines' fault.
# Borne are 5 and 20 in a hundred, and a bunch on top: at 10 in a hundred, chance alone makes
# such a bunch about once in a million requests (a random walk with steps of 1 and -0.25).
_WEIGHT: Final = {True: 4.0, False: 1.0}
_BORNE: Final = 0.2
_MOST_BORNE: Final = 0.6
_BUNCH: Final = 8.0
# A fall: what was in flight when no more was taken, less a little; where failures tell nothing of
# the load, the old limit less as much as TCP's CUBIC takes. Never more than by half at once.
_BELOW: Final = 0.95
_CUT: Final = 0.7
# Where half the limit left more than half of the share that is refused, the load is not its cause;
# unless most was refused, when half the limit may be too much as well.
_HALF: Final = 0.5
_SURE: Final = 64  # exchanges by which a share of 0.3 is not taken for half of it
# Towards the place of a refusal the limit grows by half the way, then rarely by a sixteenth; after
# three such steps beyond it, the place is forgotten: the provider has grown.
_CLOSE: Final = 0.9
_CREEP: Final = 16
_FORGIVEN: Final = 3

# The part of what runs that may wait in an engine that tells: work for an eighth of an answer's
# time, longer than it takes us to send the next line.
_SHORT_QUEUE: Final = 8
# A request may take this part of its timeout before the limit stops growing: a doubling may double
# latency, and the slowest answer take twice as long as the mean.
_PATIENCE: Final = 0.25
# Limits that differ by less cannot be told apart by a trial: the larger is simply taken.
_ALIKE: Final = 1.25


class Auto:
    """Finds the limit, beginning at `start` where an earlier one is known."""

    __slots__ = (
        "_aim",
        "_borne",
        "_ceiling",
        "_crept",
        "_down_in",
        "_down_pause",
        "_fell_from",
        "_flat",
        "_floor",
        "_levels",
        "_most",
        "_punished",
        "_queue",
        "_queued",
        "_ramping",
        "_recalled",
        "_refused",
        "_round",
        "_since_fall",
        "_slowest",
        "_strain",
        "_strained_at",
        "_trial",
        "_up_in",
        "_up_pause",
        "limit",
    )

    def __init__(
        self,
        *,
        most: int,
        start: int | None = None,
        aim: Aim = Aim.THROUGHPUT,
        timeout: float = 600.0,
    ) -> None:
        self._most = most
        self._aim = aim
        self._slowest = timeout * _PATIENCE
        self.limit = min(START if start is None else max(1, start), most)
        self._ramping = start is None
        self._recalled = start is not None
        self._levels: list[tuple[int, float]] = []  # of the ramp: limit, goodput
        self._flat = 0
        self._trial: Trial | None = None
        self._up_in, self._down_in = 1, 2  # rounds
        self._up_pause = self._down_pause = _HOLD
        self._ceiling: int | None = None  # where it was refused
        self._crept = 0
        self._strain = 0.0  # by refusals beyond what is borne
        self._refused = 0  # since there was no strain
        self._strained_at = 0  # requests sent before that
        self._borne = _BORNE
        self._punished = 0  # refusals of requests up to this number were answered by a fall
        self._floor = 1  # of that fall
        self._fell_from: tuple[int, float] | None = None  # limit, share of refusals there
        self._queue = 0  # that the engine told of, last time
        self._queued = False  # it has one that is no passing burst
        self._since_fall = 0, 0  # failures, answers
        self._round = Round(limit=self.limit, sent=0, previous=0)

    @property
    def found(self) -> int | None:
        """The limit, once the ramp is over, or something was tried beside what was recalled.

        During a trial it is the one that is not on trial.
        """
        if self._ramping or self._recalled:
            return None
        return self.limit if self._trial is None else self._trial.limit

    def answered(self, *, number: int, sent: int, latency: float, tokens: int, full: bool) -> None:
        """Add to the round; at its end, judge."""
        if self._strain > 0.0:
            self._strain -= self._borne / (1 - self._borne)
        seen = self._round
        sample = seen.sample(number)
        if sample is None:
            if seen.lost(number):
                self._move(self.limit, sent)
            return
        sample.add(latency, tokens, full)
        if sample is seen.body:
            if seen.over:
                self._judge(seen, sent)
        elif self._ramping and seen.early and self._pays_early(seen):
            self._climb(seen, seen.head, sent)

    def refused(
        self, *, number: int, sent: int, latency: float, explicit: bool, in_flight: int
    ) -> None:
        """Fall, unless refusals are as rare as a healthy provider's."""
        if number <= self._punished:
            if explicit:
                self._fall_on(sent, in_flight)
            return
        sample = self._round.sample(number)
        if sample is not None:
            sample.fail(latency)
        if self._strain <= 0.0:
            self._strain = 0.0
            self._refused, self._strained_at = 0, sent
        weight = _WEIGHT[explicit]
        self._refused += 1
        self._strain += weight
        if self._strain < _BUNCH + self._borne * self.limit:
            return
        # Of the requests sent meanwhile, not of those that ended: failures are often quicker.
        others = max(0, sent - self._strained_at - self._refused)
        share = weight * self._refused / (weight * self._refused + others)
        if not self._blameless(share, sent):
            self._fall(sent, in_flight if explicit else None)

    def heard(self, load: EngineLoad, *, sent: int, in_flight: int) -> None:
        """Keep the engine's queue short, but never empty.

        A queue counts when two looks saw it, since every burst waits for a moment; and not while
        more than the limit is in flight, or each look would punish what the first one did.
        """
        if in_flight > self.limit:
            self._queue = 0
            return
        queue, self._queue = min(self._queue, load.waiting), load.waiting
        if self._queued and not load.waiting:
            self._up_in = min(self._up_in, 1)
        self._queued = queue > 0
        short = max(1, load.running // _SHORT_QUEUE)
        if queue <= 2 * short:
            return
        self._queue = 0
        self._settle()
        self._move(max(int(self.limit * _HALF), self.limit - queue + short), sent)

    # ------------------------------------------------------------------ refusals

    def _blameless(self, share: float, sent: int) -> bool:
        """Whether earlier falls show that the load is not why this share is refused."""
        if self._fell_from is None or self._fell_from[1] > _HALF:
            self._fell_from = self.limit, share
            return False
        limit, before = self._fell_from
        if self.limit > limit * _HALF or share < before * _HALF:
            return False
        self._borne = min(_MOST_BORNE, 1.5 * share)
        self._fell_from = self._ceiling = None
        self._strain = 0.0
        self._ramping = True
        self._move(limit, sent)
        return True

    def _fall(self, sent: int, in_flight: int | None) -> None:
        self._strain = 0.0
        self._since_fall = 0, 0
        # Whatever was sent before has already been punished by this fall.
        self._punished = sent
        self._floor = max(1, int(self.limit * _HALF))
        self._ceiling = self.limit
        if self._crept:
            self._up_pause = min(_LONGEST_HOLD, 2 * self._up_pause)
        self._crept = 0
        self._settle()
        self._down_in = max(_LONGEST_HOLD, self._down_in)
        if in_flight is None:
            self._move(max(self._floor, int(self.limit * _CUT)), sent)
        else:
            self._fall_on(sent, in_flight)
        self._up_in = self._patience(self._ceiling)

    def _fall_on(self, sent: int, in_flight: int) -> None:
        """Each refusal of one burst says better how many are taken."""
        if self._ceiling is not None and in_flight < self._ceiling:
            self._ceiling = max(self._floor, in_flight)
        to = max(self._floor, int(in_flight * _BELOW))
        if to < self.limit:
            self._move(to, sent)

    def _forgive(self, seen: Round) -> None:
        """Forget what later rounds do not bear out."""
        failures, answers = self._since_fall
        self._since_fall = failures, answers = (
            failures + seen.body.failures,
            answers + seen.body.answers,
        )
        if failures + answers < _SURE:
            return
        self._since_fall = 0, 0
        share = failures / (failures + answers)
        self._borne = max(_BORNE, min(self._borne, 3 * share))
        if self._fell_from is not None and share < self._fell_from[1] * _HALF:
            self._fell_from = None  # the fall helped

    # ------------------------------------------------------------------ rounds

    def _move(self, limit: int, sent: int) -> None:
        previous, self.limit = self.limit, min(max(1, limit), self._most)
        self._round = Round(limit=self.limit, sent=sent, previous=previous)

    def _settle(self) -> None:
        """End what is being tried out: something is known now."""
        self._recalled = False
        self._ramping, self._trial = False, None
        self._levels.clear()

    def _judge(self, seen: Round, sent: int) -> None:
        self._forgive(seen)
        if not seen.body.used:
            self._move(self.limit, sent)
        elif self._ramping:
            self._climb(seen, seen.body, sent)
        elif self._trial is not None:
            self._try(self._trial, seen, sent)
        else:
            self._rest(seen, sent)

    @property
    def _best(self) -> float:
        return max((goodput for _, goodput in self._levels), default=0.0)

    def _pays_early(self, seen: Round) -> bool:
        worth = max(_QUICK_WORTH, _WORTH[self._aim])
        return self._grows(seen.head) and seen.head.goodput(self.limit) >= worth * self._best

    def _grows(self, seen: Sample) -> bool:
        """Whether the limit may be doubled."""
        return self.limit < self._most and 2 * seen.latency < self._slowest * seen.answers

    def _climb(self, seen: Round, sample: Sample, sent: int) -> None:
        goodput, best = sample.goodput(seen.limit), self._best
        self._levels.append((seen.limit, goodput))
        self._flat = 0 if goodput >= _WORTH[self._aim] * best else self._flat + 1
        if self._grows(sample) and goodput >= _LOST * best and self._flat < _FLAT[self._aim]:
            self._move(2 * self.limit, sent)
            return
        self._down_in = 1 if self._flat else _LONGEST_HOLD
        self._up_in = _HOLD
        if self._aim is Aim.LATENCY:
            limit = self._levels[-1 - self._flat][0]
        else:
            near = [limit for limit, got in self._levels if got >= _NEAR * self._best]
            # The smallest that is near the best and, if it is too, its double: a queue costs
            # nothing, an idle engine does.
            limit = max(limit for limit in near if limit <= 2 * near[0])
        self._settle()
        self._move(limit, sent)

    def _rest(self, seen: Round, sent: int) -> None:
        if self._queued:
            # More would only wait, and with less the engine might have to.
            self._move(self.limit, sent)
            return
        self._down_in -= 1
        self._up_in -= 1
        if self._down_in <= 0 and self.limit > 1:
            self._begin(self.limit // 2, seen, sent)
        elif self._up_in <= 0 and self._grows(seen.body):
            wanted = min(2 * self.limit, self._most)
            if self._ceiling is not None and wanted >= self._ceiling:
                self._creep(self._ceiling, sent)
            elif wanted < _ALIKE * self.limit:
                self._move(wanted, sent)
            else:
                self._begin(wanted, seen, sent)
        else:
            self._move(self.limit, sent)

    def _patience(self, ceiling: int) -> int:
        """Rounds until the next step towards the place of a refusal."""
        return self._up_pause if self.limit >= _CLOSE * ceiling else 1

    def _creep(self, ceiling: int, sent: int) -> None:
        step = max(1, self.limit // _CREEP, (ceiling - self.limit) // 2)
        self._move(self.limit + step, sent)
        self._up_in = self._patience(ceiling)
        if self.limit >= ceiling:
            self._crept += 1
            if self._crept > _FORGIVEN:
                self._ceiling = None
                self._crept = 0

    def _begin(self, other: int, seen: Round, sent: int) -> None:
        self._trial = Trial(limit=self.limit, goodput=seen.goodput, other=other)
        self._move(other, sent)

    def _try(self, trial: Trial, seen: Round, sent: int) -> None:
        following = trial.add(seen)
        verdict = trial.verdict(_WORTH[self._aim])
        if verdict is None:
            self._move(following, sent)
            return
        self._settle()
        up = trial.other > trial.limit
        pause = (
            _HOLD
            if verdict
            else min(_LONGEST_HOLD, 2 * (self._up_pause if up else self._down_pause))
        )
        wait = 1 if verdict else pause
        if up:
            self._up_pause, self._up_in = pause, wait
        else:
            self._down_pause, self._down_in = pause, wait
        self._move(trial.other if verdict else trial.limit, sent)
