"""One batch at a model of an engine, in virtual time: what a concurrency control makes of it.

    lines left --(in flight < limit)--> engine --> answered --> control --> the next line
                        ^                  |
                        +--- back-off <----+ refused, failed

Does what the gate and the sender do to a control and nothing else, so that a batch of 7,500 lines
takes a fraction of a second; `tests/unit/test_dispatch_concurrency.py` holds it to the real gate.
"""

import math
import random
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from batchway.dispatch.concurrency import Control
from batchway.providers.simulated.engine_model import ENGINES, Engine, EngineModel

_REFUSAL_SECONDS: Final = 0.002
_FAILURE_SECONDS: Final = 0.005
_BACK_OFF: Final = 0.5


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
        Case(
            name="refuses at 100", world=World(model=h200, refuses_at=100), best=100, **mixed
        ),
        Case(name="fails 1 in 10", world=World(model=h200, fails=0.1), best=1024, **mixed),
    )


CASES: Final = _cases()


@dataclass(slots=True, kw_only=True)
class Run:
    """What a batch took; `done` has start, end and tokens of each answer, `limits` the changes."""

    seconds: float = 0.0
    refusals: int = 0
    done: list[tuple[float, float, int]] = field(
        default_factory=list[tuple[float, float, int]]
    )
    limits: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])

    def rate(self, start: float, end: float) -> float:
        """Output tokens a second between two times; an answer's are spread over all of its life.

        So waves have no edges. What was in flight at `end` must have been answered.
        """
        tokens = 0.0
        for since, until, count in self.done:
            overlap = min(end, until) - max(start, since)
            if overlap > 0:
                tokens += count * overlap / (until - since)
        return tokens / (end - start)


class _Line:
    __slots__ = ("bad", "number", "started", "tokens", "tries")

    def __init__(self, tokens: int, bad: int) -> None:
        self.tokens = tokens
        self.bad = bad  # tries that fail: the same whatever the control, or chance would decide
        self.tries = 0
        self.number = 0
        self.started = 0.0


_RETRY, _ANSWER, _FAIL, _REFUSE = range(4)


def run(world: World, load: Load, control: Control, *, seed: int) -> Run:
    """Send every line and return how that went."""
    dice = random.Random(seed)  # noqa: S311 - chance, not secrets
    engine = Engine(world.model, seed=seed)
    lines = [
        _Line(dice.randint(load.shortest, load.longest), _failures(world.fails, dice))
        for _ in range(load.lines)
    ]
    fresh = load.lines - 1
    ready: list[int] = []
    events: list[tuple[float, int, int]] = []
    seen = Run()
    now, in_flight, at_engine, grants, full_at, left = 0.0, 0, 0, 0, 0, load.lines
    scatter, limit = world.model.scatter, 0
    while True:
        if control.limit != limit:
            limit = control.limit
            seen.limits.append((now, limit))
        while in_flight < limit and (ready or fresh >= 0):
            if ready:
                index = ready.pop()
            else:
                index = fresh
                fresh -= 1
            line = lines[index]
            in_flight += 1
            grants += 1
            if in_flight >= limit:
                full_at = grants
            line.number = grants
            line.started = now
            if line.tries < line.bad:
                heappush(events, (now + _FAILURE_SECONDS, _FAIL, index))
            elif world.refuses_at is not None and at_engine >= world.refuses_at:
                heappush(events, (now + _REFUSAL_SECONDS, _REFUSE, index))
            else:
                at_engine += 1
                engine.arrive(now, index, line.tokens)
        at = events[0][0] if events else math.inf
        due = engine.next_event()
        if due <= at:
            if math.isinf(due):
                raise RuntimeError("nothing runs and nothing is left to wait for")
            for index in engine.advance(due):
                late = scatter * dice.random() * (due - lines[index].started)
                heappush(events, (due + late, _ANSWER, index))
            continue
        now, kind, index = heappop(events)
        line = lines[index]
        if kind == _RETRY:
            ready.append(index)
            continue
        in_flight -= 1
        if kind == _ANSWER:
            at_engine -= 1
            seen.done.append((line.started, now, line.tokens))
            left -= 1
            if not left:
                seen.seconds = now
                return seen
            control.answered(
                number=line.number,
                sent=grants,
                latency=now - line.started,
                tokens=line.tokens,
                full=full_at >= line.number,
            )
            continue
        line.tries += 1
        seen.refusals += 1
        control.refused(
            number=line.number,
            sent=grants,
            latency=now - line.started,
            explicit=kind == _REFUSE,
            in_flight=in_flight,
        )
        pause = min(60.0, _BACK_OFF * 2.0 ** (line.tries - 1)) * (0.5 + dice.random() / 2)
        heappush(events, (now + pause, _RETRY, index))


def _failures(share: float, dice: random.Random) -> int:
    """How often in a row a line fails before it is answered."""
    failures = 0
    while share and dice.random() < share:
        failures += 1
    return failures
