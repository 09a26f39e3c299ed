"""The gate of one upstream model: what every line passes before it is sent.

    try_enter / enter --> [fair queue] --slot, rate, no cool-down, circuit closed--> Permit
                              ^                                                        |
                              +---- freed slot, timer, good news <---- leave / succeeded / failed

Combines concurrency (`control`), rates and the cool-down that an upstream asks for (`rates`), a
lane for each endpoint (`lane`: its circuit, and whether a line or its account is to blame) and the
order of the lines that wait (`fairness`). One timer (`alarm`) wakes the gate when time alone will
let a line through. A freed slot goes to the next line in the same instant.

Owns slots: each permit counts until it is given back, and is given back once however often that is
said. Does not own retries (`sender`). Belongs to one event loop.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable
from typing import cast

from batchway.dispatch.alarm import Alarm
from batchway.dispatch.caller import Caller
from batchway.dispatch.control import OVERLOADED, control_of
from batchway.dispatch.engine_load import EngineLoad, watch_load
from batchway.dispatch.fairness import FairQueue, Share, Waiter
from batchway.dispatch.fault import Fault, Setback
from batchway.dispatch.health import UNKNOWN
from batchway.dispatch.lane import Lane
from batchway.dispatch.lanes import Lanes
from batchway.dispatch.limits import Limits
from batchway.dispatch.looks import Look
from batchway.dispatch.permit import Permit
from batchway.dispatch.rates import LONG_PAUSE, Rates
from batchway.dispatch.watch import Watch
from batchway.ports import Answer, Clock, EngineMetrics, Notes, Online


class Gate:
    """One (provider, upstream model)."""

    __slots__ = (
        "_alarm",
        "_clock",
        "_control",
        "_full_at",
        "_grants",
        "_guarded",
        "_load",
        "_loop",
        "_queue",
        "_watch",
        "in_flight",
        "lanes",
        "limits",
        "model",
        "online",
        "provider",
        "rates",
    )

    def __init__(
        self,
        *,
        provider: str,
        model: str,
        limits: Limits,
        clock: Clock,
        look: Callable[[], Awaitable[Look]] | None = None,
        start: int | None = None,
        metrics: EngineMetrics | None = None,
    ) -> None:
        self.provider = provider
        self.model = model
        self.limits = limits
        self.in_flight = 0
        self.online: dict[Hashable, Online] = {}  # by kind of call: `exchange` fills it
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._control = control_of(limits, start=start)
        self._load: Watch[EngineLoad] | None = None
        if metrics is not None and limits.concurrency is None:
            self._load = watch_load(
                metrics, wanted=lambda: self.in_flight > 0, seen=self._hear_load, clock=clock
            )
        self.rates = Rates(
            requests_per_minute=limits.requests_per_minute,
            tokens_per_minute=limits.tokens_per_minute,
            now=clock.monotonic(),
        )
        self.lanes = Lanes(provider=provider, model=model, max_attempts=limits.max_attempts)
        wanted = self.lanes.want_look
        self._watch = look and Watch(
            look=look, wanted=wanted, seen=self._seen, clock=clock, otherwise=UNKNOWN
        )
        self._queue = FairQueue()
        self._alarm = Alarm(ring=self._pump, clock=clock)
        self._grants = 0
        self._full_at = 0  # the latest grant that left no slot free
        self._guarded = self.rates.limited  # more than a free slot is to be asked for

    # ------------------------------------------------------------------ in

    def try_enter(self, caller: Caller, cost: float, kind: str = "") -> Permit | None:
        """A permit, if there is one to have at once and no line waits for it."""
        queue, limit = self._queue, self._control.limit
        if queue.waiting or self.in_flight >= limit:
            return None
        share = queue.share(caller.tenant)
        if queue.sharing > 1 and queue.has_its_part(share, limit):
            return None
        lane = self.lanes.of(kind)
        if self._guarded:
            now = self._clock.monotonic()
            if lane.circuit.wait(now) > 0 or self._wait(cost, now) > 0:
                return None
        return self._grant(lane, share, cost)

    async def enter(
        self, caller: Caller, cost: float, *, retry: bool, may_leave: bool, kind: str = ""
    ) -> Permit | None:
        """Wait for a turn. `None` only if `may_leave`, when the gate shuts: try another one.

        A line that is sent again (`retry`) is held up by its lane all along (`Lane.concerns`).
        """
        permit = self.try_enter(caller, cost, kind)
        if permit is not None:
            return permit
        turn: asyncio.Future[object] = self._loop.create_future()
        waiter = Waiter(
            turn=turn,
            share=self._queue.share(caller.tenant),
            caller=caller,
            cost=cost,
            retry=retry,
            may_leave=may_leave,
            kind=kind,
        )
        self._queue.push(waiter)
        lane = self.lanes.of(kind)
        if not retry:
            lane.concerns(caller.batch_id, 1, fresh=True)
            if not lane.calm:
                self.look()
        try:
            # It may be this line's turn, and if not the alarm must be set. But when answers come in
            # a burst, other tenants are about to ask for the slots that it freed: they go first.
            if self._queue.has_its_part(waiter.share, self._control.limit):
                self._loop.call_soon(self._pump)
            else:
                self._pump()
            return cast("Permit | None", await turn)
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                granted = cast("Permit | None", turn.result())
                if granted is not None:
                    self.leave(granted)
            self._queue.remove(waiter)
            # The line behind one that wanted much may be content with what there is.
            self._pump()
            raise
        finally:
            if not retry:
                lane.concerns(caller.batch_id, -1, fresh=True)

    def shut(self, now: float, kind: str = "") -> float | None:
        """When a lane may open again if it is down or told to be quiet for long, else `None`."""
        wait = self.lanes.of(kind).circuit.wait(now)
        if wait > 0:
            return now if math.isinf(wait) else now + wait  # a probe may end any moment
        quiet_until = self.rates.quiet_until
        return quiet_until if quiet_until - now > LONG_PAUSE else None

    # ------------------------------------------------------------------ out

    def leave(self, permit: Permit) -> None:
        """Give the permit back without news: the line was cancelled. Harmless a second time."""
        if permit.held:
            if permit.probe:
                permit.lane.circuit.dropped(probe=True)
            self._give_back(permit)

    def succeeded(self, permit: Permit, *, output_tokens: int, all_tokens: int) -> None:
        """A result came: learn from it and give the permit back."""
        now = self._clock.monotonic()
        self._control.answered(
            number=permit.number,
            sent=self._grants,
            latency=now - permit.started,
            tokens=output_tokens,
            # Not "is it full now": answers often come in a burst, and freed slots are taken again
            # only after it.
            full=self._full_at >= permit.number,
        )
        permit.lane.succeeded(permit.started, now)
        if self._guarded and all_tokens:
            self._queue.correct(permit.share, self.rates.correct(permit.cost - all_tokens))
        self._give_back(permit)

    def went_on(self, permit: Permit) -> float:
        """A result came, and its line needs one more request under the same permit.

        Returns the seconds to wait before that one is sent; its place in the rate is taken.
        """
        now = self._clock.monotonic()
        permit.lane.succeeded(permit.started, now)
        permit.probe = False
        wait = self._wait(0.0, now) if self._guarded else 0.0
        if self._guarded:
            self.rates.take(0.0, now)
        if self._queue.waiting:
            self._pump()
        return wait

    def failed(
        self,
        permit: Permit,
        fault: Fault,
        *,
        first: bool,
        cools_down: float | None,
        setback: Setback | None = None,
        line: Hashable = None,
        own: bool = False,
    ) -> None:
        """No result came: learn from it and give the permit back.

        `setback` is what there is to tell of the fault. `first` is whether it is the first failure
        here of `line`, which is any name for it; `own` whether a denial is proven to be its own.
        """
        now = self._clock.monotonic()
        lane = permit.lane
        shuts = lane.failed(
            setback or Setback(fault=fault),
            line=line,
            first=first,
            alone=self.in_flight == 1,
            probe=permit.probe,
            own=own,
            pause=None if (cools_down or 0) < LONG_PAUSE else cools_down,
            now=now,
        )
        if shuts:
            self._guarded = True
            self._queue.send_away(lane.kind)
        if not lane.calm:
            self.look()
        if fault in OVERLOADED:
            explicit = fault is Fault.THROTTLED or cools_down is not None
            self._control.refused(
                number=permit.number,
                sent=self._grants,
                latency=now - permit.started,
                explicit=explicit,
                in_flight=self.in_flight - 1,
            )
        if cools_down is not None:
            self.quiet(cools_down, now)
        self._give_back(permit)

    def quiet(self, seconds: float, now: float) -> None:
        """Let no line through for so long; a longer pause that was asked for before stays."""
        if self.rates.pause(seconds, now):
            self._guarded = True
            if seconds > LONG_PAUSE:
                self._queue.send_away(None)

    def hear(self, answer: Answer, notes: Notes) -> None:
        """Read what the answer says is left of the account's limits, more often the less it is."""
        rates = self.rates
        if rates.look_in > 0:
            rates.look_in -= 1
            return
        now = self._clock.monotonic()
        pause = rates.hear(answer, notes, in_flight=self.in_flight, now=now)
        if pause:
            self.quiet(pause, now)

    # ------------------------------------------------------------------ what is going on

    def look(self) -> None:
        """See to it that the target's health is looked at while that tells anything."""
        if self._watch is not None:
            self._watch.wake()

    @property
    def grants(self) -> int:
        """Permits that were ever given."""
        return self._grants

    def idle(self, now: float) -> bool:
        """Whether a new gate would do as well, but for what this one learned.

        Nothing is in flight, no line waits or backs off, no pause is under way, no rate is used.
        """
        return (
            self.in_flight == 0
            and self._queue.waiting == 0
            and self.lanes.idle()
            and self.rates.idle(now)
        )

    @property
    def limit(self) -> int:
        """How many lines may be in flight at present."""
        return self._control.limit

    @property
    def found(self) -> int | None:
        """The limit, once it has been found out; `None` for one that was configured."""
        return self._control.found

    @property
    def waiting(self) -> int:
        """How many lines wait."""
        return self._queue.waiting

    @property
    def quiet_for(self) -> float:
        """Seconds for which the upstream wants to be left alone."""
        return max(0.0, self.rates.quiet_until - self._clock.monotonic())

    # ------------------------------------------------------------------ inside

    def _hear_load(self, load: EngineLoad) -> None:
        self._control.heard(load, sent=self._grants, in_flight=self.in_flight)
        self._pump()

    def _grant(self, lane: Lane, share: Share, cost: float) -> Permit:
        self.in_flight += 1
        self._grants += 1
        if self.in_flight >= self._control.limit:
            self._full_at = self._grants
            if self._load is not None:
                self._load.wake()
        permit = Permit(self, share, cost, self._grants)
        permit.lane = lane
        self._queue.serve(share, self.rates.charge(cost))
        if self._guarded:
            now = self._clock.monotonic()
            permit.probe = lane.circuit.sent()
            lane.probes += permit.probe
            self.rates.take(cost, now)
        return permit

    def _give_back(self, permit: Permit) -> None:
        permit.held = False
        share = permit.share
        self.in_flight -= 1
        self._queue.done(share)
        if self._queue.waiting:
            self._pump()

    def _wait(self, cost: float, now: float) -> float:
        """Seconds until a line of that cost may pass, slots and its lane aside."""
        wait = self.rates.wait(cost, now)
        if wait <= 0 and not self.rates.limited:
            self._guarded = bool(self.lanes.down())
        return wait

    def _pump(self) -> None:
        """Let through the lines that may pass now; see to it that time wakes the rest."""
        queue = self._queue
        by_rate = self.rates.scarce  # what the wait was for decides whose turn it is
        while queue.waiting and self.in_flight < self._control.limit:
            if self._guarded:
                now = self._clock.monotonic()
                down = self.lanes.down()
                shut = {lane.kind: wait for lane in down if (wait := lane.circuit.wait(now)) > 0}
                waiter = queue.next(
                    by_service=by_rate,
                    shut=shut.keys(),
                    probes={lane.kind for lane in down},
                    fresh_first=sum(lane.probes for lane in down) % 2 == 0,
                )
                wait = (
                    min(shut.values(), default=math.inf)
                    if waiter is None
                    else self._wait(waiter.cost, now)
                )
                if waiter is None or wait > 0:
                    self._alarm.set(wait)  # an infinite wait ends with the probe
                    return
            else:
                waiter = queue.next(by_service=by_rate)
            if waiter is None:
                raise RuntimeError("the queue counts waiters that it does not hold")
            queue.remove(waiter)
            if not waiter.turn.done():
                lane = self.lanes.of(waiter.kind)
                waiter.turn.set_result(self._grant(lane, waiter.share, waiter.cost))
        if queue.waiting:
            self.rates.scarce = False  # slots are what is scarce now
        else:
            self._alarm.stop()

    def _seen(self, look: Look) -> None:
        self.lanes.looked(look, self._clock.monotonic())
        self._pump()
