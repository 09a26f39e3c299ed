"""Why a batch waits, as a value: what has to change, in a word and in a sentence.

    kind       what a program decides by
    sentence   what is so; as true of a batch that has ended
    promise    what is done about it meanwhile; an ended batch does nothing, and makes none

Owns the value, and how several are told as one text. Does not own any wording: the modules that
hold a batch up do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_MOST_CHARACTERS: Final = 1_000


class ReasonKind(StrEnum):
    """What has to change. In order: of several, the first is what a person is told to see to."""

    ACCOUNT = "account"  # its key, credit or permissions, or the address that it is used at
    CONFIGURATION = "configuration"  # a provider or route that is not in it any more
    UNREACHABLE = "unreachable"  # no server answers at the address: an outage, or a wrong one
    REQUEST = "request"  # the provider is well, and takes none of these requests
    OUTAGE = "outage"  # the provider answers, or breaks off, without a result
    STORAGE = "storage"  # Batchway's own
    CAPACITY = "capacity"  # a rate limit, a quota, a pause that was asked for: time mends it
    DEFECT = "defect"  # of Batchway
    OTHER = "other"  # told by a release that did not tell kinds apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason. `sentence` is one or more of them, of which only the last may lack its stop.

    A `promise` that begins small goes on with the sentence, after a semicolon.
    """

    kind: ReasonKind
    sentence: str
    promise: str = ""

    def __str__(self) -> str:
        if not self.promise:
            return self.sentence
        if self.promise[0].islower():
            return f"{self.sentence.removesuffix('.')}; {self.promise}"
        return f"{self.sentence} {self.promise}"


def text_of(reasons: Sequence[Reason]) -> str | None:
    """Each reason once, with its promise, in at most 1,000 characters; `None` for none."""
    # Ten jobs that wait for the same provider have the same to say.
    return " ".join(dict.fromkeys(str(reason) for reason in reasons))[:_MOST_CHARACTERS] or None


def lasting(reasons: Sequence[Reason]) -> Reason | None:
    """What stays of them when nothing is done any more: one reason that promises nothing."""
    if not reasons:
        return None
    sentences = dict.fromkeys(reason.sentence for reason in reasons)
    order = list(ReasonKind)
    return Reason(
        kind=min((reason.kind for reason in reasons), key=order.index),
        sentence=" ".join(sentences)[:_MOST_CHARACTERS],
    )
