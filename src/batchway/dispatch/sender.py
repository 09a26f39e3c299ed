"""Sending one line until it has a result: exchange, retry, fall back.

    admit --permit--> exchange --result-----------------------------------> Answered
                       ^    \\
                       |     +--fault--> decide (retry.py)
                       |                   |-- Deliver -------------------> Answered
                       |                   |-- Retry: back off, fair queue
                       |                   |-- NextTarget: fair queue of another gate
                       |                   +-- GiveUp ---> Answered (the last HTTP answer)
                       +-------------------+                or Unanswered

A line keeps to the first of its targets that is not done with and not down, so that it comes back
to the preferred one when that has recovered.

Owns the way of one line and the map of gates. Does not own limits and order (`gate`), decisions
(`retry`), what counts as a result (`answer`), or durability.
"""

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, assert_never

import msgspec

from batchway.dialects.openai import with_model
from batchway.dialects.openai_answer import error_body, read_result
from batchway.dispatch.gate import Gate, Permit
from batchway.dispatch.limits import MOST_ANSWER_BYTES, Limits, Party
from batchway.dispatch.obstacle import obstacle
from batchway.dispatch.retry import (
    Circumstances,
    Deliver,
    Fault,
    GiveUp,
    NextTarget,
    Retry,
    decide,
    fault_of,
    parse_retry_after,
)
from batchway.domain.batch import Usage
from batchway.domain.errors import LineText
from batchway.domain.routing import Target
from batchway.ports import Answer, Clock, EngineMetrics, Failure, Provider, Transport
from batchway.ports.online import NONE

__all__ = ["Answered", "Outcome", "Permit", "Sender", "Unanswered", "Work"]

_NO_USAGE: Final = Usage()
_NO_METRICS: Final[Mapping[str, EngineMetrics]] = MappingProxyType({})

# A gate that nobody has used for this long (up to twice as long) is dropped with what it learned:
# model names are the clients' to invent, and each new one makes a gate.
_IDLE_SECONDS: Final = 600.0


class Work(msgspec.Struct, kw_only=True):
    """One line to send.

    `model` is the model as the body spells it; `targets` are in the order to try them; `cost` is
    the estimated number of tokens; `overrides` are the batch's `x-tfy-*` headers.
    """

    line: int
    endpoint: str
    body: bytes
    model: str
    targets: tuple[Target, ...]
    party: Party
    cost: int
    overrides: Mapping[str, str] = NONE


class Answered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The line drew an HTTP answer; `body` is JSON in one line, `request_id` the upstream's own."""

    status: int
    body: bytes
    request_id: str | None
    usage: Usage
    provider: str

    @property
    def ok(self) -> bool:
        """Whether the answer is a 2xx."""
        return 200 <= self.status < 300


class Unanswered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The line never drew an HTTP answer that could be its result: a row of `LineText`."""

    code: str
    message: str


Outcome = Answered | Unanswered


class _Setback(msgspec.Struct, gc=False):
    """An exchange that brought no result."""

    drawn: Answer | Failure


class _Course:
    """What a line that did not succeed at once has been through."""

    __slots__ = ("attempts", "done_with", "last", "text", "tries")

    def __init__(self, targets: int) -> None:
        self.attempts = [0] * targets
        self.tries = [0] * targets
        self.done_with = 0  # a bit for each target
        self.last: Answered | None = None  # the last HTTP answer other than a garbled 2xx
        self.text = Unanswered(code="", message="")


def _nothing_known(_provider: str, _model: str) -> int | None:
    """Every target's limit is to be found out anew."""
    return None


