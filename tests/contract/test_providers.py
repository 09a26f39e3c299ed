"""Providers call what the official SDKs call, and keep their keys to themselves."""

import asyncio
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI
from pydantic import SecretStr
from tests.toy.account import ToyAccount

from batchway.bootstrap.accounts import new_account
from batchway.bootstrap.parts import SystemClock
from batchway.domain.call import Call
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.ports import Account, Request
from batchway.providers.azure.account import AzureAccount
from batchway.providers.azure.identity import ApiKey
from batchway.providers.openai.account import OpenAIAccount
from batchway.settings import OpenAISettings

KEY = "sk-s3cret"
BODY = b'{"model":"m"}'


@dataclass
class Echo:
    """A server that notes each request's path and headers, and answers `{}`."""

    origin: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(
        default_factory=list[tuple[str, dict[str, str]]]
    )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append((first.split(" ")[1], headers))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
            b"Connection: close\r\n\r\n{}"
        )
        writer.close()


@pytest.fixture
async def echo() -> AsyncGenerator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    echo.origin = f"http://{host}:{port}"
    yield echo
    server.close()


Ask = Callable[[AsyncOpenAI, str], Awaitable[object]]

CALLS: Mapping[str, Ask] = {
    "/v1/chat/completions": lambda sdk, model: sdk.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "hi"}]
    ),
    "/v1/completions": lambda sdk, model: sdk.completions.create(model=model, prompt="hi"),
    "/v1/embeddings": lambda sdk, model: sdk.embeddings.create(
        model=model, input="hi", encoding_format="float"
    ),
    "/v1/responses": lambda sdk, model: sdk.responses.create(model=model, input="hi"),
    "/v1/moderations": lambda sdk, model: sdk.moderations.create(model=model, input="hi"),
    "/v1/images/generations": lambda sdk, model: sdk.images.generate(model=model, prompt="hi"),
}

# An empty object is no answer to some calls; the request is all that counts here.
NO_ANSWER = (TypeError, AttributeError, ValueError)

# What decides who pays and who may: SDKs send more, such as their version.
TELLING = ("authorization", "api-key", "openai-organization", "openai-project", "x-extra")


async def _request(
    account: Account,
    endpoint: str,
    model: str,
    overrides: Overrides = NO_OVERRIDES,
) -> Request:
    online = account.online(Call(endpoint, model, overrides))
    assert online is not None
    return await online.request(BODY)


async def _same_as(sdk: AsyncOpenAI, account: Account, echo: Echo, model: str) -> None:
    for endpoint, call in CALLS.items():
        with suppress(*NO_ANSWER):
            await call(sdk, model)
        path, sent = echo.requests.pop()
        request = await _request(account, endpoint, model)
        assert (request.url, request.body) == (echo.origin + path, BODY)
        assert {name: request.headers.get(name) for name in TELLING} == {
            name: sent.get(name) for name in TELLING
        }
        assert request.headers["content-type"] == "application/json"


def _azure(*, endpoint: str, api_version: str, api_key: str = KEY) -> AzureAccount:
    credential = ApiKey(provider="p", api_key=api_key)
    return AzureAccount(name="p", endpoint=endpoint, api_version=api_version, credential=credential)


def _toy(url: str) -> Account:
    return ToyAccount(name="p", options={"url": url, "key": KEY}, clock=SystemClock())


@pytest.mark.parametrize(
    "path", ["", "/", "/v1", "/v1/", "/openai/v1", "/v1beta/openai", "/api/v3/"]
)
async def test_openai_compatible_base_urls_mean_what_they_mean_to_the_sdk(
    echo: Echo, path: str
) -> None:
    base_url = echo.origin + path
    account = OpenAIAccount(name="p", base_url=base_url, api_key=KEY, headers={"X-Extra": "1"})
    sdk = AsyncOpenAI(
        base_url=base_url, api_key=KEY, max_retries=0, default_headers={"X-Extra": "1"}
    )
    async with sdk:
        await _same_as(sdk, account, echo, "org/model:tag")


async def test_openai_organization_and_project(echo: Echo) -> None:
    base_url = echo.origin + "/v1"
    settings = OpenAISettings(
        name="p",
        type="openai",
        base_url=base_url,
        api_key=SecretStr(KEY),
        organization="org-1",
        project="proj_1",
    )
    account = new_account(settings, clock=SystemClock())
    sdk = AsyncOpenAI(
        base_url=base_url, api_key=KEY, max_retries=0, organization="org-1", project="proj_1"
    )
    async with sdk:
        await _same_as(sdk, account, echo, "gpt-4o-mini")


