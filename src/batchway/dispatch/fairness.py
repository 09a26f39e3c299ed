"""Which line is next at a gate.

Between tenants: when slots are scarce, the one with the fewest lines in flight, ties to the one
served least; when a rate is scarce, the one served least (a tenant whose answers take long would
otherwise hardly get any of it). Within a tenant: the batch with the earliest deadline, its
retries before its new lines, then in order of arrival. Lines of a kind (an endpoint) whose lane is
shut are passed over; where one of them is to be the probe, new lines and those that were not tried
for the longest take turns, so that no line that is bad by itself keeps a lane shut.

"Served" is virtual time, in whatever unit the gate charges. A tenant that was away, or got less
because it asked for less, does not save it up: it may lag the leader by two charges at most.

Owns the order. Does not own slots, rates or the promises made to lines that wait (`gate`).
"""

import asyncio
import heapq
from collections.abc import Collection, Iterable
from typing import Final

from batchway.dispatch.caller import Caller

_LAG: Final = 2.0


class _Heaps:
    """Lines of one kind and tenant: by deadline, then by arrival."""

    __slots__ = ("fresh", "retries")

    def __init__(self) -> None:
        self.fresh: list[tuple[float, int, Waiter]] = []
        self.retries: list[tuple[float, int, Waiter]] = []


class Share:
    """A tenant's part in one gate."""

    __slots__ = ("heaps", "in_flight", "served", "waiting")

    def __init__(self) -> None:
        self.in_flight = 0
        self.served = 0.0
        self.waiting = 0
        self.heaps: dict[str, _Heaps] = {}


class Waiter:
    """A line that waits. `turn` is resolved with its permit, or with `None` to send it away."""

    __slots__ = ("caller", "cost", "kind", "live", "may_leave", "retry", "share", "turn")

    def __init__(
        self,
        *,
        turn: "asyncio.Future[object]",
        share: Share,
        caller: Caller,
        cost: float,
        retry: bool,
        may_leave: bool,
        kind: str = "",
    ) -> None:
        self.kind = kind
        self.turn = turn
        self.share = share
        self.caller = caller
        self.cost = cost
        self.retry = retry
        self.may_leave = may_leave
        self.live = True


class FairQueue:
    """The lines that wait at one gate."""

    __slots__ = ("_active", "_arrivals", "_leader", "_most_charge", "_shares", "sharing", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.sharing = 0  # tenants with lines in flight
        self._shares: dict[str, Share] = {}
        self._active: dict[int, Share] = {}  # those with lines that wait
        self._arrivals = 0
        self._leader = 0.0
        self._most_charge = 0.0

    def share(self, tenant: str) -> Share:
        """The share of a tenant."""
        share = self._shares.get(tenant)
        if share is None:
            share = self._shares[tenant] = Share()
        return share

    def has_its_part(self, share: Share, limit: int) -> bool:
        """Whether a tenant uses as many slots as would be its own if all wanted more."""
        return self.sharing > 1 and share.in_flight * self.sharing >= limit

    def serve(self, share: Share, amount: float) -> None:
        """A line is sent and charged for; what its tenant did not use in the past is forgotten."""
        share.in_flight += 1
        if share.in_flight == 1:
            self.sharing += 1
        self._most_charge = max(self._most_charge, amount)
        share.served = max(share.served, self._leader - _LAG * self._most_charge) + amount
        self._leader = max(self._leader, share.served)

    def done(self, share: Share) -> None:
        """A line that was sent is in flight no more."""
        share.in_flight -= 1
        if share.in_flight == 0:
            self.sharing -= 1

    def correct(self, share: Share, change: float) -> None:
        """The charge was wrong by this much."""
        share.served += change

    def push(self, waiter: Waiter) -> None:
        """Start waiting."""
        share = waiter.share
        self._arrivals += 1
        heaps = share.heaps.get(waiter.kind)
        if heaps is None:
            heaps = share.heaps[waiter.kind] = _Heaps()
        heapq.heappush(
            heaps.retries if waiter.retry else heaps.fresh,
            (waiter.caller.deadline, self._arrivals, waiter),
        )
        share.waiting += 1
        self.waiting += 1
        if share.waiting == 1:
            self._active[id(share)] = share

    def remove(self, waiter: Waiter) -> None:
        """Stop waiting, served or not. Its entry is dropped when it comes up."""
        if not waiter.live:
            return
        waiter.live = False
        share = waiter.share
        share.waiting -= 1
        self.waiting -= 1
        if share.waiting == 0:
            del self._active[id(share)]
            share.heaps.clear()

    def next(
        self,
        *,
        by_service: bool,
        shut: Collection[str] = (),
        probes: Collection[str] = (),
        fresh_first: bool = False,
    ) -> Waiter | None:
        """The line to be served now; stays in the queue until removed. `None`: none may pass.

        `by_service` is whether a rate is what is scarce. Kinds in `shut` are passed over. Of kinds
        in `probes` one line is to find out whether its lane is well again; `fresh_first` prefers
        one there that was never sent.
        """
        best: Share | None = None
        for share in self._active.values():
            if best is not None and not _before(share, best, by_service=by_service):
                continue
            if shut and not any(_live(share.heaps[kind]) for kind in share.heaps.keys() - shut):
                continue
            best = share
        if best is None:
            return None
        if not shut and not probes:
            return _first(best.heaps.values())
        open_kinds = best.heaps.keys() - shut
        usual = _first(best.heaps[kind] for kind in open_kinds - set(probes))
        if usual is not None:
            return usual
        for kind in open_kinds:
            probe = _probe(best.heaps[kind], fresh_first=fresh_first)
            if probe is not None:
                return probe
        return None

    def send_away(self, kind: str | None = None) -> None:
        """Lines that have another target wait no longer: those of one kind, or of all."""
        leaving = [
            waiter
            for share in self._active.values()
            for of, heaps in share.heaps.items()
            if kind is None or kind == of
            for heap in (heaps.retries, heaps.fresh)
            for _, _, waiter in heap
            if waiter.live and waiter.may_leave
        ]
        for waiter in leaving:
            self.remove(waiter)
            if not waiter.turn.done():
                waiter.turn.set_result(None)


def _before(one: Share, other: Share, *, by_service: bool) -> bool:
    if not by_service and one.in_flight != other.in_flight:
        return one.in_flight < other.in_flight
    return one.served < other.served


def _first(of: Iterable[_Heaps]) -> Waiter | None:
    """The nearest deadline, retries before new lines."""
    best: Waiter | None = None
    for heaps in of:
        head = _live_head(heaps.retries) if heaps.retries else None
        fresh = _live_head(heaps.fresh) if heaps.fresh else None
        if head is None or (fresh is not None and fresh.caller.deadline < head.caller.deadline):
            head = fresh
        if best is None or (head is not None and head.caller.deadline < best.caller.deadline):
            best = head
    return best


def _probe(heaps: _Heaps, *, fresh_first: bool) -> Waiter | None:
    fresh = _live_head(heaps.fresh)
    if fresh is not None and fresh_first:
        return fresh
    waiting = [entry for entry in heaps.retries if entry[2].live]
    if not waiting:
        return fresh
    return min(waiting, key=lambda entry: entry[1])[2]  # the one that came here first


def _live(heaps: _Heaps) -> bool:
    return _live_head(heaps.fresh) is not None or _live_head(heaps.retries) is not None


def _live_head(heap: list[tuple[float, int, Waiter]]) -> Waiter | None:
    while heap:
        waiter = heap[0][2]
        if waiter.live:
            return waiter
        heapq.heappop(heap)
    return None
