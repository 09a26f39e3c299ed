"""The way of a line: results, retries, fall-backs, outages, deadlines."""

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable, Sequence

import pytest
from tests.tiny_dialect import TinyDialect
from tests.unit.dispatch_world import (
    EPOCH,
    FakeAnswer,
    Upstream,
    in_virtual_time,
    new_caller,
    new_sender,
    new_work,
)

from batchway.dispatch.gate import Gate
from batchway.dispatch.limits import Limits
from batchway.dispatch.sender import Answered, Outcome, Sender, Unanswered, Work
from batchway.domain.batch import Usage
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.reason import text_of
from batchway.domain.routing import Target
from batchway.ports import Failure, Refused, Result

GOOD = FakeAnswer(
    200,
    b'{"ok":1,"usage":{"prompt_tokens":3,"completion_tokens":4}}',
    {"x-request-id": "req-1"},
)
BAD = FakeAnswer(400, b'{"error":{"message":"no"}}', {"x-request-id": "req-2"})
BROKEN = FakeAnswer(500, b'{"error":"oops"}')
ODD = FakeAnswer(200, b"<html>")
THROTTLED = FakeAnswer(429, b'{"error":"slow down"}')
Drawn = FakeAnswer | Failure


_LATER = {"retry-after": "90"}


def _script(*answers: Drawn, seconds: float = 1.0) -> Upstream:
    """Answers one after the other, the last for ever, each after a second."""
    left = list(answers)

    async def upstream(url: str, body: bytes) -> Drawn:
        if not body:
            return left[0]  # a look at its health
        await asyncio.sleep(seconds)
        return left.pop(0) if len(left) > 1 else left[0]

    return upstream


async def _send(sender: Sender, work: Work) -> Outcome:
    permit = sender.try_admit(work) or await sender.admit(work)
    return await sender.run(work, permit)


def _answered(answer: FakeAnswer, provider: str = "up", usage: Usage | None = None) -> Answered:
    return Answered(
        status=answer.status,
        body=answer.body,
        request_id=answer.header("x-request-id"),
        usage=usage or Usage(),
        provider=provider,
    )


RESULT = _answered(GOOD, usage=Usage(input_tokens=3, output_tokens=4))
NOT_JSON = Unanswered(
    code="invalid_provider_response",
    message="The provider 'up' answered 200 with a body that is not JSON.",
)
UNREACHABLE = Unanswered(
    code="provider_unreachable", message="The provider 'up' could not be reached."
)
TIMEOUT = Unanswered(
    code="request_timeout", message="The provider did not answer within 600 seconds."
)
INTERRUPTED = Unanswered(
    code="connection_interrupted",
    message="The connection to the provider 'up' broke before its answer was complete.",
)
TOO_LARGE = Unanswered(
    code="provider_response_too_large",
    message="The provider 'up' answered with more than 268435456 bytes.",
)


@pytest.mark.parametrize(
    ("script", "expected", "exchanges"),
    [
        ([GOOD], RESULT, 1),
        ([BROKEN, Failure.TIMEOUT, ODD, Failure.INTERRUPTED, GOOD], RESULT, 5),
        ([THROTTLED] * 5 + [GOOD], RESULT, 6),
        ([Failure.UNREACHABLE] * 20 + [GOOD], RESULT, 21),
        ([Failure.NO_DESCRIPTORS] * 20 + [GOOD], RESULT, 21),
        ([FakeAnswer(408), FakeAnswer(409), FakeAnswer(504), GOOD], RESULT, 4),
        ([BAD], _answered(BAD), 1),
        ([FakeAnswer(501)], _answered(FakeAnswer(501)), 1),
        ([FakeAnswer(505)], _answered(FakeAnswer(505)), 1),
        ([FakeAnswer(304)], _answered(FakeAnswer(304)), 1),
        ([BROKEN], _answered(BROKEN), 8),
        ([ODD], NOT_JSON, 8),
        ([BROKEN, ODD], _answered(BROKEN), 8),  # the last HTTP answer that can be shown
        ([Failure.TIMEOUT], TIMEOUT, 8),
        ([Failure.INTERRUPTED], INTERRUPTED, 8),
        ([Failure.TOO_LARGE], TOO_LARGE, 1),
        ([THROTTLED] * 4 + [BROKEN], _answered(BROKEN), 12),  # 429s use up no attempts
    ],
)
def test_one_line_at_one_target(script: Sequence[Drawn], expected: Outcome, exchanges: int) -> None:
    async def main() -> tuple[Outcome, int]:
        sender, transport = new_sender({"up": _script(*script)})
        return await _send(sender, new_work()), len(transport.sent)

    assert in_virtual_time(main()) == (expected, exchanges)


