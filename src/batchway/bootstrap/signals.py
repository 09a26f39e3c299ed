"""Being asked to stop: Ctrl-C, a scheduler's SIGTERM, a terminal that is closed.

    first signal     requests in flight are paid for: they finish and are committed
    second signal    the process ends at once, with 128 + the signal's number

The same request is often heard twice: `timeout` signals the process and then its group, and a
closed terminal's shell and kernel both send SIGHUP. So what comes right after the first signal is
not a second one, nor is a SIGHUP ever.

Owns the handlers while it is entered. Does not own how anything stops.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

_HANDLED: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_SAME_SECONDS: Final = 0.3


class Interrupted(Exception):
    """The work was stopped by a signal; what it did is kept. `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number

    @property
    def code(self) -> int:
        """The exit code that says so."""
        return 128 + self.number


class StopSignals:
    """Handles the signals from `with` on; for the main thread.

    `stop` is called once, at the first signal, in the middle of whatever the main thread does: it
    must only set flags or wake a loop. `leave` is called before the second one ends the process. A
    signal that the process was started to ignore (`nohup`) stays ignored.
    """

    def __init__(
        self, stop: Callable[[int], None], *, leave: Callable[[], None] = lambda: None
    ) -> None:
        self._stop = stop
        self._leave = leave
        self._since = 0.0
        self._before: dict[int, Any] = {}
        self.number: int | None = None

    def __enter__(self) -> Self:
        # Python hears signals in its main thread only.
        here = threading.current_thread() is threading.main_thread()
        for number in _HANDLED if here else ():
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:
                self._before[number] = before
                signal.signal(number, self._heard)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _heard(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.number is None:
            self.number, self._since = number, now
            self._stop(number)
        elif number != getattr(signal, "SIGHUP", None) and now - self._since > _SAME_SECONDS:
            self._leave()
            # Not `sys.exit`: whatever is waited for is what the person does not want to wait for.
            os._exit(128 + number)
