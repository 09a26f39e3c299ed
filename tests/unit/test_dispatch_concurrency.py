"""Auto finds what an upstream takes, in simulated time, through the real sender and gate."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.unit.dispatch_world import FakeAnswer, in_virtual_time, new_sender, new_work

from batchway.dispatch.concurrency import START, Auto
from batchway.dispatch.control import Fixed
from batchway.dispatch.limits import Limits
from batchway.ports import EngineMetrics, Failure

TOKEN_SECONDS = 0.01
TOKENS = 100


class Model:
    """Works on `capacity` requests at once and queues the rest, as vLLM does.

    With `rejects` it answers 429 beyond that many instead. `slower` makes a token take longer the
    more are worked on; `fate` may fail a request at once.
    """

    def __init__(
        self,
        *,
        capacity: int = 1 << 40,
        token_seconds: float = TOKEN_SECONDS,
        even: bool = False,
        rejects: int | None = None,
        slower: float = 0.0,
        fate: Callable[[float], FakeAnswer | Failure | None] = lambda draw: None,
    ) -> None:
        self._rng = random.Random(7)
        self.capacity = capacity
        self.token_seconds = token_seconds
        self._even = even
        self._rejects = rejects
        self._slower = slower
        self._fate = fate
        self._busy = 0
        self._queue: list[asyncio.Future[None]] = []
        self.tokens = 0

    @property
    def load(self) -> tuple[int, int]:
        """Requests that are worked on and that wait."""
        return self._busy, len(self._queue)

    async def __call__(self, url: str, body: bytes) -> FakeAnswer | Failure:
        fate = self._fate(self._rng.random())
        if fate is not None:
            return fate
        if self._rejects is not None and self._busy >= self._rejects:
            return FakeAnswer(429)
        if self._busy >= self.capacity:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append(turn)
            await turn
        else:
            self._busy += 1
        tokens = TOKENS if self._even else max(1, int(self._rng.expovariate(1 / TOKENS)))
        await asyncio.sleep(tokens * self.token_seconds * (1 + self._slower * self._busy))
        if self._queue:
            self._queue.pop(0).set_result(None)
        else:
            self._busy -= 1
        self.tokens += tokens
        return FakeAnswer(200, b'{"usage":{"completion_tokens":%d}}' % tokens)


@dataclass
class Seen:
    """Limit and tokens a second, sampled evenly over a run."""

    limits: list[int]
    rates: list[float]

    def later_limits(self) -> list[int]:
        return self.limits[len(self.limits) // 2 :]

    def typical(self) -> int:
        later = sorted(self.later_limits())
        return later[len(later) // 2]

    def later_rate(self) -> float:
        rates = self.rates[len(self.rates) // 2 :]
        return sum(rates) / len(rates)


def _run(
    model: Model,
    *,
    seconds: float,
    samples: int = 20,
    most: int = 2048,
    metrics: EngineMetrics | None = None,
) -> Seen:
    async def main() -> Seen:
        sender, _ = new_sender(
            {"up": model},
            Limits(max_concurrency=most),
            metrics=None if metrics is None else {"up": metrics},
        )
        loop = asyncio.get_running_loop()
        lines: set[asyncio.Task[object]] = set()
        seen = Seen([], [])

        async def feed() -> None:
            number = 0
            while True:
                work = new_work(number)
                permit = sender.try_admit(work) or await sender.admit(work)
                line = loop.create_task(sender.run(work, permit))
                lines.add(line)
                line.add_done_callback(lines.discard)
                seen_limit[0] = permit.gate.limit
                number += 1

        seen_limit = [0]
        feeding = loop.create_task(feed())
        for _ in range(samples):
            before = model.tokens
            await asyncio.sleep(seconds / samples)
            seen.limits.append(seen_limit[0])
            seen.rates.append((model.tokens - before) * samples / seconds)
        for task in (feeding, *lines):
            task.cancel()
        await asyncio.gather(feeding, *lines, return_exceptions=True)
        return seen

    return in_virtual_time(main())


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize(("capacity", "seconds"), [(4, 600), (32, 150), (256, 60)])
def test_finds_the_knee_of_an_upstream_that_queues(
    capacity: int, seconds: float, even: bool
) -> None:
    seen = _run(Model(capacity=capacity, even=even), seconds=seconds)
    # Never too few for it; what is too much only waits, and is found out at leisure.
    assert 0.7 * capacity <= seen.typical() <= max(4 * capacity, 4 * START)
    assert seen.later_rate() >= 0.93 * capacity / TOKEN_SECONDS


def test_reaches_the_throughput_of_a_fast_unlimited_upstream_within_seconds() -> None:
    seen = _run(Model(token_seconds=0.0005), seconds=4.0, samples=4, most=512)
    assert seen.rates[2] >= 0.95 * 512 / 0.0005


@pytest.mark.parametrize(
    "failure",
    [
        FakeAnswer(500),
        FakeAnswer(503),
        Failure.INTERRUPTED,
    ],
)
def test_does_not_collapse_under_rare_random_failures(
    failure: FakeAnswer | Failure,
) -> None:
    def fate(draw: float) -> FakeAnswer | Failure | None:
        return failure if draw < 0.01 else None

    seen = _run(Model(capacity=64, fate=fate), seconds=100)
    assert seen.later_rate() >= 0.9 * 64 / TOKEN_SECONDS


@pytest.mark.parametrize(("capacity", "seconds"), [(64, 150), (256, 60)])
@pytest.mark.parametrize(
    ("failure", "share"),
    [
        (FakeAnswer(500), 0.1),
        (FakeAnswer(502), 0.1),
        (FakeAnswer(503), 0.05),
        (FakeAnswer(503), 0.1),
        (FakeAnswer(503), 0.3),
        (Failure.INTERRUPTED, 0.1),
    ],
)
def test_errors_at_a_steady_rate_are_no_sign_of_overload(
    failure: FakeAnswer | Failure, share: float, capacity: int, seconds: float
) -> None:
    def fate(draw: float) -> FakeAnswer | Failure | None:
        return failure if draw < share else None

    if share > 0.1:
        seconds *= 5 / 3  # it gets there more slowly
    seen = _run(Model(capacity=capacity, fate=fate), seconds=seconds)
    assert seen.typical() >= 0.7 * capacity
    assert seen.later_rate() >= 0.9 * capacity / TOKEN_SECONDS


class Telling:
    """`ports.EngineMetrics` of a `Model`."""

    def __init__(self, model: Model) -> None:
        self._model = model

    async def read(self) -> bytes | None:
        running, waiting = self._model.load
        return b"vllm:num_requests_running %d\nvllm:num_requests_waiting %d\n" % (running, waiting)


def test_where_the_engine_tells_its_queue_is_short_and_never_empty() -> None:
    model = Model(capacity=64)
    seen = _run(model, seconds=100, metrics=Telling(model))
    assert 64 <= min(seen.later_limits()) <= max(seen.later_limits()) <= 80
    assert seen.later_rate() >= 0.97 * 64 / TOKEN_SECONDS


class Brittle(Model):
    """Answers 503 beyond `bears` requests, after `seconds`, and `share` of the others at once."""

    def __init__(self, *, bears: int, seconds: float, share: float) -> None:
        super().__init__(fate=lambda draw: FakeAnswer(503) if draw < share else None)
        self._bears = bears
        self._seconds = seconds

    async def __call__(self, url: str, body: bytes) -> FakeAnswer | Failure:
        if self._busy >= self._bears:
            await asyncio.sleep(self._seconds)
            return FakeAnswer(503)
        return await super().__call__(url, body)


@pytest.mark.parametrize(("bears", "run"), [(16, 150), (128, 100)])
@pytest.mark.parametrize("share", [0.0, 0.05])
@pytest.mark.parametrize("seconds", [0.0, 0.05, 1.0])
def test_an_upstream_that_fails_what_is_too_much_is_found_without_being_told(
    bears: int, run: float, share: float, seconds: float
) -> None:
    seen = _run(Brittle(bears=bears, seconds=seconds, share=share), seconds=run)
    assert seen.typical() <= 2 * bears
    assert seen.later_rate() >= 0.7 * bears / TOKEN_SECONDS


def test_what_was_borne_is_not_any_more_once_it_has_passed() -> None:
    class Passing(Brittle):
        async def __call__(self, url: str, body: bytes) -> FakeAnswer | Failure:
            now = asyncio.get_running_loop().time()
            self._bears = 1 << 40 if now < 300 else 32
            if now < 150 and self._rng.random() < 0.3:
                return FakeAnswer(503)
            return await super().__call__(url, body)

    seen = _run(Passing(bears=1, seconds=1.0, share=0.0), seconds=600, most=128)
    assert min(seen.limits[6:10]) == 128
    assert sorted(seen.limits[12:])[4] <= 64


@pytest.mark.parametrize("rejects", [32, 128])
def test_stays_below_an_upstream_that_refuses(rejects: int) -> None:
    seen = _run(Model(rejects=rejects), seconds=100)
    assert max(seen.later_limits()) <= 1.5 * rejects
    assert seen.later_rate() >= 0.6 * rejects / TOKEN_SECONDS


def test_keeps_growing_where_a_batch_slows_every_token_but_still_pays() -> None:
    # As GPUs do: 256 at once cost 3.5 times the latency of one and give 70 times its tokens.
    seen = _run(Model(capacity=256, slower=0.01), seconds=150)
    assert seen.later_rate() >= 0.8 * (256 / (1 + 2.56)) / TOKEN_SECONDS


def test_follows_an_upstream_that_becomes_slower_and_recovers() -> None:
    class Moody(Model):
        async def __call__(self, url: str, body: bytes) -> FakeAnswer | Failure:
            now = asyncio.get_running_loop().time()
            self.capacity = 16 if 100 < now < 200 else 128
            return await super().__call__(url, body)

    seen = _run(Moody(capacity=128), seconds=400, samples=8)
    assert seen.rates[-1] >= 0.9 * 128 / TOKEN_SECONDS


# ----------------------------------------------------------------------------- alone


class Drill:
    """An `Auto` whose answers are made here: one after the other, each as its limit has it."""

    def __init__(self, auto: Auto) -> None:
        self.auto = auto
        self.sent = 0
        self.first = 1  # the oldest request in flight

    def answers(self, count: int, *, latency: float = 1.0, full: bool = True) -> None:
        for _ in range(count):
            self.sent = max(self.sent, self.first + self.auto.limit - 1)
            self.auto.answered(
                number=self.first, sent=self.sent, latency=latency, tokens=0, full=full
            )
            self.first += 1

    def refusals(self, count: int, *, explicit: bool = True, left: int | None = None) -> None:
        """Refuse the oldest; `left` is how many others are in flight after the last of them."""
        for index in range(count):
            self.sent = max(self.sent, self.first + self.auto.limit - 1)
            others = self.auto.limit - 1 if left is None else left + count - 1 - index
            self.auto.refused(
                number=self.first, sent=self.sent, latency=0.0, explicit=explicit, in_flight=others
            )
            self.first += 1


def test_a_limit_that_is_not_used_never_grows() -> None:
    drill = Drill(Auto(most=100))
    drill.answers(1000, full=False)
    assert drill.auto.limit == START
    drill.answers(2 * START)
    assert drill.auto.limit == 2 * START


def test_a_burst_of_refusals_is_one_fall_to_what_was_taken() -> None:
    drill = Drill(Auto(most=2048))
    while drill.auto.limit < 128:
        drill.answers(1)
    drill.refusals(28, left=100)
    assert drill.auto.limit == 95
    drill.refusals(28, left=72)  # sent before the fall
    assert drill.auto.limit in range(64, 96)


def test_a_fall_is_bounded_by_half() -> None:
    drill = Drill(Auto(most=2048))
    while drill.auto.limit < 128:
        drill.answers(1)
    drill.refusals(127, left=1)
    assert drill.auto.limit == 64


def test_few_refusals_are_borne() -> None:
    drill = Drill(Auto(most=128))
    for _ in range(300):
        drill.answers(30)
        drill.refusals(1)
    assert drill.auto.limit >= 64


def test_never_below_one_and_never_above_the_most() -> None:
    drill = Drill(Auto(most=20))
    drill.refusals(500, explicit=False)
    assert drill.auto.limit == 1
    drill.answers(10_000)
    assert drill.auto.limit == 20
    assert Auto(most=3).limit == 3


def test_the_limit_stops_growing_while_answers_take_long_enough_to_time_out() -> None:
    drill = Drill(Auto(most=2048, timeout=600.0))
    drill.answers(1000, latency=200.0)
    assert drill.auto.limit == START


def test_begins_where_an_earlier_batch_ended_and_looks_further() -> None:
    drill = Drill(Auto(most=2048, start=300))
    assert drill.auto.limit == 300
    assert drill.auto.found is None  # or each start would begin a little lower
    drill.answers(1000)
    assert drill.auto.limit == 600
    drill.answers(10_000)
    assert drill.auto.found is not None
    assert drill.auto.found >= 600


def test_a_limit_that_was_found_at_the_most_is_taken_up_again_at_once() -> None:
    drill = Drill(Auto(most=1024, start=921))
    drill.answers(2_000)
    assert drill.auto.limit == 1024


def test_a_fixed_number_stays() -> None:
    fixed = Fixed(5)
    fixed.refused(number=1, sent=1, latency=0.0, explicit=True, in_flight=4)
    fixed.answered(number=2, sent=5, latency=1.0, tokens=1, full=True)
    assert fixed.limit == 5
