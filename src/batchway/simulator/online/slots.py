"""The parallel slots of a model server: whoever finds none waits, first come first served.

Owns the waiting line, as vLLM's scheduler does. Does not refuse anybody.
"""

import asyncio
from collections import deque
from types import TracebackType


class Slots:
    """An asynchronous context manager that holds one of `capacity` slots; None is unlimited.

    Unlike a semaphore its capacity can change while it is held: fewer slots let the present
    holders finish, more of them admit the line at once.
    """

    def __init__(self, capacity: int | None) -> None:
        self._capacity = capacity
        self._held = 0
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def held(self) -> int:
        """How many slots are in use."""
        return self._held

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return sum(not place.done() for place in self._line)

    def resize(self, capacity: int | None) -> None:
        """Change the number of slots."""
        self._capacity = capacity
        self._admit()

    async def __aenter__(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._line.append(place)
        self._admit()
        try:
            await place
        except asyncio.CancelledError:
            # Admitted in the same turn of the loop as cancelled: the slot must not be lost.
            if place.done() and not place.cancelled():
                self._release()
            else:
                place.cancel()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    def _release(self) -> None:
        self._held -= 1
        self._admit()

    def _admit(self) -> None:
        while self._line and (self._capacity is None or self._held < self._capacity):
            place = self._line.popleft()
            # Those who hung up while waiting left their places behind.
            if not place.done():
                self._held += 1
                place.set_result(None)
