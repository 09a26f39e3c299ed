"""Providers call what the official SDKs call, and keep their keys to themselves."""

import asyncio
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI

from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.ports import Provider
from batchway.providers.azure.online import AzureOpenAIProvider
from batchway.providers.openai.compatible import OpenAICompatibleProvider
from batchway.providers.openai.online import OpenAIProvider

KEY = "sk-s3cret"


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
        await reader.readexactly(int(headers["content-length"]))
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


Call = Callable[[AsyncOpenAI, str], Awaitable[object]]

CALLS: Mapping[str, Call] = {
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


async def _same_as(sdk: AsyncOpenAI, provider: Provider, echo: Echo, model: str) -> None:
    for endpoint, call in CALLS.items():
        with suppress(*NO_ANSWER):
            await call(sdk, model)
        path, sent = echo.requests.pop()
        headers = await provider.headers()
        assert provider.url(endpoint, model) == echo.origin + path
        assert {name: headers.get(name) for name in TELLING} == {
            name: sent.get(name) for name in TELLING
        }
        assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "path", ["", "/", "/v1", "/v1/", "/openai/v1", "/v1beta/openai", "/api/v3/"]
)
async def test_openai_compatible_base_urls_mean_what_they_mean_to_the_sdk(
    echo: Echo, path: str
) -> None:
    base_url = echo.origin + path
    provider = OpenAICompatibleProvider(
        name="p", base_url=base_url, api_key=KEY, headers={"X-Extra": "1"}
    )
    sdk = AsyncOpenAI(
        base_url=base_url, api_key=KEY, max_retries=0, default_headers={"X-Extra": "1"}
    )
    async with sdk:
        await _same_as(sdk, provider, echo, "org/model:tag")


async def test_openai_organization_and_project(echo: Echo) -> None:
    base_url = echo.origin + "/v1"
    provider = OpenAIProvider(
        name="p", base_url=base_url, api_key=KEY, organization="org-1", project="proj_1"
    )
    sdk = AsyncOpenAI(
        base_url=base_url, api_key=KEY, max_retries=0, organization="org-1", project="proj_1"
    )
    async with sdk:
        await _same_as(sdk, provider, echo, "gpt-4o-mini")


@pytest.mark.parametrize("model", ["gpt-4o-mini", "my deployment/ü%?#"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_azure_deployments(echo: Echo, model: str, slash: str) -> None:
    endpoint = echo.origin + slash
    version = "2025-04-01-preview"
    provider = AzureOpenAIProvider(name="p", endpoint=endpoint, api_key=KEY, api_version=version)
    sdk = AsyncAzureOpenAI(azure_endpoint=endpoint, api_key=KEY, api_version=version, max_retries=0)
    async with sdk:
        await _same_as(sdk, provider, echo, model)


@pytest.mark.parametrize("version", ["v1", "preview"])
@pytest.mark.parametrize("suffix", ["", "/openai", "/openai/v1/"])
async def test_azure_v1(echo: Echo, version: str, suffix: str) -> None:
    provider = AzureOpenAIProvider(
        name="p", endpoint=echo.origin + suffix, api_key=KEY, api_version=version
    )
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
            assert provider.url(endpoint, "gpt") == echo.origin + path
    assert (await provider.headers())["api-key"] == KEY


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
def test_a_batch_names_azures_version(overrides: Overrides, path: str) -> None:
    provider = AzureOpenAIProvider(
        name="p", endpoint="https://x", api_key=KEY, api_version="2024-10-21"
    )
    assert provider.url("/v1/chat/completions", "d", overrides) == "https://x" + path


async def test_no_key_no_authorization() -> None:
    provider = OpenAICompatibleProvider(name="p", base_url="http://gpu:8000/v1")
    assert dict(await provider.headers()) == {"content-type": "application/json"}
    assert provider.url("/v1/chat/completions", "m") == "http://gpu:8000/v1/chat/completions"


async def test_configured_headers_win_and_line_breaks_at_their_ends_are_dropped() -> None:
    provider = OpenAICompatibleProvider(
        name="p", base_url="http://gpu", api_key=KEY + "\n", headers={"Authorization": "Basic x\n"}
    )
    assert dict(await provider.headers()) == {
        "content-type": "application/json",
        "authorization": "Basic x",
    }


def _compatible(**changes: object) -> Callable[[], Provider]:
    arguments: dict[str, object] = {"name": "p", "base_url": "http://gpu", "api_key": KEY} | changes
    return lambda: OpenAICompatibleProvider(**arguments)  # pyright: ignore[reportArgumentType] - wrong on purpose


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
        lambda: OpenAIProvider(name="p", api_key="s3cret\0"),
        lambda: AzureOpenAIProvider(name="p", endpoint="s3cret", api_key=KEY, api_version="v1"),
        lambda: AzureOpenAIProvider(
            name="p", endpoint="http://x", api_key="s3\ncret", api_version="v1"
        ),
    ],
)
def test_what_cannot_work_is_refused_without_repeating_a_secret(
    make: Callable[[], Provider],
) -> None:
    with pytest.raises(ValueError, match="provider 'p'") as caught:
        make()
    told = str(caught.value) + "".join(traceback.format_exception_only(caught.value))
    assert "s3cret" not in told
    assert "s3cr" not in told


@pytest.mark.parametrize(
    "provider",
    [
        OpenAICompatibleProvider(name="p", base_url="http://u:s3cret@gpu", api_key=KEY),
        OpenAIProvider(name="p", api_key=KEY),
        AzureOpenAIProvider(name="p", endpoint="http://x", api_key=KEY, api_version="v1"),
    ],
)
def test_a_repr_names_the_provider_and_nothing_else(provider: Provider) -> None:
    assert repr(provider) == f"{type(provider).__name__}('p')"
    assert provider.name == "p"


@pytest.mark.parametrize(
    ("provider", "addresses"),
    [
        (OpenAIProvider(name="o", api_key=KEY), ["https://api.openai.com/v1/models"]),
        (
            OpenAICompatibleProvider(name="c", base_url="http://gpu:8000/v1"),
            ["http://gpu:8000/health", "http://gpu:8000/v1/models"],
        ),
        (
            OpenAICompatibleProvider(name="c", base_url="https://host/api/v3"),
            ["https://host/api/v3/health", "https://host/api/v3/models"],
        ),
        (
            AzureOpenAIProvider(
                name="a", endpoint="https://x", api_version="2024-10-21", api_key=KEY
            ),
            ["https://x/openai/models?api-version=2024-10-21"],
        ),
    ],
)
def test_where_to_see_whether_an_account_is_served(
    provider: Provider, addresses: list[str]
) -> None:
    assert list(provider.health("m")) == addresses
