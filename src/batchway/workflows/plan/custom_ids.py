"""Finding repeated `custom_id`s in bounded memory.

Each id becomes a 64-bit hash with its line number, spread by hash over partitions that spill to
a temporary file. At the end one partition at a time is searched, so ten million ids cost a few
megabytes. Two ids with one hash are only *candidates*: the caller re-reads the two lines and
compares the texts, so a collision neither fails a good file nor hides a duplicate.

The hash is Python's own keyed `hash(str)`: it is fresh in each process, which is enough because
an interrupted search starts over, and it cannot be aimed at from outside.
"""

import errno
import tempfile
from array import array
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import IO, Final

from batchway.domain.errors import Unavailable

_PARTITIONS: Final = 64
_SPILL_AT: Final = 4_096  # entries held in memory for each partition


class CustomIds:
    """Collects ids, then names the duplicates. Use as a context manager."""

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
        """Note the id of a line. Raises `Unavailable` when the temporary files fail."""
        digest = hash(custom_id)
        part = digest & (_PARTITIONS - 1)
        held = self._held[part]
        held.append(digest)
        held.append(line)
        if len(held) >= 2 * _SPILL_AT:
            self._spill(part)

    def _spill(self, part: int) -> None:
        file = self._spilled[part]
        with _translated():
            if file is None:
                # Closed by __exit__; the system drops its bytes even after kill -9.
                file = self._spilled[part] = tempfile.TemporaryFile(  # noqa: SIM115 - see above
                    dir=self._directory
                )
            file.write(self._held[part].tobytes())
        self._held[part] = array("q")

    def duplicates(self, same: Callable[[int, int], bool]) -> Iterator[int]:
        """Lines whose id an earlier line has, in no order that matters.

        `same` tells whether two lines have the same id; it is asked only for equal hashes.
        Raises `Unavailable` when the temporary files fail.
        """
        for part in range(_PARTITIONS):
            first: dict[int, int] = {}
            others: dict[int, list[int]] = {}  # lines of other ids with the hash of a first one
            for digest, line in self._entries(part):
                earlier = first.setdefault(digest, line)
                if earlier == line:
                    continue
                rivals = others.get(digest, ())
                if same(earlier, line) or any(same(rival, line) for rival in rivals):
                    yield line
                else:
                    others.setdefault(digest, []).append(line)

    def _entries(self, part: int) -> Iterator[tuple[int, int]]:
        file = self._spilled[part]
        if file is not None:
            with _translated():
                file.seek(0)
            while True:
                entries = array("q")
                with _translated():
                    entries.frombytes(file.read(16 * _SPILL_AT))
                if not entries:
                    break
                yield from zip(entries[::2], entries[1::2], strict=True)
        held = self._held[part]
        yield from zip(held[::2], held[1::2], strict=True)


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"The temporary directory failed: {error.strerror}.",
            full=error.errno in (errno.ENOSPC, errno.EDQUOT),
        ) from error
