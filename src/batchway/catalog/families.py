"""Families of models as data: what an account that runs models of many makers knows of each family.

    Family      one row: whose the models are, what they speak, what a job of them holds
    Families    the rows of an account, of which the first that fits a name wins

A configuration replaces the dialect of any model, by name or pattern; what is known of such a model
beside that is known of its dialect. Owns the choice of a row. Does not own the rows
(`google_models`, ...), or how an account's names are read: whoever asks takes the name of the model
out of what people write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

from batchway.domain.endpoint import Endpoint
from batchway.domain.remote import NativeTraits

D = TypeVar("D", bound=StrEnum)  # what an account's models speak


class Grade(StrEnum):
    """Where a row's facts come from, the best source first."""

    RECORDED = "recorded"  # traffic that somebody recorded or quoted
    DOCUMENTED = "documented"  # the provider's own pages
    REPORTED = "reported"  # other people's clients and notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Family(Generic[D]):
    """A family of models. `pattern` is of their names (`*`: anything, as `fnmatch` has it).

    `publisher` is whose they are; empty where each names its own. `online` and `jobs` are the
    dialects of lines that are sent one by one and of lines in jobs, `None` where that cannot be.
    `min_lines` (0: none), `max_lines` and `max_bytes` bound one job's input; limits that no source
    names take OpenAI's. `source` is the page that the facts are from, `read` the day (ISO).
    """

    pattern: str
    publisher: str
    online: D | None
    jobs: D | None
    endpoints: frozenset[Endpoint]
    source: str
    read: str
    grade: Grade = Grade.DOCUMENTED
    min_lines: int = 0
    max_lines: int = 50_000
    max_bytes: int = 200 << 20
    notes: tuple[str, ...] = ()

    @property
    def usual_endpoint(self) -> str:
        """What lines of them are taken to be for where nothing tells, as in a job of somebody's."""
        chat = Endpoint.CHAT_COMPLETIONS
        return str(chat if chat in self.endpoints else min(self.endpoints, default=""))

    @property
    def traits(self) -> NativeTraits | None:
        """What a job of them takes; `None` where there are no jobs."""
        if self.jobs is None:
            return None
        return NativeTraits(
            endpoints=self.endpoints,
            min_lines=self.min_lines,
            max_lines=self.max_lines,
            max_bytes=self.max_bytes,
            # A job ends when it ends; Batchway cancels it at the end of a batch's window.
            windows=(),
        )


F = TypeVar("F", bound=Family[Any])  # an account's rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Families(Generic[D, F]):
    """The families of an account. `by_dialect` is what is known of any model that speaks one: of
    those that a configuration names.
    """

    rows: tuple[F, ...]
    by_dialect: Mapping[D, F]

    @property
    def most(self) -> NativeTraits:
        """The most that a job of any model holds, and the fewest."""
        rows = [row for row in (*self.rows, *self.by_dialect.values()) if row.jobs is not None]
        return NativeTraits(
            endpoints=frozenset[str]().union(*(row.endpoints for row in rows)),
            min_lines=min(row.min_lines for row in rows),
            max_lines=max(row.max_lines for row in rows),
            max_bytes=max(row.max_bytes for row in rows),
            windows=(),
        )

    def known(self, name: str) -> F | None:
        """The first row that fits a name; `None` where nothing is known of it."""
        return next((row for row in self.rows if fnmatchcase(name, row.pattern)), None)

    def chosen(self, names: Sequence[str], configured: Mapping[str, D]) -> F | None:
        """What a configuration says of a model, by any of its names; `None` where it says nothing.

        The last of `names` is the one that rows are about. `configured` are dialects by name or
        pattern, the first that fits winning. The publisher is that of the row which fits, if any.
        """
        for pattern, dialect in configured.items():
            if any(fnmatchcase(name, pattern) for name in names):
                row, known = self.by_dialect[dialect], self.known(names[-1])
                publisher = known.publisher if known is not None else ""
                return replace(row, publisher=publisher or row.publisher)
        return None

    def find(self, names: Sequence[str], configured: Mapping[str, D]) -> F | None:
        """What is known of a model: as it was configured, or else by its last name."""
        return self.chosen(names, configured) or self.known(names[-1])
