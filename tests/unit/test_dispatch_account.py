"""Account or line: who is to blame, in virtual time and with default limits.

An account's bad hour costs no line its result; a line that is bad by itself holds nobody up.
"""

import asyncio
import logging
import random
import re
from collections.abc import Callable, Collection

import pytest
from tests.unit.dispatch_world import (
    EPOCH,
    FakeAnswer,
    FakeTransport,
    Upstream,
    in_virtual_time,
    new_caller,
    new_sender,
    new_work,
)

from batchway.dispatch.limits import Limits
from batchway.dispatch.sender import Answered, Outcome, Sender, Unanswered, Work
from batchway.domain.reason import text_of
from batchway.ports import Failure

Drawn = FakeAnswer | Failure
GOOD = FakeAnswer(200, b'{"usage":{"prompt_tokens":1,"completion_tokens":1}}')
BAD_KEY = FakeAnswer(401, b'{"error":{"code":"invalid_api_key","message":"Incorrect API key"}}')
NO_CREDIT = FakeAnswer(402, b'{"error":{"code":402,"message":"Insufficient credits"}}')
NO_QUOTA = FakeAnswer(429, b'{"error":{"code":"insufficient_quota","message":"quota"}}')
FORBIDDEN = FakeAnswer(403, b'{"error":{"message":"no"}}')
UNKNOWN = FakeAnswer(404, b'{"error":{"code":"model_not_found","message":"no such model"}}')
TOO_FAST = FakeAnswer(429, b'{"error":{"message":"slow down"}}')
BROKEN = FakeAnswer(500, b'{"error":{"message":"oops"}}')
MOVED = FakeAnswer(
    308, headers={"location": "https://user:pw@api.example.com/v1/chat/completions?token=secret"}
)
LIMITS = Limits(concurrency=16)
CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _line(number: int, *targets: str, endpoint: str = CHAT, batch_id: str = "b") -> Work:
    work = new_work(
        number,
        *targets,
        caller=new_caller(batch_id=batch_id, deadline=EPOCH + 86_400),
        body=b'{"model":"m","n":"<%d>"}' % number,
    )
    work.endpoint = endpoint
    return work


def _number(body: bytes) -> int:
    return int(body.split(b"<")[1].split(b">")[0])


def _with_bad(
    bad: Collection[int], answer: Drawn, *, look: Drawn = GOOD, seconds: float = 0.5
) -> Upstream:
    """An upstream that gives some lines always the same answer, and all others a good one."""

    async def upstream(_url: str, body: bytes) -> Drawn:
        if not body:
            return look
        await asyncio.sleep(seconds)
        return answer if _number(body) in bad else GOOD

    return upstream


def _between(
    start: float, end: float, answer: Drawn, *, look: Drawn | None = None, seconds: float = 0.5
) -> Upstream:
    """An upstream that is in trouble for a while; `look` is what its health says then."""

    async def upstream(_url: str, body: bytes) -> Drawn:
        if body and not start <= _now() < end:
            await asyncio.sleep(seconds)
        in_trouble = start <= _now() < end
        if not body:
            return (look or answer) if in_trouble else GOOD
        return answer if in_trouble else GOOD

    return upstream


async def _send(sender: Sender, work: Work) -> tuple[Outcome, float]:
    permit = sender.try_admit(work) or await sender.admit(work)
    return await sender.run(work, permit), _now()


async def _send_all(sender: Sender, works: list[Work]) -> list[tuple[Outcome, float]]:
    return list(await asyncio.gather(*(_send(sender, work) for work in works)))


def _status(outcome: Outcome) -> int | str:
    return outcome.status if isinstance(outcome, Answered) else outcome.code


def _sender(**upstreams: Upstream) -> tuple[Sender, FakeTransport]:
    return new_sender(upstreams, LIMITS, draw=random.Random(7).random)


# ----------------------------------------------------------------------------- the account


