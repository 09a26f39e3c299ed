"""The table of decisions, row by row."""

from dataclasses import replace

import pytest
from tests.unit.dispatch_world import FakeAnswer

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.openai.notes import OPENAI_NOTES
from batchway.dispatch.fault import Fault, Heard, Setback, fault_of, setback_of
from batchway.dispatch.retry import (
    BACKOFF_CAP,
    Circumstances,
    Decision,
    Deliver,
    GiveUp,
    NextTarget,
    Retry,
    backoff,
    decide,
)
from batchway.ports import Failure, Result

AT = Circumstances(attempts=0, tries=0, max_attempts=3, draw=0.5, time_left=3600.0)
FREE = Retry(after=0.25, uses_attempt=False)
USED = Retry(after=0.25, uses_attempt=True)
LAST = replace(AT, attempts=2)
DOWN = replace(LAST, down=True)
PROVEN = replace(LAST, down=True, proven=True)
FALLBACK = replace(LAST, elsewhere=True, open_elsewhere=True, untried_elsewhere=True)
DOWN_WITH_FALLBACK = replace(DOWN, elsewhere=True, open_elsewhere=True)
ALL_DOWN = replace(DOWN, elsewhere=True, open_elsewhere=False)
VERDICT = replace(AT, tries=1, verdict=True)
GONE = NextTarget(for_good=True)
GONE_USED = NextTarget(for_good=True, uses_attempt=True)
FOR_NOW = NextTarget(for_good=False)
DONE = Deliver()
UP = GiveUp()
SOON = Retry(after=0.5, uses_attempt=False)
SOON_USED = Retry(after=0.5, uses_attempt=True)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (200, Fault.GARBAGE),
        (204, Fault.GARBAGE),
        (101, Fault.REJECTED),
        (302, Fault.ACCOUNT),
        (304, Fault.REJECTED),
        (307, Fault.ACCOUNT),
        (400, Fault.REJECTED),
        (401, Fault.ACCOUNT),
        (402, Fault.ACCOUNT),
        (403, Fault.DENIED),
        (404, Fault.DENIED),
        (405, Fault.DENIED),
        (407, Fault.ACCOUNT),
        (408, Fault.BROKEN),
        (409, Fault.BROKEN),
        (410, Fault.DENIED),
        (413, Fault.REJECTED),
        (422, Fault.REJECTED),
        (429, Fault.THROTTLED),
        (500, Fault.BROKEN),
        (502, Fault.UNAVAILABLE),
        (503, Fault.UNAVAILABLE),
        (308, Fault.ACCOUNT),
        (501, Fault.REJECTED),
        (504, Fault.UNAVAILABLE),
        (505, Fault.REJECTED),
        (507, Fault.BROKEN),
        (520, Fault.UNAVAILABLE),
        (529, Fault.UNAVAILABLE),
        (Failure.UNREACHABLE, Fault.UNREACHABLE),
        (Failure.NO_DESCRIPTORS, Fault.NO_DESCRIPTORS),
        (Failure.TIMEOUT, Fault.TIMEOUT),
        (Failure.INTERRUPTED, Fault.INTERRUPTED),
        (Failure.TOO_LARGE, Fault.TOO_LARGE),
    ],
)
def test_faults(status: int | Failure, fault: Fault) -> None:
    assert fault_of(status) is fault


ROWS: dict[Fault, list[Decision]] = {
    #                    AT    LAST  DOWN  PROVEN FALLBACK   DOWN_W_F. ALL_DOWN VERDICT
    Fault.REJECTED:    [DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE],
    Fault.ACCOUNT:     [FREE, FREE, FREE, FREE, FOR_NOW, FREE, FREE, SOON],
    Fault.DENIED:      [FREE, FREE, FREE, DONE, FOR_NOW, FREE, FREE, SOON],
    Fault.TOO_LARGE:   [UP, UP, UP, UP, GONE, GONE, GONE, UP],
    Fault.STREAMED:    [UP, UP, UP, UP, GONE, GONE, GONE, UP],
    Fault.UNSENDABLE:  [UP, UP, UP, UP, GONE, GONE, GONE, UP],
    Fault.THROTTLED:   [FREE, FREE, FREE, DONE, FREE, FOR_NOW, FREE, SOON],
    Fault.UNREACHABLE: [FREE, FREE, FREE, FREE, FREE, FOR_NOW, FREE, SOON],
    Fault.NO_DESCRIPTORS: [FREE, FREE, FREE, FREE, FREE, FOR_NOW, FREE, SOON],
    Fault.UNAVAILABLE: [USED, UP, FREE, UP, GONE_USED, FOR_NOW, FREE, SOON_USED],
    Fault.BROKEN:      [USED, UP, FREE, UP, GONE_USED, FOR_NOW, FREE, UP],
    Fault.GARBAGE:     [USED, UP, FREE, UP, GONE_USED, FOR_NOW, FREE, SOON_USED],
    Fault.TIMEOUT:     [USED, UP, FREE, UP, GONE_USED, FOR_NOW, FREE, SOON_USED],
    Fault.INTERRUPTED: [USED, UP, FREE, UP, GONE_USED, FOR_NOW, FREE, SOON_USED],
}  # fmt: skip


@pytest.mark.parametrize("fault", list(Fault))
def test_decisions(fault: Fault) -> None:
    columns = [AT, LAST, DOWN, PROVEN, FALLBACK, DOWN_WITH_FALLBACK, ALL_DOWN, VERDICT]
    assert [decide(fault, at) for at in columns] == ROWS[fault]


