"""What bounds the sending of lines.

Owns plain values. Does not own how they are enforced: `gate` does.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from batchway.domain.defaults import MAX_ATTEMPTS, MAX_CONCURRENCY, TIMEOUT_SECONDS

# Bytes of one answer; a larger one is dropped as it arrives, so that memory stays bounded.
MOST_ANSWER_BYTES: Final = 256 << 20


class Aim(StrEnum):
    """What a concurrency that is found out is chosen for."""

    THROUGHPUT = "throughput"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one provider, applied to each of its models on its own.

    `concurrency` is how many lines may be in flight, `None` finds it out and never passes
    `max_concurrency`; `aim` is what for. Rates are per minute, `None` is unlimited. `timeout` is
    in seconds for one whole exchange; `max_attempts` is how many attempts one line may use up at
    one target.
    """

    concurrency: int | None = None
    max_concurrency: int = MAX_CONCURRENCY
    aim: Aim = Aim.THROUGHPUT
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout: float = TIMEOUT_SECONDS
    max_attempts: int = MAX_ATTEMPTS
