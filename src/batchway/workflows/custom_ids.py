"""Finding repeated `custom_id`s in bounded memory.

Each id becomes a 64-bit hash with its line number, spread by hash over partitions that spill to
a temporary file. At the end one partition at a time is searched, so ten million ids cost a few
megabytes. Two ids with one hash are only *candidates*: the caller re-reads the two lines and
compares the texts, so a collision never fails a good file.

The hash is Python's own keyed `hash(str)`: it is fresh in each process, which is enough because
an interrupted search starts over, and it cannot be aimed at from outside.
"""

import tempfile
from array import array
from collections.abc import Iterator
from typing import IO, Final

_PARTITIONS: Final = 64
_SPILL_AT: Final = 4_096  # entries held in memory for each partition


class CustomIds:
    """Collects ids, then names the candidates for duplication. Use as a context manager."""

    def __init__(self, *, directory: str | None = None) -> None:
        self._directory = directory
        self._held = [array("q") for _ in range(_PARTITIONS)]
        self._spilled: list[IO[bytes] | None] = [None] * _PARTITIONS

    def __enter__(self) -> "CustomIds":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._spilled:
            if file is not None:
                file.close()

    def add(self, custom_id: str, line: int) -> None:
        """Note the id of a line."""
        digest = hash(custom_id)
        part = digest & (_PARTITIONS - 1)
        held = self._held[part]
        held.append(digest)
        held.append(line)
        if len(held) >= 2 * _SPILL_AT:
            self._spill(part)

    def _spill(self, part: int) -> None:
        file = self._spilled[part]
        if file is None:
            # Closed by __exit__; the system drops its bytes even after kill -9.
            file = self._spilled[part] = tempfile.TemporaryFile(  # noqa: SIM115 - see above
                dir=self._directory
            )
        file.write(self._held[part].tobytes())
        self._held[part] = array("q")

    def candidates(self) -> Iterator[tuple[int, int]]:
        """Pairs (first line, later line) whose ids have one hash, in no order that matters."""
        for part in range(_PARTITIONS):
            entries = array("q")
            file = self._spilled[part]
            if file is not None:
                file.seek(0)
                entries.frombytes(file.read())
            entries.extend(self._held[part])
            first: dict[int, int] = {}
            for index in range(0, len(entries), 2):
                digest, line = entries[index], entries[index + 1]
                earlier = first.setdefault(digest, line)
                if earlier != line:
                    yield earlier, line
