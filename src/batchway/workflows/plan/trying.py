"""Trying a line at ingest: what its dialects make of it, before anything is planned or paid for.

    said          in one of the dialects of its mode: how large it is, what is left out of it
    Unfaithful    in none of them: the first one's reason

Owns what is asked of dialects. Does not own what follows (`scan`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from batchway.lines.envelope import Request
from batchway.ports import Dialect, Encoded, Unfaithful
from batchway.workflows.plan.lots import Shape


class Said(NamedTuple):
    """A line as its dialects say it: so many `rows` of so many `bytes` together.

    `warnings` are parameters that are left out. `shapes` are those of every dialect that was asked,
    where one of them has any.
    """

    rows: int
    bytes: int
    warnings: tuple[str, ...] = ()
    shapes: tuple[Shape, ...] = ()


def say(request: Request, dialects: Sequence[Dialect]) -> Said | Unfaithful:
    """What the first dialect makes of a line that can say it."""
    why: Unfaithful | None = None
    for dialect in dialects:
        if dialect.faithful:
            return _as_it_is(request)
        encoded = _encode(request, dialect)
        if isinstance(encoded, Encoded):
            return _said(encoded)
        if encoded is None:
            break
        why = why or encoded
    return why or _as_it_is(request)


def say_natively(request: Request, dialects: Sequence[Dialect]) -> Said | Unfaithful:
    """As `say`, for jobs: any of them may get the line, so its shape in each of them counts."""
    if len(dialects) == 1:
        encoded = _encode(request, dialects[0])
        if encoded is None:
            return _as_it_is(request)
        if isinstance(encoded, Unfaithful):
            return encoded
        said = _said(encoded)
        return said._replace(shapes=(encoded.shape,)) if encoded.shape else said
    every = [_encode(request, dialect) for dialect in dialects]
    said = [each for each in every if isinstance(each, Encoded)]
    if not said:
        why = next((each for each in every if isinstance(each, Unfaithful)), None)
        return why or _as_it_is(request)
    shapes = tuple(each.shape if isinstance(each, Encoded) else () for each in every)
    return _said(said[0])._replace(shapes=shapes if any(shapes) else ())


def _encode(request: Request, dialect: Dialect) -> Encoded | Unfaithful | None:
    """`None` when no request can be made of it at all: its error when it is run."""
    try:
        return dialect.encode(request.body, named=request.model)
    except ValueError:
        return None


def _as_it_is(request: Request) -> Said:
    return Said(rows=1, bytes=len(request.body))


def _said(encoded: Encoded) -> Said:
    bodies = encoded.bodies
    return Said(rows=len(bodies), bytes=sum(map(len, bodies)), warnings=encoded.warnings)
