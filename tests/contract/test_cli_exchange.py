"""The command line's HTTP over plain servers: redirects, proxies, answers that break off."""

import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from batchway.cli.client import Refused, Server, Unreachable
from batchway.cli.exchange import Body, Cut, NotConnected, exchange
from batchway.cli.failures import CommandError
from batchway.providers.http.form import PIECE

Serve = Callable[[socket.socket, bytes], None]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def head_of(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and (more := connection.recv(1)):
        data += more
        if data == b"\x16":  # how TLS begins
            connection.recv(65_536)
            break
    return data


@contextmanager
def serving(serve: Serve) -> Generator[str]:
    """A server of one connection at a time; yields `host:port`."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def loop() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return  # closed: the test is over
                with closing(connection):
                    serve(connection, head_of(connection))

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)  # which ends an `accept`, as closing does not
            thread.join()


@contextmanager
def answering(*answers: bytes) -> Generator[tuple[str, list[bytes]]]:
    """A server that gives one answer after the other; yields its origin and the heads it got."""
    left, heads = list(answers), list[bytes]()

    def serve(connection: socket.socket, head: bytes) -> None:
        heads.append(head)
        if head.startswith(b"POST"):
            connection.recv(2)
        connection.sendall(left.pop(0))

    with serving(serve) as address:
        yield f"http://{address}", heads


def redirect(status: int, location: str) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode()


def get(url: str, **headers: str) -> bytes:
    with exchange("GET", url, headers) as answer:
        return answer.body()


def post(url: str, body: bytes = b"{}") -> bytes:
    sent = Body(content_type="application/json", length=len(body), pieces=lambda: (body,))
    with exchange("POST", url, {}, sent) as answer:
        return answer.body()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


# ----------------------------------------------------------------------------- redirects


@pytest.mark.parametrize(("status", "again"), [(301, b"GET"), (303, b"GET"), (307, b"POST")])
def test_a_redirect_is_followed(status: int, again: bytes) -> None:
    with answering(redirect(status, "/b?c=d%2Fe"), OK) as (origin, heads):
        assert post(f"{origin}/a") == b"ok"
    assert [head.split(b" HTTP")[0] for head in heads] == [b"POST /a", again + b" /b?c=d%2Fe"]


def test_the_key_stays_with_its_server() -> None:
    with (
        answering(OK) as (elsewhere, others),
        answering(redirect(302, "/here"), redirect(302, f"{elsewhere}/there")) as (origin, own),
    ):
        assert get(origin, authorization="Bearer k") == b"ok"
    assert [b"authorization: Bearer k" in head for head in own + others] == [True, True, False]


@pytest.mark.parametrize("location", ["ftp://host/", "http://["])
def test_a_redirect_that_leads_nowhere(location: str) -> None:
    with (
        answering(redirect(302, location)) as (origin, _),
        pytest.raises(Cut, match="an address that cannot be used"),
    ):
        get(origin)


def test_redirects_for_ever() -> None:
    with (
        answering(*[redirect(302, "/")] * 10) as (origin, _),
        pytest.raises(Cut, match="redirects for ever"),
    ):
        get(origin)


# ----------------------------------------------------------------------------- proxies


def test_a_proxy_is_asked_for_the_whole_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(OK) as (origin, heads):
        monkeypatch.setenv("HTTP_PROXY", origin.replace("://", "://user:p%40ss@"))
        assert get("http://batchway.example:81/v1/batches?limit=1") == b"ok"
    assert heads[0].startswith(b"GET http://batchway.example:81/v1/batches?limit=1 HTTP/1.1\r\n")
    assert b"\r\nHost: batchway.example:81\r\n" in heads[0]
    assert b"proxy-authorization: Basic " + b64encode(b"user:p@ss") in heads[0]


def test_a_proxy_connects_to_a_server_with_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"
    with answering(refusal) as (origin, heads):
        monkeypatch.setenv("HTTPS_PROXY", origin.replace("://", "://user:pw@"))
        with pytest.raises(NotConnected, match="403"):
            get("https://batchway.example/v1", authorization="Bearer k")
    assert heads[0].startswith(b"CONNECT batchway.example:443 HTTP/1.")
    assert b64encode(b"user:pw") in heads[0]
    assert b"Bearer" not in heads[0]


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        ("socks5://p:1", "or name the server's host in NO_PROXY"),
        ("https://p:1", "cannot be used for https://"),
    ],
)
def test_proxies_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, proxy: str, why: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(NotConnected, match=why):
        get("https://batchway.example/v1")


# ----------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "before the answer did"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 2\r\n\r\nxx", "packs"),
        (b"SSH-2.0\r\n\r\n", "SSH"),
    ],
)
def test_answers_that_break_off(answer: bytes, why: str) -> None:
    with answering(answer) as (origin, _), pytest.raises(Cut, match=why):
        get(origin)


def test_chunks_are_read_to_their_end() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    with answering(chunked) as (origin, _):
        assert get(origin) == b"abc"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://no-such-host.invalid/", "its name is not known"),
        ("https://{address}/", "TLS failed: "),
        ("http://127.0.0.1:9/", "connection refused"),
    ],
)
def test_addresses_that_cannot_be_reached(url: str, why: str) -> None:
    plain = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    with answering(plain) as (origin, _), pytest.raises(NotConnected, match=why):
        get(url.format(address=origin.removeprefix("http://")))


def test_a_header_that_cannot_be_sent() -> None:
    with answering(OK) as (origin, _), pytest.raises(Cut, match="cannot be sent"):
        get(origin, name="a\r\nb: c")


# ----------------------------------------------------------------------------- uploads


def test_an_upload_that_is_refused_before_it_is_read(tmp_path: Path) -> None:
    error = b'{"error":{"message":"Too large."}}'

    def serve(connection: socket.socket, head: bytes) -> None:
        connection.sendall(
            b"HTTP/1.1 413 Too Large\r\ncontent-length: %d\r\n\r\n%b" % (len(error), error)
        )

    path = tmp_path / "in.jsonl"
    path.write_bytes(b"x" * (64 << 20))
    with serving(serve) as address, pytest.raises(Refused, match="Too large") as caught:
        Server(url=f"http://{address}", api_key=None).upload(path, sent=lambda _: None)
    assert caught.value.status == 413


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_that_changes_while_it_is_sent(tmp_path: Path, change: int) -> None:
    path = tmp_path / 'in "ü"\n.jsonl'
    path.write_bytes(b"x" * (2 * PIECE))
    got = bytearray()

    def serve(connection: socket.socket, head: bytes) -> None:
        left = int(head.lower().partition(b"content-length: ")[2].split()[0])
        while left > 0 and (data := connection.recv(left)):
            got.extend(data)
            left -= len(data)
        connection.sendall(OK.replace(b"ok", b"{}"))

    sizes: list[int] = []

    def sent(size: int) -> None:
        if not sizes:
            path.write_bytes(b"x" * (2 * PIECE + change))
        sizes.append(size)

    with serving(serve) as address:
        server = Server(url=f"http://{address}", api_key=None)
        if change < 0:
            with pytest.raises(CommandError, match="became shorter"):
                server.upload(path, sent=sent)
            return
        assert server.upload(path, sent=sent) == {}
    assert sizes == [PIECE, PIECE]
    assert b'filename="in \\"\xc3\xbc\\".jsonl"' in got
    assert got.count(b"x") == 2 * PIECE


def test_a_reader_may_stop_in_the_middle() -> None:
    body = b"a\nb\n" * 1_000
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n" + body
    with answering(answer) as (origin, _):
        lines: Iterator[bytes] = Server(url=origin, api_key=None).lines("file-1")
        assert [next(lines), next(lines)] == [b"a", b"b"]
        with pytest.raises(Unreachable, match="ended before the answer did"):
            list(lines)
