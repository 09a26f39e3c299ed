"""What `auto` makes of models of engines, beside the best fixed number: a few seeds of each.

`python -m bench auto` runs 200 and writes the table; the bounds are the same.
"""

import statistics

import pytest
from bench.engine_runs import CASES, Case, Load, run

from batchway.dispatch.concurrency import Auto
from batchway.dispatch.control import Fixed
from batchway.dispatch.limits import Aim

SEEDS = range(3)
MOST = 1024


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize(("lines", "bound"), [(3_000, 1.20), (7_500, 1.10)])
def test_cold_it_is_nearly_as_fast_as_the_best_fixed_number(
    case: Case, lines: int, bound: float
) -> None:
    load = case.load(lines)
    ratios = [
        run(case.world, load, Auto(most=MOST), seed=seed).seconds
        / run(case.world, load, Fixed(case.best), seed=seed).seconds
        for seed in SEEDS
    ]
    assert statistics.median(ratios) <= bound
    assert max(ratios) <= 1.35


def test_for_latency_it_stays_where_a_doubling_brings_half_as_much_again() -> None:
    case = CASES[0]
    seen = run(case.world, Load(lines=7_500), Auto(most=MOST, aim=Aim.LATENCY), seed=1)
    assert seen.limits[-1][1] in {32, 64, 128}
