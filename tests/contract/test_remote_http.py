"""`providers.http.session` over plain servers: transfers that crawl or stall, redirects, bounds."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import BodyPartReader, web
from tests.contract.remote_accounts import Impatient

from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.http.session import RemoteHttp, Timeouts
from batchway.providers.openai.refusal import read_refusal

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

KEY = "Bearer sk-secret"
MB = 1 << 20


@asynccontextmanager
async def serving(handle: Handle) -> AsyncGenerator[str]:
    """A server whose every request is `handle`'s; yields its origin."""
    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port: int = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(*, idle: float = 5.0, call: float = 5.0) -> AsyncGenerator[RemoteHttp]:
    async def headers() -> Mapping[str, str]:
        return {"authorization": KEY}

    http = RemoteHttp(
        provider="acme",
        headers=headers,
        read_error=read_refusal,
        clock=Impatient(),
        timeouts=Timeouts(connect=2.0, call=call, idle=idle),
    )
    try:
        yield http
    finally:
        await http.close()


async def read(http: RemoteHttp, url: str) -> bytes:
    async with aclosing(http.download(url)) as pieces:
        return b"".join([piece async for piece in pieces])


async def send(http: RemoteHttp, url: str, path: Path) -> bytes:
    return await http.upload(url, fields={"purpose": "batch"}, filename="t.jsonl", path=path)


# ----------------------------------------------------------------------------- uploads


async def test_an_upload_is_a_form_of_known_length(tmp_path: Path) -> None:
    seen: dict[str, object] = {}

    async def handle(request: web.BaseRequest) -> web.Response:
        seen["length"] = request.headers.get("content-length")
        seen["encoding"] = request.headers.get("transfer-encoding")
        seen["agent"] = request.headers["user-agent"].partition("/")[0]
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            size = 0
            while chunk := await part.read_chunk(MB):
                size += len(chunk)
            seen[str(part.name)] = (part.filename, size)
        return web.Response(text="{}")

    path = tmp_path / "spool"
    path.write_bytes(b"x" * (3 * MB + 7))
    async with serving(handle) as origin, client() as http:
        assert await send(http, origin, path) == b"{}"
    length = seen.pop("length")
    assert isinstance(length, str)
    assert 3 * MB + 7 < int(length) < 3 * MB + 1_000
    assert seen == {
        "encoding": None,
        "agent": "batchway",
        "purpose": (None, len("batch")),
        "file": ("t.jsonl", 3 * MB + 7),
    }


async def test_an_upload_may_crawl_for_longer_than_any_timeout(tmp_path: Path) -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        read = 0
        async for piece in request.content.iter_chunked(512 << 10):
            read += len(piece)
            await asyncio.sleep(0.03)
        return web.Response(text=str(read))

    path = tmp_path / "spool"
    path.write_bytes(b"x" * (32 * MB))
    async with serving(handle) as origin, client(idle=1.2, call=0.3) as http:
        started = asyncio.get_running_loop().time()
        assert int(await send(http, origin, path)) > 32 * MB
        assert asyncio.get_running_loop().time() - started > 1.5


@pytest.mark.parametrize("reads", [False, True])
async def test_an_upload_that_stalls_ends(tmp_path: Path, reads: bool) -> None:
    done = asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.Response:
        if reads:
            async for _ in request.content.iter_any():
                pass
        await done.wait()
        return web.Response()

    path = tmp_path / "spool"
    path.write_bytes(b"x" * (16 * MB))
    async with serving(handle) as origin, client(idle=0.3) as http:
        with pytest.raises(RemoteError) as caught:
            await send(http, origin, path)
        done.set()
    assert caught.value.trouble is Trouble.UNCERTAIN
    assert caught.value.message == "The provider 'acme' did not answer in time."


# ----------------------------------------------------------------------------- downloads


async def test_a_download_may_crawl_but_not_stall() -> None:
    done = asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(12):
            await response.write(b"x")
            await asyncio.sleep(0.1)
        if request.path == "/stalls":
            await done.wait()
        return response

    async with serving(handle) as origin, client(idle=0.9, call=0.3) as http:
        assert await read(http, origin) == b"x" * 12
        with pytest.raises(RemoteError) as caught:
            await read(http, origin + "/stalls")
        done.set()
    assert caught.value.trouble is Trouble.UNCERTAIN


async def test_a_reader_may_take_its_time() -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"x" * (8 * MB))

    async with serving(handle) as origin, client(idle=0.2) as http:
        size = 0
        async with aclosing(http.download(origin)) as pieces:
            async for piece in pieces:
                if size == 0:
                    await asyncio.sleep(0.6)
                size += len(piece)
    assert size == 8 * MB


async def test_a_redirect_elsewhere_does_not_get_the_key() -> None:
    seen: list[tuple[str, str | None]] = []

    async def storage(request: web.BaseRequest) -> web.Response:
        seen.append((request.raw_path, request.headers.get("authorization")))
        return web.Response(text="rows")

    async with serving(storage) as elsewhere:

        async def provider(request: web.BaseRequest) -> web.Response:
            seen.append((request.raw_path, request.headers.get("authorization")))
            to = {"/a": "/b", "/b": f"{elsewhere}/blob%2Fx?sig=a%2Bb%3D"}[request.path]
            return web.Response(status=302, headers={"location": to})

        async with serving(provider) as origin, client() as http:
            assert await read(http, origin + "/a") == b"rows"
    assert seen == [("/a", KEY), ("/b", KEY), ("/blob%2Fx?sig=a%2Bb%3D", None)]


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/again",
        "ftp://host/x",
        "http://[",
        "file:///etc/x",
        f"http://{'a' * 80}.example/x",
        "http://a..example/x",
    ],
)
async def test_redirects_that_lead_nowhere(location: str) -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"location": location})

    async with serving(handle) as origin, client() as http:
        with pytest.raises(RemoteError) as caught:
            await read(http, origin)
    assert caught.value.trouble is Trouble.REFUSED


