"""A few lines instead of a flood: what strangers can cause must not fill the disk."""

import logging
from collections.abc import Callable
from typing import Final

from batchway.telemetry.log import event

_MOST: Final = 10
_SECONDS: Final = 60.0


class Sparse:
    """Logs an event at most ten times a minute, and then how many more there were.

    `monotonic` gives seconds that never go back. Belongs to one event loop.
    """

    def __init__(
        self, log: logging.Logger, words: str, *, monotonic: Callable[[], float], level: int
    ) -> None:
        self._log = log
        self._words = words
        self._monotonic = monotonic
        self._level = level
        self._since = float("-inf")
        self._told = 0

    def tell(self, **fields: object) -> None:
        """Log the event, or count it."""
        now = self._monotonic()
        if now - self._since >= _SECONDS:
            more = self._told - _MOST
            if more > 0:
                event(self._log, self._words, level=self._level, more_of_them=more)
            self._since, self._told = now, 0
        self._told += 1
        if self._told <= _MOST:
            event(self._log, self._words, level=self._level, **fields)
