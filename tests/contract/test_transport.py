"""`HttpTransport` against a server that misbehaves in every way a server can."""

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import pytest

from batchway.ports import Failure, Transport
from batchway.providers.transport import HttpTransport

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Behaviour = Callable[[Reader, Writer], Awaitable[None]]

MOST = 1 << 20
BODY = b'{"question":"' + b"x" * 5000 + b'"}'
OK = b"HTTP/1.1 200 OK\r\n"


async def _request(reader: Reader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    return head, await reader.readexactly(length)


def _reset(writer: Writer) -> None:
    """Close with RST instead of FIN."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _says(*pieces: bytes, end: str = "close", pause: float = 0.0) -> Behaviour:
    """Read the request, write the pieces, then close, reset or hang."""

    async def behave(reader: Reader, writer: Writer) -> None:
        await _request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if end == "hang":
            await asyncio.sleep(60)
        elif end == "reset":
            await asyncio.sleep(0.05)  # let the client read what was sent
            _reset(writer)
        else:
            writer.close()

    return behave


async def _hangs_up(reader: Reader, writer: Writer) -> None:
    _reset(writer)


@asynccontextmanager
async def _server(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncGenerator[str]:
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await behave(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left: several tests are about just that
        except asyncio.CancelledError:
            pass  # the test is over while this one still hangs
        finally:
            writer.close()
            running.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http{'s' if tls else ''}://{host}:{port}/v1/chat/completions"
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@pytest.fixture
async def transport() -> AsyncGenerator[Transport]:
    transport = HttpTransport(most_answer_bytes=MOST, connect_timeout=0.5)
    yield transport
    await transport.close()


async def _post(transport: Transport, url: str, *, timeout: float = 5.0) -> object:
    """`(status, body)` of an answer, or the failure."""
    answer = await transport.post(url, {"x-test": "1"}, BODY, timeout=timeout)
    return answer if isinstance(answer, Failure) else (answer.status, answer.body)


def _sized(body: bytes) -> bytes:
    return OK + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _chunked(*chunks: bytes) -> bytes:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + framed


def _zipped(body: bytes) -> bytes:
    packed = gzip.compress(body)
    return OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed


LARGE = b"y" * 300_000


@pytest.mark.parametrize(
    ("behave", "expected"),
    [
        (_says(_sized(b"{}")), (200, b"{}")),
        (_says(_sized(b"")), (200, b"")),
        (_says(_sized(LARGE)), (200, LARGE)),
        (_says(_sized(LARGE)[:-5], LARGE[:5], pause=0.1), (200, LARGE)),
        (_says(_chunked(b"{", b"}", LARGE) + b"0\r\n\r\n"), (200, b"{}" + LARGE)),
        (_says(OK + b"\r\n{}"), (200, b"{}")),  # ended by closing, as HTTP/1.0 does
        (_says(_zipped(b"{}")), (200, b"{}")),
        (_says(b"HTTP/1.1 100 Continue\r\n\r\n" + _sized(b"{}")), (200, b"{}")),
        (_says(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"), (503, b"busy")),
        (_says(b"HTTP/1.1 307 Moved\r\nLocation: http://[::1]:1/\r\n\r\n"), (307, b"")),
        # -- broken after something was, or may have been, sent
        (_says(), Failure.INTERRUPTED),
        (_says(end="reset"), Failure.INTERRUPTED),
        (_says(OK + b"Content-"), Failure.INTERRUPTED),
        (_says(OK + b"Content-Length: 100\r\n\r\nabc"), Failure.INTERRUPTED),
        (_says(OK + b"Content-Length: 100\r\n\r\nabc", end="reset"), Failure.INTERRUPTED),
        (_says(_sized(LARGE)[:-5]), Failure.INTERRUPTED),
        (_says(_chunked(b"abc")), Failure.INTERRUPTED),
        (_says(_chunked(b"abc")[:-4]), Failure.INTERRUPTED),
        (_says(_chunked(LARGE, LARGE), end="reset"), Failure.INTERRUPTED),
        (_says(_chunked(b"abc") + b"zz\r\nabc\r\n"), Failure.INTERRUPTED),
        (_says(b"this is not HTTP\r\n\r\n"), Failure.INTERRUPTED),
        (_says(b"\x15\x03\x03\x00\x02\x02\x28"), Failure.INTERRUPTED),
        (_says(OK + b"Content-Encoding: gzip\r\n\r\nabcde"), Failure.INTERRUPTED),
        # -- too large, whether it says so or not
        (_says(OK + b"Content-Length: 1048577\r\n\r\n", LARGE, end="hang"), Failure.TOO_LARGE),
        (_says(OK + b"Content-Length: 99999999999\r\n\r\n", LARGE, end="hang"), Failure.TOO_LARGE),
        (_says(_chunked(*[LARGE] * 5), end="hang"), Failure.TOO_LARGE),
        (_says(_zipped(b"z" * (200 << 20))), Failure.TOO_LARGE),
    ],
)  # fmt: skip
async def test_what_becomes_of_a_request(
    transport: Transport, behave: Behaviour, expected: object
) -> None:
    async with _server(behave) as url:
        assert await _post(transport, url) == expected


async def test_a_reset_at_once(transport: Transport) -> None:
    # Whether anything was sent by then is a race, and the answer follows it.
    async with _server(_hangs_up) as url:
        assert await _post(transport, url) in {Failure.UNREACHABLE, Failure.INTERRUPTED}


@pytest.mark.parametrize(
    "behave",
    [
        _says(end="hang"),
        _says(OK, end="hang"),
        _says(OK + b"Content-Length: 9\r\n\r\n", *[b"x"] * 9, pause=0.2),
        _says(_chunked(b"x"), end="hang"),
    ],
)
async def test_the_timeout_covers_the_whole_exchange(
    transport: Transport, behave: Behaviour
) -> None:
    async with _server(behave) as url, asyncio.timeout(3):
        assert await _post(transport, url, timeout=0.5) is Failure.TIMEOUT


async def test_nothing_listens(transport: Transport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        assert await _post(transport, url) is Failure.UNREACHABLE


async def test_a_connection_that_is_never_accepted_was_not_sent_anything(
    transport: Transport,
) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        taken = [socket.socket() for _ in range(4)]
        for each in taken:
            each.setblocking(False)
            each.connect_ex(address)
        url = f"http://127.0.0.1:{address[1]}/"
        assert await _post(transport, url) is Failure.UNREACHABLE
        for each in taken:
            each.close()


async def test_tls_to_a_plain_port(transport: Transport) -> None:
    async def plain(reader: Reader, writer: Writer) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with _server(plain) as url:
        assert await _post(transport, url.replace("http:", "https:")) is Failure.UNREACHABLE


async def test_an_unknown_name(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _post(transport, "http://nobody.invalid/") is Failure.UNREACHABLE


async def test_a_connection_is_kept_for_the_next_request(transport: Transport) -> None:
    connections = 0

    async def keeps(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        while True:
            await _request(reader)
            writer.write(_sized(b"{}"))

    async with _server(keeps) as url:
        for _ in range(5):
            assert await _post(transport, url) == (200, b"{}")
    assert connections == 1


@pytest.mark.parametrize("begun", [b"", OK, OK + b"Content-Length: 9\r\n\r\nabc"])
async def test_a_cancelled_call_closes_its_connection_at_once(
    transport: Transport, begun: bytes
) -> None:
    # Or the upstream would go on working, and billing, for an answer that nobody waits for.
    asked = asyncio.Event()
    closed = asyncio.Event()

    async def never_ends(reader: Reader, writer: Writer) -> None:
        _, body = await _request(reader)
        if body != BODY:
            writer.write(_sized(b"other"))
            return
        writer.write(begun)
        asked.set()
        if not await reader.read():
            closed.set()

    async with _server(never_ends) as url:
        call = asyncio.create_task(_post(transport, url))
        await asyncio.wait_for(asked.wait(), 1)
        await asyncio.sleep(0.05)  # let the client read what was begun
        call.cancel()
        async with asyncio.timeout(1):
            with pytest.raises(asyncio.CancelledError):
                await call
            await closed.wait()
        answer = await transport.post(url, {}, b"another", timeout=5)
        assert not isinstance(answer, Failure)
        assert answer.body == b"other"


async def test_nothing_is_sent_again_on_a_new_connection(transport: Transport) -> None:
    # A kept connection that the server closes just as the next request arrives.
    seen = 0

    async def answers_once(reader: Reader, writer: Writer) -> None:
        nonlocal seen
        await _request(reader)
        writer.write(_sized(b"{}"))
        seen += 1
        await _request(reader)
        seen += 1

    async with _server(answers_once) as url:
        assert await _post(transport, url) == (200, b"{}")
        assert await _post(transport, url) is Failure.INTERRUPTED
    assert seen == 2


async def test_an_answer_that_is_too_large_closes_the_connection(transport: Transport) -> None:
    closed = asyncio.Event()

    async def floods(reader: Reader, writer: Writer) -> None:
        await _request(reader)
        writer.write(_chunked(LARGE))
        try:
            while True:
                writer.write(b"1000\r\n" + b"z" * 4096 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            closed.set()

    async with _server(floods) as url, asyncio.timeout(5):
        assert await _post(transport, url) is Failure.TOO_LARGE
        await closed.wait()


async def test_what_is_sent_and_what_headers_come_back(transport: Transport) -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def notes(reader: Reader, writer: Writer) -> None:
        seen.append(await _request(reader))
        writer.write(OK + b"X-Request-Id: r1\r\nx-request-id: r2\r\nContent-Length: 2\r\n\r\n{}")

    async with _server(notes) as url:
        answer = await transport.post(
            url, {"authorization": "Bearer k", "content-type": "application/json"}, BODY, timeout=5
        )
    assert not isinstance(answer, Failure)
    assert (answer.header("x-request-id"), answer.header("X-REQUEST-ID")) == ("r1", "r1")
    assert answer.header("retry-after") is None
    head, body = seen[0]
    lines = head.decode().lower().split("\r\n")
    assert body == BODY
    assert lines[0] == "post /v1/chat/completions http/1.1"
    assert "authorization: bearer k" in lines
    assert "content-type: application/json" in lines
    assert any(line.startswith("user-agent: batchway/") for line in lines)


async def test_this_machine_is_reached_without_the_environment_s_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        _server(_says(_sized(b"proxied"))) as proxy,
        _server(_says(_sized(b"direct"))) as url,
    ):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.removesuffix("/v1/chat/completions"))
        transport = HttpTransport()
        try:
            assert await _post(transport, url) == (200, b"direct")
            named = url.replace("127.0.0.1", "localhost")
            assert await _post(transport, named) == (200, b"direct")
            assert await _post(transport, "http://elsewhere.invalid/x") == (200, b"proxied")
        finally:
            await transport.close()


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://127.0.0.1:1/", {"authorization": "Bearer s3cret\nx"}),
        ("http://127.0.0.1:1/", {"authorization": "Bearer s3cret\udc80"}),
        ("http://127.0.0.1:1/", {"bad name": "s3cret"}),
        ("http://[s3cret/", {}),
        ("ftp://s3cret/", {}),
        ("s3cret", {}),
    ],
)
async def test_what_cannot_be_sent_is_an_error_that_repeats_nothing(
    transport: Transport, url: str, headers: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="malformed") as caught:
        await transport.post(url, headers, BODY, timeout=1)
    assert "s3cret" not in repr(caught.value)
    assert caught.value.__suppress_context__


async def test_closing_interrupts_requests_under_way() -> None:
    transport = HttpTransport()
    async with _server(_says(end="hang")) as url:
        call = asyncio.create_task(_post(transport, url))
        await asyncio.sleep(0.1)
        await transport.close()
        async with asyncio.timeout(2):
            assert await call is Failure.INTERRUPTED
