"""The metrics page of an engine, read over a socket."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from batchway.providers.http.engine_metrics import HttpEngineMetrics
from batchway.providers.http.transport import HttpTransport
from batchway.providers.openai.account import OpenAIAccount

PAGE = b'vllm:num_requests_running{model_name="m"} 3.0\n'


@pytest.fixture
async def engine() -> AsyncIterator[BaseTestServer]:
    async def page(request: web.Request) -> web.Response:
        if request.headers.get("authorization") != "Bearer sk-engine":
            return web.Response(status=401)
        return web.Response(body=PAGE)

    app = web.Application()
    app.router.add_get("/metrics", page)
    async with TestServer(app) as server:
        yield server


async def read(server: BaseTestServer, path: str, key: str | None) -> bytes | None:
    transport = HttpTransport()
    account = (
        None
        if key is None
        else OpenAIAccount(name="p", base_url=str(server.make_url("/v1")), api_key=key)
    )
    try:
        return await HttpEngineMetrics(
            transport=transport, url=str(server.make_url(path)), account=account
        ).read()
    finally:
        await transport.close()


@pytest.mark.parametrize(
    ("path", "key", "page"),
    [
        ("/metrics", "sk-engine", PAGE),
        ("/metrics", "sk-another", None),
        ("/metrics", None, None),  # the account's credentials are for its own address alone
        ("/nothing", "sk-engine", None),
    ],
)
async def test_the_page_or_nothing(
    engine: BaseTestServer, path: str, key: str | None, page: bytes | None
) -> None:
    assert await read(engine, path, key) == page


async def test_an_engine_that_is_away_has_none(engine: BaseTestServer) -> None:
    url = str(engine.make_url("/metrics"))
    await engine.close()
    transport = HttpTransport()
    assert await HttpEngineMetrics(transport=transport, url=url).read() is None
    await transport.close()