@pytest.mark.parametrize("answer", [BAD_KEY, NO_CREDIT, NO_QUOTA, FORBIDDEN, UNKNOWN])
@pytest.mark.parametrize("lines", [1, 2, 300])
def test_an_hour_without_an_account_costs_no_line(answer: FakeAnswer, lines: int) -> None:
    async def main() -> tuple[set[int | str], float, int]:
        sender, transport = _sender(up=_between(1.0, 3601.0, answer, look=answer))
        await asyncio.sleep(0 if lines > 2 else 2.0)  # a few lines meet it from their start
        outcomes = await _send_all(sender, [_line(n) for n in range(lines)])
        probes = sum(200 < at < 3600 for at, _, _ in transport.sent)
        return {_status(outcome) for outcome, _ in outcomes}, outcomes[-1][1], probes

    statuses, ended, probes = in_virtual_time(main())
    assert statuses == {200}
    assert ended < 3601 + 60 + 60
    assert probes <= 58  # once a minute


@pytest.mark.parametrize("answer", [BAD_KEY, NO_CREDIT, NO_QUOTA, FORBIDDEN, UNKNOWN])
def test_a_line_goes_to_the_next_target_at_once_and_comes_back(answer: FakeAnswer) -> None:
    async def main() -> tuple[list[int | str], float, float]:
        sender, _ = _sender(up=_between(0.0, 600.0, answer), next=_between(300.0, 3000.0, BAD_KEY))
        one, at = await _send(sender, _line(0, "up", "next"))
        await asyncio.sleep(300.0)
        other, ended = await _send(sender, _line(1, "up", "next"))
        return [_status(one), _status(other)], at, ended

    statuses, at, ended = in_virtual_time(main())
    assert statuses == [200, 200]
    assert at <= 1.0
    assert ended < 600 + 70


@pytest.mark.parametrize("answer", [FORBIDDEN, UNKNOWN])
def test_lines_that_are_denied_among_others_end_with_their_denial(answer: FakeAnswer) -> None:
    async def main() -> list[tuple[Outcome, float]]:
        sender, _ = _sender(up=_with_bad(range(20, 24), answer))
        return await _send_all(sender, [_line(n) for n in range(400)])

    outcomes = in_virtual_time(main())
    assert [_status(o) for o, _ in outcomes[20:24]] == [answer.status] * 4
    assert {_status(o) for o, _ in outcomes[:20] + outcomes[24:]} == {200}
    assert max(at for _, at in outcomes[20:24]) < 16


@pytest.mark.parametrize("answer", [FORBIDDEN, UNKNOWN])
def test_the_last_few_lines_are_denied_by_themselves_where_the_key_is_good(
    answer: FakeAnswer,
) -> None:
    async def main() -> list[tuple[Outcome, float]]:
        sender, _ = _sender(up=_with_bad(range(196, 200), answer))
        return await _send_all(sender, [_line(n) for n in range(200)])

    outcomes = in_virtual_time(main())
    assert [_status(o) for o, _ in outcomes[196:]] == [answer.status] * 4
    last_good = max(at for _, at in outcomes[:196])
    # A denial may be the account's for all one knows: they are asked again for a while.
    assert 2 < max(at for _, at in outcomes) - last_good < 100


@pytest.mark.parametrize(("answer", "least", "most"), [(FORBIDDEN, 60, 120), (UNKNOWN, 20, 60)])
def test_a_line_that_is_sent_when_all_others_are_done_takes_a_little_longer(
    answer: FakeAnswer, least: float, most: float
) -> None:
    async def main() -> tuple[int | str, float]:
        sender, _ = _sender(up=_with_bad([9], answer))
        await _send_all(sender, [_line(n) for n in range(9)])
        await asyncio.sleep(2.0)
        began = _now()
        outcome, ended = await _send(sender, _line(9))
        return _status(outcome), ended - began

    status, seconds = in_virtual_time(main())
    assert status == answer.status
    assert least <= seconds < most


def test_a_revoked_key_is_never_taken_for_the_fault_of_the_last_lines() -> None:
    async def main() -> tuple[set[int | str], float]:
        # The list of models is public there: it proves nothing about 401.
        sender, _ = _sender(up=_between(6.2, 1800.0, BAD_KEY, look=GOOD))
        outcomes = await _send_all(sender, [_line(n) for n in range(200)])
        return {_status(o) for o, _ in outcomes}, max(at for _, at in outcomes)

    statuses, ended = in_virtual_time(main())
    assert statuses == {200}
    assert ended < 1800 + 70