@pytest.mark.parametrize(
    ("first", "second", "expected", "providers"),
    [
        (GOOD, BAD, RESULT, ["up"]),
        (BAD, GOOD, _answered(BAD), ["up"]),
        (FakeAnswer(401), GOOD, "next", ["up", "next"]),
        (FakeAnswer(404), GOOD, "next", ["up", "next"]),
        (FakeAnswer(404), BAD, _answered(BAD, "next"), ["up", "next"]),
        (BROKEN, GOOD, "next", ["up"] * 8 + ["next"]),
        (BROKEN, Failure.TOO_LARGE, _answered(BROKEN), ["up"] * 8 + ["next"]),
        (Failure.TOO_LARGE, GOOD, "next", ["up", "next"]),
        # Down after six failures in a row; nobody waits for it when another is up.
        (Failure.UNREACHABLE, GOOD, "next", ["up"] * 7 + ["next"]),
    ],
)
def test_fall_backs(
    first: Drawn, second: Drawn, expected: Outcome | str, providers: list[str]
) -> None:
    async def main() -> tuple[Outcome, list[str]]:
        sender, transport = new_sender({"up": _script(first), "next": _script(second)})
        outcome = await _send(sender, new_work(0, "up", "next"))
        return outcome, [url.split("/")[2] for _, url, _ in transport.sent]

    if expected == "next":
        expected = _answered(GOOD, "next", RESULT.usage)
    assert in_virtual_time(main()) == (expected, providers)


def test_a_body_is_sent_with_the_target_s_model_and_otherwise_as_it_is() -> None:
    async def main() -> list[bytes]:
        sender, transport = new_sender({"up": _script(GOOD)})
        for model in ("m", "up/m"):
            body = b'{ "model":"%s", "x": 1.0}' % model.encode()
            work = new_work(body=body)
            work.model = model
            await _send(sender, work)
        return [body for _, _, body in transport.sent]

    assert in_virtual_time(main()) == [b'{ "model":"m", "x": 1.0}'] * 2


# ----------------------------------------------------------------------------- many lines


def _down_between(
    start: float, end: float, failure: Drawn, seconds: float = 0.5
) -> Callable[[str, bytes], Awaitable[Drawn]]:
    async def upstream(url: str, body: bytes) -> Drawn:
        loop = asyncio.get_running_loop()
        if start <= loop.time() < end:
            return failure
        await asyncio.sleep(seconds)
        return failure if start <= loop.time() < end else GOOD

    return upstream


async def _run_lines(
    sender: Sender, count: int, *targets: str, deadline: float = EPOCH + 86_400
) -> tuple[list[Outcome], float]:
    caller = new_caller(deadline=deadline)
    outcomes = await asyncio.gather(
        *(_send(sender, new_work(line, *targets, caller=caller)) for line in range(count))
    )
    return list(outcomes), asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    "failure", [Failure.UNREACHABLE, Failure.INTERRUPTED, FakeAnswer(503), BROKEN, THROTTLED, ODD]
)
@pytest.mark.parametrize("concurrency", [None, 4])
@pytest.mark.parametrize("lines", [40, 300])
def test_an_hour_of_outage_costs_no_line_its_result(
    failure: Drawn, concurrency: int | None, lines: int
) -> None:
    async def main() -> tuple[list[Outcome], float, int]:
        rng = random.Random(11)
        sender, transport = new_sender(
            {"up": _down_between(2.0, 3602.0, failure)},
            Limits(concurrency=concurrency, max_attempts=8),
            draw=rng.random,
        )
        outcomes, ended = await _run_lines(sender, lines)
        probes = sum(100 < at < 3600 for at, _, _ in transport.sent)
        return outcomes, ended, probes

    outcomes, ended, probes = in_virtual_time(main())
    assert outcomes == [RESULT] * lines
    assert ended < 3602 + 60 + 60 + lines  # found out within a minute, then got on with it
    assert probes < 100  # about one a minute, not a storm


