"""One batch at a model of an engine, in virtual time: what a concurrency control makes of it.

    lines left --(in flight < limit)--> engine --> answered --> control --> the next line
                        ^                  |
                        +--- back-off <----+ refused, failed

Does what the gate and the sender do to a control and nothing else, so that a batch of 7,500 lines
takes a fraction of a second; `tests/unit/test_dispatch_concurrency.py` holds it to the real gate.
"""

import math
import random
from bisect import bisect_right
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from batchway.dispatch.control import Control
from batchway.simulator.online.engine_model import ENGINES, Engine, EngineModel

_REFUSAL_SECONDS: Final = 0.002
_FAILURE_SECONDS: Final = 0.005
_BACK_OFF: Final = 0.5  # as `dispatch.retry`
_LONGEST_PAUSE: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked: so many lines, with outputs of between `shortest` and `longest` tokens."""

    lines: int
    shortest: int = 128
    longest: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """An engine and its manners: from how many in flight it refuses, what share it fails."""

    model: EngineModel
    refuses_at: int | None = None
    fails: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A world, what is asked of it, and the fixed number that is best there (`bench auto`)."""

    name: str
    world: World
    best: int
    shortest: int = 128
    longest: int = 128

    def load(self, lines: int) -> Load:
        """So many lines."""
        return Load(lines=lines, shortest=self.shortest, longest=self.longest)


def _cases() -> tuple[Case, ...]:
    h200, mixed = ENGINES["h200"], {"shortest": 16, "longest": 240}
    return (
        Case(name="h200", world=World(model=h200), best=1024),
        Case(name="h200, mixed", world=World(model=h200), best=1024, **mixed),
        Case(name="h200 of 256", world=World(model=ENGINES["h200-256"]), best=256, **mixed),
        Case(name="cpu", world=World(model=ENGINES["cpu"]), best=256, shortest=32, longest=32),
        Case(name="small", world=World(model=ENGINES["small"]), best=16, **mixed),
        Case(name="refuses at 100", world=World(model=h200, refuses_at=100), best=100, **mixed),
        Case(name="fails 1 in 10", world=World(model=h200, fails=0.1), best=1024, **mixed),
    )


CASES: Final = _cases()


@dataclass(slots=True, kw_only=True)
class Run:
    """What a batch took.

    `done` has start, end and tokens of each answer, `made` the engine's count of tokens by the
    time, `limits` the changes.
    """

    seconds: float = 0.0
    refusals: int = 0
    done: list[tuple[float, float, int]] = field(default_factory=list[tuple[float, float, int]])
    made: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])
    limits: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])

    def rate(self, start: float, end: float) -> float:
        """Output tokens a second that the engine made between two times.

        By its own count: answers tell only when they came, and one that has waited in the engine
        for three quarters of its life was not being made all that time. `end` is before the last.
        """
        return (self._made_by(end) - self._made_by(start)) / (end - start)

    def _made_by(self, moment: float) -> float:
        after = bisect_right(self.made, moment, key=lambda each: each[0])
        (since, before), (until, then) = self.made[after - 1], self.made[after]
        return before + (then - before) * (moment - since) / (until - since)


class _Line:
    """`pauses` are the back-offs of the tries that fail, as shares of the longest.

    They are the same whatever the control: a line that fails five times in a row at the end of a
    batch is the worst luck, and would decide the comparison.
    """

    __slots__ = ("number", "pauses", "started", "tokens", "tries")

    def __init__(self, tokens: int, pauses: list[float]) -> None:
        self.tokens = tokens
        self.pauses = pauses
        self.tries = 0
        self.number = 0
        self.started = 0.0


_RETRY, _ANSWER, _FAIL, _REFUSE = range(4)


def run(world: World, load: Load, control: Control, *, seed: int) -> Run:
    """Send every line and return how that went."""
    return _Batch(world, load, control, seed=seed).run()


class _Batch:
    """A batch on its way."""

    def __init__(self, world: World, load: Load, control: Control, *, seed: int) -> None:
        self._world = world
        self._control = control
        self._dice = dice = random.Random(seed)
        self._engine = Engine(world.model, seed=seed)
        self._lines = [
            _Line(dice.randint(load.shortest, load.longest), _failures(world.fails, dice))
            for _ in range(load.lines)
        ]
        self._ready = list(range(load.lines))
        self._left = load.lines
        self._events: list[tuple[float, int, int]] = []
        self._at_engine = self._in_flight = self._sent = self._full_at = 0
        self._seen = Run()

    def run(self) -> Run:
        """Until the last line is answered."""
        seen, events, engine, control = self._seen, self._events, self._engine, self._control
        scatter, dice, lines = self._world.model.scatter, self._dice, self._lines
        now, limit = 0.0, 0
        while self._left:
            if control.limit != limit:
                limit = control.limit
                seen.limits.append((now, limit))
            while self._in_flight < limit and self._ready:
                self._send(now, self._ready.pop(), limit)
            due = engine.next_event()
            if due <= (events[0][0] if events else math.inf):
                ended = engine.advance(due)
                seen.made.append((due, engine.tokens))
                for index in ended:
                    late = scatter * dice.random() * (due - lines[index].started)
                    heappush(events, (due + late, _ANSWER, index))
                continue
            now, kind, index = heappop(events)
            if kind == _RETRY:
                self._ready.append(index)
            elif kind == _ANSWER:
                self._answered(now, lines[index])
            else:
                self._failed(now, index, explicit=kind == _REFUSE)
        seen.seconds = now
        return seen

    def _send(self, now: float, index: int, limit: int) -> None:
        line, world = self._lines[index], self._world
        self._in_flight += 1
        self._sent += 1
        if self._in_flight >= limit:
            self._full_at = self._sent
        line.number = self._sent
        line.started = now
        if line.tries < len(line.pauses):
            heappush(self._events, (now + _FAILURE_SECONDS, _FAIL, index))
        elif world.refuses_at is not None and self._at_engine >= world.refuses_at:
            heappush(self._events, (now + _REFUSAL_SECONDS, _REFUSE, index))
        else:
            self._at_engine += 1
            self._engine.arrive(now, index, line.tokens)

    def _answered(self, now: float, line: _Line) -> None:
        self._in_flight -= 1
        self._at_engine -= 1
        self._left -= 1
        self._seen.done.append((line.started, now, line.tokens))
        self._control.answered(
            number=line.number,
            sent=self._sent,
            latency=now - line.started,
            tokens=line.tokens,
            full=self._full_at >= line.number,
        )

    def _failed(self, now: float, index: int, *, explicit: bool) -> None:
        line = self._lines[index]
        self._in_flight -= 1
        line.tries += not explicit
        self._seen.refusals += 1
        self._control.refused(
            number=line.number,
            sent=self._sent,
            latency=now - line.started,
            explicit=explicit,
            in_flight=self._in_flight,
        )
        share = self._dice.random() if explicit else line.pauses[line.tries - 1]
        pause = share * min(_LONGEST_PAUSE, _BACK_OFF * 2.0**line.tries)
        heappush(self._events, (now + pause, _RETRY, index))


def _failures(share: float, dice: random.Random) -> list[float]:
    """A pause for each time that a line fails before it is answered."""
    pauses: list[float] = []
    while share and dice.random() < share:
        pauses.append(dice.random())
    return pauses
