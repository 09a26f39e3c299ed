"""Whether a target as a whole is down.

                 enough failures in a row, and nothing else
        CLOSED ----------------------------------------------> OPEN until probe_at
          ^ ^                                                   |   ^
          | |  any sign of life, also of a request sent before  |   | a failed probe:
          | +---------------------------------------------------+   | the pause doubles
          |                                            probe_at |   |
          +----------------------- PROBING <--------------------+   |
             a sign of life             |                           |
                                        +---------------------------+

A sign of life is any answer that is not one of `retry`'s retryable faults: a 400 proves that
somebody is at home. Faults that a line may cause by itself count once a line, so that a few lines
that always fail cannot take a whole target down when only they are left.

Owns the state. Does not own who becomes the probe, nor waiting (`gate`), nor a clock: times are
in monotonic seconds.
"""

import math
from typing import Final

from batchway.dispatch.retry import Fault

FIRST_PAUSE: Final = 1.0
MOST_PAUSE: Final = 60.0

_LINE_MAY_BE_THE_CAUSE: Final = frozenset(
    {Fault.BROKEN, Fault.GARBAGE, Fault.TIMEOUT, Fault.INTERRUPTED}
)


class Circuit:
    """The circuit of one gate."""

    __slots__ = (
        "_failures",
        "_pause",
        "_trips_after",
        "down_since",
        "fault",
        "probe_at",
        "probing",
    )

    def __init__(self, *, trips_after: int) -> None:
        self._trips_after = trips_after
        self._failures = 0
        self._pause = FIRST_PAUSE
        self.down_since: float | None = None
        self.fault: Fault | None = None  # the latest, while down
        self.probe_at = 0.0
        self.probing = False

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
            self.fault = None
            self.probing = False
            self._pause = FIRST_PAUSE

    def failed(self, fault: Fault, *, first: bool, probe: bool, now: float) -> bool:
        """A failure; `first` if it is the line's first. Returns whether the circuit (re)opened."""
        if self.down_since is not None:
            self.fault = fault
            if not (probe and self.probing):
                return False  # sent before the circuit opened: no news
            self.probing = False
            self._pause = min(MOST_PAUSE, self._pause * 2)
            self.probe_at = now + self._pause
            return True
        if first or fault not in _LINE_MAY_BE_THE_CAUSE:
            self._failures += 1
        if self._failures < self._trips_after:
            return False
        self.down_since = now
        self.fault = fault
        self.probe_at = now + self._pause
        return True

    def dropped(self, *, probe: bool) -> None:
        """A request was cancelled: a probe that nobody waits for any more makes room for one."""
        if probe:
            self.probing = False
