"""Problems of a file as people read them: one that many lines share is told once.

    in.jsonl:3: what is wrong with it [code, place]
        the same in lines 4, 5 and in 17 more lines

Owns grouping, in bounded memory, and the words. Where editors read (a pipe), `check` tells each
problem of each line.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from batchway.cli.console import count, printable

_NAMED: Final = 2  # lines beside the first that are named
_MOST_GROUPS: Final = 1_000


class Problem(Protocol):
    """What is wrong, where: `line` counts from 1."""

    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def param(self) -> str | None: ...
    @property
    def line(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldProblem:
    """A problem as a server tells it."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


@dataclass(slots=True, kw_only=True)
class _Group:
    first: Problem
    named: list[int] = field(default_factory=list[int])
    more: int = 0


class Problems:
    """Problems, grouped by what they say. `most` bounds how many groups are held."""

    def __init__(self, found: Iterable[Problem] = (), *, most: int = _MOST_GROUPS) -> None:
        self._groups: dict[tuple[str, str], _Group] = {}
        self._most = most
        self.left_out = 0  # problems of groups beyond `most`
        for problem in found:
            self.add(problem)

    def add(self, problem: Problem) -> None:
        """Another one, in the order of the file."""
        key = (problem.code, problem.message)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= self._most:
                self.left_out += 1
                return
            self._groups[key] = _Group(first=problem)
        elif problem.line is not None and len(group.named) < _NAMED:
            group.named.append(problem.line)
        else:
            group.more += 1

    def told(self, name: str | None) -> list[str]:
        """Each group as a line or two, by its first line; `name` is the file's, if any."""
        groups = sorted(self._groups.values(), key=_place)
        lines: list[str] = []
        for group in groups:
            lines.append(line_of(group.first, name))
            if group.named:
                lines.append(f"    the same in {_where(group)}")
        return lines


def _place(group: _Group) -> tuple[bool, int]:
    """Its first line; what is wrong with the file as such comes last."""
    line = group.first.line
    return line is None, line or 0


def line_of(problem: Problem, name: str | None) -> str:
    """A problem in the form of compilers, which editors turn into a link.

    Without a file's name, the line alone.
    """
    if name is None:
        where = "" if problem.line is None else f"line {problem.line}: "
    else:
        where = f"{name}: " if problem.line is None else f"{name}:{problem.line}: "
    what = problem.code if problem.param is None else f"{problem.code}, {problem.param}"
    return f"{where}{printable(problem.message)} [{printable(what)}]"


def _where(group: _Group) -> str:
    noun = "line" if len(group.named) == 1 else "lines"
    named = f"{noun} {', '.join(f'{line:,}' for line in group.named)}"
    return f"{named} and in {count(group.more, 'more line')}" if group.more else named
