"""The models of engines are as fast as what they were fitted to, and lose no request."""

import math

import pytest
from bench.engine_runs import Load, World, run

from batchway.dispatch.control import Fixed
from batchway.simulator.online.engine_model import ENGINES, Engine, EngineModel

_FIXED = Load(lines=3_000)
_CPU = Load(lines=6_595, shortest=32, longest=32)


def _rate(name: str, load: Load, limit: int) -> float:
    """Output tokens a second of whole batches."""
    runs = [run(World(model=ENGINES[name]), load, Fixed(limit), seed=seed) for seed in range(4)]
    return sum(sum(tokens for *_, tokens in each.done) / each.seconds for each in runs) / len(runs)


@pytest.mark.parametrize(
    ("name", "load", "limit", "measured"),
    [
        ("h200", _FIXED, 16, 6_000),
        ("h200", _FIXED, 64, 14_700),
        ("h200", _FIXED, 128, 19_300),
        ("h200", _FIXED, 256, 24_000),
        ("h200", _FIXED, 1_024, 23_700),
        ("cpu", _CPU, 16, 6_595 * 32 / 62),
        ("cpu", _CPU, 32, 6_595 * 32 / 43),
        ("cpu", _CPU, 64, 6_595 * 32 / 38),
        ("cpu", _CPU, 128, 6_595 * 32 / 33),
        ("cpu", _CPU, 256, 6_595 * 32 / 33),
        ("cpu", _CPU, 512, 6_595 * 32 / 37),
    ],
)
def test_the_models_are_as_fast_as_what_was_measured(
    name: str, load: Load, limit: int, measured: float
) -> None:
    # The fit is off by at most 9 % on average (256 and 1,024 of the H200), the drift by the rest.
    assert _rate(name, load, limit) == pytest.approx(measured, rel=0.12)


def test_mixed_lengths_gain_from_more_at_once() -> None:
    load = Load(lines=3_000, shortest=16, longest=240)
    gain = _rate("h200", load, 1_024) / _rate("h200", load, 256)
    assert gain == pytest.approx(1.17, abs=0.05)


def test_the_small_engine_is_best_at_16() -> None:
    load = Load(lines=500)
    rates = {limit: _rate("small", load, limit) for limit in (8, 16, 32, 64)}
    assert max(rates, key=lambda limit: rates[limit]) == 16
    assert rates[64] < 0.7 * rates[16]


STEADY = EngineModel(base=1.0, per_sequence=0.0, max_running=2, drift=(1.0, 1.0), scatter=0.0)


def test_what_does_not_fit_waits_and_a_client_that_leaves_frees_its_place() -> None:
    engine = Engine(STEADY, seed=0)
    for number in (1, 2, 3, 4):
        engine.arrive(0.0, number, 10)
    assert (engine.running, engine.waiting) == (2, 2)
    engine.leave(4.0, 1)
    engine.leave(4.0, 4)
    assert (engine.running, engine.waiting) == (2, 0)
    assert _drained(engine) == [(10.0, 2), (14.0, 3)]


def test_tokens_are_counted_as_they_are_made() -> None:
    engine = Engine(STEADY, seed=0)
    for number in range(3):
        engine.arrive(0.0, number, 4)  # the third waits, and is not being made meanwhile
    seen: list[int] = []
    for now in (2.0, 4.0, 6.0, 8.0):
        engine.advance(now)
        seen.append(engine.tokens)
    assert seen == [4, 8, 10, 12]


def test_an_engine_that_is_idle_for_long_goes_on_where_it_is() -> None:
    engine = Engine(STEADY, seed=0)
    engine.arrive(0.0, 1, 3)
    assert _drained(engine) == [(3.0, 1)]
    assert math.isinf(engine.next_event())
    engine.arrive(1_000.0, 2, 3)
    assert _drained(engine) == [(1_003.0, 2)]


def test_what_ends_while_another_request_arrives_or_leaves_is_told_of() -> None:
    engine = Engine(STEADY, seed=0)
    engine.arrive(0.0, 1, 3)
    engine.arrive(0.0, 2, 5)
    engine.arrive(4.0, 3, 3)
    engine.leave(6.0, 3)
    assert engine.advance(6.0) == [1, 2]


def _drained(engine: Engine) -> list[tuple[float, int]]:
    ended: list[tuple[float, int]] = []
    while math.isfinite(due := engine.next_event()):
        ended += [(due, number) for number in engine.advance(due)]
    return ended