def test_answers_to_requests_from_before_do_not_open_a_denied_target() -> None:
    async def upstream(_url: str, body: bytes) -> Drawn:
        if not body or 10 <= _now() < 100:
            return BAD_KEY
        await asyncio.sleep(5.0 + _number(body) % 40)  # long answers, whenever they were asked for
        return GOOD

    async def main() -> tuple[set[int | str], int]:
        sender, transport = _sender(up=upstream)
        outcomes = await _send_all(sender, [_line(n) for n in range(60)])
        return {_status(o) for o, _ in outcomes}, sum(20 < at < 100 for at, _, _ in transport.sent)

    statuses, sent = in_virtual_time(main())
    assert statuses == {200}
    assert sent < 8


# ----------------------------------------------------------------------------- bad lines


@pytest.mark.parametrize(
    "answer", [BROKEN, FakeAnswer(200, b"no JSON"), Failure.INTERRUPTED, FakeAnswer(408)]
)
@pytest.mark.parametrize("bad", [1, 4])
def test_a_few_bad_lines_end_within_two_minutes_of_the_last_good_one(
    answer: Drawn, bad: int
) -> None:
    async def main() -> tuple[list[int | str], float]:
        sender, _ = _sender(up=_with_bad(range(1000 - bad, 1000), answer))
        outcomes = await _send_all(sender, [_line(n) for n in range(1000)])
        good, rest = outcomes[:-bad], outcomes[-bad:]
        assert {_status(o) for o, _ in good} == {200}
        ended = max(at for _, at in rest) - max(at for _, at in good)
        return [_status(o) for o, _ in rest], ended

    statuses, seconds = in_virtual_time(main())
    assert 200 not in statuses
    assert seconds < 120


@pytest.mark.parametrize(("answered", "end"), [(996, True), (0, False)])
def test_lines_left_over_by_an_earlier_life_or_a_job_end_too(answered: int, end: bool) -> None:
    """Without any sign of life it may be the target that is wrong."""

    async def main() -> bool:
        sender, _ = _sender(up=_with_bad(range(4), FakeAnswer(200, b"no JSON")))
        sender.vouch(_line(0), answered=answered)
        sending = asyncio.ensure_future(_send_all(sender, [_line(n) for n in range(4)]))
        await asyncio.wait({sending}, timeout=120)
        ended = sending.done()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        return ended

    assert in_virtual_time(main()) is end


def test_after_a_line_that_is_denied_by_itself_nobody_waits() -> None:
    async def main() -> tuple[int | str, float]:
        sender, _ = _sender(up=_with_bad([9], UNKNOWN))
        ended = max(at for _, at in await _send_all(sender, [_line(n) for n in range(10)]))
        outcome, at = await _send(sender, _line(10))
        return _status(outcome), at - ended

    status, seconds = in_virtual_time(main())
    assert status == 200
    assert seconds < 2


@pytest.mark.parametrize("look", [FakeAnswer(500), FakeAnswer(501), FakeAnswer(404)])
def test_a_few_bad_lines_end_where_the_server_has_no_health(look: FakeAnswer) -> None:
    async def main() -> float:
        sender, _ = _sender(up=_with_bad(range(996, 1000), BROKEN, look=look))
        outcomes = await _send_all(sender, [_line(n) for n in range(1000)])
        assert {_status(o) for o, _ in outcomes[996:]} == {500}
        return max(at for _, at in outcomes[996:]) - max(at for _, at in outcomes[:996])

    assert in_virtual_time(main()) < 120


@pytest.mark.parametrize("bad", [1, 4])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_few_lines_that_always_come_too_fast_end_too(bad: int, wrapped: bool) -> None:
    answer = FakeAnswer(200, b'{"error":{"code":429,"message":"m"}}') if wrapped else TOO_FAST

    async def main() -> float:
        sender, _ = _sender(up=_with_bad(range(bad), answer))
        outcomes = await _send_all(sender, [_line(n) for n in range(60)])
        assert {_status(o) for o, _ in outcomes[:bad]} == {429}
        assert {_status(o) for o, _ in outcomes[bad:]} == {200}
        return max(at for _, at in outcomes)

    assert 90 < in_virtual_time(main()) < 130


@pytest.mark.parametrize("lines", [3, 60])
def test_an_hour_of_too_fast_is_nobody_s_fault(lines: int) -> None:
    async def main() -> set[int | str]:
        sender, _ = _sender(up=_between(1.2, 3600.0, TOO_FAST, look=GOOD))
        return {_status(o) for o, _ in await _send_all(sender, [_line(n) for n in range(lines)])}

    assert in_virtual_time(main()) == {200}


