"""One same answer to several lines is a verdict, when enough of them drew it for long enough."""

import pytest

from batchway.dispatch.fault import Fault, Setback
from batchway.dispatch.same_answer import SameAnswer

OOPS = Setback(fault=Fault.BROKEN, status=500, text="500 oops")
OTHER = Setback(fault=Fault.BROKEN, status=500, text="500 other")
SILENT = Setback(fault=Fault.TIMEOUT)


@pytest.mark.parametrize(
    ("drawn", "answered", "at", "convinces"),
    [
        ([(line, OOPS) for line in "abcabc"], False, 45.0, True),
        ([(line, OOPS) for line in "abcabc"], False, 44.0, False),
        ([(line, OOPS) for line in "abcabc"], True, 45.0, False),  # it could do it before
        ([(line, OOPS) for line in "abcabc"], True, 90.0, True),
        ([(line, OOPS) for line in "abcab"], False, 45.0, False),  # two of them twice
        ([(line, OOPS) for line in "aaaaaa"], False, 45.0, False),
        ([*((line, OOPS) for line in "abcabc"), ("d", OTHER)], False, 45.0, False),
        ([("d", OTHER), *((line, OOPS) for line in "abcabc")], False, 45.0, True),
        ([*((line, OOPS) for line in "abcabc"), ("d", SILENT)], False, 45.0, False),
        ([(line, SILENT) for line in "abcabc"], False, 45.0, False),
        ([], False, 45.0, False),
    ],
)
def test_when_it_convinces(
    drawn: list[tuple[str, Setback]], answered: bool, at: float, convinces: bool
) -> None:
    same = SameAnswer()
    for line, setback in drawn:
        same.add(setback, line, 0.0)
    last = next((s for s in (OOPS, SILENT) if any(s is each for _, each in drawn)), OOPS)
    assert same.convinces(last, answered=answered, now=at) is convinces
    same.forget()
    assert not same.convinces(last, answered=answered, now=at)


def test_a_verdict_is_remembered_beyond_its_end() -> None:
    same = SameAnswer()
    assert not same.remembers(OOPS, 0.0)
    same.believe(OOPS, 0.0)
    assert same.believed is OOPS
    same.forget()
    assert same.believed is None
    assert (same.remembers(OOPS, 599.0), same.remembers(OOPS, 600.0)) == (True, False)
    assert not same.remembers(OTHER, 0.0)
    assert not same.remembers(SILENT, 0.0)
