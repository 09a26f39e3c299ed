"""A model of an inference engine with continuous batching: how long each request takes.

    arrive --> waiting --(fewer than `max_running` run)--> running --its last token--> finished

Every step gives each running sequence one token; how long a step takes depends on how many run,
on how many wait, and on a drift that is common to all. Pure and in whatever time it is told, so
that tests run thousands of lines in a second and `simulate --engine` serves the same model over
HTTP. Steps between two events are not walked through one by one but counted.

Owns the curve, the drift and the queue. Does not own chance failures or refusals, nor a clock.
"""

import math
import random
from collections import deque
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineModel:
    """What an engine is like; times in seconds.

    A step takes `base + per_sequence * n + per_pair * n * n + per_waiting * w` for n sequences
    that run and w that wait, times the drift: anywhere within `drift`, for `drift_seconds` at a
    time on average. `prefill` is what a prompt adds to the step that takes it in. An answer comes
    up to `scatter` of its latency late.
    """

    base: float
    per_sequence: float
    per_pair: float = 0.0
    per_waiting: float = 0.0
    prefill: float = 0.0
    max_running: int = 1024
    drift: tuple[float, float] = (0.85, 1.15)
    drift_seconds: float = 4.0
    scatter: float = 0.01

    def step(self, running: int, waiting: int) -> float:
        """Seconds of one step without drift."""
        return (
            self.base
            + (self.per_sequence + self.per_pair * running) * running
            + self.per_waiting * waiting
        )


# Fitted to measurements; `tests/unit/test_simulated_engine.py` holds them to these. The H200 ran a
# model of 1.5B parameters, the CPU a tiny one. `small` is made up: an engine that thrashes.
ENGINES: Final = {
    "h200": EngineModel(base=0.0021, per_sequence=0.000033, prefill=0.0003),
    "h200-256": EngineModel(base=0.0021, per_sequence=0.000033, prefill=0.0003, max_running=256),
    "cpu": EngineModel(
        base=0.0022, per_sequence=0.00014, per_waiting=0.000022, prefill=0.0001, max_running=256
    ),
    "small": EngineModel(base=0.0100, per_sequence=0.0005, per_pair=0.000039),
    "hosted": EngineModel(base=0.0016, per_sequence=0.0, max_running=1 << 40),
}


class Engine:
    """One engine at work. Times never go back; ids are the caller's."""

    __slots__ = (
        "_drift",
        "_drift_until",
        "_ended",
        "_now",
        "_random",
        "_running",
        "_step",
        "_steps",
        "_tokens",
        "_waiting",
        "model",
    )

    def __init__(self, model: EngineModel, *, seed: int) -> None:
        self.model = model
        self._random = random.Random(seed)  # noqa: S311 - simulated misfortune, not secrets
        self._now = 0.0  # when the step at hand began
        self._steps = 0  # that were made
        self._tokens = 0  # that these gave
        self._running: list[tuple[int, int]] = []  # a heap of (step after which it ends, id)
        self._ended: list[int] = []  # and not told of yet
        self._waiting: deque[tuple[int, int]] = deque()  # id, tokens
        self._drift = 1.0
        self._drift_until = 0.0
        self._step = 0.0

    @property
    def running(self) -> int:
        """Sequences that get tokens."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests that wait for a place."""
        return len(self._waiting)

    @property
    def tokens(self) -> int:
        """Output tokens that were made so far, of requests that have not ended as well."""
        return self._tokens

    def arrive(self, now: float, number: int, tokens: int) -> None:
        """A request for so many output tokens."""
        self._work(now)
        if not self._running:
            self._now = max(self._now, now)
            self._roll(self._now)
        self._waiting.append((number, max(1, tokens)))
        self._admit()

    def leave(self, now: float, number: int) -> None:
        """A client hung up: its request is dropped."""
        self._work(now)
        self._waiting = deque(entry for entry in self._waiting if entry[0] != number)
        self._running = [entry for entry in self._running if entry[1] != number]
        heapify(self._running)
        self._admit()

    def next_event(self) -> float:
        """When to call `advance`; infinite while nothing runs."""
        if self._ended:
            return self._now
        if not self._running:
            return math.inf
        ends = self._now + (self._running[0][0] - self._steps) * self._step
        return min(ends, self._drift_until)

    def advance(self, now: float) -> list[int]:
        """Work until `now`; returns the requests that ended since the last call, in order."""
        self._work(now)
        ended, self._ended = self._ended, []
        return ended

    def _work(self, now: float) -> None:
        running = self._running
        while running:
            due = running[0][0]
            ends = self._now + (due - self._steps) * self._step
            if ends <= min(now, self._drift_until):
                self._now = ends
                self._count_to(due)
                while running and running[0][0] <= due:
                    self._ended.append(heappop(running)[1])
                self._admit()
            elif self._drift_until <= now:
                self._make_steps(self._drift_until)
                self._roll(self._drift_until)
            else:
                self._make_steps(now)
                break

    def _make_steps(self, until: float) -> None:
        whole = int((until - self._now) / self._step)
        if whole > 0:
            self._count_to(self._steps + whole)
            self._now += whole * self._step

    def _count_to(self, steps: int) -> None:
        self._tokens += (steps - self._steps) * len(self._running)
        self._steps = steps

    def _admit(self) -> None:
        model, running, waiting = self.model, self._running, self._waiting
        while waiting and len(running) < model.max_running:
            number, tokens = waiting.popleft()
            heappush(running, (self._steps + tokens, number))
            self._now += model.prefill * self._drift
        self._step = model.step(len(running), len(waiting)) * self._drift

    def _roll(self, now: float) -> None:
        draw = self._random
        while self._drift_until <= now:
            self._drift_until += max(0.25, draw.expovariate(1 / self.model.drift_seconds))
            self._drift = draw.uniform(*self.model.drift)
        self._step = self.model.step(len(self._running), len(self._waiting)) * self._drift