def test_a_few_lines_that_the_server_calls_unavailable_end_too() -> None:
    async def main() -> float:
        sender, _ = _sender(up=_with_bad(range(96, 100), FakeAnswer(503)))
        return max(at for _, at in await _send_all(sender, [_line(n) for n in range(100)]))

    assert 300 < in_virtual_time(main()) < 900


@pytest.mark.parametrize("lines", [3, 20, 300])
def test_the_same_500_to_every_line_is_the_target_s_answer(lines: int) -> None:
    async def main() -> tuple[set[int | str], float, list[str | None]]:
        sender, transport = _sender(up=_with_bad(range(lines), BROKEN, seconds=0.05))
        sending = asyncio.ensure_future(_send_all(sender, [_line(n) for n in range(lines)]))
        said: list[str | None] = []
        while not sending.done():
            await asyncio.sleep(0.25)
            said.append(text_of(sender.obstacles("b")))
        outcomes = await sending
        assert len(transport.sent) < 5 * lines + 20
        return {_status(o) for o, _ in outcomes}, max(at for _, at in outcomes), said

    statuses, ended, said = in_virtual_time(main())
    assert statuses == {500}
    assert ended < 120
    if lines == 300:  # the others end between two looks
        assert any("is taken for its answer" in sentence for sentence in said if sentence)


@pytest.mark.parametrize("look", [GOOD, FakeAnswer(404), FakeAnswer(500)])
def test_a_minute_of_500s_costs_no_line_where_others_were_answered(look: FakeAnswer) -> None:
    async def main() -> set[int | str]:
        sender, _ = _sender(up=_between(2.0, 62.0, BROKEN, look=look))
        return {_status(o) for o, _ in await _send_all(sender, [_line(n) for n in range(300)])}

    assert in_virtual_time(main()) == {200}


def test_a_success_ends_a_verdict_and_an_outage_is_never_one() -> None:
    """500 for a while to everybody, and then an engine that is well."""

    async def main() -> tuple[int, set[int | str]]:
        sender, _ = _sender(up=_between(0.0, 70.0, BROKEN, look=GOOD))
        first = await _send_all(sender, [_line(n) for n in range(10)])
        await asyncio.sleep(max(0.0, 71.0 - _now()))
        later = await _send_all(sender, [_line(n) for n in range(10, 400)])
        return sum(_status(o) == 500 for o, _ in first), {_status(o) for o, _ in later}

    assert in_virtual_time(main()) == (10, {200})


@pytest.mark.parametrize(
    "answer", [FakeAnswer(502), FakeAnswer(503), FakeAnswer(504), FakeAnswer(529), Failure.TIMEOUT]
)
def test_what_a_proxy_says_of_a_server_behind_it_is_no_verdict(answer: Drawn) -> None:
    async def main() -> set[int | str]:
        sender, _ = _sender(up=_between(2.0, 7200.0, answer, look=GOOD))
        return {_status(o) for o, _ in await _send_all(sender, [_line(n) for n in range(300)])}

    assert in_virtual_time(main()) == {200}


def test_lines_of_one_endpoint_do_not_shut_a_target_for_those_of_another() -> None:
    async def upstream(url: str, body: bytes) -> Drawn:
        if not body:
            return GOOD
        await asyncio.sleep(0.1)
        return BROKEN if url.endswith("/embeddings") else GOOD

    async def main() -> tuple[set[int | str], float, set[int | str], float]:
        sender, _ = _sender(up=upstream)
        chats = [_line(n) for n in range(1600)]
        others = [_line(n, endpoint=EMBEDDINGS, batch_id="e") for n in range(100)]
        done = await asyncio.gather(_send_all(sender, chats), _send_all(sender, others))
        statuses = [{_status(o) for o, _ in each} for each in done]
        ends = [max(at for _, at in each) for each in done]
        return statuses[0], ends[0], statuses[1], ends[1]

    chat, chat_ended, others, others_ended = in_virtual_time(main())
    assert (chat, others) == ({200}, {500})
    assert chat_ended < 1.3 * 1600 / 16 * 0.1
    assert others_ended < 120


# ----------------------------------------------------------------------------- coming back


