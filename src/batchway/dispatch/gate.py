"""The gate of one upstream model: what every line passes before it is sent.

    try_enter / enter --> [fair queue] --slot, rate, no cool-down, circuit closed--> Permit
                              ^                                                        |
                              +---- freed slot, timer, good news <---- leave / succeeded / failed

Combines concurrency (`concurrency`), rates (`bucket`), the cool-down that an upstream asks for, a
lane for each endpoint (`lane`: its circuit, and who is to blame) and the order of those who wait
(`fairness`). One timer, on the injected clock, wakes the gate when time alone will let somebody
through. A freed slot goes to the next in the same instant.

Owns slots: each permit is given back exactly once, and one that is dropped without being used
(its task was cancelled before it began) gives itself back. Does not own retries (`sender`).
Belongs to one event loop.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, cast

from batchway.dispatch.bucket import MOST_HOLD, Bucket, read_allowance
from batchway.dispatch.concurrency import Auto, Control, Fixed
from batchway.dispatch.engine_load import EngineLoad, LoadWatch
from batchway.dispatch.fairness import FairQueue, Share, Waiter
from batchway.dispatch.fault import SIGNS_OF_LIFE, Fault, Setback
from batchway.dispatch.health import Watch
from batchway.dispatch.lane import Lane, Look
from batchway.dispatch.lanes import Lanes
from batchway.dispatch.limits import Limits, Party
from batchway.dispatch.permit import Permit
from batchway.ports import Answer, Clock, EngineMetrics, Online

# Waking up for every single token of a fast bucket would cost more than the wait.
_SHORTEST_WAIT: Final = 0.002

# A line with another target does not sit out a cool-down that is longer than this.
LONG_COOL_DOWN: Final = 60.0

# Answers between two looks at `x-ratelimit-*` headers while they are far from zero.
_LOOK_EVERY: Final = 16

_REFUSALS: Final = frozenset(
    {
        Fault.THROTTLED,
        Fault.UNAVAILABLE,
        Fault.TIMEOUT,
        Fault.INTERRUPTED,
        Fault.UNREACHABLE,
        Fault.NO_DESCRIPTORS,
    }
)


class Gate:
    """One (provider, upstream model)."""

    __slots__ = (
        "_clock",
        "_control",
        "_full_at",
        "_grants",
        "_guarded",
        "_load",
        "_look_in",
        "_loop",
        "_per_request",
        "_per_token",
        "_queue",
        "_quiet_until",
        "_requests",
        "_scarce_rate",
        "_sharing",
        "_timer",
        "_timer_due",
        "_tokens",
        "_watch",
        "in_flight",
        "lanes",
        "limits",
        "model",
        "online",
        "provider",
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
        now = clock.monotonic()
        self.provider = provider
        self.model = model
        self.limits = limits
        self.in_flight = 0
        self.online: dict[Hashable, Online] = {}  # by kind of call: `exchange` fills it
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        fixed = limits.concurrency
        self._control: Control = (
            Auto(most=limits.max_concurrency, start=start, aim=limits.aim, timeout=limits.timeout)
            if fixed is None
            else Fixed(fixed)
        )
        self._load: LoadWatch | None = None
        if metrics is not None and fixed is None:
            self._load = LoadWatch(
                metrics=metrics,
                wanted=lambda: self.in_flight > 0,
                seen=self._hear_load,
                clock=clock,
            )
        rpm, tpm = limits.requests_per_minute, limits.tokens_per_minute
        self._requests = None if rpm is None else Bucket(per_minute=rpm, now=now)
        self._tokens = None if tpm is None else Bucket(per_minute=tpm, now=now)
        # A tenant is charged in minutes of whichever rate a line takes more of.
        self._per_request = 1.0 if rpm is None and tpm is None else 1.0 / (rpm or math.inf)
        self._per_token = 1.0 / (tpm or math.inf)
        # Also a line that is alone must see its target declared down before its attempts end.
        trips_after = max(3, min(10, limits.max_attempts - 2))
        self.lanes = Lanes(provider=provider, model=model, trips_after=trips_after)
        self._watch = look and Watch(
            look=look, wanted=self.lanes.want_look, seen=self._seen, clock=clock
        )
        self._queue = FairQueue()
        self._grants = 0
        self._full_at = 0  # the latest grant that left no slot free
        self._quiet_until = -math.inf
        self._guarded = rpm is not None or tpm is not None
        self._scarce_rate = False
        self._sharing = 0  # tenants with lines in flight
        self._look_in = 0
        self._timer: asyncio.Task[None] | None = None
        self._timer_due = math.inf

    # ------------------------------------------------------------------ in

    def try_enter(self, party: Party, cost: float, kind: str = "") -> Permit | None:
        """A permit, if there is one to have at once and nobody waits for it."""
        if self._queue.waiting or self.in_flight >= self._control.limit:
            return None
        share = self._queue.share(party.tenant)
        if self._sharing > 1 and self._has_its_part(share):
            return None
        lane = self.lanes.of(kind)
        if self._guarded:
            now = self._clock.monotonic()
            if lane.circuit.wait(now) > 0 or self._wait(cost, now) > 0:
                return None
        return self._grant(lane, share, cost)

    async def enter(
        self, party: Party, cost: float, *, retry: bool, may_leave: bool, kind: str = ""
    ) -> Permit | None:
        """Wait for a turn. `None` only if `may_leave`, when the gate shuts: try another one.

        A line that is sent again (`retry`) is held up by its lane all along (`Lane.concerns`).
        """
        permit = self.try_enter(party, cost, kind)
        if permit is not None:
            return permit
        turn: asyncio.Future[object] = self._loop.create_future()
        waiter = Waiter(
            turn=turn,
            share=self._queue.share(party.tenant),
            party=party,
            cost=cost,
            retry=retry,
            may_leave=may_leave,
            kind=kind,
        )
        self._queue.push(waiter)
        lane = self.lanes.of(kind)
        if not retry:
            lane.concerns(party.batch_id, 1, fresh=True)
            if not lane.calm:
                self.look()
        try:
            # It may be this line's turn, and if not somebody must set the timer. But when answers
            # come in a burst, other tenants are about to ask for what it freed: they go first.
            if self._sharing > 1 and self._has_its_part(waiter.share):
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
            # Whoever stood behind a line that wanted much may be content with what there is.
            self._pump()
            raise
        finally:
            if not retry:
                lane.concerns(party.batch_id, -1, fresh=True)

    def shut(self, now: float, kind: str = "") -> float | None:
        """When a lane may open again if it is down or told to be quiet for long, else `None`."""
        wait = self.lanes.of(kind).circuit.wait(now)
        if wait > 0:
            return now if math.isinf(wait) else now + wait  # a probe may end any moment
        quiet = self._quiet_until - now
        return self._quiet_until if quiet > LONG_COOL_DOWN else None

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
        tokens = self._tokens
        if tokens is not None and all_tokens:
            wrong = permit.cost - all_tokens
            tokens.correct(wrong)
            self._queue.correct(permit.share, -wrong * self._per_token)
        self._give_back(permit)

    def went_on(self, permit: Permit) -> float:
        """A result came, and its line needs one more request under the same permit.

        Returns the seconds to wait before that one is sent; its place in the rate is taken.
        """
        now = self._clock.monotonic()
        permit.lane.succeeded(permit.started, now)
        permit.probe = False
        wait = self._wait(0.0, now) if self._guarded else 0.0
        if self._requests is not None:
            self._requests.take(1.0, now)
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
        if own:
            lane.acquitted(now)
        elif fault in SIGNS_OF_LIFE:
            lane.refused(probe=permit.probe, now=now)
        elif fault is Fault.UNSENDABLE:
            lane.circuit.dropped(probe=permit.probe)  # nothing was sent: no news of the target
        else:
            setback = setback or Setback(fault=fault)
            alone = self.in_flight == 1
            if lane.failed(
                setback, line=line, first=first, alone=alone, probe=permit.probe, now=now
            ):
                self._guarded = True
                self._send_away(lane.kind)
            if cools_down is not None and cools_down >= LONG_COOL_DOWN:
                lane.paused(setback, cools_down, now)
            self.look()
        if fault in _REFUSALS:
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
        """Let nobody through for so long; a longer silence that was asked for before stays."""
        if now + seconds > self._quiet_until:
            self._quiet_until = now + seconds
            self._guarded = True
            if seconds > LONG_COOL_DOWN:
                self._send_away(None)

    def lost(self, lane: Lane, share: Share, *, probe: bool) -> None:
        """A permit was dropped unused. Any thread may call: garbage is collected on any."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._recover, lane, share, probe)

    def hear(self, answer: Answer) -> None:
        """Look at `x-ratelimit-*`, more often the less is left."""
        if self._look_in > 0:
            self._look_in -= 1
            return
        now = self._clock.monotonic()
        low = False
        for what, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            said = read_allowance(answer, what)
            if said is None:
                continue
            if bucket is not None:
                bucket.hear(said.remaining, said.reset, now)
            elif said.remaining < 1.0 and said.reset is not None:
                self.quiet(min(said.reset, MOST_HOLD), now)
            low |= said.remaining < max(said.limit / 4, 4 * self.in_flight)
        self._look_in = 0 if low else _LOOK_EVERY - 1

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

        Nothing is in flight, nobody waits or backs off, no pause is under way, no rate is used.
        """
        return (
            self.in_flight == 0
            and self._queue.waiting == 0
            and self.lanes.idle()
            and self._quiet_until <= now
            and all(
                bucket.full(now) for bucket in (self._requests, self._tokens) if bucket is not None
            )
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
        return max(0.0, self._quiet_until - self._clock.monotonic())

    @property
    def short_of_rate(self) -> bool:
        """Whether those who wait do so for a rate limit."""
        return self._scarce_rate and self._queue.waiting > 0

    # ------------------------------------------------------------------ inside

    def _hear_load(self, load: EngineLoad) -> None:
        self._control.heard(load, sent=self._grants, in_flight=self.in_flight)
        self._pump()

    def _has_its_part(self, share: Share) -> bool:
        """Whether a tenant uses as many slots as would be its own if all wanted more."""
        return share.in_flight * self._sharing >= self._control.limit

    def _grant(self, lane: Lane, share: Share, cost: float) -> Permit:
        self.in_flight += 1
        share.in_flight += 1
        if share.in_flight == 1:
            self._sharing += 1
        self._grants += 1
        if self.in_flight >= self._control.limit:
            self._full_at = self._grants
            if self._load is not None:
                self._load.wake()
        permit = Permit(self, share, cost, self._grants)
        permit.lane = lane
        self._queue.charge(share, max(self._per_request, cost * self._per_token))
        if self._guarded:
            now = self._clock.monotonic()
            permit.probe = lane.circuit.sent()
            lane.probes += permit.probe
            if self._requests is not None:
                self._requests.take(1.0, now)
            if self._tokens is not None:
                self._tokens.take(cost, now)
        return permit

    def _give_back(self, permit: Permit) -> None:
        permit.held = False
        self._free(permit.share)

    def _recover(self, lane: Lane, share: Share, probe: bool) -> None:
        if probe:
            lane.circuit.dropped(probe=True)
        self._free(share)

    def _free(self, share: Share) -> None:
        self.in_flight -= 1
        share.in_flight -= 1
        if share.in_flight == 0:
            self._sharing -= 1
        if self._queue.waiting:
            self._pump()

    def _wait(self, cost: float, now: float) -> float:
        """Seconds until a line of that cost may pass, slots and its lane aside."""
        wait = self._quiet_until - now
        if wait > 0:
            self._scarce_rate = False
            return wait
        if self._requests is not None:
            wait = self._requests.wait(1.0, now)
        if self._tokens is not None:
            wait = max(wait, self._tokens.wait(cost, now))
        self._scarce_rate = wait > 0
        if self._requests is None and self._tokens is None:
            self._guarded = bool(self.lanes.down())
        return max(wait, 0.0)

    def _pump(self) -> None:
        """Let through whoever may pass now; see to it that time wakes the rest."""
        queue = self._queue
        by_rate = self._scarce_rate  # what the wait was for decides whose turn it is
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
                    self._wake_in(wait)
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
            self._scarce_rate = False  # slots are what is scarce now
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _seen(self, look: Look) -> None:
        self.lanes.looked(look, self._clock.monotonic())
        self._pump()

    def _send_away(self, kind: str | None) -> None:
        for waiter in self._queue.leavers(kind):
            self._queue.remove(waiter)
            if not waiter.turn.done():
                waiter.turn.set_result(None)

    def _wake_in(self, seconds: float) -> None:
        if math.isinf(seconds):
            return  # the probe's end wakes
        seconds = max(seconds, _SHORTEST_WAIT)
        due = self._clock.monotonic() + seconds
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._loop.create_task(self._ring(seconds))

    async def _ring(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._timer = None
        self._timer_due = math.inf
        self._pump()
