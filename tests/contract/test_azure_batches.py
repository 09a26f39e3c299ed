"""Azure's own: versions, tokens, and the addresses that the official client asks."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from openai import AsyncAzureOpenAI, AsyncOpenAI, OpenAIError
from tests.contract.remote_accounts import KEY, QUICK, TAG, Impatient, opened, order, vendor

from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.azure.batches import AzureBatchesProvider
from batchway.providers.azure.identity import ApiKey, AzureCredential, EntraTokens


@dataclass(frozen=True)
class Token:
    token: str
    expires_on: int = 1 << 40


def azure(
    endpoint: str, *, version: str = "2024-10-21", credential: AzureCredential | None = None
) -> AzureBatchesProvider:
    return AzureBatchesProvider(
        name="azure-eu",
        endpoint=endpoint,
        credential=credential or ApiKey(provider="azure-eu", api_key=KEY),
        api_version=version,
        clock=Impatient(),
        timeouts=QUICK,
    )


@asynccontextmanager
async def echo() -> AsyncGenerator[tuple[str, list[tuple[str, str]]]]:
    """A server that knows nothing, and what was asked of it: method and raw path with query."""
    asked: list[tuple[str, str]] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        asked.append((request.method, request.raw_path))
        await request.read()
        return web.json_response({"error": {"code": "404", "message": "no"}}, status=404)

    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("version", ["2024-10-21", "v1"])
async def test_addresses_are_those_of_the_official_client(tmp_path: Path, version: str) -> None:
    async with echo() as (origin, asked):
        sdk = (
            AsyncOpenAI(base_url=f"{origin}/openai/v1", api_key=KEY, max_retries=0)
            if version == "v1"
            else AsyncAzureOpenAI(
                azure_endpoint=origin, api_key=KEY, api_version=version, max_retries=0
            )
        )
        for call in (
            sdk.files.create(file=b"{}", purpose="batch"),
            sdk.batches.retrieve("b"),
            sdk.batches.cancel("b"),
            sdk.files.retrieve("f"),
            sdk.files.content("f"),
            sdk.files.delete("f"),
        ):
            with pytest.raises(OpenAIError):
                await call
        await sdk.close()
        expected, asked[:] = list(asked), []
        async with opened(azure(origin, version=version)) as batches:
            for call in (
                batches.submit(order(batches, tmp_path)),
                batches.fetch("b"),
                batches.cancel("b"),
                batches.file("f"),
            ):
                with pytest.raises(RemoteError):
                    await call
            with pytest.raises(RemoteError):
                [piece async for piece in batches.content("f")]
    assert asked == expected[:-1]


async def test_an_override_names_the_version(tmp_path: Path) -> None:
    async with echo() as (origin, asked):
        provider = azure(origin, version="v1")
        overrides = [
            NO_OVERRIDES,
            Overrides(azure_api_version="2025-04-01-preview"),
            Overrides(azure_api_version="  "),
            Overrides(model="m"),
        ]
        for override in overrides:
            with pytest.raises(RemoteError):
                await provider.archive(override).job("b")
        await provider.close()
    assert asked == [
        ("GET", "/openai/v1/batches/b"),
        ("GET", "/openai/batches/b?api-version=2025-04-01-preview"),
        ("GET", "/openai/v1/batches/b"),
        ("GET", "/openai/v1/batches/b"),
    ]


async def test_entra_tokens(tmp_path: Path) -> None:
    clock = Impatient()
    with vendor("azure", keys=["the-token"]) as fake:
        tokens = EntraTokens(provider="azure-eu", token=lambda: Token("the-token"), clock=clock)
        async with opened(azure(fake.base_url, credential=tokens)) as batches:
            job = await batches.submit(order(batches, tmp_path))
            assert (await batches.shown(job.id)).metadata == {"batchway": TAG}
        assert set(fake.stats()["headers"]["authorization"]) == {"Bearer"}
        assert "api-key" not in fake.stats()["headers"]


@pytest.mark.parametrize(
    ("failure", "trouble"),
    [(ValueError("bad secret"), Trouble.DENIED), (OSError("no network"), Trouble.UNREACHABLE)],
)
async def test_no_token(tmp_path: Path, failure: Exception, trouble: Trouble) -> None:
    def token() -> Token:
        raise failure

    tokens = EntraTokens(provider="azure-eu", token=token, clock=Impatient())
    async with opened(azure("http://127.0.0.1:9", credential=tokens)) as batches:
        with pytest.raises(RemoteError) as caught:
            await batches.submit(order(batches, tmp_path))
    assert caught.value.trouble is trouble
