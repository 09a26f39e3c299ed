"""What a dialect does with each of OpenAI's parameters: one row each, so that none is forgotten.

    mapped     it becomes something of the same meaning
    ignored    it changes nothing there, or asks for a promise that is not made there (`promise`);
               the result carries a warning that names it
    rejected   it cannot be said, and what it asks for would be missed: the line is refused by name

Rows of nested parameters (`messages[].name`) are for the reference; the code that meets them acts.
Owns the rows' form and the look at the top-level ones. The tables stand beside their dialects.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from batchway.ports.dialect import Unfaithful


class Handling(StrEnum):
    """What becomes of a parameter."""

    MAPPED = "mapped"
    IGNORED = "ignored"
    REJECTED = "rejected"


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of OpenAI's at one dialect.

    `note` is what it becomes, what the warning says, or why it is rejected: a sentence for the
    batch's owner. `idle` are values that ask for nothing and are dropped in silence, beside null.
    `promise` is whether an ignored one asks for what an answer may now fail to keep: that is told
    otherwise than what changes nothing. `source` is the vendor's page.
    """

    name: str
    handling: Handling
    note: str
    idle: tuple[object, ...] = ()
    source: str = ""
    promise: bool = False


class Parameters:
    """The rows of one endpoint at one dialect."""

    def __init__(self, rows: Sequence[Parameter]) -> None:
        self.rows: Final = tuple(rows)
        self._watched = [
            row
            for row in rows
            if row.handling is not Handling.MAPPED and "." not in row.name and "[" not in row.name
        ]
        self._notes: Mapping[str, str] = {row.name: row.note for row in rows}

    def check(self, request: object) -> tuple[str, ...] | Unfaithful:
        """The names of what is ignored of a request, or the first parameter that is rejected.

        `request` has an attribute for every top-level parameter, `None` where it is not given.
        """
        ignored: tuple[str, ...] = ()
        for row in self._watched:
            value = getattr(request, row.name)
            if value is None or value in row.idle:
                continue
            if row.handling is Handling.REJECTED:
                return Unfaithful(row.name, row.note)
            ignored += (row.name,)
        return ignored

    def note(self, name: str) -> str:
        """The sentence about a parameter."""
        return self._notes.get(name, "")
