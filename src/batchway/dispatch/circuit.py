"""Whether a target as a whole can be used.

                 enough failures in a row, and nothing else
        CLOSED ----------------------------------------------> OPEN until probe_at
          ^ ^                                                   |   ^
          | |  a sign of life, also of a request sent before    |   | a failed probe:
          | +---------------------------------------------------+   | a longer pause
          |                                            probe_at |   |
          +----------------------- PROBING <--------------------+   |
             a sign of life             |                           |
                                        +---------------------------+

Open by a denial it closes by a real answer only, and to a request that was sent after it opened:
what was accepted before a key was revoked may still be answered.

Owns the state. Does not own what a sign of life is (`lane`), who becomes the probe or waits
(`gate`), nor a clock: times are in monotonic seconds.
"""

import math
from typing import Final

from batchway.dispatch.fault import DENIALS, LINE_MAY_BE_THE_CAUSE, Fault, Setback

FIRST_PAUSE: Final = 1.0
MOST_PAUSE: Final = 60.0


class Circuit:
    """The circuit of one lane. `most_pause` may be changed at any time."""

    __slots__ = (
        "_failures",
        "_pause",
        "_trips_after",
        "down_since",
        "last",
        "most_pause",
        "probe_at",
        "probing",
    )

    def __init__(self, *, trips_after: int) -> None:
        self._trips_after = trips_after
        self._failures = 0
        self._pause = FIRST_PAUSE
        self.most_pause = MOST_PAUSE
        self.down_since: float | None = None
        self.last: Setback | None = None  # the latest, while down
        self.probe_at = 0.0
        self.probing = False

    @property
    def fault(self) -> Fault | None:
        """The latest fault, while down."""
        return None if self.last is None else self.last.fault

    @property
    def denied(self) -> bool:
        """Whether it is open by a denial."""
        return self.last is not None and self.last.fault in DENIALS

    def wait(self, now: float) -> float:
        """Seconds until a request may be sent: infinite while a probe is on its way."""
        if self.down_since is None:
            return 0.0
        return math.inf if self.probing else max(0.0, self.probe_at - now)

    def sent(self) -> bool:
        """A request is let through; returns whether it is a probe."""
        if self.down_since is None:
            return False
        self.probing = True
        return True

    def alive(self) -> None:
        """A sign of life: everything is well again."""
        self._failures = 0
        if self.down_since is not None:
            self.down_since = None
            self.last = None
            self.probing = False
            self._pause = FIRST_PAUSE

    def failed(self, setback: Setback, *, counts: bool, probe: bool, now: float) -> bool:
        """A failure; `counts` unless a line that failed before caused it, perhaps by itself.

        Returns whether the circuit (re)opened.
        """
        if self.down_since is not None:
            if not (probe and self.probing):
                return False  # sent before the circuit opened: no news
            self.last = setback
            self.probing = False
            self._pause = min(self.most_pause, self._pause * 2)
            self.probe_at = now + self._pause
            return True
        if counts or setback.fault not in LINE_MAY_BE_THE_CAUSE:
            self._failures += 1
        if self._failures < self._trips_after:
            return False
        self.down_since = now
        self.last = setback
        self.probe_at = now + self._pause
        return True

    def try_now(self, now: float) -> None:
        """There is reason to believe that it is well again: the next probe need not wait."""
        self._pause = FIRST_PAUSE
        self.probe_at = min(self.probe_at, now)

    def dropped(self, *, probe: bool) -> None:
        """A request came to nothing: a probe that was one makes room for another."""
        if probe:
            self.probing = False