@pytest.mark.parametrize("model", ["gpt-4o-mini", "my deployment/ü%?#"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_azure_deployments(echo: Echo, model: str, slash: str) -> None:
    endpoint = echo.origin + slash
    version = "2025-04-01-preview"
    account = _azure(endpoint=endpoint, api_version=version)
    sdk = AsyncAzureOpenAI(azure_endpoint=endpoint, api_key=KEY, api_version=version, max_retries=0)
    async with sdk:
        await _same_as(sdk, account, echo, model)


@pytest.mark.parametrize("version", ["v1", "preview"])
@pytest.mark.parametrize("suffix", ["", "/openai", "/openai/v1/"])
async def test_azure_v1(echo: Echo, version: str, suffix: str) -> None:
    account = _azure(endpoint=echo.origin + suffix, api_version=version)
    sdk = AsyncOpenAI(
        base_url=echo.origin + "/openai/v1/",
        api_key=KEY,
        default_query={"api-version": "preview"} if version == "preview" else None,
        max_retries=0,
    )
    async with sdk:
        for endpoint, call in CALLS.items():
            with suppress(*NO_ANSWER):
                await call(sdk, "gpt")
            path, _ = echo.requests.pop()
            request = await _request(account, endpoint, "gpt")
            assert request.url == echo.origin + path
            assert request.headers["api-key"] == KEY


@pytest.mark.parametrize(
    ("overrides", "path"),
    [
        (NO_OVERRIDES, "/openai/deployments/d/chat/completions?api-version=2024-10-21"),
        (
            Overrides(azure_api_version="2025-04-01-preview"),
            "/openai/deployments/d/chat/completions?api-version=2025-04-01-preview",
        ),
        (Overrides(azure_api_version="v1"), "/openai/v1/chat/completions"),
        (Overrides(model="v1"), "/openai/deployments/d/chat/completions?api-version=2024-10-21"),
    ],
)
async def test_a_batch_names_azures_version(overrides: Overrides, path: str) -> None:
    account = _azure(endpoint="https://x", api_version="2024-10-21")
    request = await _request(account, "/v1/chat/completions", "d", overrides)
    assert request.url == "https://x" + path


async def test_no_key_no_authorization() -> None:
    account = OpenAIAccount(name="p", base_url="http://gpu:8000/v1")
    assert await _request(account, "/v1/chat/completions", "m") == Request(
        "http://gpu:8000/v1/chat/completions", {"content-type": "application/json"}, BODY
    )


async def test_configured_headers_win_and_line_breaks_at_their_ends_are_dropped() -> None:
    account = OpenAIAccount(
        name="p", base_url="http://gpu", api_key=KEY + "\n", headers={"Authorization": "Basic x\n"}
    )
    assert (await _request(account, "/v1/embeddings", "m")).headers == {
        "content-type": "application/json",
        "authorization": "Basic x",
    }


def _compatible(**changes: object) -> Callable[[], Account]:
    arguments: dict[str, object] = {"name": "p", "base_url": "http://gpu", "api_key": KEY} | changes
    return lambda: OpenAIAccount(**arguments)  # pyright: ignore[reportArgumentType] - wrong on purpose


@pytest.mark.parametrize(
    "make",
    [
        _compatible(base_url="gpu:8000/v1"),
        _compatible(base_url="ftp://s3cret@gpu/"),
        _compatible(base_url="http://"),
        _compatible(base_url="http://gpu:s3cret/"),
        _compatible(base_url="http://gpu/v1?key=s3cret"),
        _compatible(base_url="http://gpu/v1#s3cret"),
        _compatible(base_url="http://[s3cret"),
        _compatible(api_key="s3cret\nx"),
        _compatible(api_key="s3cret\x7f"),
        _compatible(api_key="s3crét"),
        _compatible(headers={"x-key": "s3cret\r\nx: y"}),
        _compatible(headers={"x s3cret": "v"}),
        lambda: OpenAIAccount(name="p", api_key="s3cret\0"),
        lambda: _azure(endpoint="s3cret", api_version="v1"),
        lambda: _toy("http://gpu:s3cret/"),
        lambda: _toy("http://gpu/v1?key=s3cret"),
        lambda: _azure(endpoint="http://x", api_key="s3\ncret", api_version="v1"),
    ],
)
def test_what_cannot_work_is_refused_without_repeating_a_secret(
    make: Callable[[], Account],
) -> None:
    with pytest.raises(ValueError, match="provider 'p'") as caught:
        make()
    told = str(caught.value) + "".join(traceback.format_exception_only(caught.value))
    assert "s3cret" not in told
    assert "s3cr" not in told


@pytest.mark.parametrize(
    "account",
    [
        OpenAIAccount(name="p", base_url="http://u:s3cret@gpu", api_key=KEY),
        OpenAIAccount(name="p", api_key=KEY),
        _azure(endpoint="http://x", api_version="v1"),
        _toy("http://x"),
    ],
)
async def test_a_repr_names_the_account_and_nothing_else(account: Account) -> None:
    assert repr(account) == f"{type(account).__name__}('p')"
    assert account.name == "p"
    online = account.online(Call("/v1/chat/completions", "m"))
    assert online is not None
    shown = repr(online) + repr(await online.request(b"a prompt"))
    assert not [secret for secret in (KEY, "s3cret", "a prompt") if secret in shown]


@pytest.mark.parametrize(
    ("account", "addresses"),
    [
        (OpenAIAccount(name="o", api_key=KEY), ["https://api.openai.com/v1/models"]),
        (
            OpenAIAccount(name="c", base_url="http://gpu:8000/v1", api_key=KEY, engine=True),
            ["http://gpu:8000/health", "http://gpu:8000/v1/models"],
        ),
        (
            OpenAIAccount(name="c", base_url="https://host/api/v3", api_key=KEY, engine=True),
            ["https://host/api/v3/health", "https://host/api/v3/models"],
        ),
        (
            _azure(endpoint="https://x", api_version="2024-10-21"),
            ["https://x/openai/models?api-version=2024-10-21"],
        ),
    ],
)
async def test_where_to_see_whether_an_account_is_served(
    account: Account, addresses: list[str]
) -> None:
    looks = await account.health("m")
    online = await _request(account, "/v1/chat/completions", "m")
    assert [(look.url, look.headers) for look in looks] == [
        (address, online.headers) for address in addresses
    ]
