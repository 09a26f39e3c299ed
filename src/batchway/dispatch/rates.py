"""How fast requests may be sent to one target: rates by the minute, and pauses that it asks for.

    limits of the configuration --> a bucket each for requests and tokens
    what answers say is left    --> less in a bucket; a pause where no bucket is and nothing is left
    `Retry-After`, by the gate  --> a pause

Owns the two buckets, the pause, and how often an answer's headers are read. Does not own the
arithmetic (`bucket`), slots (`gate`), nor a clock: times are passed in, in monotonic seconds.
"""

import math
from typing import Final

from batchway.dispatch.bucket import MOST_HOLD, Bucket
from batchway.ports import Answer, Notes, Scarce

# A line with another target does not sit out a pause that is longer than this.
LONG_PAUSE: Final = 60.0

# Answers between two looks at what is left while that is far from nothing.
_LOOK_EVERY: Final = 16


class Rates:
    """The rates of one target; `None` is unlimited."""

    __slots__ = (
        "_per_request",
        "_per_token",
        "_requests",
        "_tokens",
        "limited",
        "look_in",
        "quiet_until",
        "scarce",
    )

    def __init__(
        self, *, requests_per_minute: int | None, tokens_per_minute: int | None, now: float
    ) -> None:
        rpm, tpm = requests_per_minute, tokens_per_minute
        self._requests = None if rpm is None else Bucket(per_minute=rpm, now=now)
        self._tokens = None if tpm is None else Bucket(per_minute=tpm, now=now)
        self._per_request = 1.0 if rpm is None and tpm is None else 1.0 / (rpm or math.inf)
        self._per_token = 1.0 / (tpm or math.inf)
        self.look_in = 0  # answers to let pass before the next one's headers are read
        self.limited = rpm is not None or tpm is not None
        self.quiet_until = -math.inf
        self.scarce = False  # the latest `wait` was for a rate, not for a pause

    def wait(self, cost: float, now: float) -> float:
        """Seconds until a request of so many tokens may be sent."""
        wait = self.quiet_until - now
        if wait > 0:
            self.scarce = False
            return wait
        wait = 0.0
        if self._requests is not None:
            wait = self._requests.wait(1.0, now)
        if self._tokens is not None:
            wait = max(wait, self._tokens.wait(cost, now))
        self.scarce = wait > 0
        return wait

    def take(self, cost: float, now: float) -> None:
        """A request is sent."""
        if self._requests is not None:
            self._requests.take(1.0, now)
        if self._tokens is not None:
            self._tokens.take(cost, now)

    def charge(self, cost: float) -> float:
        """What a tenant is charged for a request: minutes of the rate that it takes more of."""
        return max(self._per_request, cost * self._per_token)

    def correct(self, wrong: float) -> float:
        """A request took so many tokens less than its cost; returns the change of its charge."""
        if self._tokens is None:
            return 0.0
        self._tokens.correct(wrong)
        return -wrong * self._per_token

    def pause(self, seconds: float, now: float) -> bool:
        """Send nothing for so long; `False` where a longer pause was asked for before."""
        if now + seconds <= self.quiet_until:
            return False
        self.quiet_until = now + seconds
        return True

    def hear(self, answer: Answer, notes: Notes, *, in_flight: int, now: float) -> float:
        """Read what is left, after the next answer too if that is little; the pause to make."""
        low, pause = False, 0.0
        buckets: tuple[tuple[Scarce, Bucket | None], ...]
        buckets = ("requests", self._requests), ("tokens", self._tokens)
        for what, bucket in buckets:
            said = notes.allowance(answer, what)
            if said is None:
                continue
            if bucket is not None:
                bucket.hear(said.remaining, said.reset, now)
            elif said.remaining < 1.0 and said.reset is not None:
                pause = max(pause, min(said.reset, MOST_HOLD))
            low |= said.remaining < max(said.limit / 4, 4 * in_flight)
        self.look_in = 0 if low else _LOOK_EVERY - 1
        return pause

    def idle(self, now: float) -> bool:
        """Whether no pause is under way and nothing of the rates is used."""
        return self.quiet_until <= now and all(
            bucket.full(now) for bucket in (self._requests, self._tokens) if bucket is not None
        )
