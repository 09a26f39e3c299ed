"""Rates hold over any minute, and headers are read in every format that providers send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchway.dialects.openai.notes import parse_count, parse_duration
from batchway.dispatch.bucket import Bucket


def _greedy(bucket: Bucket, costs: list[float], seconds: float) -> list[tuple[float, float]]:
    """Take as soon as allowed; returns (when, cost)."""
    now, taken = 0.0, list[tuple[float, float]]()
    for cost in costs:
        while (wait := bucket.wait(cost, now)) > 0:
            now += wait
        if now > seconds:
            break
        bucket.take(cost, now)
        taken.append((now, cost))
    return taken


def _most_in_a_minute(taken: list[tuple[float, float]]) -> float:
    """The largest sum of costs in any window of 60 seconds, by a window that slides."""
    most = total = 0.0
    first = 0
    for at, cost in taken:
        total += cost
        while taken[first][0] <= at - 60 + 1e-6:
            total -= taken[first][1]
            first += 1
        most = max(most, total)
    return most


@pytest.mark.parametrize("per_minute", [1, 2, 7, 60, 600, 6000])
def test_no_minute_passes_the_limit_and_little_is_left_unused(per_minute: int) -> None:
    taken = _greedy(Bucket(per_minute=per_minute, now=0.0), [1.0] * per_minute * 6, 300.0)
    assert _most_in_a_minute(taken) <= per_minute
    assert len(taken) >= 0.99 * 5 * per_minute


def test_seconds_are_respected_too() -> None:
    taken = _greedy(Bucket(per_minute=6000, now=0.0), [1.0] * 2000, 15.0)
    busiest = max(sum(1 for at, _ in taken if second <= at < second + 1) for second in range(15))
    assert busiest <= 125  # a hundred a second and a quarter second's burst


@given(costs=st.lists(st.floats(1, 5000), min_size=50, max_size=300))
def test_tokens_of_any_minute_pass_the_limit_by_one_line_at_most(costs: list[float]) -> None:
    taken = _greedy(Bucket(per_minute=10_000, now=0.0), costs, 1e9)
    assert _most_in_a_minute(taken) <= 10_000 + max(costs) + 1e-3


def test_a_line_larger_than_the_bucket_still_passes_and_is_paid_for() -> None:
    bucket = Bucket(per_minute=600, now=0.0)
    assert bucket.wait(500, 0.0) == 0
    bucket.take(500, 0.0)
    assert bucket.wait(1, 0.0) == pytest.approx((500 - 2.5 + 1) / 9.975)


def test_estimates_are_corrected() -> None:
    bucket = Bucket(per_minute=240 * 60, now=0.0)
    bucket.take(6060, 0.0)
    assert bucket.wait(60, 0.0) > 0
    bucket.correct(6000)
    assert bucket.wait(0, 0.0) == 0
    bucket.correct(1e9)
    bucket.take(60, 0.0)
    assert bucket.wait(60, 0.0) > 0  # no saving up beyond the burst


def test_headers_correct_downward_only_and_hold_at_zero() -> None:
    bucket = Bucket(per_minute=6000, now=0.0)
    bucket.hear(1e6, None, 0.0)
    assert bucket.wait(25, 0.0) == 0
    bucket.take(25, 0.0)
    assert bucket.wait(1, 0.0) > 0
    bucket.hear(0, 5.0, 1.0)
    assert bucket.wait(1, 1.0) == 5.0
    bucket.hear(0, 1.0, 1.0)
    assert bucket.wait(1, 1.0) == 5.0
    bucket.hear(0, 1e6, 2.0)
    assert bucket.wait(1, 2.0) == 60.0  # "reset" means all of it, the first comes sooner


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1s", 1.0),
        ("20ms", 0.02),
        ("7.66s", 7.66),
        ("1h2m3.5s", 3723.5),
        ("1d", 86_400.0),
        ("12", 12.0),
        ("0.25", 0.25),
        (" 1s ", 1.0),
        ("0s", 0.0),
        ("", None),
        ("soon", None),
        ("1s!", None),
        ("-1", None),
        ("nan", None),
        ("1x2s", None),
        ("2026-01-01T00:00:00Z", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "count"), [("4999", 4999.0), ("0", 0.0), ("-1", None), ("many", None), ("inf", None)]
)
def test_counts(text: str, count: float | None) -> None:
    assert parse_count(text) == count