@pytest.mark.parametrize(
    "answer", [Failure.UNREACHABLE, Failure.INTERRUPTED, FakeAnswer(503), BROKEN]
)
@pytest.mark.parametrize("ended", [30.0, 333.3, 1801.5])
def test_sending_goes_on_within_five_seconds_of_an_outage_s_end(
    answer: Drawn, ended: float
) -> None:
    async def main() -> tuple[float, int]:
        sender, transport = _sender(up=_between(1.0, ended, answer))
        outcomes = await _send_all(sender, [_line(n) for n in range(100)])
        assert {_status(o) for o, _ in outcomes} == {200}
        after = [at for at, _, _ in transport.sent if at >= ended]
        busy = next(at for at, later in zip(after, after[4:], strict=False) if later - at < 1)
        return busy - ended, sum(1 < at < ended for at, _ in transport.looks)

    seconds, looks = in_virtual_time(main())
    assert seconds < 5
    assert looks <= ended / 3 + 1


def test_nobody_looks_at_a_target_without_need() -> None:
    async def main() -> tuple[int, int]:
        sender, transport = _sender(up=_between(10.0, 20.0, Failure.UNREACHABLE))
        await _send_all(sender, [_line(n) for n in range(50)])
        before = len(transport.looks)
        sending = asyncio.ensure_future(_send(sender, _line(99)))
        await asyncio.sleep(12 - _now())
        sending.cancel()  # while it is down: nobody waits for it any more
        await asyncio.gather(sending, return_exceptions=True)
        await asyncio.sleep(1000)
        return before, len(transport.looks)

    before, after = in_virtual_time(main())
    assert before == 0
    assert after <= 2


# ----------------------------------------------------------------------------- what is told


