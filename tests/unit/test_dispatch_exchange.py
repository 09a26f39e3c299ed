"""Lines in a dialect that is not OpenAI's: several requests a line, and lines it cannot say."""

import asyncio
import json
from collections.abc import Mapping, Sequence

import pytest
from tests.tiny_dialect import TinyDialect
from tests.unit.dispatch_world import (
    FakeAnswer,
    in_virtual_time,
    new_sender,
    new_work,
)
from tests.unit.exchange_world import (
    BROKE,
    BROKEN,
    BUSY,
    LETTERS,
    TINY,
    Drawn,
    saying,
    send,
    texts_sent,
    to,
)

from batchway.dispatch.limits import Limits
from batchway.dispatch.sender import Answered, Outcome, Unanswered
from batchway.domain.batch import Usage
from batchway.domain.reason import Reason
from batchway.ports import Failure


def _joined(provider: str = "up") -> Answered:
    return Answered(
        status=200,
        body=b'{"object": "list", "data": ["A", "B", "C"]}',
        request_id="req-c",
        usage=Usage(input_tokens=6),
        provider=provider,
    )


@pytest.mark.parametrize(
    ("script", "sent"),
    [
        ({}, "abc"),
        ({"a": [BROKEN]}, "aabc"),
        ({"b": [BROKEN, BUSY, Failure.TIMEOUT]}, "abbbbc"),  # what was answered is kept
        ({"c": [Failure.INTERRUPTED, FakeAnswer(200, b"<html>")]}, "abccc"),
        # Attempts are those of a request: seven failures of each of three are no more than seven.
        ({text: [BROKEN] * 7 for text in "abc"}, "a" * 8 + "b" * 8 + "c" * 8),
    ],
)
def test_a_line_of_several_requests(script: Mapping[str, Sequence[Drawn]], sent: str) -> None:
    async def main() -> tuple[Outcome, list[tuple[str, str]]]:
        sender, transport = new_sender({"up": saying(script)}, dialects=TINY)
        return await send(sender, new_work(body=LETTERS)), texts_sent(transport)

    assert in_virtual_time(main()) == (_joined(), to("up", sent))


def test_a_part_that_always_fails_ends_its_line_with_its_last_answer() -> None:
    async def main() -> tuple[Outcome, list[tuple[str, str]]]:
        sender, transport = new_sender({"up": saying({"b": [BROKEN] * 99})}, dialects=TINY)
        return await send(sender, new_work(body=LETTERS)), texts_sent(transport)

    outcome, sent = in_virtual_time(main())
    assert isinstance(outcome, Answered)
    assert (outcome.status, json.loads(outcome.body)["error"]["code"]) == (500, "fire")
    assert sent == to("up", "a" + "b" * 8)


@pytest.mark.parametrize(
    ("up", "following", "sent"),
    [
        ({"b": [Failure.TOO_LARGE]}, {}, to("up", "ab") + to("next", "abc")),
        # Back at the first one, nothing of what it answered before is left.
        (
            {"b": [BROKE]},
            {"b": [BROKE]},
            to("up", "ab") + to("next", "ab") + to("up", "abc"),
        ),
    ],
)
def test_another_target_starts_over(
    up: Mapping[str, Sequence[Drawn]],
    following: Mapping[str, Sequence[Drawn]],
    sent: list[tuple[str, str]],
) -> None:
    async def main() -> tuple[Outcome, list[tuple[str, str]]]:
        sender, transport = new_sender({"up": saying(up), "next": saying(following)}, dialects=TINY)
        outcome = await send(sender, new_work(0, "up", "next", body=LETTERS))
        return outcome, texts_sent(transport)

    assert in_virtual_time(main()) == (_joined(sent[-1][0]), sent)


def test_requests_of_a_line_use_one_slot_one_after_the_other() -> None:
    async def main() -> list[tuple[float, str]]:
        sender, transport = new_sender({"up": saying()}, Limits(concurrency=1), dialects=TINY)
        await asyncio.gather(*(send(sender, new_work(line, body=LETTERS)) for line in range(2)))
        return [(at, json.loads(body)["say"]) for at, _, body in transport.sent]

    assert in_virtual_time(main()) == [
        (0.0, "a"), (1.0, "b"), (2.0, "c"), (3.0, "a"), (4.0, "b"), (5.0, "c"),
    ]  # fmt: skip


@pytest.mark.parametrize(("lines", "texts"), [(300, 3), (1, 900)])
def test_each_request_of_a_line_counts_for_the_rate(lines: int, texts: int) -> None:
    async def main() -> list[float]:
        sender, transport = new_sender(
            {"up": saying(seconds=0.1)},
            Limits(concurrency=100, requests_per_minute=300),
            dialects=TINY,
        )
        body = json.dumps({"model": "m", "input": ["a"] * texts}).encode()
        works = [new_work(line, body=body) for line in range(lines)]
        await asyncio.gather(*(send(sender, work) for work in works))
        return [at for at, _, _ in transport.sent]

    sent = in_virtual_time(main())
    assert len(sent) == 900
    # One taker may overdraw the bucket: a line's next request does, and waits for it.
    assert max(sum(start <= at < start + 60 - 1e-6 for at in sent) for start in sent) <= 303
    assert sent[-1] < 900 / 300 * 60 * 1.05


