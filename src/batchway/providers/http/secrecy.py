"""No credential of ours in what rows of results say: wrappers of a framing and a dialect.

A provider may repeat a key in what it says of an error, and that goes into a file. Such a row is
read again with the credentials cut out, before anything of it is cut off: half a key would be left.
Answers are never touched.

Owns what is read again. Does not own which credentials there are (`secrets`).
"""

from collections.abc import Callable, Collection

from batchway.domain.fate import Fate
from batchway.ports import Dialect, Framing, Refused, Result, Row

Secrets = Callable[[], Collection[str]]


class DiscreetFraming:
    """`ports.Framing`: `framing` without credentials in what a row says of an error."""

    def __init__(self, framing: Framing, *, secrets: Secrets) -> None:
        self.line = framing.line
        self._row = framing.row
        self._secrets = secrets

    def row(self, raw: bytes) -> Row | None:
        """See `ports.Framing`."""
        row = self._row(raw)
        if row is None or row.fate is Fate.ANSWERED:
            return row
        clean = _without(raw, self._secrets())
        return row if clean == raw else self._row(clean)


class DiscreetDialect:
    """`ports.Dialect`: `dialect` without credentials in what an answer says of an error."""

    def __init__(self, dialect: Dialect, *, secrets: Secrets) -> None:
        self.faithful = dialect.faithful
        self.encode = dialect.encode
        self.join = dialect.join
        self.measure = dialect.measure
        self._decode = dialect.decode
        self._secrets = secrets

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        """See `ports.Dialect`."""
        decoded = self._decode(status, body, context, at=at)
        if isinstance(decoded, Refused):
            clean = _without(body, self._secrets())
            if clean != body:
                return self._decode(status, clean, context, at=at)
        return decoded


def _without(data: bytes, secrets: Collection[str]) -> bytes:
    """Credentials are plain ASCII: in JSON they stand as they are."""
    for secret in secrets:
        data = data.replace(secret.encode(), b"***")
    return data
