"""One line at one target: from its body to its result, or to what came in its place.

    encode --> request --> post --> decode --> join --> Answered
       |          ^                   | |
       |          +---- next body ----+ |
       +--> it cannot be said there     +--> no result          (both: Nothing)

A line that becomes several requests sends them one after the other under its one permit. What was
answered before one of them fails is handed back with the failure, and handed in again by whoever
tries the same target again.

Owns the requests of a line under a permit, and the `Online` of each kind of call, one for each
gate. Does not own what follows from a failure (`sender`), or what bodies mean (`ports.Dialect`).
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Final

from batchway.dispatch.course import UNSENDABLE, Answered, Drawn, Nothing
from batchway.dispatch.discreet import discreet
from batchway.dispatch.fault import Heard
from batchway.dispatch.gate import Gate
from batchway.dispatch.permit import Permit
from batchway.dispatch.work import Work
from batchway.domain.batch import Usage
from batchway.domain.call import Call
from batchway.domain.overrides import NO_OVERRIDES
from batchway.ports import (
    Account,
    Answer,
    Clock,
    Encoded,
    Failure,
    Online,
    Refused,
    Request,
    Result,
    Transport,
)

# Of one gate, by endpoint and overrides: clients choose those, so they are bounded.
_MOST_KEPT: Final = 64

_NO_USAGE: Final = Usage()


class Exchanges:
    """Exchanges with the accounts of one event loop."""

    def __init__(
        self, *, accounts: Mapping[str, Account], transport: Transport, clock: Clock
    ) -> None:
        self._accounts = accounts
        self._transport = transport
        self._clock = clock

    async def run(
        self, work: Work, permit: Permit, answered: Sequence[Result] = ()
    ) -> Answered | Nothing:
        """Send the line's requests once. With an `Answered` the permit has been given back.

        `answered` are the results of the line's first bodies at this target, from an earlier try.
        """
        gate = permit.gate
        try:
            online = gate.online.get(work.endpoint) if work.overrides is NO_OVERRIDES else None
            if online is None:
                online = self._online(work, gate)
            dialect = online.dialect
            encoded = dialect.encode(work.body, named=work.model)
        except (ValueError, RecursionError):
            # Nothing was sent, and nothing of it will be different the next time. What the error
            # says may repeat the line: it is not told.
            return Nothing(UNSENDABLE)
        # Asked this way round: `isinstance` is slow to say no of a msgspec type.
        if not isinstance(encoded, Encoded):
            return Nothing(encoded)
        parts = None if len(encoded.bodies) == 1 else _Parts(encoded, answered, self._clock)
        while True:
            body = encoded.bodies[0] if parts is None else parts.next
            try:
                request = await online.request(body)
                permit.started = self._clock.monotonic()
                answer = await self._transport.post(
                    request.url, request.headers, request.body, timeout=gate.limits.timeout
                )
            except (ValueError, RecursionError):
                return _nothing(UNSENDABLE, parts)  # as above
            if isinstance(answer, Failure):
                return _nothing(answer, parts)
            gate.hear(answer, online.notes)
            result = dialect.decode(
                answer.status, answer.body, encoded.context, at=int(self._clock.now())
            )
            if not isinstance(result, Result):
                return _nothing(_heard(answer, request, result, encoded.context, online), parts)
            usage = result.usage
            if not (usage.input_tokens or usage.output_tokens):
                result = online.notes.counted(answer, result)
                usage = result.usage
            if parts is None:
                break
            parts.results.append(result)
            if parts.whole:
                permit.started = parts.began  # the slot was in use all the while
                result, usage = dialect.join(parts.results, encoded.context), parts.usage
                break
            wait = gate.went_on(permit)
            if wait > 0:
                await self._clock.sleep(wait)
        output_tokens = usage.output_tokens
        gate.succeeded(
            permit, output_tokens=output_tokens, all_tokens=usage.input_tokens + output_tokens
        )
        return Answered(
            status=answer.status,
            body=result.body,
            request_id=online.notes.request_id(answer),
            usage=result.usage,
            provider=gate.provider,
        )

    def cost(self, work: Work, gate: Gate) -> int:
        """The tokens that a line may use, as the dialect of that gate guesses; kept in the line."""
        cost = work.cost
        if cost is None:
            try:
                cost = self._online(work, gate).dialect.measure(work.body).tokens
            except ValueError:
                cost = 0  # nothing will be sent there
            work.cost = cost
        return cost

    def _online(self, work: Work, gate: Gate) -> Online:
        """How such lines are sent. Raises `ValueError` where the account does not take them."""
        kind = _kind(work)
        online = gate.online.get(kind)
        if online is None:
            call = Call(work.endpoint, gate.model, work.overrides)
            online = self._accounts[gate.provider].online(call)
            if online is None:
                raise ValueError("the account does not take the endpoint")
            if len(gate.online) >= _MOST_KEPT:
                gate.online.clear()
            gate.online[kind] = online
        return online


class _Parts:
    """How far a line of several requests has come under one permit."""

    __slots__ = ("_bodies", "_earlier", "began", "results")

    def __init__(self, encoded: Encoded, answered: Sequence[Result], clock: Clock) -> None:
        self._bodies = encoded.bodies
        self._earlier = len(answered)
        self.results = list(answered)
        self.began = clock.monotonic()

    @property
    def next(self) -> bytes:
        """The body to send."""
        return self._bodies[len(self.results)]

    @property
    def whole(self) -> bool:
        """Whether every body has its result."""
        return len(self.results) == len(self._bodies)

    @property
    def usage(self) -> Usage:
        """What was used under this permit."""
        return sum((result.usage for result in self.results[self._earlier :]), _NO_USAGE)


def _nothing(drawn: Drawn, parts: _Parts | None) -> Nothing:
    return Nothing(drawn) if parts is None else Nothing(drawn, parts.results)


def _heard(
    answer: Answer, request: Request, read: Refused | None, context: bytes, online: Online
) -> Heard:
    """An answer that is no result, as it may be told; `read` is what the dialect made of it."""
    told = discreet(answer, request.headers)
    if told is not answer:
        again = online.dialect.decode(told.status, told.body, context)
        read = again if isinstance(again, Refused) else None
    return Heard(told, None if read is None else online.notes.refusal(told, read), online.notes)


def _kind(work: Work) -> Hashable:
    """What of a line its gate does not say already and its `Online` depends on."""
    if work.overrides is NO_OVERRIDES:
        return work.endpoint
    return work.endpoint, work.overrides