def test_a_single_line_survives_an_outage_too() -> None:
    async def main() -> list[Outcome]:
        sender, _ = new_sender({"up": _down_between(0.0, 3600.0, FakeAnswer(503))})
        return (await _run_lines(sender, 1))[0]

    assert in_virtual_time(main()) == [RESULT]


def test_lines_that_always_fail_end_with_their_last_answer_while_others_succeed() -> None:
    async def upstream(url: str, body: bytes) -> Drawn:
        await asyncio.sleep(0.5)
        return BROKEN if b"poison" in body else GOOD

    async def main() -> tuple[list[Outcome], int]:
        sender, transport = new_sender({"up": upstream}, draw=random.Random(5).random)
        works = [
            new_work(
                line, body=b'{"model":"m","x":"poison"}' if line % 20 == 7 else b'{"model":"m"}'
            )
            for line in range(100)
        ]
        outcomes = await asyncio.gather(*(_send(sender, work) for work in works))
        return list(outcomes), len(transport.sent)

    outcomes, exchanges = in_virtual_time(main())
    expected = [_answered(BROKEN) if line % 20 == 7 else RESULT for line in range(100)]
    assert (outcomes, exchanges) == (expected, 95 + 5 * 8)


def test_while_the_first_target_is_down_the_next_serves_and_then_the_first_again() -> None:
    async def main() -> list[tuple[str, bool]]:
        sender, transport = new_sender(
            {"up": _down_between(10.0, 300.0, Failure.UNREACHABLE), "next": _script(GOOD)},
            Limits(concurrency=2, max_attempts=8),
            draw=random.Random(3).random,
        )
        outcomes: list[Outcome] = []
        while asyncio.get_running_loop().time() < 500:
            outcomes.append(await _send(sender, new_work(0, "up", "next")))
        assert all(isinstance(outcome, Answered) and outcome.ok for outcome in outcomes)
        spans = [(0, 10), (60, 300), (400, 500)]
        return [
            (name, any(a < at < b and f"//{name}/" in url for at, url, _ in transport.sent))
            for a, b in spans
            for name in ("up", "next")
        ]

    assert in_virtual_time(main()) == [
        ("up", True), ("next", False),
        ("up", True), ("next", True),  # probes, and everything else
        ("up", True), ("next", False),
    ]  # fmt: skip


def test_with_every_target_down_lines_wait_for_whichever_recovers() -> None:
    async def main() -> tuple[list[Outcome], float]:
        sender, _ = new_sender(
            {
                "up": _down_between(0.0, 600.0, Failure.UNREACHABLE),
                "next": _down_between(0.0, 1e9, Failure.UNREACHABLE),
            },
            draw=random.Random(3).random,
        )
        return await _run_lines(sender, 50, "up", "next")

    outcomes, ended = in_virtual_time(main())
    assert outcomes == [RESULT] * 50
    assert ended < 800


def test_retry_after_is_obeyed_by_every_line() -> None:
    async def upstream(url: str, body: bytes) -> Drawn:
        now = asyncio.get_running_loop().time()
        if 5 <= now < 35:
            return FakeAnswer(429, headers={"retry-after": f"{35 - now:.3f}"})
        await asyncio.sleep(0.5)
        return GOOD

    async def main() -> tuple[list[Outcome], list[float]]:
        sender, transport = new_sender({"up": upstream}, Limits(concurrency=4, max_attempts=8))
        outcomes, _ = await _run_lines(sender, 100)
        return outcomes, [at for at, _, _ in transport.sent if 5 <= at < 35]

    outcomes, refused = in_virtual_time(main())
    assert outcomes == [RESULT] * 100
    assert refused == [5.0] * len(refused)
    assert len(refused) <= 4