@pytest.mark.parametrize(
    ("answer", "look", "sentence"),
    [
        (
            BAD_KEY, BAD_KEY,
            "The provider 'up' has refused its credentials (401 invalid_api_key) since 2023-11-14 "
            "22:13:22 UTC: correct the api_key of 'up' in the configuration and restart, or have "
            "the key enabled again at the provider; it is tried again at least once a minute.",
        ),
        (
            NO_QUOTA, GOOD,
            "The provider 'up' has refused every request for want of credit or because the account "
            "is closed (429 insufficient_quota) since 2023-11-14 22:13:22 UTC: see to the "
            "account's billing at the provider; it is tried again at least once a minute.",
        ),
        (
            UNKNOWN, GOOD,
            "The provider 'up' has answered that there is no such thing to every request for the "
            "model 'm' (404 model_not_found) since 2023-11-14 22:13:22 UTC: check the model's "
            "name, the endpoint and the base_url of 'up'; it is tried again at least once a "
            "minute.",
        ),
        (
            MOVED, GOOD,
            "The provider 'up' has redirected every request (308) to "
            "https://api.example.com/v1/chat/completions since 2023-11-14 22:13:22 UTC: requests "
            "are not sent on; set the base_url of 'up' (Azure: its endpoint) to where it leads, "
            "without /chat/completions, and restart; it is tried again at least once a minute.",
        ),
        (
            FakeAnswer(503), FakeAnswer(503),
            "The provider 'up' has been unavailable (503) since 2023-11-14 22:13:22 UTC; it is "
            "tried again at least once a minute.",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("lines", [1, 20])
def test_a_batch_says_what_to_do_even_if_one_line_is_left(
    answer: FakeAnswer, look: FakeAnswer, sentence: str, lines: int
) -> None:
    async def main() -> list[str | None]:
        sender, _ = _sender(up=_between(2.0, 9e9, answer, look=look))
        await asyncio.sleep(2.0)
        sending = asyncio.ensure_future(_send_all(sender, [_line(n) for n in range(lines)]))
        said: list[str | None] = []
        for _ in range(300):
            await asyncio.sleep(1.0)
            said.append(text_of(sender.obstacles("b")))
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        return said[10:]

    said = in_virtual_time(main())
    # When it began depends on how many lines met it; the rest is the same all the while.
    assert {re.sub(r"22:13:\d\d", "22:13:22", str(each)) for each in said} == {sentence}


def test_one_log_line_for_each_change_of_a_target_s_state(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def upstream(_url: str, body: bytes) -> Drawn:
        for start, end, answer in (
            (5.0, 30.0, Failure.UNREACHABLE),
            (60.0, 200.0, FakeAnswer(503, b'{"error":{"code":"overloaded","message":"a secret"}}')),
            (200.0, 400.0, BAD_KEY),
            (400.0, 500.0, FakeAnswer(429, b'{"error":{"code":"rate_limit_exceeded"}}')),
            (600.0, 700.0, FakeAnswer(200, b"<html>a secret</html>")),
        ):
            if start <= _now() < end:
                return answer
        await asyncio.sleep(1.0)
        return GOOD

    async def main() -> None:
        sender, _ = _sender(up=upstream)
        for _ in range(900):
            lines = [_send(sender, _line(n)) for n in range(8)]
            await asyncio.gather(*lines)
            if _now() > 900:
                return

    with caplog.at_level(logging.INFO, logger="batchway"):
        in_virtual_time(main())
    where = "provider 'up', model 'm', /v1/chat/completions: "
    told = [message.removeprefix(where) for message in caplog.messages]
    assert [message.partition(", after")[0] for message in told] == [
        "is down (no connection: check that it runs, and its address in the configuration)",
        "answers again",
        "is down: unavailable (503 overloaded)",
        "denies every request (401 invalid_api_key)",
        "throttles every request (429 rate_limit_exceeded)",
        "answers again",
        "answers with what is not JSON (200)",
        "answers again",
    ]


# ----------------------------------------------------------------------------- for good


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (FakeAnswer(200, b"data: {}\n\n", {"content-type": "text/event-stream"}),
         "streamed_provider_response"),
        (ValueError("a secret"), "invalid_request"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "a secret"), "invalid_request"),
        (RecursionError(), "invalid_request"),
    ],
)  # fmt: skip
def test_what_can_only_happen_again_is_the_line_s_error_at_once(
    answer: FakeAnswer | Exception, code: str
) -> None:
    async def upstream(_url: str, body: bytes) -> Drawn:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def main() -> tuple[Outcome, int]:
        sender, transport = _sender(up=upstream)
        return (await _send(sender, _line(0)))[0], len(transport.sent)

    outcome, sent = in_virtual_time(main())
    assert isinstance(outcome, Unanswered)
    assert (outcome.code, sent) == (code, 1)
    assert "secret" not in outcome.message


def test_a_line_of_which_no_request_can_be_made_says_nothing_of_the_target() -> None:
    async def upstream(_url: str, body: bytes) -> Drawn:
        if body and _number(body) % 2:
            raise ValueError("unsendable")
        return BAD_KEY if _now() < 100 else GOOD

    async def main() -> tuple[set[int | str], int]:
        sender, transport = _sender(up=upstream)
        outcomes = await _send_all(sender, [_line(n) for n in range(200)])
        even = {_status(o) for o, _ in outcomes[::2]}
        return even, sum(at < 100 for at, _, body in transport.sent if not _number(body) % 2)

    statuses, sent = in_virtual_time(main())
    assert statuses == {200}
    assert sent < 40


def test_an_error_in_a_200_is_that_error() -> None:
    def within(code: str) -> FakeAnswer:
        return FakeAnswer(200, b'{"error":{"code":%b,"message":"m"},"choices":[]}' % code.encode())

    calls: dict[int, int] = {}
    script: dict[int, Callable[[int], FakeAnswer]] = {
        0: lambda _: within("429"),
        1: lambda n: within("502") if n == 1 else GOOD,
        2: lambda _: within('"context_length_exceeded"'),
        3: lambda _: within("500"),
    }

    async def upstream(_url: str, body: bytes) -> Drawn:
        if not body:
            return GOOD
        await asyncio.sleep(0.1)
        number = _number(body)
        calls[number] = calls.get(number, 0) + 1
        return script[number](calls[number]) if number in script else GOOD

    async def main() -> list[int | str]:
        sender, _ = _sender(up=upstream, next=_with_bad((), GOOD))
        lines = [_line(n, "up", "next") if n == 0 else _line(n) for n in range(200)]
        return [_status(o) for o, _ in await _send_all(sender, lines)]

    assert in_virtual_time(main())[:5] == [200, 200, 400, 500, 200]
    assert calls[0] > 3
    assert (calls[1], calls[2], calls[3]) == (2, 1, 5)
