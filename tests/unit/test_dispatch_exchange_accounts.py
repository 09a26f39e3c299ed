"""What an account adds to its exchanges: signatures, and what its headers say of answers."""

import json
from collections.abc import Callable, Mapping

import msgspec
import pytest
from tests.tiny_dialect import TinyDialect
from tests.unit.dispatch_world import (
    FakeAccount,
    FakeAnswer,
    FakeOnline,
    FakeTransport,
    VirtualClock,
    in_virtual_time,
    new_sender,
    new_work,
)
from tests.unit.exchange_world import LETTERS, TINY, Drawn, saying, send

from batchway.dialects.answers.usage import with_usage
from batchway.dialects.openai.notes import OpenAINotes
from batchway.dispatch.limits import Limits
from batchway.dispatch.sender import Answered, Outcome, Sender
from batchway.domain.batch import Usage
from batchway.domain.call import Call
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.routing import Target
from batchway.ports import Answer, Dialect, Online, Refused, Request, Result


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
        super().__init__({"up": saying()})
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
            assert isinstance(await send(sender, work), Answered)
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
        transport = FakeTransport({"up": saying({"a": [FakeAnswer(400, b"{}", headers)]})})
        sender = Sender(
            accounts={"up": _Counted(_NamesErrors)},
            limits={"up": Limits(concurrency=4, max_attempts=8)},
            transport=transport,
            clock=VirtualClock(),
            draw=lambda: 0.5,
        )
        work = new_work(body=b'{"model":"m","input":["a"]}')
        return await send(sender, work), len(transport.sent)

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
        return await send(sender, new_work(body=LETTERS))

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
            transport=FakeTransport({"up": saying({"a": [said]})}),
            clock=VirtualClock(),
            draw=lambda: 0.5,
        )
        return await send(sender, new_work(body=b'{"model":"m","input":["a"]}'))

    outcome = in_virtual_time(main())
    assert isinstance(outcome, Answered)
    assert json.loads(outcome.body)["error"]["message"] == "*** and ***"


def test_overrides_that_clients_make_up_are_not_kept_without_end() -> None:
    async def main() -> int:
        sender, _ = new_sender({"up": saying(seconds=0.0)}, dialects=TINY)
        for version in range(500):
            work = new_work(version, body=LETTERS)
            work.overrides = Overrides(azure_api_version=f"?v={version}")
            await send(sender, work)
        permit = await sender.admit(new_work())
        permit.gate.leave(permit)
        return len(permit.gate.online)

    assert in_virtual_time(main()) <= 64
