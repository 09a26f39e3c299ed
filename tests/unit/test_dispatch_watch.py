"""A watch looks while it is wanted, keeps its pace, and leaves alone what tells nothing."""

import asyncio
from collections.abc import Callable

import pytest
from tests.unit.dispatch_world import VirtualClock, in_virtual_time

from batchway.dispatch.watch import Watch


def _looks_at(
    found: Callable[[], str | None],
    *,
    seconds: float = 20.0,
    wanted: Callable[[float], bool] = lambda _now: True,
    takes: float = 0.0,
    otherwise: str | None = None,
    delay: float = 0.0,
    rest: float = 0.0,
) -> tuple[list[float], list[str]]:
    """When a watch that is woken each second looks, and what it sees."""

    async def main() -> tuple[list[float], list[str]]:
        loop = asyncio.get_running_loop()
        looks: list[float] = []
        seen: list[str] = []

        async def look() -> str | None:
            looks.append(loop.time())
            await asyncio.sleep(takes)
            return found()

        watch = Watch(
            look=look,
            wanted=lambda: wanted(loop.time()),
            seen=seen.append,
            clock=VirtualClock(),
            otherwise=otherwise,
            delay=delay,
            rest=rest,
        )
        while loop.time() < seconds:
            watch.wake()
            await asyncio.sleep(1.0)
        return looks, seen

    return in_virtual_time(main())


def _breaks() -> str | None:
    raise ValueError("broken")


@pytest.mark.parametrize(
    ("takes", "delay", "expected"),
    [
        (0.0, 0.0, [0.0, 3.0, 6.0, 9.0]),
        (0.0, 3.0, [3.0, 6.0, 9.0]),
        (2.0, 0.0, [0.0, 3.0, 6.0, 9.0]),  # from the beginning of each
        (4.0, 0.0, [0.0, 4.0, 8.0]),  # one at a time
    ],
)
def test_the_pace_of_looks(takes: float, delay: float, expected: list[float]) -> None:
    looks, _ = _looks_at(lambda: "well", seconds=11.0, takes=takes, delay=delay)
    assert looks == expected


def test_no_look_while_none_is_wanted() -> None:
    looks, seen = _looks_at(lambda: "well", wanted=lambda now: 5 <= now < 10)
    assert looks == [5.0, 8.0]
    assert seen == ["well", "well"]


def test_a_watch_that_is_woken_again_keeps_the_pace() -> None:
    looks, _ = _looks_at(lambda: "well", seconds=8.0, wanted=lambda now: now < 0.5 or now > 1.5)
    assert looks == [0.0, 3.0, 6.0]
    looks, _ = _looks_at(lambda: "well", seconds=5.5, wanted=lambda now: not 2.5 < now < 3.5)
    assert looks == [0.0, 4.0]


@pytest.mark.parametrize(
    ("found", "otherwise", "expected", "seen"),
    [
        (lambda: None, None, [0.0, 8.0, 16.0], 0),
        (_breaks, None, [0.0, 8.0, 16.0], 0),
        (_breaks, "unknown", [0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.0], 7),
    ],
)
def test_what_tells_nothing_is_left_alone(
    found: Callable[[], str | None], otherwise: str | None, expected: list[float], seen: int
) -> None:
    looks, told = _looks_at(found, otherwise=otherwise, rest=8.0)
    assert (looks, told) == (expected, ["unknown"] * seen)