class Sender:
    """Sends lines. Belongs to one event loop; gates are made when needed, dropped when idle."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        limits: Mapping[str, Limits],
        transport: Transport,
        clock: Clock,
        draw: Callable[[], float],
        recall: Callable[[str, str], int | None] = _nothing_known,
        metrics: Mapping[str, EngineMetrics] = _NO_METRICS,
    ) -> None:
        self._metrics = metrics
        self._recall = recall
        self._providers = providers
        self._limits = limits
        self._transport = transport
        self._clock = clock
        self._draw = draw
        self._gates: dict[tuple[str, str], Gate] = {}
        self._looked = clock.monotonic()  # when idle gates were last looked for
        self._grants: dict[tuple[str, str], int] = {}  # of each gate, at that time
        self._halted: set[str] = set()
        self._idle: dict[str, set[asyncio.Task[Any]]] = {}

    def try_admit(self, work: Work) -> Permit | None:
        """A permit if the first target has a free slot and nobody waits for it; else `admit`."""
        return self._gate(work.targets[0]).try_enter(work.party, work.cost)

    async def admit(self, work: Work) -> Permit:
        """Wait for the line's fair turn at its first target, or the next while that is down."""
        return await self._enter(work, 0, retry=False)

    async def run(self, work: Work, permit: Permit) -> Outcome:
        """Send the line until it has an outcome. Gives the permit back however it ends."""
        try:
            drawn = await self._exchange(work, permit)
            if isinstance(drawn, Answered):
                return drawn
        except BaseException:
            permit.gate.leave(permit)
            raise
        return await self._persist(work, permit, drawn.drawn)

    def obstacles(self, batch_id: str) -> str | None:
        """Why lines of the batch are being held up, in a sentence; `None` if they are not."""
        for gate in self._gates.values():
            if gate.holds_up(batch_id):
                sentence = obstacle(gate, self._clock.now())
                if sentence is not None:
                    return sentence
        return None

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

    # ------------------------------------------------------------------ one exchange

    async def _exchange(self, work: Work, permit: Permit) -> Answered | _Setback:
        """Send once. An `Answered` is a result, and the permit has been given back then."""
        gate = permit.gate
        provider = self._providers[gate.provider]
        endpoint = work.endpoint
        url = gate.urls.get(endpoint)
        if work.overrides:
            url = provider.url(endpoint, gate.model, work.overrides)
        elif url is None:
            url = gate.urls[endpoint] = provider.url(endpoint, gate.model)
        body = work.body if work.model == gate.model else with_model(work.body, gate.model)
        headers = await provider.headers()
        permit.started = self._clock.monotonic()
        answer = await self._transport.post(url, headers, body, timeout=gate.limits.timeout)
        if isinstance(answer, Failure):
            return _Setback(answer)
        gate.hear(answer)
        status = answer.status
        result = read_result(answer.body) if 200 <= status < 300 else None
        if result is None:
            return _Setback(answer)
        usage = result.usage
        output_tokens = usage.output_tokens
        gate.succeeded(
            permit, output_tokens=output_tokens, all_tokens=usage.input_tokens + output_tokens
        )
        return Answered(
            status=status,
            body=result.body,
            request_id=answer.header("x-request-id"),
            usage=usage,
            provider=gate.provider,
        )

    # ------------------------------------------------------------------ after a fault

    async def _persist(self, work: Work, permit: Permit, drawn: Answer | Failure) -> Outcome:
        """Go on with a line whose first exchange brought no result."""
        course = _Course(len(work.targets))
        try:
            while True:
                gate, index = permit.gate, permit.index
                fault, retry_after = self._take_down(course, gate, drawn)
                decision = decide(fault, self._circumstances(work, course, index, retry_after))
                first = course.tries[index] == 0
                course.tries[index] += 1
                match decision:
                    case Deliver():
                        gate.failed(permit, fault, first=first, cools_down=None)
                        return _outcome(course)
                    case GiveUp():
                        gate.failed(permit, fault, first=first, cools_down=decision.cools_down)
                        return _outcome(course)
                    case NextTarget():
                        gate.failed(permit, fault, first=first, cools_down=decision.cools_down)
                        course.attempts[index] += decision.uses_attempt
                        if decision.for_good:
                            course.done_with |= 1 << index
                    case Retry():
                        gate.failed(permit, fault, first=first, cools_down=decision.cools_down)
                        course.attempts[index] += decision.uses_attempt
                        with self._waiting(work.party.batch_id):
                            await self._back_off(work, gate, decision.after)
                    case _:
                        assert_never(decision)
                with self._waiting(work.party.batch_id):
                    permit = await self._enter(work, course.done_with, retry=True)
                exchanged = await self._exchange(work, permit)
                if isinstance(exchanged, Answered):
                    return exchanged
                drawn = exchanged.drawn
        finally:
            permit.gate.leave(permit)

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

    async def _back_off(self, work: Work, gate: Gate, seconds: float) -> None:
        gate.concerns(work.party.batch_id, 1)
        try:
            await self._clock.sleep(seconds)
        finally:
            gate.concerns(work.party.batch_id, -1)

    def _take_down(
        self, course: _Course, gate: Gate, drawn: Answer | Failure
    ) -> tuple[Fault, float | None]:
        """Note what was drawn; returns its fault and the wait that it asks for."""
        if isinstance(drawn, Failure):
            course.text = _text_of(drawn, gate)
            return fault_of(drawn), None
        status = drawn.status
        fault = fault_of(status)
        if fault is Fault.GARBAGE:
            code, message = LineText.NOT_JSON.pair(provider=gate.provider, status=status)
            course.text = Unanswered(code=code, message=message)
            return fault, None
        course.last = Answered(
            status=status,
            body=error_body(status, drawn.body),
            request_id=drawn.header("x-request-id"),
            usage=_NO_USAGE,
            provider=gate.provider,
        )
        retry_after = None
        if fault in {Fault.THROTTLED, Fault.UNAVAILABLE}:
            retry_after = parse_retry_after(
                milliseconds=drawn.header("retry-after-ms"),
                value=drawn.header("retry-after"),
                now=self._clock.now(),
            )
        return fault, retry_after

    def _circumstances(
        self, work: Work, course: _Course, index: int, retry_after: float | None
    ) -> Circumstances:
        gate = self._gate(work.targets[index])
        now = self._clock.monotonic()
        others = [
            self._gate(target)
            for other, target in enumerate(work.targets)
            if other != index and not course.done_with >> other & 1
        ]
        return Circumstances(
            attempts=course.attempts[index],
            tries=course.tries[index],
            max_attempts=gate.limits.max_attempts,
            draw=self._draw(),
            time_left=work.party.deadline - self._clock.now(),
            retry_after=retry_after,
            down_for=gate.down_for,
            elsewhere=bool(others),
            open_elsewhere=any(other.shut(now) is None for other in others),
        )

    # ------------------------------------------------------------------ gates

    def _gate(self, target: Target) -> Gate:
        key = (target.provider, target.model)
        gate = self._gates.get(key)
        if gate is None:
            self._drop_idle()
            gate = self._gates[key] = Gate(
                provider=target.provider,
                model=target.model,
                limits=self._limits[target.provider],
                clock=self._clock,
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

    async def _enter(self, work: Work, done_with: int, *, retry: bool) -> Permit:
        """Wait for a turn at the first target that is open; sent away from one, look again."""
        left = [i for i in range(len(work.targets)) if not done_with >> i & 1]
        while True:
            index = left[0] if len(left) == 1 else self._open_target(work, left)
            permit = await self._gate(work.targets[index]).enter(
                work.party, work.cost, retry=retry, may_leave=len(left) > 1
            )
            if permit is not None:
                permit.index = index
                return permit

    def _open_target(self, work: Work, left: list[int]) -> int:
        """The first target that is open; when none is, the one that may be so the soonest."""
        now = self._clock.monotonic()
        soonest, at = left[0], float("inf")
        for index in left:
            opens_at = self._gate(work.targets[index]).shut(now)
            if opens_at is None:
                return index
            if opens_at < at:
                soonest, at = index, opens_at
        return soonest


def _outcome(course: _Course) -> Outcome:
    return course.last if course.last is not None else course.text


def _text_of(failure: Failure, gate: Gate) -> Unanswered:
    match failure:
        case Failure.UNREACHABLE:
            code, message = LineText.UNREACHABLE.pair(provider=gate.provider)
        case Failure.TIMEOUT:
            code, message = LineText.TIMEOUT.pair(seconds=f"{gate.limits.timeout:g}")
        case Failure.INTERRUPTED:
            code, message = LineText.INTERRUPTED.pair(provider=gate.provider)
        case Failure.TOO_LARGE:
            code, message = LineText.TOO_LARGE.pair(provider=gate.provider, limit=MOST_ANSWER_BYTES)
        case _:
            assert_never(failure)
    return Unanswered(code=code, message=message)
