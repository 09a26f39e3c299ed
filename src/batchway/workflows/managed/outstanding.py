"""The bound on lines that have been read and have no result yet, for the whole process.

    Outstanding --part--> one for each reader (a batch's destination)

Lines that wait for a retry hold no slot at a provider, so without a bound a provider that is down
would let whole files pile up in memory. One bound for all of them alone would let it use up the
others' room. So a part takes at most three times what it leaves free, and an eighth of the room is
kept back for small shares, one for each part, that are its own whatever the others hold. A part
that is alone gets two thirds of everything, some that are busy get the same each, and one that
stalls leaves room for those that come later.

Owns the arithmetic. Does not own results in memory (`results.collector`).
"""

import asyncio
from typing import Final

_TIMES_FREE: Final = 3
_KEPT_BACK: Final = 8  # of the room, for the parts' own shares: one in so many


class Outstanding:
    """The room of one process, in bytes. Belongs to one event loop.

    It is passed by one line for each part at most, or when many parts come at once.
    """

    def __init__(self, *, most_bytes: int) -> None:
        self._kept_back = most_bytes // _KEPT_BACK
        self._taken_freely = most_bytes - self._kept_back
        self._parts: set[Part] = set()
        self._waiting: set[Part] = set()
        self.bytes = 0

    def part(self, *, most_lines: int) -> "Part":
        """A reader's part, of at most so many lines."""
        part = Part(self, most_lines=most_lines)
        self._parts.add(part)
        return part

    @property
    def allowance(self) -> int:
        """Bytes that a part may hold at present."""
        own = self._kept_back // max(1, len(self._parts))
        return max(own, _TIMES_FREE * (self._taken_freely - self.bytes))

    def close(self, part: "Part") -> None:
        """A part is no more."""
        self._parts.discard(part)
        self.wake()

    def wait(self, part: "Part") -> None:
        """A part waits for room."""
        self._waiting.add(part)

    def forget(self, part: "Part") -> None:
        """A part does not wait any more."""
        self._waiting.discard(part)

    def wake(self) -> None:
        """Something was given back: wake those who may go on."""
        for part in list(self._waiting):
            part.wake()


class Part:
    """What one reader holds."""

    def __init__(self, outstanding: Outstanding, *, most_lines: int) -> None:
        self._outstanding = outstanding
        self._most_lines = most_lines
        self._lines = 0
        self._bytes = 0
        self._room = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether reading must wait."""
        if self._lines == 0:
            return False
        return self._lines >= self._most_lines or self._bytes >= self._outstanding.allowance

    def add(self, size: int) -> None:
        """A line was read."""
        self._lines += 1
        self._bytes += size
        self._outstanding.bytes += size

    def remove(self, size: int) -> None:
        """A line has its result."""
        self._lines -= 1
        self._bytes -= size
        self._outstanding.bytes -= size
        self._outstanding.wake()

    async def room(self) -> None:
        """Wait until reading may go on."""
        self._outstanding.wait(self)
        try:
            while self.full:
                self._room.clear()
                await self._room.wait()
        finally:
            self._outstanding.forget(self)

    def wake(self) -> None:
        """Look again whether there is room."""
        if not self.full:
            self._room.set()

    def close(self) -> None:
        """Give everything back, also of lines whose tasks were cancelled before they began."""
        self._outstanding.bytes -= self._bytes
        self._lines = self._bytes = 0
        self._outstanding.close(self)
