"""`ports.Dialect.join` for dialects in which every line is one body. Pure."""

from collections.abc import Sequence

from batchway.ports.dialect import Result


class OneBody:
    """A dialect whose `encode` makes one body of a line."""

    __slots__ = ()

    def join(self, results: Sequence[Result], context: bytes) -> Result:
        """Never called: there is nothing to join."""
        raise NotImplementedError(f"{len(results)} results of one body, {len(context)} of context")
