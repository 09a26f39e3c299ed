"""Who is next at a gate.

Between tenants: when slots are scarce, the one with the fewest lines in flight, ties to the one
served least; when a rate is scarce, the one served least (a tenant whose answers take long would
otherwise hardly get any of it). Within a tenant: the batch with the earliest deadline, its
retries before its new lines, then in order of arrival.

"Served" is virtual time, in whatever unit the gate charges. A tenant that was away, or got less
because it asked for less, does not save it up: it may lag the leader by two charges at most.

Owns the order. Does not own slots, rates or the promises made to those who wait (`gate`).
"""

import asyncio
import heapq
from typing import Final

from batchway.dispatch.limits import Party

_LAG: Final = 2.0


class Share:
    """A tenant's part in one gate."""

    __slots__ = ("fresh", "in_flight", "retries", "served", "waiting")

    def __init__(self) -> None:
        self.in_flight = 0
        self.served = 0.0
        self.waiting = 0
        self.fresh: list[tuple[float, int, Waiter]] = []
        self.retries: list[tuple[float, int, Waiter]] = []


class Waiter:
    """A line that waits. `turn` is resolved with its permit, or with `None` to send it away."""

    __slots__ = ("cost", "live", "may_leave", "party", "retry", "share", "turn")

    def __init__(
        self,
        *,
        turn: "asyncio.Future[object]",
        share: Share,
        party: Party,
        cost: float,
        retry: bool,
        may_leave: bool,
    ) -> None:
        self.turn = turn
        self.share = share
        self.party = party
        self.cost = cost
        self.retry = retry
        self.may_leave = may_leave
        self.live = True


class FairQueue:
    """Those who wait at one gate."""

    __slots__ = ("_active", "_arrivals", "_leader", "_most_charge", "_shares", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self._shares: dict[str, Share] = {}
        self._active: dict[int, Share] = {}  # those with somebody waiting
        self._arrivals = 0
        self._leader = 0.0
        self._most_charge = 0.0

    def share(self, tenant: str) -> Share:
        """The share of a tenant."""
        share = self._shares.get(tenant)
        if share is None:
            share = self._shares[tenant] = Share()
        return share

    def charge(self, share: Share, amount: float) -> None:
        """A share was served; what it did not use in the past is forgotten."""
        self._most_charge = max(self._most_charge, amount)
        share.served = max(share.served, self._leader - _LAG * self._most_charge) + amount
        self._leader = max(self._leader, share.served)

    def correct(self, share: Share, change: float) -> None:
        """The charge was wrong by this much."""
        share.served += change

    def push(self, waiter: Waiter) -> None:
        """Start waiting."""
        share = waiter.share
        self._arrivals += 1
        heapq.heappush(
            share.retries if waiter.retry else share.fresh,
            (waiter.party.deadline, self._arrivals, waiter),
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
            share.fresh.clear()
            share.retries.clear()

    def next(self, *, by_service: bool, fresh_first: bool) -> Waiter | None:
        """Who is to be served now; stays in the queue until removed.

        `by_service` is whether a rate is what is scarce. `fresh_first` prefers lines that have
        not been tried: the best choice to find out whether a target is well again.
        """
        best: Share | None = None
        for share in self._active.values():
            if best is None or _before(share, best, by_service=by_service):
                best = share
        return None if best is None else _head(best, fresh_first=fresh_first)

    def leavers(self) -> list[Waiter]:
        """Those who may be sent away because they have another target."""
        return [
            waiter
            for share in self._active.values()
            for heap in (share.retries, share.fresh)
            for _, _, waiter in heap
            if waiter.live and waiter.may_leave
        ]


def _before(one: Share, other: Share, *, by_service: bool) -> bool:
    if not by_service and one.in_flight != other.in_flight:
        return one.in_flight < other.in_flight
    return one.served < other.served


def _head(share: Share, *, fresh_first: bool) -> Waiter | None:
    fresh = _live_head(share.fresh)
    retry = _live_head(share.retries)
    if fresh is None or retry is None:
        return fresh or retry
    if fresh_first:
        return fresh
    return fresh if fresh.party.deadline < retry.party.deadline else retry


def _live_head(heap: list[tuple[float, int, Waiter]]) -> Waiter | None:
    while heap:
        waiter = heap[0][2]
        if waiter.live:
            return waiter
        heapq.heappop(heap)
    return None
