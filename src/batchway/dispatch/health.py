"""Looking at a target's health while its lines fail: one cheap GET, every few seconds.

    every address in turn: 2xx      well; `admitted` if it is the last, which takes a good key
                           a page   ill: what stands in for a server that is away
                           nothing  ill
                           5xx      ill
                           501, 505 and all others: not an address that it has: the next one
    none of them                    somebody answers, so: well

A plain 500 is ill too, but may be how a server answers whatever it does not know: `faintly`.

Owns the look and its pace. Does not own what follows from it (`lane`), nor the addresses
(`ports.Account.health`). Nothing of an answer is kept or logged.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from batchway.dispatch.lane import Look
from batchway.ports import Account, Clock, Failure, Transport

_log: Final = logging.getLogger(__name__)

LOOK_EVERY: Final = 3.0
_TIMEOUT: Final = 5.0
_NOTHING: Final = Look()
_NO_SUCH_ADDRESS: Final = frozenset({501, 505})


async def look_at(account: Account, model: str, transport: Transport) -> Look:
    """What the health of an account's model is."""
    requests = await account.health(model)
    if not requests:
        return _NOTHING
    faintly = False
    for request in requests:
        drawn = await transport.get(request.url, request.headers, timeout=_TIMEOUT)
        if isinstance(drawn, Failure):
            # More than a look wants to read is an answer too.
            return Look(well=drawn is Failure.TOO_LARGE)
        if drawn.status == 500:
            faintly = True
        elif drawn.status >= 500 and drawn.status not in _NO_SUCH_ADDRESS:
            return Look(well=False)
        if drawn.status < 300 and drawn.body.lstrip()[:1] == b"<":
            return Look(well=False)
        if 200 <= drawn.status < 300:
            return Look(well=True, admitted=request is requests[-1])
    return Look(well=not faintly, faintly=faintly)


class Watch:
    """Looks again and again while it is wanted. Belongs to one event loop."""

    def __init__(
        self,
        *,
        look: Callable[[], Awaitable[Look]],
        wanted: Callable[[], bool],
        seen: Callable[[Look], None],
        clock: Clock,
    ) -> None:
        self._look = look
        self._wanted = wanted
        self._seen = seen
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._at: float | None = None

    def wake(self) -> None:
        """Begin to look, if that is wanted and not done already."""
        if self._task is None and self._wanted():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        clock = self._clock
        try:
            while self._wanted():
                wait = 0.0 if self._at is None else self._at + LOOK_EVERY - clock.monotonic()
                if wait > 0:
                    await clock.sleep(wait)
                    continue
                self._at = clock.monotonic()
                self._seen(await self._once())
        finally:
            self._task = None

    async def _once(self) -> Look:
        try:
            return await self._look()
        except Exception as error:  # noqa: BLE001 - a look that cannot be had must end nothing
            _log.debug("a target's health cannot be looked at: %s", type(error).__name__)
            return _NOTHING
