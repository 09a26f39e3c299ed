"""The account of AWS Bedrock calls what the official SDKs call: boto3, and Anthropic's."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any

import boto3
import pytest
from anthropic.lib.bedrock import AnthropicBedrock
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from tests.contract.test_providers import Echo
from tests.unit.fakes import FakeClock

from batchway.domain.call import Call
from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.aws.account import BedrockAccount
from batchway.providers.aws.credentials import Keys
from batchway.providers.aws.place import Place
from batchway.providers.aws.signing import Authorization, BearerKey, Signatures
from batchway.providers.http.transport import HttpTransport

REGION = "eu-central-1"
KEYS = Keys(access_key="AKIDEXAMPLE", secret="s3cret", token="session")
CHAT, EMBEDDINGS, RESPONSES = "/v1/chat/completions", "/v1/embeddings", "/v1/responses"
CLAUDE = "anthropic.claude-3-5-sonnet-20241022-v2:0"
PROFILE = f"arn:aws:bedrock:{REGION}:123456789012:inference-profile/eu.{CLAUDE}"
BODY = b'{"messages":[]}'


class KnownKeys:
    """`providers.aws.credentials.Credentials`: always the same ones, or none at all."""

    def __init__(self, keys: Keys | None = KEYS) -> None:
        self._keys = keys

    async def current(self) -> Keys:
        return self.wait()

    def wait(self) -> Keys:
        if self._keys is None:
            raise RemoteError(Trouble.DENIED, "no keys")
        return self._keys

    def doubt(self) -> None: ...


@pytest.fixture
async def echo() -> AsyncGenerator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    echo.origin = f"http://{host}:{port}"
    yield echo
    server.close()


def _account(origin: str | None, authorization: Authorization | None = None) -> BedrockAccount:
    return BedrockAccount(
        name="p",
        place=Place(region=REGION, runtime_url=origin, base_url=origin),
        authorization=authorization
        or Signatures(credentials=KnownKeys(), region=REGION, clock=FakeClock()),
    )


Ask = Callable[[str, str], object]


def _client(service: str, origin: str) -> Any:
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=origin,
        aws_access_key_id=KEYS.access_key,
        aws_secret_access_key=KEYS.secret,
        aws_session_token=KEYS.token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def _invoked(origin: str, model: str) -> object:
    return _client("bedrock-runtime", origin).invoke_model(modelId=model, body=BODY)


def _anthropic(origin: str, model: str) -> object:
    sdk = AnthropicBedrock(
        base_url=origin,
        aws_region=REGION,
        aws_access_key=KEYS.access_key,
        aws_secret_key=KEYS.secret,
        aws_session_token=KEYS.token,
        max_retries=0,
    )
    with sdk:
        return sdk.messages.create(
            model=model, max_tokens=9, messages=[{"role": "user", "content": "hi"}]
        )


@pytest.mark.parametrize("model", [CLAUDE, f"eu.{CLAUDE}", PROFILE])
async def test_the_address_is_the_one_that_boto3_calls(echo: Echo, model: str) -> None:
    with suppress(ClientError, BotoCoreError):
        await asyncio.to_thread(_invoked, echo.origin, model)
    path, theirs = echo.requests.pop()
    online = _account(echo.origin).online(Call(CHAT, model))
    assert online is not None
    request = await online.request(BODY)
    assert request.url == echo.origin + path
    transport = HttpTransport()
    await transport.post(request.url, request.headers, request.body, timeout=5)
    await transport.close()
    sent, ours = echo.requests.pop()
    assert sent == path
    scope = theirs["authorization"].split(",")[0].split("/", 2)[2]
    assert ours["authorization"].split(",")[0].split("/", 2)[2] == scope
    assert ours["x-amz-security-token"] == theirs["x-amz-security-token"]


async def test_what_anthropics_sdk_calls_is_the_same_model(echo: Echo) -> None:
    with suppress(Exception):
        await asyncio.to_thread(_anthropic, echo.origin, f"eu.{CLAUDE}")
    path, _ = echo.requests.pop()
    online = _account(echo.origin).online(Call(CHAT, f"eu.{CLAUDE}"))
    assert online is not None
    # It writes the colon as it is, and signs that.
    assert (await online.request(BODY)).url == echo.origin + path.replace(":", "%3A")


async def test_health_is_two_lists_that_boto3_knows(echo: Echo) -> None:
    def lists() -> None:
        for service, method in (
            ("bedrock-runtime", "list_async_invokes"),
            ("bedrock", "list_model_invocation_jobs"),
        ):
            with suppress(ClientError, BotoCoreError):
                getattr(_client(service, echo.origin), method)(maxResults=1)

    await asyncio.to_thread(lists)
    looks = await _account(echo.origin).health("m")
    assert [look.url for look in looks] == [echo.origin + path for path, _ in echo.requests]
    assert all("Signature=" in look.headers["authorization"] for look in looks)


async def test_a_bedrock_api_key_is_a_bearer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-x")
    seen: list[Any] = []

    def keep(request: Any, **_: object) -> None:
        # boto3 sends such a key over TLS alone: caught before it is sent.
        seen.append(request)
        raise HTTPClientError(error="caught")

    once = Config(retries={"total_max_attempts": 1})
    client: Any = boto3.client("bedrock-runtime", region_name=REGION, config=once)
    client.meta.events.register("before-send.*.*", keep)
    with suppress(ClientError, BotoCoreError):
        client.invoke_model(modelId=CLAUDE, body=BODY)
    bearer = BearerKey(provider="p", api_key="bedrock-api-key-x")
    online = _account(None, bearer).online(Call(CHAT, CLAUDE))
    assert online is not None
    request = await online.request(BODY)
    assert request.url == seen[0].url
    assert request.headers["authorization"] == seen[0].headers["Authorization"].decode()


async def test_without_keys_a_request_is_made_all_the_same() -> None:
    none = Signatures(credentials=KnownKeys(None), region=REGION, clock=FakeClock())
    online = _account("http://x", none).online(Call(CHAT, CLAUDE))
    assert online is not None
    assert (await online.request(b"{}")).headers == {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("endpoint", "model"),
    [
        ("/v1/completions", CLAUDE),
        ("/v1/moderations", CLAUDE),
        (EMBEDDINGS, CLAUDE),
        (CHAT, "amazon.titan-embed-text-v2:0"),
        (CHAT, f"arn:aws:bedrock:{REGION}:123456789012:custom-model/{CLAUDE}/abcdefghijkl"),
    ],
)
def test_what_a_model_does_not_do(endpoint: str, model: str) -> None:
    assert _account(None).online(Call(endpoint, model)) is None


def test_a_model_of_another_region_is_not_called() -> None:
    with pytest.raises(ValueError, match="another region"):
        _account(None).online(Call(CHAT, PROFILE.replace(f":{REGION}:", ":us-east-1:")))
