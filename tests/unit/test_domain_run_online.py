"""Lines that run online: each reason once, and no more reasons than are read."""

from batchway.domain.run_online import MOST_REASONS, OTHERS, RunOnline, added


def of(lines: int, reason: str) -> RunOnline:
    return RunOnline(lines=lines, reason=reason)


def test_a_reason_is_told_once_with_all_of_its_lines() -> None:
    told = added(added(added((), of(2, "a")), of(1, "b")), of(3, "a"))
    assert told == (of(5, "a"), of(1, "b"))


def test_no_line_is_lost_where_reasons_are_many() -> None:
    told: tuple[RunOnline, ...] = ()
    for n in range(MOST_REASONS + 5):
        told = added(told, of(1, f"reason {n}"))
    told = added(told, of(4, "reason 0"))
    assert told[0] == of(5, "reason 0")
    assert told[-1] == of(5, OTHERS)
    assert len(told) == MOST_REASONS + 1
