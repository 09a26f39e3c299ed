"""What the simulator served, for tests to read: counts only, no texts.

Owns the counters and their JSON. `requests_by_digest` is how often each prompt was paid for.
"""

from collections import Counter
from typing import Any

from batchway.simulator.online.answers import Answer
from batchway.simulator.online.fates import Fault


class Stats:
    """Counts since the start or the last `reset`; `in_flight` is always as of now."""

    def __init__(self, *, record: bool) -> None:
        self.record = record
        self.in_flight = 0
        self._clear()

    def _clear(self) -> None:
        self._requests = 0
        self._answered = 0
        self._abandoned = 0
        self._prompt_tokens = 0
        self._output_tokens = 0
        self._max_in_flight = self.in_flight
        self._by_status: Counter[int] = Counter()
        self._faults: Counter[Fault] = Counter()
        self._by_digest: Counter[str] = Counter()

    def reset(self) -> None:
        """Start counting anew; requests in flight stay in flight."""
        self._clear()

    def arrived(self) -> None:
        """A request came to a model endpoint."""
        self._requests += 1

    def started(self) -> None:
        """A request was let in."""
        self.in_flight += 1
        self._max_in_flight = max(self._max_in_flight, self.in_flight)

    def finished(self, *, abandoned: bool = False) -> None:
        """A request let in is over; `abandoned` when its client left before the answer."""
        self.in_flight -= 1
        self._abandoned += abandoned

    def sent(self, status: int) -> None:
        """A response's status line was written."""
        self._by_status[status] += 1

    def faulted(self, fault: Fault) -> None:
        """A fault was carried out."""
        self._faults[fault] += 1

    def answered(self, answer: Answer) -> None:
        """A right answer was written whole: the client has paid for it."""
        self._answered += 1
        self._prompt_tokens += answer.prompt_tokens
        self._output_tokens += answer.output_tokens
        if self.record:
            self._by_digest[answer.digest] += 1

    def report(self) -> dict[str, Any]:
        """The counts as JSON; `requests_by_digest` only while recording."""
        report: dict[str, Any] = {
            "requests": self._requests,
            "answered": self._answered,
            "abandoned": self._abandoned,
            "in_flight": self.in_flight,
            "max_in_flight": self._max_in_flight,
            "by_status": {str(status): n for status, n in sorted(self._by_status.items())},
            "faults": {fault.value: n for fault, n in sorted(self._faults.items())},
            "tokens": {
                "prompt": self._prompt_tokens,
                "output": self._output_tokens,
                "total": self._prompt_tokens + self._output_tokens,
            },
        }
        if self.record:
            report["requests_by_digest"] = dict(self._by_digest)
        return report
