"""`ports.Notes` of OpenAI's API: what its headers say beside a body.

    x-request-id                               the request, as support knows it
    x-ratelimit-{remaining,limit,reset}-*      what is left of a limit
    retry-after-ms, retry-after                when to ask again

Owns the names and the spellings of durations. Does not own what follows from them (`dispatch`).
Source: platform.openai.com/docs/guides/rate-limits, "Rate limits in headers".
"""

import math
import re
from typing import Final

from batchway.domain.retry_after import retry_after_of
from batchway.ports.dialect import Refused, Result
from batchway.ports.online import Allowance, Answer, Scarce

_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
_UNIT: Final = {
    "d": 86_400.0,
    "h": 3_600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}


class OpenAINotes:
    """Reads the headers of an answer."""

    __slots__ = ()

    def request_id(self, answer: Answer) -> str | None:
        """`x-request-id`."""
        return answer.header("x-request-id")

    def allowance(self, answer: Answer, what: Scarce) -> Allowance | None:
        """The `x-ratelimit-*` headers about `requests` or `tokens`."""
        text = answer.header("x-ratelimit-remaining-" + what)
        remaining = None if text is None else parse_count(text)
        if remaining is None:
            return None
        text = answer.header("x-ratelimit-limit-" + what)
        limit = None if text is None else parse_count(text)
        text = answer.header("x-ratelimit-reset-" + what)
        reset = None if text is None else parse_duration(text)
        return Allowance(remaining, math.inf if limit is None else limit, reset)

    def retry_after(self, answer: Answer, *, now: float) -> float | None:
        """`retry-after-ms` or `retry-after`."""
        return retry_after_of(answer.header, now=now)

    def refusal(self, answer: Answer, read: Refused) -> Refused:  # noqa: ARG002 - the port's
        """Bodies say it all."""
        return read

    def counted(self, answer: Answer, read: Result) -> Result:  # noqa: ARG002 - the port's
        """Headers count nothing."""
        return read


OPENAI_NOTES: Final = OpenAINotes()


def parse_duration(text: str) -> float | None:
    """Seconds of `6m0s`, `1s`, `20ms`, `1h2m3.5s` or plain `12.5`; `None` for anything else."""
    text = text.strip()
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
        end = 0
        for part in _PART.finditer(text):
            if part.start() != end:
                return None
            seconds += float(part[1]) * _UNIT[part[2]]
            end = part.end()
        if end == 0 or end != len(text):
            return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def parse_count(text: str) -> float | None:
    """A count such as `4999`; `None` for anything else."""
    try:
        count = float(text)
    except ValueError:
        return None
    return count if math.isfinite(count) and count >= 0 else None
