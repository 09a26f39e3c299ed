"""Refusals as whoever runs the models says them: a wrapper of a dialect.

A vendor that runs models of many makers refuses some requests before a model sees them, in a form
of its own, and its reader knows what can be done about a refusal. Owns that it is asked, of
refusals alone. Does not own what it says (`providers.google.advice`, ...). Where a header names the
error, `ports.Notes` reads it instead: rows of jobs have no headers.
"""

from collections.abc import Callable

from batchway.ports import Dialect, Refused, Result

# Of the status and the body of an answer, and what the model's dialect made of them. Pure.
ReadRefusal = Callable[[int, bytes, Refused], Refused]


class AdvisingDialect:
    """`ports.Dialect`: `dialect`, whose refusals are as `read` says."""

    def __init__(self, dialect: Dialect, *, read: ReadRefusal) -> None:
        self.faithful = dialect.faithful
        self.encode = dialect.encode
        self.join = dialect.join
        self.measure = dialect.measure
        self._decode = dialect.decode
        self._read = read

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        """See `ports.Dialect`."""
        decoded = self._decode(status, body, context, at=at)
        return self._read(status, body, decoded) if isinstance(decoded, Refused) else decoded
