"""A look at something from time to time, for as long as it tells anything.

    wake --wanted--> (a delay) --> look --seen--> pause, and again while wanted
                                     |
                                     +--- nothing: left alone for `rest`

Owns the pace. Does not own what is looked at (`health`, `engine_load`), nor what follows from it.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from batchway.ports import Clock

_log: Final = logging.getLogger(__name__)

LOOK_EVERY: Final = 3.0

T = TypeVar("T")


class Watch(Generic[T]):
    """Looks again and again while that is wanted. Belongs to one event loop.

    A `look` that returns `None` is not repeated for `rest` seconds; one that raises counts as
    `otherwise`. The first look after `wake` comes after `delay` seconds, each of the others
    `LOOK_EVERY` after the one before has begun.
    """

    __slots__ = (
        "_clock",
        "_delay",
        "_due",
        "_look",
        "_otherwise",
        "_rest",
        "_rests_until",
        "_seen",
        "_task",
        "_wanted",
    )

    def __init__(
        self,
        *,
        look: Callable[[], Awaitable[T | None]],
        wanted: Callable[[], bool],
        seen: Callable[[T], None],
        clock: Clock,
        otherwise: T | None = None,
        delay: float = 0.0,
        rest: float = 0.0,
    ) -> None:
        self._look = look
        self._wanted = wanted
        self._seen = seen
        self._clock = clock
        self._otherwise = otherwise
        self._delay = delay
        self._rest = rest
        self._due = self._rests_until = -math.inf
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Begin to look, if that is wanted, not done already, and not in vain."""
        if self._task is not None:
            return
        now = self._clock.monotonic()
        if now < self._rests_until or not self._wanted():
            return
        self._due = max(self._due, now + self._delay)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        clock = self._clock
        try:
            while self._wanted():
                wait = self._due - clock.monotonic()
                if wait > 0:
                    await clock.sleep(wait)
                    continue
                self._due = clock.monotonic() + LOOK_EVERY
                found = await self._once()
                if found is None:
                    self._rests_until = clock.monotonic() + self._rest
                    return
                self._seen(found)
        finally:
            self._task = None

    async def _once(self) -> T | None:
        try:
            return await self._look()
        except Exception as error:  # noqa: BLE001 - a look that cannot be had must end nothing
            _log.debug("a look cannot be had: %s", type(error).__name__)
            return self._otherwise