@pytest.mark.parametrize("after", [0.5, 1.5, 2.5])
def test_a_line_that_is_cancelled_between_its_requests_gives_its_slot_back(after: float) -> None:
    async def main() -> bool:
        sender, _ = new_sender({"up": saying()}, Limits(concurrency=1), dialects=TINY)
        task = asyncio.ensure_future(send(sender, new_work(body=LETTERS)))
        await asyncio.sleep(after)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return sender.try_admit(new_work(1)) is not None

    assert in_virtual_time(main())


def test_the_first_answer_of_a_probe_lets_the_others_go_on() -> None:
    """A provider that was away is back with the first of a line's requests, not with the last."""

    async def main() -> tuple[float, float]:
        says = saying(seconds=10.0)

        async def upstream(url: str, body: bytes) -> Drawn:
            if asyncio.get_running_loop().time() < 60.0:
                return Failure.UNREACHABLE
            return await says(url, body)

        sender, transport = new_sender({"up": upstream}, Limits(concurrency=20), dialects=TINY)
        works = [new_work(line, body=LETTERS) for line in range(20)]
        await asyncio.gather(*(send(sender, work) for work in works))
        back = [at for at, _, _ in transport.sent if at >= 60.0]
        return back[0], back[2]

    probe, following = in_virtual_time(main())
    assert probe + 10.0 <= following < probe + 11.0


# ----------------------------------------------------------------------------- unfaithful


UNSAID = b'{"model":"m","input":"a","logprobs":true}'
UNFAITHFUL = Unanswered(
    code="unsupported_parameter",
    message="This request cannot be sent to the provider 'next' without changing what it asks for, "
    "because of 'body.logprobs': It has no log probabilities.",
)
UNSENDABLE = Unanswered(
    code="invalid_request",
    message="No request to the provider 'up' can be made of this line: its body cannot be written "
    "as JSON with the model's name there, or the model's name is no part of an address.",
)


def test_a_line_goes_to_the_next_target_where_it_cannot_be_said() -> None:
    async def chat(url: str, body: bytes) -> Drawn:
        return FakeAnswer(200, b'{"said":"by another"}')

    async def main() -> tuple[Outcome, list[str], tuple[Reason, ...]]:
        sender, transport = new_sender({"up": saying(), "next": chat}, dialects={"up": TinyDialect})
        outcomes = [
            await send(sender, new_work(line, "up", "next", body=UNSAID)) for line in range(20)
        ]
        assert outcomes[1:] == outcomes[:-1]
        urls = {url.split("/")[2] for _, url, _ in transport.sent}
        return outcomes[0], sorted(urls), sender.obstacles("b")

    expected = Answered(
        status=200,
        body=b'{"said":"by another"}',
        request_id=None,
        usage=Usage(),
        provider="next",
    )
    assert in_virtual_time(main()) == (expected, ["next"], ())


def test_a_line_that_no_target_can_be_told_names_the_parameter() -> None:
    async def main() -> tuple[Outcome, int, float]:
        sender, transport = new_sender({"up": saying(), "next": saying()}, dialects=TINY)
        outcome = await send(sender, new_work(0, "up", "next", body=UNSAID))
        return outcome, len(transport.sent), asyncio.get_running_loop().time()

    assert in_virtual_time(main()) == (UNFAITHFUL, 0, 0.0)


def test_an_account_without_the_endpoint_is_passed_over() -> None:
    async def main() -> tuple[list[Outcome], list[tuple[str, str]]]:
        sender, transport = new_sender(
            {"up": saying(), "next": saying()}, dialects={**TINY, "up": lambda _: None}
        )
        outcomes = [
            await send(sender, new_work(0, *targets, body=LETTERS))
            for targets in (["up", "next"], ["up"])
        ]
        return outcomes, texts_sent(transport)

    assert in_virtual_time(main()) == ([_joined("next"), UNSENDABLE], to("next", "abc"))


# ----------------------------------------------------------------------------- what it costs


@pytest.mark.parametrize(("tokens_per_minute", "cost"), [(None, 0), (1_000, 3)])
def test_tokens_are_guessed_in_the_dialect_where_a_limit_counts_them(
    tokens_per_minute: int | None, cost: int
) -> None:
    async def main() -> float:
        limits = Limits(concurrency=4, tokens_per_minute=tokens_per_minute)
        sender, _ = new_sender({"up": saying()}, limits, dialects=TINY)
        permit = sender.try_admit(new_work(body=LETTERS, cost=None))
        assert permit is not None
        permit.gate.leave(permit)
        return permit.cost

    assert in_virtual_time(main()) == cost