def test_a_configured_rate_is_kept_to_over_simulated_minutes() -> None:
    async def main() -> list[float]:
        sender, transport = new_sender(
            {"up": _script(GOOD)}, Limits(concurrency=100, requests_per_minute=300, max_attempts=8)
        )
        await _run_lines(sender, 1000)
        return [at for at, _, _ in transport.sent]

    sent = in_virtual_time(main())
    assert max(sum(start <= at < start + 60 - 1e-6 for at in sent) for start in sent) <= 300
    assert sent[-1] < 1000 / 300 * 60 * 1.02


def test_nothing_starts_after_the_deadline() -> None:
    async def main() -> tuple[Outcome, float]:
        sender, transport = new_sender({"up": _script(FakeAnswer(503, headers=_LATER))})
        outcomes, _ = await _run_lines(sender, 1, deadline=EPOCH + 60)
        return outcomes[0], transport.sent[-1][0]

    outcome, last = in_virtual_time(main())
    assert isinstance(outcome, Answered)
    assert outcome.status == 503
    assert last < 60


def test_a_throttled_line_has_no_result_at_the_deadline() -> None:
    """It waits until its batch expires, and is told so; a 429 is not its fault."""

    async def main() -> tuple[bool, float]:
        sender, transport = new_sender({"up": _script(FakeAnswer(429, headers=_LATER))})
        line = asyncio.create_task(_run_lines(sender, 1, deadline=EPOCH + 60))
        await asyncio.sleep(61)
        waits = not line.done()
        line.cancel()
        await asyncio.gather(line, return_exceptions=True)
        return waits, transport.sent[-1][0]

    waits, last = in_virtual_time(main())
    assert waits
    assert last < 60


# ----------------------------------------------------------------------------- giving back


def _slots_free(sender: Sender, count: int) -> bool:
    permits = [sender.try_admit(new_work(line)) for line in range(count + 1)]
    return all(permit is not None for permit in permits[:-1]) and permits[-1] is None


@pytest.mark.parametrize("after", [0.0, 0.5, 1.2, 1.7, 3.0])
def test_a_cancelled_line_gives_its_slot_back(after: float) -> None:
    async def main() -> bool:
        sender, _ = new_sender({"up": _script(BROKEN)}, Limits(concurrency=2, max_attempts=8))
        tasks = [asyncio.ensure_future(_send(sender, new_work(line))) for line in range(4)]
        await asyncio.sleep(after)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return text_of(sender.obstacles("b")) is None and _slots_free(sender, 2)

    assert in_virtual_time(main())


def test_an_unexpected_exception_gives_the_slot_back() -> None:
    async def main() -> bool:
        async def broken(url: str, body: bytes) -> Drawn:
            raise ZeroDivisionError

        sender, _ = new_sender({"up": broken}, Limits(concurrency=2, max_attempts=8))
        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                await _send(sender, new_work())
        return _slots_free(sender, 2)

    assert in_virtual_time(main())


# ----------------------------------------------------------------------------- obstacles


@pytest.mark.parametrize(
    ("drawn", "limits", "sentence"),
    [
        (GOOD, Limits(concurrency=1, max_attempts=8), None),
        (
            Failure.UNREACHABLE,
            Limits(concurrency=4, max_attempts=8),
            "The provider 'up' has been unreachable since 2023-11-14 22:13:22 UTC: check that it "
            "runs, and the address of 'up' in the configuration; it is tried again at least once a "
            "minute.",
        ),
        (
            Failure.NO_DESCRIPTORS,
            Limits(concurrency=4, max_attempts=8),
            "Batchway's process is out of file descriptors since 2023-11-14 22:13:22 UTC: requests "
            "wait until it has some again. Raise its limit (`ulimit -n`).",
        ),
        (
            FakeAnswer(429, headers={"retry-after": "300"}),
            Limits(concurrency=4, max_attempts=8),
            "The provider 'up' asked for a pause until 22:18:21 UTC.",
        ),
        (
            GOOD,
            Limits(concurrency=100, requests_per_minute=1, max_attempts=8),
            "Requests wait for the rate limit of the provider 'up'.",
        ),
    ],
)
def test_obstacles_name_what_holds_a_batch_up(
    drawn: Drawn, limits: Limits, sentence: str | None
) -> None:
    async def main() -> tuple[str | None, str | None]:
        sender, _ = new_sender({"up": _script(drawn)}, limits)
        tasks = [asyncio.ensure_future(_send(sender, new_work(line))) for line in range(20)]
        await asyncio.sleep(10)
        said = text_of(sender.obstacles("b")), text_of(sender.obstacles("another"))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return said

    assert in_virtual_time(main()) == (sentence, None)


