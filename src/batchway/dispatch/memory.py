"""The limits that `auto` found, kept beyond the gate and the process that found them.

    start --load--> known --recall--> a new gate begins near it
                      ^                        |
    ledger <--save----+---- what gates have learned, every half minute and at the end

A limit is a hint, not a rule: a gate begins a little below it and looks further at once, and one
that is older than a week is forgotten, since the engine behind an address changes.

Owns when limits are kept and believed. Does not own how one is found (`concurrency`).
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from batchway.domain.errors import Unavailable
from batchway.ports import Clock, TargetLimit, TargetLimits

_log: Final = logging.getLogger(__name__)

SAVE_SECONDS: Final = 30.0
_BELIEVED_SECONDS: Final = 7 * 86_400
# So that a limit which goes on being found is not forgotten.
_RENEWED_SECONDS: Final = 86_400
# Below it: to begin with a burst of refusals would be worse than to begin a little low.
_BEGIN: Final = 0.9


class LimitMemory:
    """What is known of each provider and model. Belongs to one event loop."""

    def __init__(self, *, store: TargetLimits, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[tuple[str, str], TargetLimit] = {}

    def recall(self, provider: str, model: str) -> int | None:
        """Where a new gate begins, if an earlier one has found its limit lately."""
        known = self._known.get((provider, model))
        if known is None or known.found_at < self._clock.now() - _BELIEVED_SECONDS:
            return None
        return max(1, int(known.limit * _BEGIN))

    async def load(self) -> None:
        """Read what earlier processes found. Without a ledger there is just nothing to recall."""
        try:
            limits = await self._store.list()
        except Unavailable as error:
            _log.warning("cannot read the limits found earlier: %s", error)
            return
        self._known = {(each.provider, each.model): each for each in limits}

    async def save(self, found: Mapping[tuple[str, str], int]) -> None:
        """Keep what gates have found. What cannot be written now is written next time."""
        now = int(self._clock.now())
        news: list[TargetLimit] = []
        for (provider, model), limit in found.items():
            known = self._known.get((provider, model))
            if known is None or known.limit != limit or known.found_at < now - _RENEWED_SECONDS:
                news.append(TargetLimit(provider=provider, model=model, limit=limit, found_at=now))
        for each in news:
            try:
                await self._store.put(each)
            except Unavailable as error:
                _log.warning("cannot keep the limits that were found: %s", error)
                return
            self._known[each.provider, each.model] = each

    async def run(self, found: Callable[[], Mapping[tuple[str, str], int]]) -> None:
        """Save what is found until cancelled."""
        while True:
            await self._clock.sleep(SAVE_SECONDS)
            await self.save(found())
