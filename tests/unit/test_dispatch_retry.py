"""The table of decisions, row by row."""

from dataclasses import replace

import pytest

from batchway.dispatch.retry import (
    BACKOFF_CAP,
    Circumstances,
    Decision,
    Deliver,
    Fault,
    GiveUp,
    NextTarget,
    Retry,
    backoff,
    decide,
    fault_of,
)
from batchway.ports import Failure

AT = Circumstances(attempts=0, tries=0, max_attempts=3, draw=0.5, time_left=3600.0)
FREE = Retry(after=0.25, uses_attempt=False)
USED = Retry(after=0.25, uses_attempt=True)
LAST = replace(AT, attempts=2)
DOWN = replace(LAST, down_for=60.0)
DOWN_LONG = replace(LAST, down_for=3 * 3600.0)
FALLBACK = replace(LAST, elsewhere=True, open_elsewhere=True)
DOWN_WITH_FALLBACK = replace(DOWN, elsewhere=True, open_elsewhere=True)
ALL_DOWN = replace(DOWN, elsewhere=True, open_elsewhere=False)
GONE = NextTarget(for_good=True)
GONE_USED = NextTarget(for_good=True, uses_attempt=True)
FOR_NOW = NextTarget(for_good=False)
DONE = Deliver()


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (200, Fault.GARBAGE),
        (204, Fault.GARBAGE),
        (101, Fault.REJECTED),
        (302, Fault.REJECTED),
        (307, Fault.REJECTED),
        (400, Fault.REJECTED),
        (401, Fault.DENIED),
        (402, Fault.REJECTED),
        (403, Fault.DENIED),
        (404, Fault.DENIED),
        (408, Fault.BROKEN),
        (409, Fault.BROKEN),
        (413, Fault.REJECTED),
        (422, Fault.REJECTED),
        (429, Fault.THROTTLED),
        (500, Fault.BROKEN),
        (502, Fault.UNAVAILABLE),
        (503, Fault.UNAVAILABLE),
        (504, Fault.BROKEN),
        (520, Fault.BROKEN),
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
    #                    AT         LAST      DOWN  DOWN_LONG FALLBACK   DOWN_W_F. ALL_DOWN
    Fault.REJECTED:    [DONE, DONE, DONE, DONE, DONE, DONE, DONE],
    Fault.DENIED:      [DONE, DONE, DONE, DONE, GONE, GONE, GONE],
    Fault.TOO_LARGE:   [GiveUp(), GiveUp(), GiveUp(), GiveUp(), GONE, GONE, GONE],
    Fault.THROTTLED:   [FREE, FREE, FREE, FREE, FREE, FOR_NOW, FREE],
    Fault.UNREACHABLE: [FREE, FREE, FREE, FREE, FREE, FOR_NOW, FREE],
    Fault.NO_DESCRIPTORS: [FREE, FREE, FREE, FREE, FREE, FOR_NOW, FREE],
    Fault.UNAVAILABLE: [USED, GiveUp(), FREE, GiveUp(), GONE_USED, FOR_NOW, FREE],
    Fault.BROKEN:      [USED, GiveUp(), FREE, GiveUp(), GONE_USED, FOR_NOW, FREE],
    Fault.GARBAGE:     [USED, GiveUp(), FREE, GiveUp(), GONE_USED, FOR_NOW, FREE],
    Fault.TIMEOUT:     [USED, GiveUp(), FREE, GiveUp(), GONE_USED, FOR_NOW, FREE],
    Fault.INTERRUPTED: [USED, GiveUp(), FREE, GiveUp(), GONE_USED, FOR_NOW, FREE],
}  # fmt: skip


@pytest.mark.parametrize("fault", list(Fault))
def test_decisions(fault: Fault) -> None:
    columns = [AT, LAST, DOWN, DOWN_LONG, FALLBACK, DOWN_WITH_FALLBACK, ALL_DOWN]
    assert [decide(fault, at) for at in columns] == ROWS[fault]


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


def test_nothing_is_tried_again_after_the_deadline() -> None:
    late = replace(AT, time_left=20.0, retry_after=20.0)
    assert decide(Fault.THROTTLED, late) == GiveUp(cools_down=20.0)
    with_fallback = replace(late, elsewhere=True, open_elsewhere=True)
    assert decide(Fault.THROTTLED, with_fallback) == NextTarget(for_good=False, cools_down=20.0)


def test_back_off_doubles_with_full_jitter_up_to_its_cap() -> None:
    assert [backoff(tries, 1.0) for tries in (0, 1, 2, 6, 7, 8, 10_000)] == [
        0.5, 1.0, 2.0, 32.0, BACKOFF_CAP, BACKOFF_CAP, BACKOFF_CAP,
    ]  # fmt: skip
    assert [backoff(3, draw) for draw in (0.0, 0.25, 0.5)] == [0.0, 1.0, 2.0]
