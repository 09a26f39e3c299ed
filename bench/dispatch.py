"""What dispatch costs a line beyond the exchange itself: `python -m bench.dispatch`.

A transport that answers at once stands in for the network, so all that is left is admission,
the sender, reading the answer, and giving the slot back. The same loop without a sender is taken
off. Prints microseconds a line, the best of several rounds.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import uvloop

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dispatch.limits import Limits, Party
from batchway.dispatch.sender import Answered, Sender, Work
from batchway.domain.call import Call, Overrides
from batchway.domain.routing import Target
from batchway.ports import Answer, Request
from batchway.providers.openai.account import OpenAIOnline

_LINES: Final = 20_000
_ROUNDS: Final = 15

_ANSWER: Final = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":'
    b'[{"index":0,"message":{"role":"assistant","content":"'
    + b"An answer of some length. "
    * 30
    + b'","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":100,'
    b'"completion_tokens":150,"total_tokens":250,"prompt_tokens_details":{"cached_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":0}}}'
)


class _Clock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Answer:
    __slots__ = ("body", "status")

    def __init__(self, body: bytes) -> None:
        self.status = 200
        self.body = body

    def header(self, *_: object, **__: object) -> str | None:
        return None


class _Transport:
    async def post(self, *_: object, **__: object) -> Answer:
        return _Answer(_ANSWER)

    async def get(self, *_: object, **__: object) -> Answer:
        return _Answer(_ANSWER)

    async def close(self) -> None:
        pass


class _Account:
    name = "up"

    def online(self, call: Call) -> OpenAIOnline:
        return OpenAIOnline(
            url="http://up",
            headers={"authorization": "Bearer x"},
            dialect=OpenAIDialect(endpoint=call.endpoint, model=call.model),
        )

    def jobs(self, call: Call) -> None:
        pass

    def archive(self, overrides: Overrides) -> None:
        pass

    async def health(self, model: str) -> Sequence[Request]:
        return ()

    async def close(self) -> None:
        pass


def _works(model: str) -> list[Work]:
    party = Party(tenant="t", batch_id="b", deadline=time.time() + 86_400)
    body = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 900 + b'"}]}'
    targets = (Target(provider="up", model=model),)
    return [
        Work(
            line=line,
            endpoint="/v1/chat/completions",
            body=body,
            model="m",
            targets=targets,
            party=party,
            cost=400,
        )
        for line in range(_LINES)
    ]


async def _through_sender(works: list[Work], limits: Limits) -> float:
    sender = Sender(
        accounts={"up": _Account()},
        limits={"up": limits},
        transport=_Transport(),
        clock=_Clock(),
        draw=lambda: 0.5,
    )
    started = time.perf_counter()
    for work in works:
        permit = sender.try_admit(work) or await sender.admit(work)
        outcome = await sender.run(work, permit)
        assert isinstance(outcome, Answered)
    return time.perf_counter() - started


async def _bare(works: list[Work]) -> float:
    transport = _Transport()
    headers = {"authorization": "Bearer x"}
    started = time.perf_counter()
    for work in works:
        await transport.post("http://up", headers, work.body, timeout=600.0)
    return time.perf_counter() - started


async def _queued(works: list[Work]) -> float:
    """Four slots and eight lines at a time: half of all lines go through the fair queue."""
    sender = Sender(
        accounts={"up": _Account()},
        limits={"up": Limits(concurrency=4)},
        transport=_Yielding(),
        clock=_Clock(),
        draw=lambda: 0.5,
    )
    source = iter(works)

    async def worker() -> None:
        for work in source:
            permit = sender.try_admit(work) or await sender.admit(work)
            await sender.run(work, permit)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(8)))
    return time.perf_counter() - started


class _Yielding(_Transport):
    async def post(self, *_: object, **__: object) -> Answer:
        await asyncio.sleep(0)
        return _Answer(_ANSWER)


async def _measure() -> None:
    same, other = _works("m"), _works("another-model")
    ample = 1_000_000_000
    cases = {
        "fixed concurrency": lambda: _through_sender(same, Limits(concurrency=64)),
        "auto": lambda: _through_sender(same, Limits()),
        "another model's name": lambda: _through_sender(other, Limits(concurrency=64)),
        "with rate limits": lambda: _through_sender(
            same, Limits(concurrency=64, requests_per_minute=ample, tokens_per_minute=ample)
        ),
        "fair queue": lambda: _queued(same),
    }
    bare = min([await _bare(same) for _ in range(_ROUNDS)])
    for name, run in cases.items():
        best = min([await run() for _ in range(_ROUNDS)])
        print(f"{name:22} {(best - bare) / _LINES * 1e6:6.2f} µs a line")


if __name__ == "__main__":
    uvloop.run(_measure())