def test_what_is_the_account_s_is_no_result_at_the_deadline_either() -> None:
    late = replace(AT, time_left=0.1)
    assert decide(Fault.ACCOUNT, late) == decide(Fault.DENIED, late) == FREE
    assert decide(Fault.UNREACHABLE, late) == FREE
    assert decide(Fault.THROTTLED, late) == FREE


def test_a_line_does_not_sleep_beyond_the_end_of_an_outage() -> None:
    assert decide(Fault.UNAVAILABLE, replace(DOWN, tries=12)) == Retry(
        after=1.0, uses_attempt=False
    )


def _drawn(answer: FakeAnswer | Failure) -> Heard | Failure:
    """What dispatch makes of an answer that is no result, in OpenAI's dialect."""
    if isinstance(answer, Failure):
        return answer
    refused = OpenAIDialect(endpoint="/v1/x", model="m").decode(answer.status, answer.body, b"")
    assert not isinstance(refused, Result)
    return Heard(answer, refused, OPENAI_NOTES)


@pytest.mark.parametrize(
    ("answer", "setback"),
    [
        (
            FakeAnswer(429, b'{"error":{"code":"insufficient_quota","message":"m"}}'),
            Setback(fault=Fault.ACCOUNT, status=429, code="insufficient_quota"),
        ),
        (
            FakeAnswer(403, b'{"error":{"message":"Your credit balance is too low"}}'),
            Setback(fault=Fault.ACCOUNT, status=403),
        ),
        (
            FakeAnswer(400, b'{"error":{"code":"billing_hard_limit_reached"}}'),
            Setback(fault=Fault.ACCOUNT, status=400, code="billing_hard_limit_reached"),
        ),
        (
            FakeAnswer(429, b'{"error":{"code":"rate_limit_exceeded"}}'),
            Setback(fault=Fault.THROTTLED, status=429, code="rate_limit_exceeded"),
        ),
        (FakeAnswer(401, b"<html>"), Setback(fault=Fault.ACCOUNT, status=401)),
        (FakeAnswer(200, b"<html>"), Setback(fault=Fault.GARBAGE, status=200)),
        (
            FakeAnswer(200, b"data: {}", {"content-type": "text/event-stream; charset=utf-8"}),
            Setback(fault=Fault.STREAMED, status=200),
        ),
        (Failure.TIMEOUT, Setback(fault=Fault.TIMEOUT)),
    ],
)
def test_setbacks(answer: FakeAnswer | Failure, setback: Setback) -> None:
    assert setback_of(_drawn(answer)) == setback


def test_the_same_mistake_reads_the_same_of_every_line() -> None:
    texts = {
        setback_of(_drawn(FakeAnswer(500, body.encode()))).text
        for body in (
            '{"error":{"message":"No image in request 17 (id 8a6e0804-2bd0)","code":500}}',
            '{"error":{"message":"No image in  request 4 (id 1234abcd-9999)","code":500}}',
        )
    }
    assert len(texts) == 1
    out_of_memory = FakeAnswer(500, b'{"error":{"message":"Out of memory","code":500}}')
    other = setback_of(_drawn(out_of_memory)).text
    assert other not in texts


@pytest.mark.parametrize(
    ("fault", "asked", "expected"),
    [
        (Fault.THROTTLED, 0.0, Retry(after=0.25, uses_attempt=False, cools_down=0.0)),
        (Fault.THROTTLED, 20.0, Retry(after=20.0, uses_attempt=False, cools_down=20.0)),
        (Fault.THROTTLED, 1e9, Retry(after=600.0, uses_attempt=False, cools_down=600.0)),
        (Fault.UNAVAILABLE, 20.0, Retry(after=20.0, uses_attempt=True, cools_down=20.0)),
        (Fault.THROTTLED, 3600.0, Retry(after=600.0, uses_attempt=False, cools_down=600.0)),
    ],
)
def test_retry_after_cools_the_gate_down(fault: Fault, asked: float, expected: Decision) -> None:
    assert decide(fault, replace(AT, retry_after=asked)) == expected


def test_an_attempt_without_time_for_another_is_the_last() -> None:
    late = replace(AT, time_left=20.0, retry_after=20.0)
    assert decide(Fault.UNAVAILABLE, late) == GiveUp(cools_down=20.0)
    with_fallback = replace(late, elsewhere=True, open_elsewhere=True)
    assert decide(Fault.UNAVAILABLE, with_fallback) == NextTarget(
        for_good=False, uses_attempt=True, cools_down=20.0
    )


def test_what_is_no_attempt_waits_beyond_the_deadline_and_expires_with_its_batch() -> None:
    late = replace(AT, time_left=20.0, retry_after=20.0)
    assert decide(Fault.THROTTLED, late) == Retry(after=20.0, uses_attempt=False, cools_down=20.0)
    with_fallback = replace(late, elsewhere=True, open_elsewhere=True)
    assert decide(Fault.THROTTLED, with_fallback) == NextTarget(for_good=False, cools_down=20.0)


def test_back_off_doubles_with_full_jitter_up_to_its_cap() -> None:
    assert [backoff(tries, 1.0) for tries in (0, 1, 2, 6, 7, 8, 10_000)] == [
        0.5, 1.0, 2.0, 32.0, BACKOFF_CAP, BACKOFF_CAP, BACKOFF_CAP,
    ]  # fmt: skip
    assert [backoff(3, draw) for draw in (0.0, 0.25, 0.5)] == [0.0, 1.0, 2.0]
