"""What can become of a request: a closed set of values, and their names in dials and markers.

Owns the names. Does not choose a fate (`behaviour`) or carry one out (`simulator`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """A way to fail that is not simply a status with a proper error body."""

    RESET = "reset"
    TRUNCATE = "truncate"
    SLOW = "slow"
    GARBAGE = "garbage"
    HTML = "html"
    HANG = "hang"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The right answer, delivered properly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An error status with OpenAI's error body."""

    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A fault of the connection or of the body."""

    fault: Fault


Fate = Answered | Refused | Broken

_FAULTS: Final = {fault.value: fault for fault in Fault}
FATES: Final = "a status from 400 to 599, " + ", ".join(Fault)


def parse_fate(name: str) -> Fate:
    """Read the name of a fate: `500`, `reset`, `hang`.

    Raises:
        ValueError: no fate has that name.
    """
    if name.isascii() and name.isdigit():
        status = int(name)
        if 400 <= status <= 599:
            return Refused(status=status)
    elif name in _FAULTS:
        return Broken(fault=_FAULTS[name])
    raise ValueError(f"{name!r} is not a fate; expected {FATES}")
