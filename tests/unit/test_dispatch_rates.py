"""Rates of a target: what is waited for, how tenants are charged, and what headers say."""

import math

import pytest
from tests.unit.dispatch_world import FakeAnswer

from batchway.dialects.openai.notes import OPENAI_NOTES
from batchway.dispatch.rates import Rates


def _rates(requests: int | None = None, tokens: int | None = None) -> Rates:
    return Rates(requests_per_minute=requests, tokens_per_minute=tokens, now=0.0)


def _answer(what: str, remaining: str, *, limit: str = "", reset: str = "") -> FakeAnswer:
    told = {"remaining": remaining, "limit": limit, "reset": reset}
    return FakeAnswer(
        200, headers={f"x-ratelimit-{name}-{what}": text for name, text in told.items() if text}
    )


@pytest.mark.parametrize(
    ("requests", "tokens", "taken", "waits"),
    [
        (None, None, 5, 0.0),
        (60, None, 0, 0.0),
        (60, None, 1, 1.0),
        (None, 6_000, 1, 1.0),
        (600, 6_000, 1, 1.0),  # the scarcer of the two
        (60, 600_000, 1, 1.0),
    ],
)
def test_a_request_waits_for_both_rates(
    requests: int | None, tokens: int | None, taken: int, waits: float
) -> None:
    rates = _rates(requests, tokens)
    for _ in range(taken):
        rates.take(100, 0.0)
    assert rates.wait(100, 0.0) == pytest.approx(waits, rel=0.3)
    assert rates.scarce is (waits > 0)
    assert rates.limited is (requests is not None or tokens is not None)
    assert rates.wait(100, 2.0) == 0.0
    assert not rates.scarce


@pytest.mark.parametrize(
    ("requests", "tokens", "cost", "charge", "corrected"),
    [
        (None, None, 1_000, 1.0, 0.0),  # a slot is what a tenant takes
        (600, None, 1_000, 1 / 600, 0.0),
        (None, 10_000, 1_000, 0.1, -0.05),
        (600, 10_000, 1_000, 0.1, -0.05),
        (600, 10_000_000, 1_000, 1 / 600, -0.00005),
    ],
)
def test_a_tenant_is_charged_for_what_a_request_takes_more_of(
    requests: int | None, tokens: int | None, cost: float, charge: float, corrected: float
) -> None:
    rates = _rates(requests, tokens)
    assert rates.charge(cost) == pytest.approx(charge)
    assert rates.correct(500) == pytest.approx(corrected)


def test_tokens_that_were_not_used_are_given_back() -> None:
    rates = _rates(tokens=6_000)
    rates.take(1_000, 0.0)
    before = rates.wait(100, 0.0)
    rates.correct(900)
    assert rates.wait(100, 0.0) == pytest.approx(before - 9.0, rel=0.1)


def test_the_longest_pause_counts_and_is_no_rate() -> None:
    rates = _rates(60)
    assert not rates.idle(-math.inf)  # what is in the bucket was not there before the beginning
    assert rates.pause(30.0, 0.0)
    assert not rates.pause(10.0, 5.0)
    assert rates.wait(1, 10.0) == 20.0
    assert (rates.scarce, rates.idle(29.0), rates.idle(30.0)) == (False, False, True)
    assert rates.pause(10.0, 25.0)
    assert rates.quiet_until == 35.0


def test_a_rate_in_use_is_not_idle() -> None:
    rates = _rates(60)
    assert rates.idle(0.0)
    rates.take(1, 0.0)
    assert not rates.idle(0.5)
    assert rates.idle(2.0)


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (FakeAnswer(200), 0.0),
        (_answer("requests", "0", reset="2s"), 2.0),
        (_answer("tokens", "0", reset="2s"), 2.0),
        (_answer("requests", "0", reset="9m"), 60.0),
        (_answer("requests", "0"), 0.0),
        (_answer("requests", "1", reset="2s"), 0.0),
        (_answer("requests", "-", reset="2s"), 0.0),
    ],
)
def test_an_answer_asks_for_a_pause_where_no_rate_is_configured(
    answer: FakeAnswer, pause: float
) -> None:
    assert _rates().hear(answer, OPENAI_NOTES, in_flight=1, now=0.0) == pause


def test_an_answer_empties_a_configured_bucket_instead() -> None:
    rates = _rates(6_000)
    assert (
        rates.hear(_answer("requests", "0", reset="2s"), OPENAI_NOTES, in_flight=1, now=0.0) == 0.0
    )
    assert rates.wait(1, 0.0) == 2.0
    assert rates.scarce


@pytest.mark.parametrize(
    ("answer", "skipped"),
    [
        (_answer("requests", "900", limit="1000"), 15),
        (_answer("requests", "200", limit="1000"), 0),
        (_answer("requests", "39", limit="100"), 0),  # four for each of the ten in flight
        (_answer("tokens", "41", limit="100"), 15),
        (FakeAnswer(200), 15),
    ],
)
def test_headers_are_read_more_often_the_less_is_left(answer: FakeAnswer, skipped: int) -> None:
    rates = _rates()
    assert rates.look_in == 0
    rates.hear(answer, OPENAI_NOTES, in_flight=10, now=0.0)
    assert rates.look_in == skipped
