"""Sets of lines: which lines of a range of a file are a shard's own, packed for the shard's row.

A bit for each line of the range, compressed: 25 KB at most for 200,000 lines, and some bytes where
the lines are few or follow one another. Pure.
"""

import zlib
from collections.abc import Iterator, Sequence


class LineSet:
    """The lines of a range that begins with line `first` of the file; `packed` is of `pack`."""

    def __init__(self, packed: bytes, *, first: int) -> None:
        self._bits = zlib.decompress(packed)
        self._first = first

    def __contains__(self, line: int) -> bool:
        index = line - self._first
        at = index >> 3
        return 0 <= at < len(self._bits) and bool(self._bits[at] >> (index & 7) & 1)

    def __iter__(self) -> Iterator[int]:
        """The lines, ascending."""
        for at, byte in enumerate(self._bits):
            if byte:
                base = self._first + 8 * at
                yield from (base + bit for bit in range(8) if byte >> bit & 1)


def pack(indexes: Sequence[int]) -> bytes:
    """The set of these lines, ascending and at least one, counted from the first of the range."""
    bits = bytearray((indexes[-1] >> 3) + 1)
    for index in indexes:
        bits[index >> 3] |= 1 << (index & 7)
    return zlib.compress(bits)
