"""What a figure should be, and how a table of figures is shown. Owns no measuring."""

import statistics
from dataclasses import dataclass
from typing import Final

from bench.figures import Figure, Table

COMMAND: Final = "make bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure should be, and what it was."""

    what: str
    goal: str
    got: float
    met: bool

    def __str__(self) -> str:
        got = f"{self.got:,.0f}" if self.got >= 1_000 else f"{self.got:.3g}"
        return f"{'met   ' if self.met else 'MISSED'} {self.what}: {got} ({self.goal})"


def median(series: str, unit: str, runs: list[float]) -> Figure:
    """The middle one of several runs."""
    value = statistics.median(runs)
    return Figure(series=series, at=unit, value=value, unit="", runs=tuple(runs))


def publish(table: Table) -> None:
    """Write it, draw it, print it."""
    table.write()
    table.plot()
    print(table.markdown(), flush=True)
