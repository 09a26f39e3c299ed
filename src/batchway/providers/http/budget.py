"""How many bytes of answers may be held at once while they are read.

An answer takes room piece by piece. When there is none it waits, its connection is not read, and
the provider has to wait with it: nothing is dropped for being one of many. One answer, the favoured
one, goes on at any rate, so that something ends and makes room; memory is bounded by the budget
and one answer of the greatest size.

    reading --no room--> waiting --room--> reading --read, handed on--> closed
       |                    +--nobody is favoured: now it is--> reading
       +--others wait, and it brings nothing--> dropped

An answer that stands still while others wait for its room is dropped: a provider that begins
answers and does not end them would otherwise hold up all the others.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

# What every answer may hold without asking. Answers of chats are smaller, and are never held up.
FREE_BYTES: Final = 64 << 10
MOST_BYTES: Final = 64 << 20

_PATIENCE_SECONDS: Final = 10.0


class Budget:
    """The room for all answers of a process. Belongs to one event loop."""

    def __init__(
        self, most_bytes: int = MOST_BYTES, *, patience: float = _PATIENCE_SECONDS
    ) -> None:
        self._most = most_bytes
        self._patience = patience
        self._held = 0
        self._shares: set[Share] = set()
        self._favoured: Share | None = None
        self._waiting: deque[tuple[Share, int, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def held(self) -> int:
        """Bytes that are held now."""
        return self._held

    def share(self, drop: Callable[[], None]) -> "Share":
        """An answer's part of it. `drop` breaks the answer off."""
        share = Share(self, drop)
        self._shares.add(share)
        return share

    async def take(self, share: "Share", size: int) -> None:
        """Wait until `share` may hold `size` more."""
        if share is not self._favoured and (self._waiting or self._held + size > self._most):
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((share, size, future))
            share.waits = True
            self._admit()
            self._watch()
            try:
                await future
            except asyncio.CancelledError:
                if future.cancelled():
                    self._admit()  # it may have been the first in the queue
                else:
                    self.give_back(share, size)
                raise
            finally:
                share.waits = False
        else:
            self._grant(share, size)

    def give_back(self, share: "Share", size: int) -> None:
        """`share` holds so much less."""
        share.held -= size
        self._held -= size
        self._admit()

    def end(self, share: "Share") -> None:
        """`share` holds nothing any more."""
        self._shares.discard(share)
        if self._favoured is share:
            self._favoured = None
        self.give_back(share, share.held)

    def _grant(self, share: "Share", size: int) -> None:
        share.held += size
        self._held += size

    def _admit(self) -> None:
        while self._waiting:
            share, size, future = self._waiting[0]
            if future.done():
                self._waiting.popleft()
                continue
            if self._held + size > self._most:
                if self._favoured is not None:
                    return
                self._favoured = share
            self._waiting.popleft()
            self._grant(share, size)
            future.set_result(None)

    def _watch(self) -> None:
        if self._timer is None and self._waiting:
            for share in self._shares:
                share.mark = share.held
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._patience, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._waiting:
            for share in list(self._shares):
                if not share.waits and not share.read and share.held - share.mark < FREE_BYTES:
                    share.drop()
        self._watch()


class Share:
    """One answer's part of a budget."""

    __slots__ = ("_budget", "drop", "held", "mark", "read", "waits")

    def __init__(self, budget: Budget, drop: Callable[[], None]) -> None:
        self._budget = budget
        self.drop = drop
        self.held = 0
        self.mark = 0
        self.waits = False
        self.read = False  # to its end: what it holds is being handed on

    async def take(self, size: int) -> None:
        """Hold so many bytes more, as soon as there is room."""
        await self._budget.take(self, size)

    def close(self) -> None:
        """Hold nothing any more. Harmless a second time."""
        self._budget.end(self)
