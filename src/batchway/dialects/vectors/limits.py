"""What a model's vectors can be, where that is a choice of a few, and how long a text may be.

Owns the form of such rows and the sentences about them; the rows stand beside their dialects. A
model that has no row has no limits here: the API tells. Pure.
"""

from collections.abc import Sequence

import msgspec

from batchway.dialects.vectors.line import Line
from batchway.ports.dialect import Unfaithful


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """A family of models: `named` is in their names; how many `numbers` a vector can have, and the
    most `characters` of a text (`None`: its tokens alone count). `source` is the page that says so,
    `date` when it was read.
    """

    named: str
    numbers: tuple[int, ...]
    characters: int | None = None
    source: str
    date: str

    @property
    def fixed(self) -> bool:
        """Whether vectors have one length, and no parameter asks for it."""
        return len(self.numbers) == 1


def limits_of(model: str, rows: Sequence[Limits]) -> Limits | None:
    """The first row that a model's name has; it may be a whole ARN, or have a region before it."""
    return next((row for row in rows if row.named in model), None)


def beyond(line: Line, limits: Limits | None) -> Unfaithful | None:
    """What of a line the model does not take."""
    if limits is None:
        return None
    dimensions = line.wanted.dimensions
    if dimensions is not None and dimensions not in limits.numbers:
        sizes = _listed(limits.numbers)
        return Unfaithful("dimensions", f"Vectors of {limits.named}* models have {sizes} numbers.")
    most = limits.characters
    if most is not None:
        for index, text in enumerate(line.texts):
            if len(text) > most:
                why = f"A text for {limits.named}* models has at most {most:,} characters."
                return Unfaithful(line.place(index), why)
    return None


def _listed(sizes: Sequence[int]) -> str:
    """Such as `256, 512 or 1,024`."""
    *most, last = (f"{size:,}" for size in sizes)
    return f"{', '.join(most)} or {last}" if most else last
