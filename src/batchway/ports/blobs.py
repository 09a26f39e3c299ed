"""Where bytes live.

Blob stores are synchronous: callers move whole pieces of work to a thread, so that a piece costs
one thread hop and not one for every call.
"""

from collections.abc import Iterator
from typing import Protocol


class BlobWriter(Protocol):
    """One blob being written. Nothing is visible under its key before `commit` returns."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append. Raises `Unavailable` when the bytes cannot be kept."""
        ...

    def commit(self) -> None:
        """Make the blob durable (it survives power loss) and visible, in one step."""
        ...

    def abort(self) -> None:
        """Drop everything. Harmless after `commit` or a second time; never raises."""
        ...


class BlobReader(Protocol):
    """The half of a blob store that reading needs."""

    def read(self, key: str, start: int, length: int) -> bytes:
        """Up to `length` bytes from `start`; fewer only at the end. `KeyError` if unknown."""
        ...


class Blobs(BlobReader, Protocol):
    """Where bytes live. Keys are `/`-separated ASCII words chosen by us, never by a client.

    All calls block; all raise `Unavailable` when the store fails.
    """

    def writer(self, key: str) -> BlobWriter:
        """Start a blob; an existing one of that key is replaced at `commit`."""
        ...

    def size(self, key: str) -> int | None:
        """Bytes of a blob, `None` if there is none."""
        ...

    def delete(self, key: str) -> None:
        """Remove a blob; harmless if there is none."""
        ...

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Committed blobs under a prefix with the Unix time each was last written."""
        ...

    def sweep(self, before: float) -> int:
        """Remove what abandoned writers left before that Unix time; returns how many."""
        ...
