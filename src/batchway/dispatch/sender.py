"""Sending one line until it has a result: exchange, retry, fall back.

    admit --permit--> exchange --result-----------------------------------> Answered
                       ^    \\
                       |     +--fault--> decide (retry.py)
                       |                   |-- Deliver -------------------> Answered
                       |                   |-- Retry: back off, fair queue
                       |                   |-- NextTarget: fair queue of another gate
                       |                   +-- GiveUp ---> Answered (the last HTTP answer)
                       +-------------------+                or Unanswered

A line keeps to the first of its targets that is not done with, has not denied it in this round, and
is not down, so that it comes back to the preferred one when that has recovered.

Owns the way of one line and the map of gates. Does not own limits and order (`gate`), decisions
(`retry`), the exchange itself (`exchange`), or durability.
"""

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, assert_never

from batchway.dispatch.course import Answered, Course, Nothing, Outcome, Unanswered
from batchway.dispatch.exchange import Exchanges
from batchway.dispatch.fault import Fault, Setback
from batchway.dispatch.gate import Gate
from batchway.dispatch.health import look_at
from batchway.dispatch.limits import Limits
from batchway.dispatch.obstacle import obstacle
from batchway.dispatch.permit import Permit
from batchway.dispatch.retry import (
    Circumstances,
    Decision,
    Deliver,
    GiveUp,
    NextTarget,
    Retry,
    decide,
)
from batchway.dispatch.work import Work
from batchway.domain.routing import Target
from batchway.ports import Account, Clock, EngineMetrics, Transport

__all__ = ["Answered", "Outcome", "Permit", "Sender", "Unanswered", "Work"]

_NO_METRICS: Final[Mapping[str, EngineMetrics]] = MappingProxyType({})

# A gate that nobody has used for this long (up to twice as long) is dropped with what it learned:
# model names are the clients' to invent, and each new one makes a gate.
_IDLE_SECONDS: Final = 600.0

# A route's targets that are all in trouble have each something to say.
_MOST_SENTENCES: Final = 3


def _nothing_known(_provider: str, _model: str) -> int | None:
    """Every target's limit is to be found out anew."""
    return None


