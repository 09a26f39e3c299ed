"""What `concurrency: auto` costs beside the best fixed number: models of engines, virtual time.

For each case and size the best fixed number is found by a sweep; then both run every seed, on the
same drift and the same lines, and each seed gives a ratio of times. Runs on every core.
"""

import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

from bench.engine_runs import CASES, Case, run
from bench.figures import percentile

from batchway.dispatch.concurrency import Auto
from batchway.dispatch.control import Fixed

MOST: Final = 1024  # the default of `limits.max_concurrency`
SIZES: Final = (3_000, 7_500)
_LEVELS: Final = (8, 12, 16, 24, 32, 48, 64, 80, 95, 100, 128, 192, 256, 384, 512, 768, 1024)
_SWEEP_SEEDS: Final = 6
_WARM: Final = 10.0  # seconds after which the rate should be the best one
_LEAST_WINDOW: Final = 2.5  # seconds in which a rate can be seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A case at one size. `ratios` and `rates` are of single seeds: time, and rate when warm."""

    case: str
    lines: int
    best: int
    seconds: float
    ratios: tuple[float, ...]
    rates: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of the ratios."""
        return statistics.median(self.ratios)

    @property
    def worst(self) -> float:
        """Of the ratios."""
        return max(self.ratios)

    @property
    def high(self) -> float:
        """The ratio that one seed in twenty passes."""
        return percentile(self.ratios, 95)

    @property
    def rate(self) -> float | None:
        """Median of the rates; `None` where batches end too soon to have one.

        The slow seeds of a batch that mostly ends before would speak for none but themselves.
        """
        if len(self.rates) < len(self.ratios):
            return None
        return statistics.median(self.rates)


def measure(*, seeds: int) -> list[Outcome]:
    """Every case at every size."""
    with ProcessPoolExecutor() as pool:
        bests = list(pool.map(_best, *zip(*_tasks(), strict=True)))
        parts: list[tuple[Case, int, int, int]] = [
            (case, lines, best, seed)
            for (case, lines), (best, _) in zip(_tasks(), bests, strict=True)
            for seed in range(seeds)
        ]
        pairs = list(pool.map(_pair, *zip(*parts, strict=True), chunksize=4))
    outcomes: list[Outcome] = []
    for place, ((case, lines), (best, seconds)) in enumerate(zip(_tasks(), bests, strict=True)):
        mine = pairs[place * seeds : (place + 1) * seeds]
        outcomes.append(
            Outcome(
                case=case.name,
                lines=lines,
                best=best,
                seconds=seconds,
                ratios=tuple(ratio for ratio, _ in mine),
                rates=tuple(rate for _, rate in mine if rate is not None),
            )
        )
    return outcomes


def _tasks() -> list[tuple[Case, int]]:
    return [(case, lines) for lines in SIZES for case in CASES]


def _best(case: Case, lines: int) -> tuple[int, float]:
    """The fixed number with the least time on average, and that time."""
    near = [each for each in _LEVELS if case.best / 4 <= each <= case.best * 4]

    def seconds(limit: int) -> float:
        load, seeds = case.load(lines), range(_SWEEP_SEEDS)
        return statistics.mean(
            run(case.world, load, Fixed(limit), seed=seed).seconds for seed in seeds
        )

    taken = {limit: seconds(limit) for limit in near}
    best = min(taken, key=lambda limit: taken[limit])
    return best, taken[best]


def _pair(case: Case, lines: int, best: int, seed: int) -> tuple[float, float | None]:
    load = case.load(lines)
    fixed = run(case.world, load, Fixed(best), seed=seed)
    auto = run(case.world, load, Auto(most=MOST), seed=seed)
    end = min(_full_until(each.done) for each in (fixed, auto))
    rate = None
    if end > _WARM + _LEAST_WINDOW:
        rate = auto.rate(_WARM, end) / fixed.rate(_WARM, end)
    return auto.seconds / fixed.seconds, rate


def _full_until(done: Sequence[tuple[float, float, int]]) -> float:
    """Until when every answer was made wholly while lines were left to send."""
    last = max(since for since, _, _ in done)
    return min(since for since, until, _ in done if until >= last)
