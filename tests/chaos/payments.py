"""What the answers cost: every kill may waste the lines in flight and about one commit interval.

    wasted by a kill = growth of (answers that the simulator sent - results in the ledger)
    allowed to waste = requests in flight at the kill + answers of the last `window` seconds

Seconds are counted in samples, of which a busy machine takes fewer: it commits later, too.

Owns the counting on the simulator's side, which starts anew with every life of the client. Does
not own what the ledger holds.
"""

import math
import threading
import time
from collections import Counter
from dataclasses import dataclass

from tests.chaos.processes import Simulator

_SAMPLE_SECONDS = 0.1
_SETTLE_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What one kill wasted, and might have: answers."""

    wasted: int
    in_flight: int
    recent: int

    @property
    def allowed(self) -> int:
        """The most that invariant 3 lets one kill waste."""
        return self.in_flight + self.recent


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    at: float
    answered: int
    in_flight: int


class Payments:
    """Follows a simulator from `start` to `stop`. `window` is in seconds."""

    def __init__(self, *, simulator: Simulator, window: float) -> None:
        self.paid: Counter[str] = Counter()  # answers by the digest of their prompt
        self.losses: list[Loss] = []
        self.seen: Counter[str] = Counter()  # statuses and faults that clients have met
        self._simulator = simulator
        self._window = window
        self._samples: list[_Sample] = []
        self._wasted = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """End sampling; to be called while the simulator lives."""
        self._ended.set()
        self._thread.join()

    @property
    def answers(self) -> int:
        """Answers paid for in all lives that have been settled."""
        return self.paid.total()

    def settle(self) -> None:
        """Take over what was paid for, once nothing is in flight; then count anew."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self._simulator.stats()["in_flight"]:
            assert time.monotonic() < deadline, "the simulator still serves a dead client"
            time.sleep(0.01)
        with self._lock:
            stats = self._simulator.stats()
            self._simulator.reset()
            self._samples.clear()
        self.paid.update(stats["requests_by_digest"])
        self.seen.update({f"status {name}": n for name, n in stats["by_status"].items()})
        self.seen.update(stats["faults"])

    def killed(self, at: float, results: int) -> Loss:
        """Account for a kill at that monotonic time, with so many answered lines in the ledger."""
        with self._lock:
            samples = list(self._samples)
        before = self.answers
        self.settle()
        life = self.answers - before
        alive = [sample.answered for sample in samples if sample.at <= at]
        earlier = alive[: -math.ceil(self._window / _SAMPLE_SECONDS)]
        late = [sample.in_flight for sample in samples if sample.at > at - 3 * _SAMPLE_SECONDS]
        wasted = self.answers - results
        loss = Loss(
            wasted=wasted - self._wasted,
            in_flight=max(late, default=0),
            recent=life - max(earlier, default=0),
        )
        self._wasted = wasted
        self.losses.append(loss)
        return loss

    def _follow(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            with self._lock:
                stats = self._simulator.stats()
                self._samples.append(
                    _Sample(
                        at=time.monotonic(),
                        answered=stats["answered"],
                        in_flight=stats["in_flight"],
                    )
                )
