"""The account of Vertex AI calls what the official SDKs call: google-genai, anthropic, openai."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from anthropic.lib.vertex import AsyncAnthropicVertex
from google import genai
from google.auth.credentials import AnonymousCredentials
from google.genai.types import HttpOptions
from openai import AsyncOpenAI
from tests.contract.test_providers import Echo

from batchway.domain.call import Call
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.remote import RemoteError, Trouble
from batchway.ports import Account
from batchway.providers.google.account import VertexAccount
from batchway.providers.google.place import Place
from batchway.providers.http.tokens import Token

TOKEN = "ya29.s3cret"
PROJECT, REGION = "my-project", "europe-west4"
CHAT, EMBEDDINGS, RESPONSES = "/v1/chat/completions", "/v1/embeddings", "/v1/responses"


class KnownToken:
    """`providers.google.credentials.Tokens`: always the same one, or none at all."""

    def __init__(self, value: str | None = TOKEN) -> None:
        self._value = value

    async def authorization(self) -> str:
        return f"Bearer {self.token().value}"

    def token(self) -> Token:
        if self._value is None:
            raise RemoteError(Trouble.DENIED, "no token")
        return Token(value=self._value, until=1e12)


class KnownCredentials(AnonymousCredentials):
    """As google-auth has them, good for ever."""

    def __init__(self) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType] - google-auth has no types
        self.token = TOKEN


@pytest.fixture
async def echo() -> AsyncGenerator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    echo.origin = f"http://{host}:{port}"
    yield echo
    server.close()


def _account(origin: str | None, *, token: str | None = TOKEN, region: str = REGION) -> Account:
    place = Place(project=PROJECT, region=region, base_url=origin)
    return VertexAccount(name="p", place=place, tokens=KnownToken(token))


Ask = Callable[[str], Awaitable[None]]


def _genai(origin: str) -> Any:
    client = genai.Client(
        vertexai=True,
        project=PROJECT,
        location=REGION,
        credentials=KnownCredentials(),
        http_options=HttpOptions(base_url=origin, api_version="v1"),
    )
    return client.aio.models


def _generated(model: str) -> Ask:
    async def ask(origin: str) -> None:
        await _genai(origin).generate_content(model=model, contents="a")

    return ask


def _embedded(model: str) -> Ask:
    async def ask(origin: str) -> None:
        await _genai(origin).embed_content(model=model, contents="a")

    return ask


def _claude(model: str) -> Ask:
    async def ask(origin: str) -> None:
        sdk = AsyncAnthropicVertex(
            base_url=f"{origin}/v1",
            region=REGION,
            project_id=PROJECT,
            access_token=TOKEN,
            max_retries=0,
        )
        async with sdk:
            await sdk.messages.create(
                model=model, max_tokens=9, messages=[{"role": "user", "content": "hi"}]
            )

    return ask


def _openai(call: Callable[[AsyncOpenAI], Awaitable[object]]) -> Ask:
    async def ask(origin: str) -> None:
        base = f"{origin}/v1/projects/{PROJECT}/locations/{REGION}/endpoints/openapi"
        async with AsyncOpenAI(base_url=base, api_key=TOKEN, max_retries=0) as sdk:
            await call(sdk)

    return ask


async def _chat(sdk: AsyncOpenAI) -> object:
    return await sdk.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "hi"}]
    )


async def _vectors(sdk: AsyncOpenAI) -> object:
    return await sdk.embeddings.create(model="m", input="a", encoding_format="float")


@pytest.mark.parametrize(
    ("model", "endpoint", "ask"),
    [
        ("gemini-2.5-flash", CHAT, _generated("gemini-2.5-flash")),
        ("gemini-2.5-flash", RESPONSES, _generated("gemini-2.5-flash")),
        ("endpoints/123", CHAT, _generated(f"projects/{PROJECT}/locations/{REGION}/endpoints/123")),
        ("gemini-embedding-2", EMBEDDINGS, _embedded("gemini-embedding-2")),
        ("text-embedding-005", EMBEDDINGS, _embedded("text-embedding-005")),
        ("claude-opus-4@20250514", CHAT, _claude("claude-opus-4@20250514")),
        ("meta/llama-3.3-70b-instruct-maas", CHAT, _openai(_chat)),
        ("intfloat/multilingual-e5-small-maas", EMBEDDINGS, _openai(_vectors)),
    ],
)
async def test_the_address_is_the_one_that_the_sdk_calls(
    echo: Echo, model: str, endpoint: str, ask: Ask
) -> None:
    with suppress(TypeError, AttributeError, ValueError):  # an empty object is no answer to some
        await ask(echo.origin)
    path, sent = echo.requests.pop()
    online = _account(echo.origin).online(Call(endpoint, model))
    assert online is not None
    request = await online.request(b'{"a":1}')
    assert (request.url, request.body) == (echo.origin + path, b'{"a":1}')
    assert request.headers == {
        "authorization": sent["authorization"],
        "content-type": "application/json",
    }


@pytest.mark.parametrize(
    ("region", "base"),
    [
        ("global", "https://aiplatform.googleapis.com/v1"),
        ("us", "https://aiplatform.us.rep.googleapis.com/v1"),
        ("us-east5", "https://us-east5-aiplatform.googleapis.com/v1"),
    ],
)
async def test_a_region_is_where_anthropics_sdk_looks_for_it(region: str, base: str) -> None:
    sdk = AsyncAnthropicVertex(region=region, project_id=PROJECT, access_token=TOKEN)
    assert str(sdk.base_url).rstrip("/") == base
    for account, overrides in (
        (_account(None, region=region), NO_OVERRIDES),
        (_account(None), Overrides(vertex_region=region)),
    ):
        online = account.online(Call(CHAT, "claude-opus-5", overrides))
        assert online is not None
        request = await online.request(b"{}")
        assert request.url.startswith(f"{base}/projects/{PROJECT}/locations/{region}/publishers/")
    await sdk.close()


async def test_without_a_token_a_request_is_made_all_the_same() -> None:
    online = _account("http://x", token=None).online(Call(CHAT, "gemini-2.5-flash"))
    assert online is not None
    assert (await online.request(b"{}")).headers == {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("endpoint", "model"),
    [
        ("/v1/completions", "gemini-2.5-flash"),
        ("/v1/moderations", "gemini-2.5-flash"),
        (EMBEDDINGS, "gemini-2.5-flash"),
        (CHAT, "text-embedding-005"),
        (CHAT, "models/5"),
    ],
)
def test_what_a_model_does_not_do(endpoint: str, model: str) -> None:
    assert _account(None).online(Call(endpoint, model)) is None


async def test_nothing_shows_the_token() -> None:
    account = _account(None)
    online = account.online(Call(CHAT, "gemini-2.5-flash"))
    assert online is not None
    looks = await account.health("m")
    shown = repr((account, online, await online.request(b"a prompt"), looks))
    assert repr(account) == "VertexAccount('p')"
    assert not [secret for secret in (TOKEN, "a prompt") if secret in shown]
    assert [look.url for look in looks] == [
        f"https://{REGION}-aiplatform.googleapis.com/v1/projects/{PROJECT}/locations/{REGION}/"
        "batchPredictionJobs?pageSize=1"
    ]
    await account.close()
    await account.close()
