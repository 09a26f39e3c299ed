"""Requests and tokens per minute, and the headers in which OpenAI reports them.

Owns two buckets and the reading of them. Does not answer: the caller sends
an `Exceeded` as a 429.
Source: https://platform.openai.com/docs/guides/rate-limits
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from batchway.simulator.online.errors import Refusal

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceeded:
    """A request that a limit turned away; `wait` is None when waiting cannot help."""

    kind: Literal["requests", "tokens"]
    limit: int
    used: int
    requested: int
    wait: float | None

    def refusal(self, model: str) -> Refusal:
        """The 429 in OpenAI's words."""
        unit = "requests per min (RPM)" if self.kind == "requests" else "tokens per min (TPM)"
        if self.wait is None:
            message = (
                f"Request too large for {model} in organization org-simulated on {unit}: Limit "
                f"{self.limit}, Requested {self.requested}. The input or output tokens must be "
                "reduced in order to run successfully."
            )
        else:
            message = (
                f"Rate limit reached for {model} in organization org-simulated on {unit}: Limit "
                f"{self.limit}, Used {self.used}, Requested {self.requested}. Please try again in "
                f"{duration(self.wait)}."
            )
        return Refusal(status=429, message=message, type=self.kind, code="rate_limit_exceeded")


class Bucket:
    """An allowance that refills evenly and holds at most `window` seconds of its limit."""

    def __init__(self, *, per_minute: int, window: float, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / 60
        # A window shorter than the time between two requests must still let one through.
        self._size = max(1.0, self._rate * window)
        self._clock = clock
        self._level = self._size
        self._read_at = clock()

    def level(self) -> float:
        """How much can be spent now."""
        now = self._clock()
        self._level = min(self._size, self._level + (now - self._read_at) * self._rate)
        self._read_at = now
        return self._level

    def wait(self, amount: int) -> float | None:
        """Seconds until `amount` can be spent: 0 for now, None for never."""
        if amount > self._size:
            return None
        lacking = amount - self.level()
        # Rounding must not turn away whoever waited exactly as long as told.
        return lacking / self._rate if lacking > 1e-6 else 0.0

    def spend(self, amount: int) -> None:
        """Take `amount` out."""
        self._level = self.level() - amount

    def reset(self) -> float:
        """Seconds until the bucket is full."""
        return (self._size - self.level()) / self._rate

    def used(self) -> int:
        """How much of the limit is spent."""
        return math.ceil(self._size - self.level())


class Limits:
    """Both limits; either may be absent."""

    def __init__(
        self,
        *,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        window: float,
        clock: Callable[[], float],
    ) -> None:
        def bucket(per_minute: int | None) -> Bucket | None:
            if per_minute is None:
                return None
            return Bucket(per_minute=per_minute, window=window, clock=clock)

        self._requests = bucket(requests_per_minute)
        self._tokens = bucket(tokens_per_minute)

    def admit(self, tokens: int) -> Exceeded | None:
        """Spend one request and its tokens, or neither and say which limit is in the way."""
        if self._requests is not None and (refused := _refused(self._requests, "requests", 1)):
            return refused
        if self._tokens is not None and (refused := _refused(self._tokens, "tokens", tokens)):
            return refused
        if self._requests is not None:
            self._requests.spend(1)
        if self._tokens is not None:
            self._tokens.spend(tokens)
        return None

    def headers(self) -> Headers:
        """The `x-ratelimit-*` headers as of now; none for a limit that is not set."""
        headers: Headers = ()
        if self._requests is not None:
            headers += _report("requests", self._requests)
        if self._tokens is not None:
            headers += _report("tokens", self._tokens)
        return headers


def duration(seconds: float) -> str:
    """OpenAI's durations: `20ms`, `1s`, `59.982s`, `6m0s`, `1h0m0s`."""
    milliseconds = math.ceil(max(0.0, seconds) * 1000 - 1e-6)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1000:g}s"
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60}m{text}"
    return f"{minutes}m{text}" if minutes else text


def retry_headers(seconds: float) -> Headers:
    """Both spellings of how long to wait: whole seconds for everyone, and OpenAI's milliseconds."""
    return (
        ("retry-after", str(math.ceil(seconds))),
        ("retry-after-ms", str(math.ceil(seconds * 1000))),
    )


def _refused(bucket: Bucket, kind: Literal["requests", "tokens"], amount: int) -> Exceeded | None:
    wait = bucket.wait(amount)
    if wait == 0:
        return None
    return Exceeded(
        kind=kind, limit=bucket.per_minute, used=bucket.used(), requested=amount, wait=wait
    )


def _report(kind: str, bucket: Bucket) -> Headers:
    return (
        (f"x-ratelimit-limit-{kind}", str(bucket.per_minute)),
        (f"x-ratelimit-remaining-{kind}", str(max(0, math.floor(bucket.level())))),
        (f"x-ratelimit-reset-{kind}", duration(bucket.reset())),
    )
