"""What a first answer says of its account, over real sockets where nothing answers."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.journeys.cli_upstream import Reply, refused, said, upstream

from batchway.bootstrap.accounts import close_accounts, open_accounts
from batchway.bootstrap.first_answer import FirstAnswers
from batchway.bootstrap.parts import SystemClock
from batchway.domain.call import Call
from batchway.ports import Failure
from batchway.settings import load

KEY = "sk-do-not-show-this"
ENDPOINT = "/v1/chat/completions"
BODY = b'{"model":"m","messages":[]}'


class Drawn:
    """A reply as `ports.Answer`."""

    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.body = reply.body
        self._headers: Mapping[str, str] = reply.headers

    def header(self, name: str) -> str | None:
        """First value of a header."""
        return self._headers.get(name)


def accounts(base_url: str, *, from_flags: bool = True) -> FirstAnswers:
    provider = {"name": "endpoint", "type": "openai-compatible", "base_url": base_url}
    settings = load(None, {"providers": [provider]}, {}, Path("/nowhere"))
    return FirstAnswers(
        settings,
        accounts=open_accounts(settings, clock=SystemClock()),
        endpoint=ENDPOINT,
        from_flags=from_flags,
    )


async def judged(base_url: str, drawn: Drawn | Failure) -> str | None:
    url = f"{base_url}/chat/completions"
    return await accounts(base_url).judge(url, {"authorization": f"Bearer {KEY}"}, BODY, drawn)


@pytest.mark.parametrize(
    ("reply", "err"),
    [
        (
            refused(401, "invalid_api_key", f"Incorrect API key provided: {KEY}."),
            "The provider 'endpoint' ({host}) refuses the key (401, invalid_api_key). Name the "
            "variable that holds its key with --api-key-env.",
        ),
        (
            Reply(status=403, body=b"Forbidden"),
            "The provider 'endpoint' ({host}) refuses the key (403). Name the variable that holds "
            "its key with --api-key-env.",
        ),
        (
            refused(402),
            "The provider 'endpoint' ({host}) has no credit left for this account (402, "
            "invalid_request_error). Add credit there, or use another provider.",
        ),
        (
            refused(429, "insufficient_quota"),
            "The provider 'endpoint' ({host}) has no credit left for this account (429, "
            "insufficient_quota). Add credit there, or use another provider.",
        ),
        (
            refused(400, "insufficient_credits"),
            "The provider 'endpoint' ({host}) has no credit left for this account (400, "
            "insufficient_credits). Add credit there, or use another provider.",
        ),
        (
            refused(400, "account_deactivated"),
            "The provider 'endpoint' ({host}) refuses this account (400, account_deactivated): see "
            "to its key and its billing there, or use another provider.",
        ),
        (
            refused(404, "model_not_found", "The model `m` does not exist."),
            "The provider 'endpoint' ({host}) has no model 'm' (404, model_not_found). It has: "
            "qwen3-8b. Name one that it has with --model, or in the lines.",
        ),
        (
            # As vLLM says it, without an `error` around it.
            Reply(
                status=404,
                body=b'{"object":"error","message":"The model `m` does not exist.",'
                b'"type":"NotFoundError","param":null,"code":404}',
            ),
            "The provider 'endpoint' ({host}) has no model 'm' (404, NotFoundError). It has: "
            "qwen3-8b. Name one that it has with --model, or in the lines.",
        ),
        (
            Reply(status=404, body=b'{"detail":"Not Found"}'),
            "The provider 'endpoint' ({host}) has nothing at /v1/chat/completions (404). Check "
            "--base-url. It is what comes before /chat/completions, and mostly ends in /v1.",
        ),
        (
            Reply(status=308, headers={"location": "https://gpu.example/v2/chat/completions"}),
            "The provider 'endpoint' ({host}) sends requests on to https://gpu.example/v2 (308), "
            "which Batchway does not follow. Set --base-url to that address.",
        ),
        (
            Reply(body=b"<html>Welcome</html>"),
            "The provider 'endpoint' ({host}) answers 200 with something that is no JSON object, "
            "so it is no OpenAI-compatible API. Check --base-url.",
        ),
    ],
    ids=[
        "401",
        "403",
        "402",
        "quota",
        "credits",
        "closed",
        "model",
        "vllm",
        "path",
        "redirect",
        "html",
    ],
)
async def test_an_answer_against_the_account(reply: Reply, err: str) -> None:
    with upstream(lambda _: reply, models=["qwen3-8b"]) as there:
        verdict = await judged(there.base_url, Drawn(reply))
    host = there.base_url.removeprefix("http://").removesuffix("/v1")
    assert verdict == err.format(host=host)


@pytest.mark.parametrize(
    "drawn",
    [
        Drawn(said()),
        Drawn(refused(400, "context_length_exceeded")),
        Drawn(refused(429, "rate_limit_exceeded")),
        Drawn(Reply(status=503, body=b"Loading the model.")),
        Failure.TIMEOUT,
        Failure.INTERRUPTED,
    ],
)
async def test_an_answer_about_a_line_or_that_passes(drawn: Drawn | Failure) -> None:
    assert await judged("http://127.0.0.1:9/v1", drawn) is None


@pytest.mark.parametrize(
    ("base_url", "err"),
    [
        (
            "http://127.0.0.1:9/v1",
            "The provider 'endpoint' (127.0.0.1:9) cannot be reached: nothing listens on port 9 "
            "(connection refused). Check --base-url.",
        ),
        (
            "http://no-such-host.invalid/v1",
            "The provider 'endpoint' (no-such-host.invalid) cannot be reached: there is no host "
            "named no-such-host.invalid. Check --base-url.",
        ),
    ],
)
async def test_an_address_that_cannot_be_reached(base_url: str, err: str) -> None:
    assert await judged(base_url, Failure.UNREACHABLE) == err


async def test_whose_a_signed_request_is_at_an_address_of_two_accounts() -> None:
    """Signatures are of one request each: the key that made them tells."""
    shared = {"type": "aws-bedrock", "region": "us-east-1", "secret_access_key": "s"}
    entries = [
        {"name": "one", "access_key_id": "AKIAONE", **shared},
        {"name": "two", "access_key_id": "AKIATWO", **shared},
        {"name": "session", "access_key_id": "AKIATWO", "session_token": "t", **shared},
        {"name": "key", "api_key": "bedrock-key", "type": "aws-bedrock", "region": "us-east-1"},
    ]
    settings = load(None, {"providers": entries}, {}, Path("/nowhere"))
    opened = open_accounts(settings, clock=SystemClock())
    answers = FirstAnswers(settings, accounts=opened, endpoint=ENDPOINT, from_flags=False)
    call = Call(ENDPOINT, "amazon.nova-lite-v1:0")
    for name in ("two", "session", "one", "key"):
        online = opened[name].online(call)
        assert online is not None
        sent = await online.request(BODY)
        verdict = await answers.judge(
            sent.url, sent.headers, BODY, Drawn(Reply(status=403, body=b"{}"))
        )
        assert verdict is not None
        assert verdict.startswith(f"The provider '{name}' ")
    await close_accounts(opened.values())


async def test_http_instead_of_https() -> None:
    with upstream(lambda _: said()) as there:
        base_url = there.base_url.replace("http:", "https:")
        verdict = await judged(base_url, Failure.UNREACHABLE)
    assert verdict is not None
    assert verdict.endswith(
        "cannot be reached: it does not speak TLS; perhaps http:// instead of https://. "
        "Check --base-url."
    )