class Sender:
    """Sends lines. Belongs to one event loop; gates are made when needed, dropped when idle."""

    def __init__(
        self,
        *,
        accounts: Mapping[str, Account],
        limits: Mapping[str, Limits],
        transport: Transport,
        clock: Clock,
        draw: Callable[[], float],
        recall: Callable[[str, str], int | None] = _nothing_known,
        metrics: Mapping[str, EngineMetrics] = _NO_METRICS,
    ) -> None:
        self._metrics = metrics
        self._recall = recall
        self._accounts = accounts
        self._limits = limits
        self._transport = transport
        self._exchanges = Exchanges(accounts=accounts, transport=transport, clock=clock)
        self._clock = clock
        self._draw = draw
        self._gates: dict[tuple[str, str], Gate] = {}
        self._looked = clock.monotonic()  # when idle gates were last looked for
        self._grants: dict[tuple[str, str], int] = {}  # of each gate, at that time
        self._halted: set[str] = set()
        self._idle: dict[str, set[asyncio.Task[Any]]] = {}

    def try_admit(self, work: Work) -> Permit | None:
        """A permit if the first target has a free slot and nobody waits for it; else `admit`."""
        gate = self._gate(work.targets[0])
        cost = 0 if gate.limits.tokens_per_minute is None else self._exchanges.cost(work, gate)
        return gate.try_enter(work.party, cost, work.endpoint)

    def vouch(self, work: Work, *, answered: int) -> None:
        """So many lines like this one were answered already, in an earlier life or by a job.

        The target is alive then, and the few lines that are left may be what is wrong.
        """
        self._gate(work.targets[0]).lanes.of(work.endpoint).answered += answered

    async def admit(self, work: Work) -> Permit:
        """Wait for the line's fair turn at its first target, or the next while that is down."""
        return await self._enter(work, 0, retry=False)

    async def run(self, work: Work, permit: Permit) -> Outcome:
        """Send the line until it has an outcome. Gives the permit back however it ends."""
        try:
            exchanged = await self._exchanges.run(work, permit)
            if isinstance(exchanged, Answered):
                return exchanged
        except BaseException:
            permit.gate.leave(permit)
            raise
        return await self._persist(work, permit, exchanged)

    def obstacles(self, batch_id: str) -> str | None:
        """Why lines of the batch are being held up, in a sentence; `None` if they are not."""
        sentences: list[str] = []
        for gate in self._gates.values():
            lane = gate.lanes.holding_up(batch_id)
            if lane is not None:
                now, moment = self._clock.monotonic(), self._clock.now()
                sentence = obstacle(gate, lane, now=now, moment=moment)
                if sentence is not None:
                    sentences.append(sentence)
        return " ".join(sentences[:_MOST_SENTENCES]) or None

    def halt(self, batch_id: str) -> None:
        """Start nothing more for a batch: lines that wait are cancelled, exchanges go on."""
        self._halted.add(batch_id)
        for task in list(self._idle.get(batch_id, ())):
            task.cancel()

    def release(self, batch_id: str) -> None:
        """Forget that a batch was halted, when no line of it is left."""
        self._halted.discard(batch_id)
        self._idle.pop(batch_id, None)

    def found(self) -> dict[tuple[str, str], int]:
        """The limits that were found out so far, by provider and model."""
        limits = {key: gate.found for key, gate in self._gates.items()}
        return {key: limit for key, limit in limits.items() if limit is not None}

    # ------------------------------------------------------------------ after a fault

    async def _persist(self, work: Work, permit: Permit, nothing: Nothing) -> Outcome:
        """Go on with a line whose first exchange brought no result."""
        course = Course(len(work.targets))
        batch_id = work.party.batch_id
        lane = permit.lane
        lane.concerns(batch_id, 1)
        try:
            while True:
                decision = self._take_in(work, course, permit, nothing)
                match decision:
                    case Deliver() | GiveUp():
                        return course.last if course.last is not None else course.text
                    case NextTarget():
                        pass
                    case Retry():
                        with self._waiting(batch_id):
                            await self._clock.sleep(decision.after)
                    case _:
                        assert_never(decision)
                with self._waiting(batch_id):
                    permit = await self._enter(work, course.done_with, course.denied, retry=True)
                if permit.lane is not lane:
                    lane.concerns(batch_id, -1)
                    lane = permit.lane
                    lane.concerns(batch_id, 1)
                answered = course.answered_at(permit.index)
                exchanged = await self._exchanges.run(work, permit, answered)
                if isinstance(exchanged, Answered):
                    return exchanged
                nothing = exchanged
        finally:
            permit.gate.leave(permit)
            lane.concerns(batch_id, -1)

    def _take_in(self, work: Work, course: Course, permit: Permit, nothing: Nothing) -> Decision:
        """Learn from an exchange that brought no result, give its permit back, and decide."""
        gate, index, lane = permit.gate, permit.index, permit.lane
        setback, retry_after = course.take_down(nothing, index, gate=gate, now=self._clock.now())
        record = course.records[index]
        fault = setback.fault
        now = self._clock.monotonic()
        if fault is Fault.ACCOUNT or fault is Fault.DENIED:
            course.denied |= 1 << index
        proven = lane.judge(record, setback, sent=permit.started, now=now)
        at = self._circumstances(
            work, course, permit, setback=setback, proven=proven, retry_after=retry_after
        )
        decision = decide(fault, at)
        first = record.tries == 0
        record.tries += 1
        cools_down = None if isinstance(decision, Deliver) else decision.cools_down
        if isinstance(decision, NextTarget | Retry):
            record.attempts += decision.uses_attempt
        if isinstance(decision, NextTarget) and decision.for_good:
            course.done_with |= 1 << index
        if isinstance(decision, Retry):
            course.denied = 0
        gate.failed(
            permit,
            fault,
            first=first,
            cools_down=cools_down,
            setback=setback,
            line=(work.party.batch_id, work.line),
            own=proven and fault is Fault.DENIED,
        )
        return decision

    @contextmanager
    def _waiting(self, batch_id: str) -> Generator[None]:
        """While a line waits between two exchanges, `halt` may end it."""
        if batch_id in self._halted:
            raise asyncio.CancelledError
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a line is sent in a task")
        idle = self._idle.setdefault(batch_id, set())
        idle.add(task)
        try:
            yield
        finally:
            idle.discard(task)
            if not idle:
                self._idle.pop(batch_id, None)

    def _circumstances(
        self,
        work: Work,
        course: Course,
        permit: Permit,
        *,
        setback: Setback,
        proven: bool,
        retry_after: float | None,
    ) -> Circumstances:
        gate, record = permit.gate, course.records[permit.index]
        now = self._clock.monotonic()
        others = [
            other
            for other in range(len(work.targets))
            if other != permit.index and not course.done_with >> other & 1
        ]
        return Circumstances(
            attempts=record.attempts,
            tries=record.tries,
            max_attempts=gate.limits.max_attempts,
            draw=self._draw(),
            time_left=work.party.deadline - self._clock.now(),
            retry_after=retry_after,
            down=permit.lane.circuit.down_since is not None,
            proven=proven,
            verdict=permit.lane.gives(setback),
            elsewhere=bool(others),
            open_elsewhere=any(
                self._gate(work.targets[other]).shut(now, work.endpoint) is None for other in others
            ),
            untried_elsewhere=any(not course.denied >> other & 1 for other in others),
        )

    # ------------------------------------------------------------------ gates

    def _gate(self, target: Target) -> Gate:
        key = (target.provider, target.model)
        gate = self._gates.get(key)
        if gate is None:
            self._drop_idle()
            account = self._accounts[target.provider]
            gate = self._gates[key] = Gate(
                provider=target.provider,
                model=target.model,
                limits=self._limits[target.provider],
                clock=self._clock,
                look=lambda: look_at(account, target.model, self._transport),
                start=self._recall(target.provider, target.model),
                metrics=self._metrics.get(target.provider),
            )
        return gate

    def _drop_idle(self) -> None:
        """Drop gates unused since the last look; only a new gate is a reason for another one."""
        now = self._clock.monotonic()
        if now - self._looked < _IDLE_SECONDS:
            return
        self._gates = {
            key: gate
            for key, gate in self._gates.items()
            if self._grants.get(key) != gate.grants or not gate.idle(now)
        }
        self._grants = {key: gate.grants for key, gate in self._gates.items()}
        self._looked = now

    async def _enter(self, work: Work, done_with: int, denied: int = 0, *, retry: bool) -> Permit:
        """Wait for a turn at the first target that is open; sent away from one, look again."""
        left = [i for i in range(len(work.targets)) if not done_with >> i & 1]
        left = [i for i in left if not denied >> i & 1] or left
        while True:
            index = left[0] if len(left) == 1 else self._open_target(work, left)
            gate = self._gate(work.targets[index])
            permit = await gate.enter(
                work.party,
                0 if gate.limits.tokens_per_minute is None else self._exchanges.cost(work, gate),
                retry=retry,
                may_leave=len(left) > 1,
                kind=work.endpoint,
            )
            if permit is not None:
                permit.index = index
                return permit

    def _open_target(self, work: Work, left: list[int]) -> int:
        """The first target that is open; when none is, the one that may be so the soonest."""
        now = self._clock.monotonic()
        soonest, at = left[0], float("inf")
        for index in left:
            opens_at = self._gate(work.targets[index]).shut(now, work.endpoint)
            if opens_at is None:
                return index
            if opens_at < at:
                soonest, at = index, opens_at
        return soonest
