"""Slots are shared fairly, never leaked, and given to the next in the same instant."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.dispatch_world import (
    EPOCH,
    FakeAnswer,
    VirtualClock,
    in_virtual_time,
    new_caller,
)

from batchway.dialects.openai.notes import OPENAI_NOTES
from batchway.dispatch.caller import Caller
from batchway.dispatch.fault import Fault
from batchway.dispatch.gate import Gate
from batchway.dispatch.limits import Limits
from batchway.dispatch.permit import Permit


def _gate(limits: Limits) -> Gate:
    return Gate(provider="up", model="m", limits=limits, clock=VirtualClock())


async def _enter(gate: Gate, caller: Caller, *, retry: bool = False, cost: float = 0) -> Permit:
    permit = await gate.enter(caller, cost, retry=retry, may_leave=False)
    assert permit is not None
    return permit


def test_a_freed_slot_goes_to_a_waiter_in_the_same_instant() -> None:
    async def main() -> None:
        gate = _gate(Limits(concurrency=1))
        first = gate.try_enter(new_caller(), 0)
        assert first is not None
        waiting = asyncio.ensure_future(_enter(gate, new_caller()))
        await asyncio.sleep(0)
        gate.leave(first)
        assert (gate.in_flight, gate.waiting) == (1, 0)
        assert gate.try_enter(new_caller(), 0) is None
        gate.leave(await waiting)
        gate.leave(first)  # a second time: harmless
        assert gate.in_flight == 0

    in_virtual_time(main())


def test_order_within_a_tenant_is_deadline_then_retries_then_arrival() -> None:
    async def main() -> list[str]:
        gate = _gate(Limits(concurrency=1))
        held = gate.try_enter(new_caller(), 0)
        assert held is not None
        order: list[str] = []

        async def line(name: str, deadline: float, *, retry: bool) -> None:
            permit = await _enter(gate, new_caller(deadline=EPOCH + deadline), retry=retry)
            order.append(name)
            gate.leave(permit)

        lines = [
            asyncio.ensure_future(line("late 1", 200, retry=False)),
            asyncio.ensure_future(line("late 2", 200, retry=False)),
            asyncio.ensure_future(line("soon 1", 100, retry=False)),
            asyncio.ensure_future(line("late again", 200, retry=True)),
            asyncio.ensure_future(line("soon 2", 100, retry=False)),
            asyncio.ensure_future(line("soon again", 100, retry=True)),
        ]
        await asyncio.sleep(0)
        gate.leave(held)
        await asyncio.gather(*lines)
        return order

    assert in_virtual_time(main()) == [
        "soon again", "soon 1", "soon 2", "late again", "late 1", "late 2",
    ]  # fmt: skip


async def _serve(
    gate: Gate, tenant: str, seconds: float, until: float, served: list[str], *, start: float = 0.0
) -> None:
    """A tenant with work all the time, in the manner of a runner: one line waits, many fly."""
    await asyncio.sleep(start)
    loop = asyncio.get_running_loop()
    caller = new_caller(tenant=tenant)
    lines: set[asyncio.Task[None]] = set()

    rng = random.Random(tenant)

    async def line(permit: Permit) -> None:
        await asyncio.sleep(seconds * rng.uniform(0.9, 1.1))
        gate.leave(permit)

    while loop.time() < until:
        permit = gate.try_enter(caller, 0) or await _enter(gate, caller)
        served.append(tenant)
        task = loop.create_task(line(permit))
        lines.add(task)
        task.add_done_callback(lines.discard)
    await asyncio.gather(*lines)


def test_two_tenants_each_get_half_of_the_slots() -> None:
    async def main() -> tuple[float, float]:
        gate = _gate(Limits(concurrency=10))
        served: list[str] = []
        # The one whose answers take twice as long came first and has taken every slot.
        await asyncio.gather(
            _serve(gate, "slow", 2.0, 100.0, served),
            _serve(gate, "quick", 1.0, 100.0, served, start=10.0),
        )
        return served.count("slow") * 2.0, served.count("quick") * 1.0

    slow, quick = in_virtual_time(main())
    assert slow == pytest.approx(100 + 450, rel=0.07)
    assert quick == pytest.approx(450, rel=0.07)


@pytest.mark.parametrize("others_seconds", [0.1, 5.0, 20.0])
def test_two_tenants_each_get_half_of_a_rate(others_seconds: float) -> None:
    async def main() -> tuple[int, int]:
        gate = _gate(Limits(concurrency=1000, requests_per_minute=600))
        served: list[str] = []
        await asyncio.gather(
            _serve(gate, "a", 0.1, 60.0, served),
            _serve(gate, "b", others_seconds, 60.0, served),
        )
        return served.count("a"), served.count("b")

    a, b = in_virtual_time(main())
    assert a == pytest.approx(b, abs=5)
    assert a + b == pytest.approx(600, abs=10)


def test_a_tenant_that_comes_later_cannot_claim_the_past() -> None:
    async def main() -> list[str]:
        gate = _gate(Limits(concurrency=1000, requests_per_minute=600))
        served: list[str] = []
        await asyncio.gather(
            _serve(gate, "a", 0.1, 60.0, served), _serve(gate, "b", 0.1, 60.0, served, start=30.0)
        )
        return served

    served = in_virtual_time(main())
    after = served[served.index("b") :][:40]
    assert after.count("a") == pytest.approx(20, abs=2)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), limit=st.integers(1, 4))
def test_cancelling_never_leaks_a_slot(seed: int, limit: int) -> None:
    async def main() -> None:
        rng = random.Random(seed)
        limits = Limits(
            concurrency=limit, requests_per_minute=rng.choice([None, 600]), max_attempts=3
        )
        gate = _gate(limits)
        most = 0

        async def line(number: int) -> None:
            nonlocal most
            caller = new_caller(tenant=f"t{number % 3}", deadline=EPOCH + rng.random())
            retry = rng.random() < 0.3
            permit = await gate.enter(caller, 0, retry=retry, may_leave=rng.random() < 0.3)
            if permit is None:
                return
            most = max(most, gate.in_flight)
            try:
                await asyncio.sleep(rng.choice([0, 0, 0.01, 1.0]))
                permit.started = asyncio.get_running_loop().time()
                match rng.randrange(4):
                    case 0:
                        gate.succeeded(permit, output_tokens=1, all_tokens=2)
                    case 1:
                        gate.failed(permit, Fault.UNAVAILABLE, first=True, cools_down=0.5)
                    case 2:
                        gate.failed(permit, Fault.REJECTED, first=True, cools_down=None)
                    case _:
                        gate.failed(permit, Fault.UNREACHABLE, first=False, cools_down=None)
            finally:
                gate.leave(permit)

        lines = [asyncio.ensure_future(line(number)) for number in range(40)]
        for _ in range(30):
            await asyncio.sleep(rng.choice([0, 0, 0.001, 0.5]))
            rng.choice(lines).cancel()
        await asyncio.gather(*lines, return_exceptions=True)
        await asyncio.sleep(100)
        assert (gate.in_flight, gate.waiting) == (0, 0)
        assert not any(gate.lanes.holding_up(f"b{number}") for number in range(40))
        assert 0 < most <= limit
        for _ in range(limit):  # every slot can be had again
            gate.succeeded(await _enter(gate, new_caller()), output_tokens=1, all_tokens=2)

    in_virtual_time(main())


def test_a_permit_is_given_back_once() -> None:
    async def main() -> None:
        gate = _gate(Limits(concurrency=2))
        first, second = await _enter(gate, new_caller()), await _enter(gate, new_caller())
        gate.leave(first)
        gate.leave(first)
        assert gate.in_flight == 1
        gate.succeeded(second, output_tokens=1, all_tokens=2)
        gate.leave(second)
        assert gate.in_flight == 0

    in_virtual_time(main())


def test_a_cool_down_is_shared_and_wakes_by_itself() -> None:
    async def main() -> list[float]:
        gate = _gate(Limits(concurrency=4))
        loop = asyncio.get_running_loop()
        permit = await _enter(gate, new_caller())
        gate.failed(permit, Fault.THROTTLED, first=True, cools_down=30.0)
        assert gate.try_enter(new_caller(), 0) is None
        assert gate.quiet_for == 30.0

        async def line() -> float:
            gate.leave(await _enter(gate, new_caller()))
            return loop.time()

        return list(await asyncio.gather(line(), line(), line()))

    assert in_virtual_time(main()) == [30.0, 30.0, 30.0]


def test_tokens_are_corrected_by_what_was_really_used() -> None:
    async def main() -> tuple[int, int]:
        counts: list[int] = []
        for used in (0, 100):
            gate = _gate(Limits(concurrency=1000, tokens_per_minute=60_000))
            until, count = asyncio.get_running_loop().time() + 60.0, 0
            while asyncio.get_running_loop().time() < until:
                permit = await _enter(gate, new_caller(), cost=1000)
                await asyncio.sleep(0.01)
                gate.succeeded(permit, output_tokens=used, all_tokens=used)
                count += 1
            counts.append(count)
        return counts[0], counts[1]

    estimated, corrected = in_virtual_time(main())
    assert estimated == pytest.approx(60, abs=2)  # nothing reported: the estimate stands
    assert corrected == pytest.approx(600, rel=0.02)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.5s"}, 1.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "200ms"}, 0.2),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 60.0),
        ({"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "6m0s"}, 0.0),
        ({"x-ratelimit-remaining-requests": "0"}, 0.0),
        ({"x-ratelimit-remaining-requests": "?", "x-ratelimit-reset-requests": "1s"}, 0.0),
        ({}, 0.0),
    ],
)
def test_headers_hold_a_gate_without_configured_rates(
    headers: dict[str, str], seconds: float
) -> None:
    async def main() -> float:
        gate = _gate(Limits(concurrency=4))
        gate.hear(FakeAnswer(200, headers=headers), OPENAI_NOTES)
        await _enter(gate, new_caller())
        return asyncio.get_running_loop().time()

    assert in_virtual_time(main()) == seconds
