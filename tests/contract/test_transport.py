"""`ports.Transport` against a server that misbehaves in every way a server can.

Both ways of sending pass the same suite: from this process, and through a process of its own.
"""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Callable

import pytest
from tests.contract.upstreams import (
    BODY,
    MOST,
    OK,
    Behaviour,
    Reader,
    Writer,
    chunked,
    hangs_up,
    post,
    read_request,
    says,
    serving,
    sized,
    zipped,
)

from batchway.ports import Failure, Transport
from batchway.providers.http.descriptors import Shortage
from batchway.providers.http.posting import MOST_BYTES
from batchway.providers.http.sending import SendingTransport
from batchway.providers.http.transport import HttpTransport


def _in_this_process() -> Transport:
    return HttpTransport(most_answer_bytes=MOST, connect_timeout=0.5, shortage=Shortage())


def _in_another() -> Transport:
    return SendingTransport(processes=1, most_answer_bytes=MOST, connect_timeout=0.5)


@pytest.fixture(params=[_in_this_process, _in_another])
def new_transport(request: pytest.FixtureRequest) -> Callable[[], Transport]:
    """Makes a transport of each kind; the environment is that of its first request."""
    return request.param


@pytest.fixture
async def transport(new_transport: Callable[[], Transport]) -> AsyncGenerator[Transport]:
    """A transport of each kind."""
    transport = new_transport()
    if isinstance(transport, SendingTransport):
        await transport.start()  # tests that look at the clock are not about this
    yield transport
    await transport.close()


LARGE = b"y" * 300_000


