"""Lines that run online although their mode prefers jobs: how many, and why. Online costs more.

    ingest      no job takes them: their model has none there, or they ask for what a job cannot do
    execution   a job ended without their results

Owns the value and how counts add up. Does not own any reason's words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

# What a batch keeps of reasons that differ: a file of thousands of jobs may have as many.
MOST_REASONS: Final = 10
OTHERS: Final = "Other reasons."


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOnline:
    """So many lines, for a reason in one or more sentences that quote nothing of a line."""

    lines: int
    reason: str


def added(told: Sequence[RunOnline], more: RunOnline) -> tuple[RunOnline, ...]:
    """What is told with `more` lines: each reason once, in the order in which they came up."""
    known = {each.reason for each in told}
    if more.reason not in known and len(told) >= MOST_REASONS:
        more = replace(more, reason=OTHERS)
    if more.reason not in known and not (more.reason == OTHERS and OTHERS in known):
        return (*told, more)
    return tuple(
        replace(each, lines=each.lines + more.lines) if each.reason == more.reason else each
        for each in told
    )
