"""Lines in a dialect that is not OpenAI's: several requests a line, and lines it cannot say."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence

import msgspec
import pytest
from tests.tiny_dialect import TinyDialect
from tests.unit.dispatch_world import (
    FakeAccount,
    FakeAnswer,
    FakeOnline,
    FakeTransport,
    Upstream,
    VirtualClock,
    in_virtual_time,
    new_sender,
    new_work,
)

from batchway.dialects.answers.usage import with_usage
from batchway.dialects.openai.notes import OpenAINotes
from batchway.dispatch.limits import Limits
from batchway.dispatch.sender import Answered, Outcome, Sender, Unanswered, Work
from batchway.domain.batch import Usage
from batchway.domain.call import Call
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.reason import Reason
from batchway.domain.routing import Target
from batchway.ports import Answer, Dialect, Failure, Online, Refused, Request, Result

Drawn = FakeAnswer | Failure

LETTERS = b'{"model":"m","input":["a","b","c"]}'
TINY = {"up": TinyDialect, "next": TinyDialect}
BUSY = FakeAnswer(200, b'{"oops":"busy"}')  # a 2xx that is an error
BROKEN = FakeAnswer(500, b'{"oops":"fire"}')
BROKE = FakeAnswer(403, b'{"oops":"broke"}')


def _says(script: Mapping[str, Sequence[Drawn]] | None = None, seconds: float = 1.0) -> Upstream:
    """Says texts in capitals; for a text in `script` what stands there comes first, in order."""
    left = {text: list(answers) for text, answers in (script or {}).items()}

    async def upstream(url: str, body: bytes) -> Drawn:
        if not body:
            return FakeAnswer(200)  # a look at its health
        await asyncio.sleep(seconds)
        text = json.loads(body)["say"]
        if left.get(text):
            return left[text].pop(0)
        said = json.dumps({"said": text.upper(), "paid": 2}).encode()
        return FakeAnswer(200, said, {"x-request-id": f"req-{text}"})

    return upstream


def _sent(transport: FakeTransport) -> list[tuple[str, str]]:
    """Who was sent which text, in order."""
    return [(url.split("/")[2], json.loads(body)["say"]) for _, url, body in transport.sent]


def _to(provider: str, texts: str) -> list[tuple[str, str]]:
    return [(provider, text) for text in texts]


async def _send(sender: Sender, work: Work) -> Outcome:
    permit = sender.try_admit(work) or await sender.admit(work)
    return await sender.run(work, permit)


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
        sender, transport = new_sender({"up": _says(script)}, dialects=TINY)
        return await _send(sender, new_work(body=LETTERS)), _sent(transport)

    assert in_virtual_time(main()) == (_joined(), _to("up", sent))


def test_a_part_that_always_fails_ends_its_line_with_its_last_answer() -> None:
    async def main() -> tuple[Outcome, list[tuple[str, str]]]:
        sender, transport = new_sender({"up": _says({"b": [BROKEN] * 99})}, dialects=TINY)
        return await _send(sender, new_work(body=LETTERS)), _sent(transport)

    outcome, sent = in_virtual_time(main())
    assert isinstance(outcome, Answered)
    assert (outcome.status, json.loads(outcome.body)["error"]["code"]) == (500, "fire")
    assert sent == _to("up", "a" + "b" * 8)


@pytest.mark.parametrize(
    ("up", "following", "sent"),
    [
        ({"b": [Failure.TOO_LARGE]}, {}, _to("up", "ab") + _to("next", "abc")),
        # Back at the first one, nothing of what it answered before is left.
        (
            {"b": [BROKE]},
            {"b": [BROKE]},
            _to("up", "ab") + _to("next", "ab") + _to("up", "abc"),
        ),
    ],
)
def test_another_target_starts_over(
    up: Mapping[str, Sequence[Drawn]],
    following: Mapping[str, Sequence[Drawn]],
    sent: list[tuple[str, str]],
) -> None:
    async def main() -> tuple[Outcome, list[tuple[str, str]]]:
        sender, transport = new_sender({"up": _says(up), "next": _says(following)}, dialects=TINY)
        outcome = await _send(sender, new_work(0, "up", "next", body=LETTERS))
        return outcome, _sent(transport)

    assert in_virtual_time(main()) == (_joined(sent[-1][0]), sent)


def test_requests_of_a_line_use_one_slot_one_after_the_other() -> None:
    async def main() -> list[tuple[float, str]]:
        sender, transport = new_sender({"up": _says()}, Limits(concurrency=1), dialects=TINY)
        await asyncio.gather(*(_send(sender, new_work(line, body=LETTERS)) for line in range(2)))
        return [(at, json.loads(body)["say"]) for at, _, body in transport.sent]

    assert in_virtual_time(main()) == [
        (0.0, "a"), (1.0, "b"), (2.0, "c"), (3.0, "a"), (4.0, "b"), (5.0, "c"),
    ]  # fmt: skip


@pytest.mark.parametrize(("lines", "texts"), [(300, 3), (1, 900)])
def test_each_request_of_a_line_counts_for_the_rate(lines: int, texts: int) -> None:
    async def main() -> list[float]:
        sender, transport = new_sender(
            {"up": _says(seconds=0.1)},
            Limits(concurrency=100, requests_per_minute=300),
            dialects=TINY,
        )
        body = json.dumps({"model": "m", "input": ["a"] * texts}).encode()
        works = [new_work(line, body=body) for line in range(lines)]
        await asyncio.gather(*(_send(sender, work) for work in works))
        return [at for at, _, _ in transport.sent]

    sent = in_virtual_time(main())
    assert len(sent) == 900
    # One taker may overdraw the bucket: a line's next request does, and waits for it.
    assert max(sum(start <= at < start + 60 - 1e-6 for at in sent) for start in sent) <= 303
    assert sent[-1] < 900 / 300 * 60 * 1.05


@pytest.mark.parametrize("after", [0.5, 1.5, 2.5])
def test_a_line_that_is_cancelled_between_its_requests_gives_its_slot_back(after: float) -> None:
    async def main() -> bool:
        sender, _ = new_sender({"up": _says()}, Limits(concurrency=1), dialects=TINY)
        task = asyncio.ensure_future(_send(sender, new_work(body=LETTERS)))
        await asyncio.sleep(after)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return sender.try_admit(new_work(1)) is not None

    assert in_virtual_time(main())


def test_the_first_answer_of_a_probe_lets_the_others_go_on() -> None:
    """A provider that was away is back with the first of a line's requests, not with the last."""

    async def main() -> tuple[float, float]:
        says = _says(seconds=10.0)

        async def upstream(url: str, body: bytes) -> Drawn:
            if asyncio.get_running_loop().time() < 60.0:
                return Failure.UNREACHABLE
            return await says(url, body)

        sender, transport = new_sender({"up": upstream}, Limits(concurrency=20), dialects=TINY)
        works = [new_work(line, body=LETTERS) for line in range(20)]
        await asyncio.gather(*(_send(sender, work) for work in works))
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
        sender, transport = new_sender({"up": _says(), "next": chat}, dialects={"up": TinyDialect})
        outcomes = [
            await _send(sender, new_work(line, "up", "next", body=UNSAID)) for line in range(20)
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
        sender, transport = new_sender({"up": _says(), "next": _says()}, dialects=TINY)
        outcome = await _send(sender, new_work(0, "up", "next", body=UNSAID))
        return outcome, len(transport.sent), asyncio.get_running_loop().time()

    assert in_virtual_time(main()) == (UNFAITHFUL, 0, 0.0)


def test_an_account_without_the_endpoint_is_passed_over() -> None:
    async def main() -> tuple[list[Outcome], list[tuple[str, str]]]:
        sender, transport = new_sender(
            {"up": _says(), "next": _says()}, dialects={**TINY, "up": lambda _: None}
        )
        outcomes = [
            await _send(sender, new_work(0, *targets, body=LETTERS))
            for targets in (["up", "next"], ["up"])
        ]
        return outcomes, _sent(transport)

    assert in_virtual_time(main()) == ([_joined("next"), UNSENDABLE], _to("next", "abc"))


# ----------------------------------------------------------------------------- what it costs


@pytest.mark.parametrize(("tokens_per_minute", "cost"), [(None, 0), (1_000, 3)])
def test_tokens_are_guessed_in_the_dialect_where_a_limit_counts_them(
    tokens_per_minute: int | None, cost: int
) -> None:
    async def main() -> float:
        limits = Limits(concurrency=4, tokens_per_minute=tokens_per_minute)
        sender, _ = new_sender({"up": _says()}, limits, dialects=TINY)
        permit = sender.try_admit(new_work(body=LETTERS, cost=None))
        assert permit is not None
        permit.gate.leave(permit)
        return permit.cost

    assert in_virtual_time(main()) == cost


# ----------------------------------------------------------------------------- accounts


class _Signed(FakeOnline):
    """Signs bodies."""

    async def request(self, body: bytes) -> Request:
        plain = await super().request(body)
        return Request(plain.url, {"signature": f"{sum(body)}"}, plain.body)


class _HeaderNotes(OpenAINotes):
    """Notes of an account that names its errors in a header."""

    def refusal(self, answer: Answer, read: Refused) -> Refused:
        busy = answer.header("x-error") == "Busy"
        return msgspec.structs.replace(read, status=429, kind="Busy") if busy else read


class _CountingNotes(OpenAINotes):
    """Notes of an account that counts tokens in a header."""

    def counted(self, answer: Answer, read: Result) -> Result:
        tokens = int(answer.header("x-tokens") or 0)
        return with_usage(read, Usage(input_tokens=tokens)) if tokens else read


class _Counts(FakeOnline):
    """Reads them there."""

    def __init__(self, url: str, dialect: Dialect) -> None:
        super().__init__(url, dialect)
        self.notes = _CountingNotes()


class _NamesErrors(FakeOnline):
    """Reads them there."""

    def __init__(self, url: str, dialect: Dialect) -> None:
        super().__init__(url, dialect)
        self.notes = _HeaderNotes()


class _Counted(FakeAccount):
    """Counts how often it is asked for a kind of call."""

    def __init__(self, make: Callable[[str, TinyDialect], Online]) -> None:
        super().__init__("up")
        self._make = make
        self.calls: list[Call] = []

    def online(self, call: Call) -> Online:
        self.calls.append(call)
        query = call.overrides.azure_api_version or ""
        return self._make(f"http://up{call.endpoint}{query}", TinyDialect(call))


class _Signatures(FakeTransport):
    """Notes what requests were signed with."""

    def __init__(self) -> None:
        super().__init__({"up": _says()})
        self.signed: list[tuple[str, str]] = []

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> Drawn:
        self.signed.append((headers["signature"], f"{sum(body)}"))
        return await super().post(url, headers, body, timeout=timeout)


def test_an_account_is_asked_once_for_each_kind_of_call_and_signs_each_body() -> None:
    async def main() -> tuple[list[Call], int]:
        account, transport = _Counted(_Signed), _Signatures()
        sender = Sender(
            accounts={"up": account},
            limits={"up": Limits(concurrency=4)},
            transport=transport,
            clock=VirtualClock(),
            draw=lambda: 0.5,
        )
        overrides = NO_OVERRIDES, Overrides(azure_api_version="?v=2"), Overrides()
        for line in range(12):
            work = new_work(line, body=LETTERS)
            work.overrides = overrides[line % 3]
            work.targets = (Target(provider="up", model=f"m{line % 2}"),)
            assert isinstance(await _send(sender, work), Answered)
        assert all(signature == over for signature, over in transport.signed)
        return account.calls, len(transport.signed)

    calls, signed = in_virtual_time(main())
    endpoint = "/v1/chat/completions"
    assert signed == 36
    assert len(calls) == 6
    assert {(call.endpoint, call.model, call.overrides.azure_api_version) for call in calls} == {
        (endpoint, model, query) for model in ("m0", "m1") for query in (None, "?v=2")
    }


@pytest.mark.parametrize(
    ("headers", "status", "sent"), [({"x-error": "Busy"}, 200, 2), ({}, 400, 1)]
)
def test_what_a_header_says_of_an_error_counts(
    headers: Mapping[str, str], status: int, sent: int
) -> None:
    async def main() -> tuple[Outcome, int]:
        transport = FakeTransport({"up": _says({"a": [FakeAnswer(400, b"{}", headers)]})})
        sender = Sender(
            accounts={"up": _Counted(_NamesErrors)},
            limits={"up": Limits(concurrency=4, max_attempts=8)},
            transport=transport,
            clock=VirtualClock(),
            draw=lambda: 0.5,
        )
        work = new_work(body=b'{"model":"m","input":["a"]}')
        return await _send(sender, work), len(transport.sent)

    outcome, requests = in_virtual_time(main())
    assert isinstance(outcome, Answered)
    assert (outcome.status, requests) == (status, sent)


@pytest.mark.parametrize(("paid", "tokens"), [({"paid": 2}, 6), ({}, 15)])
def test_an_account_may_count_tokens_in_headers(paid: dict[str, int], tokens: int) -> None:
    """Of each of a line's requests, where its body does not."""

    async def upstream(url: str, body: bytes) -> FakeAnswer:
        said = json.dumps({"said": json.loads(body)["say"], **paid}).encode()
        return FakeAnswer(200, said, {"x-tokens": "5"})

    async def main() -> Outcome:
        sender = Sender(
            accounts={"up": _Counted(_Counts)},
            limits={"up": Limits(concurrency=4)},
            transport=FakeTransport({"up": upstream}),
            clock=VirtualClock(),
            draw=lambda: 0.5,
        )
        return await _send(sender, new_work(body=LETTERS))

    outcome = in_virtual_time(main())
    assert isinstance(outcome, Answered)
    assert outcome.usage == Usage(input_tokens=tokens)


class _Keyed(FakeOnline):
    """Sends its key, and the token of its session."""

    async def request(self, body: bytes) -> Request:
        plain = await super().request(body)
        headers = {"Authorization": "Bearer sk-of-ours", "x-amz-security-token": "token-of-ours"}
        return Request(plain.url, headers, plain.body)


def test_no_credential_that_an_error_repeats_is_in_an_answer() -> None:
    said = FakeAnswer(400, b'{"oops":"sk-of-ours and token-of-ours"}')

    async def main() -> Outcome:
        sender = Sender(
            accounts={"up": _Counted(_Keyed)},
            limits={"up": Limits(concurrency=4, max_attempts=8)},
            transport=FakeTransport({"up": _says({"a": [said]})}),
            clock=VirtualClock(),
            draw=lambda: 0.5,
        )
        return await _send(sender, new_work(body=b'{"model":"m","input":["a"]}'))

    outcome = in_virtual_time(main())
    assert isinstance(outcome, Answered)
    assert json.loads(outcome.body)["error"]["message"] == "*** and ***"


def test_overrides_that_clients_make_up_are_not_kept_without_end() -> None:
    async def main() -> int:
        sender, _ = new_sender({"up": _says(seconds=0.0)}, dialects=TINY)
        for version in range(500):
            work = new_work(version, body=LETTERS)
            work.overrides = Overrides(azure_api_version=f"?v={version}")
            await _send(sender, work)
        permit = await sender.admit(new_work())
        permit.gate.leave(permit)
        return len(permit.gate.online)

    assert in_virtual_time(main()) <= 64
