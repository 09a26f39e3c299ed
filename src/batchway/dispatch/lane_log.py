"""The log of one lane: a line for each change of its state, and none for more of the same.

    well --> throttled | denied | down | garbage | verdict --> well

Owns the words, and what was told last. Does not own the state (`lane`). Words and fields hold names
of the configuration, times, the provider's status and code; never what an answer says.
"""

import logging
from typing import Final

from batchway.dispatch.fault import DENIALS, Fault, Setback
from batchway.telemetry import event

_log: Final = logging.getLogger(__name__)

# A storm of 429s comes and goes; it is told when it lasts.
_THROTTLED_SECONDS: Final = 30.0

# What is told where there is no status to quote.
_UNTOLD: Final = {
    Fault.UNREACHABLE: "no connection: check that it runs, and its address in the configuration",
}


class LaneLog:
    """Tells the states of one lane. Times are in monotonic seconds."""

    __slots__ = ("_kind", "_model", "_provider", "_told", "_told_at")

    def __init__(self, *, provider: str, model: str, kind: str) -> None:
        self._provider = provider
        self._model = model
        self._kind = kind
        self._told: str | None = None
        self._told_at = 0.0

    def well(self, now: float, *, failing: bool) -> None:
        """Requests are answered again, or all but a few that are themselves what is wrong."""
        if self._told is None:
            return
        self._told = None
        words = "is well, and a few requests fail" if failing else "answers again"
        seconds = now - self._told_at
        self._event(logging.INFO, f"{words}, after {seconds:.0f} s", state="well")

    def verdict(self, setback: Setback, now: float) -> None:
        """Every request draws the same error, and it is believed."""
        self._tell("verdict", "gives every request the same error", setback, now)

    def paused(self, setback: Setback, seconds: float, now: float) -> None:
        """The provider asked for a long pause."""
        if self._told is None:
            self._tell("throttled", f"asked for a pause of {seconds:.0f} s", setback, now)

    def down(self, setback: Setback, since: float, now: float) -> None:
        """No request has been answered since then, for this reason."""
        match setback.fault:
            case Fault.NO_DESCRIPTORS:
                pass  # our own trouble, told once where it is met (`providers.http.descriptors`)
            case fault if fault in DENIALS:
                self._tell("denied", "denies every request", setback, now)
            case Fault.THROTTLED:
                if now - since >= _THROTTLED_SECONDS:
                    self._tell("throttled", "throttles every request", setback, now)
            case Fault.UNREACHABLE:
                self._tell("down", "is down", setback, now)
            case Fault.GARBAGE:
                self._tell("garbage", "answers with what is not JSON", setback, now)
            case fault:
                self._tell("down", f"is down: {fault.value}", setback, now)

    def _tell(self, state: str, words: str, setback: Setback, now: float) -> None:
        if state == self._told:
            return
        if self._told is None:
            self._told_at = now
        self._told = state
        told = setback.told or _UNTOLD.get(setback.fault, "no answer")
        self._event(
            logging.WARNING,
            f"{words} ({told})",
            state=state,
            status=setback.status,
            code=setback.code or None,
        )

    def _event(self, level: int, words: str, **fields: str | int | None) -> None:
        event(
            _log,
            f"provider '{self._provider}', model '{self._model}', {self._kind}: {words}",
            level=level,
            provider=self._provider,
            model=self._model,
            endpoint=self._kind,
            **fields,
        )