async def test_a_reader_that_stops_early_frees_the_connection() -> None:
    closed = asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * MB)
        except ConnectionError:
            closed.set()
        return response

    async with serving(handle) as origin, client() as http:
        async with aclosing(http.download(origin)) as pieces:
            async for _ in pieces:
                break
        await asyncio.wait_for(closed.wait(), 5)


# ----------------------------------------------------------------------------- short calls


async def test_answers_are_bounded() -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(status=200 if request.path == "/ok" else 400)
        await response.prepare(request)
        for _ in range(40):
            await response.write(b"x" * MB)
        return response

    async with serving(handle) as origin, client() as http:
        with pytest.raises(RemoteError) as long:
            await http.call("GET", origin + "/ok")
        with pytest.raises(RemoteError) as refused:
            await http.call("POST", origin + "/bad", body=b"{}")
    assert (long.value.trouble, refused.value.trouble) == (Trouble.UNCERTAIN, Trouble.REFUSED)
    assert refused.value.message == "The provider 'acme' answered 400."


async def test_a_call_follows_no_redirect() -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        assert request.path == "/"
        return web.Response(status=307, headers={"location": "http://127.0.0.1:1/x"})

    async with serving(handle) as origin, client() as http:
        with pytest.raises(RemoteError) as caught:
            await http.call("POST", origin + "/", body=b"{}")
    assert caught.value.trouble is Trouble.REFUSED
    assert "redirect" in caught.value.message


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://no-such-host.invalid/v1", "its name is not known"),
        ("https://{plain}/v1", "the TLS connection cannot be trusted or made"),
    ],
)
async def test_addresses_that_cannot_be_reached(url: str, why: str) -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response()

    async with serving(handle) as origin, client() as http:
        with pytest.raises(RemoteError) as caught:
            await http.call("GET", url.format(plain=origin.removeprefix("http://")))
    assert caught.value.trouble is Trouble.UNREACHABLE
    assert caught.value.message == f"The provider 'acme' cannot be reached: {why}."


async def test_an_address_that_dns_cannot_hold() -> None:
    async with client() as http:
        with pytest.raises(RemoteError) as caught:
            await http.call("GET", f"http://{'a' * 80}.example/v1")
    assert caught.value.trouble is Trouble.UNCERTAIN
    assert caught.value.message == (
        "The provider 'acme' cannot be asked, or its answer cannot be read."
    )


async def test_secrets_are_those_that_were_sent_lately() -> None:
    sent = iter(range(40))

    async def headers() -> Mapping[str, str]:
        return {"authorization": f"Bearer token-{next(sent)}", "api-key": "x", "other": "plain"}

    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(text=f"you said {request.headers['authorization']}", status=401)

    http = RemoteHttp(
        provider="acme",
        headers=headers,
        read_error=read_refusal,
        clock=Impatient(),
        timeouts=Timeouts(),
    )
    assert http.secrets() == ()
    async with serving(handle) as origin:
        for _ in range(40):
            with pytest.raises(RemoteError) as caught:
                await http.call("GET", origin)
            assert caught.value.message == "The provider 'acme' answered 401: you said Bearer ***"
    assert http.secrets() == tuple(f"token-{number}" for number in range(8, 40))
    await http.close()


async def test_a_request_may_have_headers_of_its_own_such_as_a_signature() -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        given = [request.headers["authorization"], request.headers["x-seal"]]
        return web.Response(text=" ".join(given), status=400 if request.method == "PUT" else 200)

    async with serving(handle) as origin, client() as http:
        own = {"Authorization": "Bearer for-this-body", "x-seal": "1"}
        assert await http.call("POST", origin, body=b"{}", headers=own) == b"Bearer for-this-body 1"
        with pytest.raises(RemoteError) as caught:
            await http.call("PUT", origin, body=b"{}", headers=own)
        assert caught.value.message == "The provider 'acme' answered 400: Bearer *** 1"


async def test_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def proxy(request: web.BaseRequest) -> web.Response:
        asked.append(str(request.url))
        return web.Response(text="{}")

    async with serving(proxy) as origin, client() as http:
        monkeypatch.setenv("http_proxy", origin)
        assert await http.call("GET", "http://provider.invalid/v1/batches?limit=1") == b"{}"
        monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
        with pytest.raises(RemoteError) as caught:
            await http.call("GET", "http://provider.invalid/v1/batches")
    assert asked == ["http://provider.invalid/v1/batches?limit=1"]
    assert caught.value.trouble is Trouble.UNREACHABLE


async def test_after_closing() -> None:
    async with client() as http:
        await http.close()
        with pytest.raises(RemoteError) as caught:
            await http.call("GET", "http://127.0.0.1:1/")
    assert caught.value.trouble is Trouble.UNREACHABLE


@pytest.mark.parametrize("status", [200, 301, 403, 404, 503])
async def test_the_headers_of_any_answer(status: int) -> None:
    asked: list[Mapping[str, str]] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.headers)
        return web.Response(status=status, headers={"X-Where": "here", "Location": "/elsewhere"})

    async with serving(handle) as origin, client() as http:
        found = await http.head(f"{origin}/bucket", headers={"x-signed": "yes"})
        with pytest.raises(RemoteError) as caught:
            await http.head("http://127.0.0.1:9/bucket", headers={})
    assert (found[0], found[1]["x-where"]) == (status, "here")
    assert [each["x-signed"] for each in asked] == ["yes"]  # no redirect is followed
    assert caught.value.trouble is Trouble.UNREACHABLE
