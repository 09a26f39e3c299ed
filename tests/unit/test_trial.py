"""One request first: who waits, who goes on, and what becomes of a verdict."""

import asyncio
from collections.abc import Mapping

from batchway.bootstrap.trial import Trial
from batchway.ports import Answer, Failure

URL = "http://a/v1"


class Transport:
    """Answers when told; keeps the bodies that were sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.may_answer = asyncio.Event()

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> Answer | Failure:
        """Send once."""
        self.sent.append(body)
        await self.may_answer.wait()
        return Failure.TIMEOUT  # any drawing does: the judge of a test does not look at it

    async def get(
        self, url: str, headers: Mapping[str, str], *, timeout: float
    ) -> Answer | Failure:
        """Look at nothing."""
        return Failure.UNREACHABLE

    async def close(self) -> None:
        """Close nothing."""


def judge(verdicts: list[str | None]):
    async def give(_: str, __: Mapping[str, str], ___: bytes, ____: Answer | Failure) -> str | None:
        return verdicts.pop(0)

    return give


async def send(transport: Transport, trial: Trial, count: int) -> list[Answer | Failure]:
    tried = trial.over(transport)
    tasks = [
        asyncio.create_task(tried.post(URL, {}, b"%d" % number, timeout=1))
        for number in range(count)
    ]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    alone = list(transport.sent)
    transport.may_answer.set()
    results = await asyncio.gather(*tasks)
    assert trial.in_flight == 0
    assert alone == ([b"0"] if trial.judge else [b"%d" % number for number in range(count)])
    return results


async def test_the_others_wait_for_the_first() -> None:
    transport, trial = Transport(), Trial(judge=judge([None]))
    assert await send(transport, trial, 5) == [Failure.TIMEOUT] * 5
    assert transport.sent == [b"0", b"1", b"2", b"3", b"4"]
    assert (trial.verdict, trial.used) == (None, {URL})


async def test_after_a_verdict_nothing_is_sent() -> None:
    transport, trial = Transport(), Trial(judge=judge(["The key is wrong."]))
    # As good as unreachable: no line is to blame.
    assert await send(transport, trial, 5) == [Failure.UNREACHABLE] * 5
    assert transport.sent == [b"0"]
    assert trial.verdict == "The key is wrong."


async def test_without_a_judge_nobody_waits() -> None:
    transport, trial = Transport(), Trial(judge=None)
    assert await send(transport, trial, 5) == [Failure.TIMEOUT] * 5


async def test_a_first_that_is_cancelled_lets_another_go_first() -> None:
    transport, trial = Transport(), Trial(judge=judge([None]))
    tried = trial.over(transport)
    first, second = (
        asyncio.create_task(tried.post(URL, {}, body, timeout=1)) for body in (b"1", b"2")
    )
    await asyncio.sleep(0)
    first.cancel()
    transport.may_answer.set()
    assert await second == Failure.TIMEOUT
    assert transport.sent == [b"1", b"2"]
