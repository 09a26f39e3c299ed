"""Token buckets: so many requests, or so many tokens, a minute.

Owns the arithmetic of one bucket. Does not own when anyone looks (`gate`), what a provider says is
left (`ports.Notes`), nor a clock: times are passed in, in monotonic seconds.
"""

import math
from typing import Final

# A quarter of a second's worth may be spent at once: providers that promise requests a minute
# check them by the second (OpenAI says so), and a full bucket on top of a second's refill must
# not trip them.
_BURST: Final = 1 / 240

# Nothing that is counted by the minute needs to be waited for longer: `reset` names the time to
# a *full* allowance, and the first request of it is back much sooner.
MOST_HOLD: Final = 60.0


class Bucket:
    """Fills evenly, may be overdrawn by one taker, and never lets a minute pass its limit.

    A taker larger than the bucket waits until it is full and leaves a debt: refusing it would
    stall the line for ever. Any 60 seconds see at most the limit, or the limit and one taker.
    """

    __slots__ = ("_at", "_burst", "_held_until", "_level", "_rate")

    def __init__(self, *, per_minute: float, now: float) -> None:
        self._burst = max(1.0, per_minute * _BURST)
        # What a full bucket adds to a minute is taken off its refill.
        self._rate = (per_minute - (self._burst - 1.0)) / 60.0
        self._level = self._burst
        self._at = now
        self._held_until = -math.inf

    def wait(self, cost: float, now: float) -> float:
        """Seconds until `take` may be called with this cost; 0 when it may now."""
        if now < self._held_until:
            return self._held_until - now
        missing = min(cost, self._burst) - self._filled(now)
        # Rounding must not leave a sliver that no timer is fine enough to wait for.
        return missing / self._rate if missing > 1e-9 else 0.0

    def full(self, now: float) -> bool:
        """Whether nothing of what was taken is missing any more."""
        return now >= self._held_until and self._filled(now) >= self._burst

    def take(self, cost: float, now: float) -> None:
        """Spend."""
        self._level = self._filled(now) - cost
        self._at = now

    def correct(self, change: float) -> None:
        """Give back (or, below zero, spend) what an estimate was wrong by."""
        self._level = min(self._burst, self._level + change)

    def hear(self, remaining: float, reset: float | None, now: float) -> None:
        """Correct downward by what the provider says is left; never upward.

        With nothing left nothing is sent until the provider's `reset`, a minute at most.
        """
        self._level = min(self._filled(now), remaining)
        self._at = now
        if remaining < 1.0 and reset is not None:
            self._held_until = max(self._held_until, now + min(reset, MOST_HOLD))

    def _filled(self, now: float) -> float:
        return min(self._burst, self._level + (now - self._at) * self._rate)