@pytest.mark.parametrize(
    ("behave", "expected"),
    [
        (says(sized(b"{}")), (200, b"{}")),
        (says(sized(b"")), (200, b"")),
        (says(sized(LARGE)), (200, LARGE)),
        (says(sized(LARGE)[:-5], LARGE[:5], pause=0.1), (200, LARGE)),
        (says(chunked(b"{", b"}", LARGE) + b"0\r\n\r\n"), (200, b"{}" + LARGE)),
        (says(OK + b"\r\n{}"), (200, b"{}")),  # ended by closing, as HTTP/1.0 does
        (says(zipped(b"{}")), (200, b"{}")),
        (says(b"HTTP/1.1 100 Continue\r\n\r\n" + sized(b"{}")), (200, b"{}")),
        (says(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"), (503, b"busy")),
        (says(b"HTTP/1.1 307 Moved\r\nLocation: http://[::1]:1/\r\n\r\n"), (307, b"")),
        # -- broken after something was, or may have been, sent
        (says(), Failure.INTERRUPTED),
        (says(end="reset"), Failure.INTERRUPTED),
        (says(OK + b"Content-"), Failure.INTERRUPTED),
        (says(OK + b"Content-Length: 100\r\n\r\nabc"), Failure.INTERRUPTED),
        (says(OK + b"Content-Length: 100\r\n\r\nabc", end="reset"), Failure.INTERRUPTED),
        (says(sized(LARGE)[:-5]), Failure.INTERRUPTED),
        (says(chunked(b"abc")), Failure.INTERRUPTED),
        (says(chunked(b"abc")[:-4]), Failure.INTERRUPTED),
        (says(chunked(LARGE, LARGE), end="reset"), Failure.INTERRUPTED),
        (says(chunked(b"abc") + b"zz\r\nabc\r\n"), Failure.INTERRUPTED),
        (says(b"this is not HTTP\r\n\r\n"), Failure.INTERRUPTED),
        (says(b"\x15\x03\x03\x00\x02\x02\x28"), Failure.INTERRUPTED),
        (says(OK + b"Content-Encoding: gzip\r\n\r\nabcde"), Failure.INTERRUPTED),
        # -- too large, whether it says so or not
        (says(OK + b"Content-Length: 1048577\r\n\r\n", LARGE, end="hang"), Failure.TOO_LARGE),
        (says(OK + b"Content-Length: 99999999999\r\n\r\n", LARGE, end="hang"), Failure.TOO_LARGE),
        (says(chunked(*[LARGE] * 5), end="hang"), Failure.TOO_LARGE),
        (says(zipped(b"z" * (200 << 20))), Failure.TOO_LARGE),
    ],
)  # fmt: skip
async def test_what_becomes_of_a_request(
    transport: Transport, behave: Behaviour, expected: object
) -> None:
    async with serving(behave) as url:
        assert await post(transport, url) == expected


async def test_a_reset_at_once(transport: Transport) -> None:
    # Whether anything was sent by then is a race, and the answer follows it.
    async with serving(hangs_up) as url:
        assert await post(transport, url) in {Failure.UNREACHABLE, Failure.INTERRUPTED}


@pytest.mark.parametrize(
    "behave",
    [
        says(end="hang"),
        says(OK, end="hang"),
        says(OK + b"Content-Length: 9\r\n\r\n", *[b"x"] * 9, pause=0.2),
        says(chunked(b"x"), end="hang"),
    ],
)
async def test_the_timeout_covers_the_whole_exchange(
    transport: Transport, behave: Behaviour
) -> None:
    async with serving(behave) as url, asyncio.timeout(20):
        assert await post(transport, url, timeout=0.5) is Failure.TIMEOUT


async def test_nothing_listens(transport: Transport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        assert await post(transport, url) is Failure.UNREACHABLE


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
        assert await post(transport, url) is Failure.UNREACHABLE
        for each in taken:
            each.close()


async def test_tls_to_a_plain_port(transport: Transport) -> None:
    async def plain(reader: Reader, writer: Writer) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(plain) as url:
        assert await post(transport, url.replace("http:", "https:")) is Failure.UNREACHABLE


async def test_an_unknown_name(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await post(transport, "http://nobody.invalid/") is Failure.UNREACHABLE


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_no_descriptor_left_is_no_provider_s_fault(
    transport: Transport, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    resource = pytest.importorskip("resource")
    pid = transport.pids[0] if isinstance(transport, SendingTransport) else os.getpid()
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    async with serving(says(sized(b"{}"))) as address:
        url = address.replace("127.0.0.1", name)
        assert await post(transport, url) == (200, b"{}")
        await asyncio.sleep(0.05)  # that connection is being closed
        # One that is not there may be opened: the next is beyond the limit.
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            drawn = [await post(transport, url) for _ in range(3)]
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert drawn == [Failure.NO_DESCRIPTORS] * 3
        assert await post(transport, url) == (200, b"{}")
    said = [record.getMessage() for record in caplog.records if "descriptors" in record.message]
    assert len(said) == 2
    assert said[0].startswith("this process is out of file descriptors (its limit is ")
    assert said[1] == "there are file descriptors again: requests are sent"


async def test_a_connection_is_kept_for_the_next_request(transport: Transport) -> None:
    connections = 0

    async def keeps(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(reader)
            writer.write(sized(b"{}", kept=True))

    async with serving(keeps) as url:
        for _ in range(5):
            assert await post(transport, url) == (200, b"{}")
    assert connections == 1


@pytest.mark.parametrize("begun", [b"", OK, OK + b"Content-Length: 9\r\n\r\nabc"])
async def test_a_cancelled_call_closes_its_connection_at_once(
    transport: Transport, begun: bytes
) -> None:
    # Or the upstream would go on working, and billing, for an answer that nobody waits for.
    asked = asyncio.Event()
    closed = asyncio.Event()

    async def never_ends(reader: Reader, writer: Writer) -> None:
        _, body = await read_request(reader)
        if body != BODY:
            writer.write(sized(b"other"))
            return
        writer.write(begun)
        asked.set()
        if not await reader.read():
            closed.set()

    async with serving(never_ends) as url:
        call = asyncio.create_task(post(transport, url))
        await asyncio.wait_for(asked.wait(), 20)
        await asyncio.sleep(0.05)  # let the client read what was begun
        call.cancel()
        async with asyncio.timeout(20):
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
        await read_request(reader)
        writer.write(sized(b"{}", kept=True))
        seen += 1
        await read_request(reader)
        seen += 1

    async with serving(answers_once) as url:
        assert await post(transport, url) == (200, b"{}")
        assert await post(transport, url) is Failure.INTERRUPTED
    assert seen == 2


async def test_an_answer_that_is_too_large_closes_the_connection(transport: Transport) -> None:
    closed = asyncio.Event()

    async def floods(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(chunked(LARGE))
        try:
            while True:
                writer.write(b"1000\r\n" + b"z" * 4096 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            closed.set()

    async with serving(floods) as url, asyncio.timeout(20):
        assert await post(transport, url) is Failure.TOO_LARGE
        await closed.wait()


@pytest.mark.parametrize(
    ("behave", "expected"),
    [
        (says(sized(b'{"data":[]}')), (200, b'{"data":[]}')),
        (says(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), (503, b"")),
        (says(OK + b"Content-Length: 1048577\r\n\r\n", LARGE, end="hang"), Failure.TOO_LARGE),
        (says(end="hang"), Failure.TIMEOUT),
        (says(OK + b"Content-Length: 100\r\n\r\nabc"), Failure.INTERRUPTED),
    ],
)
async def test_a_look_is_a_get_with_the_account_s_headers(
    transport: Transport, behave: Behaviour, expected: object
) -> None:
    heads: list[bytes] = []

    async def notes(reader: Reader, writer: Writer) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        again = asyncio.StreamReader()
        again.feed_data(b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
        await behave(again, writer)

    patience = 0.5 if expected is Failure.TIMEOUT else 20
    async with serving(notes) as url:
        answer = await transport.get(url, {"authorization": "Bearer k"}, timeout=patience)
    said = answer if isinstance(answer, Failure) else (answer.status, answer.body)
    assert said == expected
    lines = heads[0].decode().lower().split("\r\n")
    assert lines[0] == "get /v1/chat/completions http/1.1"
    assert "authorization: bearer k" in lines


async def test_what_is_sent_and_what_headers_come_back(transport: Transport) -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def notes(reader: Reader, writer: Writer) -> None:
        seen.append(await read_request(reader))
        writer.write(OK + b"X-Request-Id: r1\r\nx-request-id: r2\r\nContent-Length: 2\r\n\r\n{}")

    async with serving(notes) as url:
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


async def test_a_short_request_and_a_long_one_have_the_same_head(transport: Transport) -> None:
    # They are written by different hands: ours, and aiohttp's session.
    heads: list[list[str]] = []

    async def notes(reader: Reader, writer: Writer) -> None:
        head, body = await read_request(reader)
        lines = head.decode().lower().strip().split("\r\n")
        heads.append(sorted(line.replace(str(len(body)), "its length") for line in lines))
        writer.write(sized(b"{}"))

    async with serving(notes) as url:
        for headers in ({"Authorization": "Bearer k", "X-Name": "J\xfcrgen"}, {}):
            for body in (BODY, BODY + b" " * MOST_BYTES):
                answer = await transport.post(url + "?api-version=1", headers, body, timeout=20)
                assert not isinstance(answer, Failure)
    short, long, bare, bare_long = heads
    assert short == long
    assert bare == bare_long


async def test_each_request_goes_out_with_its_own_signature(transport: Transport) -> None:
    # The rest of a head is kept from one to the next: a long request has all of it made anew.
    heads: list[list[str]] = []

    async def notes(reader: Reader, writer: Writer) -> None:
        head, body = await read_request(reader)
        lines = head.decode().lower().strip().split("\r\n")
        heads.append(sorted(line.replace(str(len(body)), "its length") for line in lines))
        writer.write(sized(b"{}"))

    signed = [
        {"authorization": f"SIG {signature}", "x-amz-date": date, **more}
        for signature, date, more in (
            ("one", "1", {}),
            ("two, of another length", "1", {}),
            ("three", "2", {}),
            ("four", "2", {"x-amz-security-token": "t"}),
            ("five", "2", {}),
        )
    ]
    async with serving(notes) as url:
        for body in (BODY, BODY + b" " * MOST_BYTES):
            for headers in signed:
                assert not isinstance(await transport.post(url, headers, body, timeout=20), Failure)
        for torn in ("SIG a\r\nx-b: c", "SIG \ud800"):
            with pytest.raises(ValueError, match=r"malformed|header") as caught:
                await transport.post(url, {**signed[0], "authorization": torn}, BODY, timeout=20)
            assert "SIG" not in str(caught.value)
    short, long = heads[: len(signed)], heads[len(signed) :]
    assert short == long
    assert ["authorization: sig five" in head for head in short] == [False] * 4 + [True]


async def test_this_machine_is_reached_without_the_environment_s_proxy(
    new_transport: Callable[[], Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serving(says(sized(b"proxied"))) as proxy,
        serving(says(sized(b"direct"))) as url,
    ):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.removesuffix("/v1/chat/completions"))
        transport = new_transport()
        try:
            assert await post(transport, url) == (200, b"direct")
            named = url.replace("127.0.0.1", "localhost")
            assert await post(transport, named) == (200, b"direct")
            assert await post(transport, "http://elsewhere.invalid/x") == (200, b"proxied")
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


async def test_closing_interrupts_requests_under_way(transport: Transport) -> None:
    async with serving(says(end="hang")) as url:
        call = asyncio.create_task(post(transport, url))
        await asyncio.sleep(0.1)
        await transport.close()
        async with asyncio.timeout(20):
            assert await call is Failure.INTERRUPTED


async def test_requests_above_the_most_wait_before_their_time_begins() -> None:
    async def all_of(transport: HttpTransport | SendingTransport) -> int:
        """How many there were at once."""
        at_once = most = 0

        async def answers_late(reader: Reader, writer: Writer) -> None:
            nonlocal at_once, most
            await read_request(reader)
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.05)
            at_once -= 1
            writer.write(sized(b"{}"))

        async with serving(answers_late) as url:
            # All of them take 3 s, longer than one may; each takes a small part of what it may.
            calls = [post(transport, url, timeout=2.5) for _ in range(120)]
            assert await asyncio.gather(*calls) == [(200, b"{}")] * 120
        await transport.close()
        return most

    another = SendingTransport(processes=1, most_requests=2)
    await another.start()
    assert await asyncio.gather(all_of(HttpTransport(most_requests=2)), all_of(another)) == [2, 2]
