"""Trying a line at ingest: what its dialects make of it, before anything is planned or paid for.

    online     said by the first target that can say it: others are only asked after that one
    in a job   said by every target that a job may go to, or by some, or by none
    none can   the reason of the first

Owns what is asked of dialects. Does not own what follows (`scan`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from batchway.lines.envelope import Request
from batchway.ports import Dialect, Encoded, Unfaithful
from batchway.workflows.plan.lots import Shape


class Said(NamedTuple):
    """A line as its dialects say it: so many `rows` of so many `bytes` together.

    In jobs that may go to several targets `rows` and `bytes` are the most that a target makes of
    it, `fewest` the fewest rows: none at a target that cannot say it, for the reason `unsaid`.
    `warnings` are parameters that are left out. `shapes` are those of every dialect that was asked,
    where one of them has any.
    """

    rows: int
    bytes: int
    fewest: int
    warnings: tuple[str, ...] = ()
    shapes: tuple[Shape, ...] = ()
    unsaid: Unfaithful | None = None


# A line that every job leaves out.
NOTHING = Said(rows=0, bytes=0, fewest=0)


def say(request: Request, dialects: Sequence[Dialect]) -> Said | Unfaithful:
    """What the first dialect makes of a line that can say it."""
    why: Unfaithful | None = None
    for dialect in dialects:
        said = _try(request, dialect)
        if isinstance(said, Encoded):
            return _said(said)
        if isinstance(said, Unfaithful):
            why = why or said
        elif dialect.faithful:
            return _as_it_is(request)
    return why or _as_it_is(request)


def say_natively(request: Request, dialects: Sequence[Dialect]) -> Said | Unfaithful:
    """As `say`, for jobs: any of them may get the line, so what each of them makes of it counts."""
    if len(dialects) == 1:
        only = _try(request, dialects[0])
        if only is None or isinstance(only, Unfaithful):
            return only or _as_it_is(request)
        said = _said(only)
        return said._replace(shapes=(only.shape,)) if only.shape else said
    every = [_try(request, dialect) for dialect in dialects]
    why = next((each for each in every if isinstance(each, Unfaithful)), None)
    if why is not None and all(isinstance(each, Unfaithful) for each in every):
        return why
    shapes = tuple(each.shape if isinstance(each, Encoded) else () for each in every)
    able = [
        _said(each) if isinstance(each, Encoded) else _as_it_is(request)
        for each in every
        if not isinstance(each, Unfaithful)
    ]
    return Said(
        rows=max(said.rows for said in able),
        bytes=max(said.bytes for said in able),
        fewest=0 if why is not None else min(said.fewest for said in able),
        warnings=tuple(dict.fromkeys(name for said in able for name in said.warnings)),
        shapes=shapes if any(shapes) else (),
        unsaid=why,
    )


def _try(request: Request, dialect: Dialect) -> Encoded | Unfaithful | None:
    """`None` when it is said as it is, or no request can be made of it: an error when it is run."""
    if dialect.faithful:
        return None
    try:
        return dialect.encode(request.body, named=request.model)
    except ValueError:
        return None


def _as_it_is(request: Request) -> Said:
    return Said(rows=1, bytes=len(request.body), fewest=1)


def _said(encoded: Encoded) -> Said:
    bodies = encoded.bodies
    rows = len(bodies)
    return Said(rows, sum(map(len, bodies)), rows, encoded.warnings)