class AdvisingDialect(TinyDialect):
    """Says what to do about its refusals."""

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        return Refused(
            status=status,
            code="API_OFF",
            kind="",
            message="",
            of_account=status == 403,
            body=b"{}",
            advice="turn the API on",
        )


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (
            403,
            "The provider 'up' has refused every request for the model 'm' (403 API_OFF) since "
            "2023-11-14 22:13:22 UTC: turn the API on; it is tried again at least once a minute.",
        ),
        (
            429,
            "The provider 'up' has refused every request for coming too fast (429 API_OFF) since "
            "2023-11-14 22:13:22 UTC: turn the API on; it is tried again at least once a minute.",
        ),
    ],
)
def test_an_obstacle_says_what_the_account_advises(status: int, sentence: str) -> None:
    async def main() -> str | None:
        script = {"up": _script(FakeAnswer(status))}
        sender, _ = new_sender(
            script, Limits(concurrency=4, max_attempts=8), dialects={"up": AdvisingDialect}
        )
        body = b'{"model":"m","input":"a"}'
        tasks = [asyncio.ensure_future(_send(sender, new_work(n, body=body))) for n in range(9)]
        await asyncio.sleep(10)
        said = text_of(sender.obstacles("b"))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return said

    assert in_virtual_time(main()) == sentence


# ----------------------------------------------------------------------------- gates


def _gates() -> int:
    gc.collect()
    return sum(isinstance(thing, Gate) for thing in gc.get_objects())


def test_gates_of_models_that_nobody_names_any_more_are_dropped() -> None:
    """A name every second for 2,500 seconds, and one that is in use all the while."""

    async def main() -> tuple[int, bool]:
        sender, _ = new_sender(
            {"up": _script(GOOD, seconds=0.1)}, Limits(requests_per_minute=600, max_attempts=8)
        )
        before = _gates()
        kept = used = None
        for second in range(2_500):
            work = new_work(second)
            work.targets = (Target(provider="up", model=f"m{second}"),)
            await _send(sender, work)
            await asyncio.sleep(0.9)
            if second % 500 == 0:
                used = await sender.admit(new_work(second))
                kept = kept or used.gate
                used.gate.leave(used)
        assert used is not None
        return _gates() - before, used.gate is kept

    gates, same = in_virtual_time(main())
    assert gates <= 1_300
    assert same


def test_a_gate_with_a_line_in_flight_or_a_pause_is_kept() -> None:
    async def main() -> tuple[bool, bool]:
        sender, _ = new_sender({"up": _script(GOOD)}, Limits(concurrency=1, max_attempts=8))
        held = await sender.admit(new_work())
        for number in range(3):
            await asyncio.sleep(700.0)
            work = new_work(number)
            work.targets = (Target(provider="up", model=f"m{number}"),)
            await _send(sender, work)
        busy = sender.try_admit(new_work()) is None
        held.gate.leave(held)
        for number in range(3, 6):
            await asyncio.sleep(700.0)
            held.gate.quiet(30.0, asyncio.get_running_loop().time())
            work = new_work(number)
            work.targets = (Target(provider="up", model=f"m{number}"),)
            await _send(sender, work)
        return busy, sender.try_admit(new_work()) is None

    assert in_virtual_time(main()) == (True, True)


def test_overrides_of_a_batch_change_its_addresses_only() -> None:
    async def main() -> list[str]:
        sender, transport = new_sender({"up": _script(GOOD)})
        for overrides in (NO_OVERRIDES, Overrides(azure_api_version="?v=2"), NO_OVERRIDES):
            work = new_work()
            work.overrides = overrides
            assert isinstance(await _send(sender, work), Answered)
        return [url for _, url, _ in transport.sent]

    plain = "http://up/v1/chat/completions"
    assert in_virtual_time(main()) == [plain, f"{plain}?v=2", plain]
