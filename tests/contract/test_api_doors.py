"""What a client may send before the API is asked, how slowly, and how many may be connected.

Limits of time are turned down; what is measured in bytes and connections is as it ships, or said.
"""

import json
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path
from statistics import median

import pytest
from tests.contract.test_api_harness import UNKNOWN_BATCH, Server, eventually, serving

from batchway.api.doors import DoorLimits
from batchway.bootstrap.work_thread import new_loop
from batchway.service.keys import configured_key
from batchway.service.limits import Limits

KEY = "sk-blue-0123456789"
KIB = 1024
DOORS = DoorLimits(
    head_seconds=0.5,
    idle_seconds=1.5,
    answer_seconds=0.5,
    linger_seconds=0.5,
    most=20,
    turned_away=5,
    look_seconds=0.05,
)
LIMITS = Limits(idle_seconds=0.4, pace_seconds=0.5, pace_bytes=1000, drain_seconds=0.5)
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
AUTH = f"Authorization: Bearer {KEY}\r\n".encode()


@pytest.fixture(scope="module")
def api(upgraded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """One server for all cases: what one client did must not matter to the next."""
    folder = tmp_path_factory.mktemp("doors")
    database = folder / "batchway.db"
    database.write_bytes(upgraded_sqlite.read_bytes())
    keys = [configured_key(name="blue", secret=KEY, tenant="blue")]
    with serving(
        f"sqlite:///{database}",
        folder / "blobs",
        keys=keys,
        limits=LIMITS,
        doors=DOORS,
        new_loop=new_loop,
    ) as server:
        yield server


@contextmanager
def connected(api: Server, seconds: float = 20) -> Generator[socket.socket]:
    """A connection of a client that will not wait longer for anything."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=seconds) as connection:
        yield connection


def answer(connection: socket.socket) -> tuple[int, str | None, bytes]:
    """One answer: its status, the code of its error, and its body."""
    reply = HTTPResponse(connection)
    reply.begin()
    body = reply.read()
    code = None
    if reply.status >= 400:
        code = json.loads(body)["error"]["code"]
        assert reply.getheader("content-type") == "application/json"
    return reply.status, code, body


def twice(connection: socket.socket) -> None:
    """Two good answers."""
    stream = b""
    while stream.count(b"HTTP/1.1 200 OK") < 2:
        piece = connection.recv(4096)
        assert piece
        stream += piece


def ended(connection: socket.socket) -> bool:
    """Whether the server closes it, and says nothing more."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def say(connection: socket.socket, data: bytes) -> None:
    """Send as much as the server takes."""
    with suppress(BrokenPipeError, ConnectionResetError):  # it has answered and had enough
        connection.sendall(data)


def filled(size: int) -> bytes:
    """A head of so many bytes."""
    return GET + b"x-long: " + b"y" * (size - len(GET) - len(b"x-long: \r\n\r\n")) + b"\r\n\r\n"


def many(count: int) -> bytes:
    """A head with so many headers."""
    return GET + b"".join(b"x-%d: y\r\n" % each for each in range(count - 1)) + b"\r\n"


CHUNKED = b"POST /v1/batches HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + AUTH + b"\r\n"


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (filled(64 * KIB), 200, None),
        (filled(64 * KIB + 1), 431, "request_header_too_large"),
        (filled(80_000_000), 431, "request_header_too_large"),
        (GET + b"x" * 70_000, 431, "request_header_too_large"),
        (b"\r\n" * 40_000, 431, "request_header_too_large"),
        (many(100), 200, None),
        (many(101), 431, "too_many_headers"),
        (many(100_000), 431, "too_many_headers"),
        (b"GET /healthz?" + b"q" * (15 * KIB) + b" HTTP/1.1\r\nHost: x\r\n\r\n", 200, None),
        (b"GET /" + b"q" * (17 * KIB) + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "url_too_long"),
        (b"GET /" + b"q" * 5_000_000, 414, "url_too_long"),
        (b"GET" + b"T" * 5_000_000, 400, "invalid_http"),
        # -- behind the head of a body in pieces
        (CHUNKED + b"1" + b"0" * 100_000, 400, "invalid_http"),
        (CHUNKED + b"1;" + b"e" * 5_000_000, 431, "request_header_too_large"),
        (CHUNKED + b"2\r\n{}\r\n0\r\nx: " + b"t" * 500_000, 431, "request_header_too_large"),
        (CHUNKED + b"2\r\n{}\r\n0\r\n" + b"x-t: y\r\n" * 200, 431, "too_many_headers"),
        (CHUNKED + b"2;a=b\r\n{}\r\n0\r\nx-t: y\r\n\r\n", 400, "missing_required_parameter"),
    ],
)  # fmt: skip
def test_a_head_without_measure_is_refused(
    api: Server, said: bytes, status: int, code: str | None
) -> None:
    with connected(api) as connection:
        say(connection, said)
        assert answer(connection)[:2] == (status, code)
        if code not in {None, "missing_required_parameter"}:
            assert ended(connection)


def test_an_endless_header_holds_nobody_up(api: Server) -> None:
    with connected(api, 30) as connection:
        connection.setblocking(False)
        took: list[float] = []
        begun = time.monotonic()
        piece = GET + b"x: " + b"y" * (1 << 20)
        while time.monotonic() - begun < 1:
            with suppress(BlockingIOError, ConnectionError):
                connection.send(piece)
            since = time.monotonic()
            assert api.ask("GET", "/healthz").status == 200
            took.append(time.monotonic() - since)
    assert median(took) < 0.5  # any one may meet a machine that is busy


@pytest.mark.parametrize(
    ("said", "drip", "code"),
    [
        (b"", b"", None),  # nothing was asked: closed without a word
        (b"", b"\r\n", "request_timeout"),
        (b"GET /healthz HT", b"", "request_timeout"),
        (GET, b"x: y\r\n", "request_timeout"),
        (GET + b"x: ", b"y", "request_timeout"),
    ],
)
def test_a_head_that_does_not_end_is_given_up(
    api: Server, said: bytes, drip: bytes, code: str | None
) -> None:
    since = time.monotonic()
    with connected(api) as connection:
        connection.sendall(said)
        while drip and time.monotonic() - since < 0.4:
            connection.sendall(drip)
            time.sleep(0.05)
        if code is None:
            assert ended(connection)
        else:
            assert answer(connection)[:2] == (408, code)
            assert ended(connection)
    assert time.monotonic() - since > 0.4


def test_a_connection_is_kept_for_longer_than_a_head_may_take(api: Server) -> None:
    with connected(api) as connection:
        for _ in range(2):
            connection.sendall(GET + b"\r\n")
            assert answer(connection)[0] == 200
            time.sleep(0.6)
        connection.sendall(b"GET /healthz")  # from its first byte on, a head has its time again
        assert answer(connection)[:2] == (408, "request_timeout")
    with connected(api) as connection:
        since = time.monotonic()
        connection.sendall(GET + b"\r\n")
        assert answer(connection)[0] == 200
        assert ended(connection)
        assert time.monotonic() - since > 1.4


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches", "/v1/uploads"])
def test_a_body_that_drips_is_given_up(api: Server, path: str) -> None:
    kind = b"multipart/form-data; boundary=b" if "files" in path else b"application/json"
    with connected(api) as connection:
        connection.sendall(
            b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: %b\r\nContent-Length: 1000000\r\n%b\r\n"
            % (path.encode(), kind, AUTH)
        )
        begun = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.jsonl"\r\n\r\n'
        connection.sendall(begun if "files" in path else b"{")
        for _ in range(40):
            time.sleep(0.03)
            say(connection, b" ")
        status, code, body = answer(connection)
        assert (status, code) == (408, "request_timeout")
        assert b"less than 1000 bytes in 0.5 seconds" in body
        assert ended(connection)
    assert api.stored() == []


def test_a_slow_client_that_keeps_its_pace_is_served(api: Server) -> None:
    body = json.dumps({"padding": "p" * 20_000}).encode()
    with connected(api) as connection:
        connection.sendall(
            b"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n%b\r\n" % (len(body), AUTH)
        )
        for start in range(0, len(body), 500):  # 10 kB a second, for two seconds
            connection.sendall(body[start : start + 500])
            time.sleep(0.05)
        assert answer(connection)[:2] == (400, "missing_required_parameter")


def test_a_body_that_nobody_asked_for_is_not_waited_for(api: Server) -> None:
    with connected(api) as connection:
        connection.sendall(GET + b"Content-Length: 1000000\r\n\r\n{")
        assert answer(connection)[0] == 200
        since = time.monotonic()
        with pytest.raises(ConnectionError):  # noqa: PT012 - which of the sends meets it is open
            while time.monotonic() - since < 15:
                connection.sendall(b"x")
                time.sleep(0.05)
    with connected(api) as connection:  # one that comes at once does no harm
        connection.sendall((GET + b"Content-Length: 2\r\n\r\n{}") * 2)
        twice(connection)


def test_a_client_that_does_not_read_its_answer_is_given_up(api: Server) -> None:
    client = api.client(KEY)
    file = client.files.create(file=("x.bin", b"x" * (32 << 20)), purpose="fine-tune")
    with connected(api) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
        connection.sendall(
            f"GET /v1/files/{file.id}/content HTTP/1.1\r\nHost: x\r\n".encode() + AUTH + b"\r\n"
        )
        time.sleep(1)
        received = 0
        with suppress(ConnectionResetError):
            while piece := connection.recv(1 << 20):
                received += len(piece)
        assert received < 32 << 20
    # One that reads slowly but surely gets all of it.
    with connected(api) as connection:
        connection.sendall(
            f"GET /v1/files/{file.id}/content HTTP/1.1\r\nHost: x\r\n".encode() + AUTH + b"\r\n"
        )
        time.sleep(0.2)
        reply = HTTPResponse(connection)
        reply.begin()
        received = 0
        while piece := reply.read(1 << 20):
            received += len(piece)
            time.sleep(0.04)
        assert received == 32 << 20
    client.files.delete(file.id)


@pytest.mark.parametrize("said", [b"", GET, GET + b"\r\n"], ids=["silent", "half", "idle"])
def test_connections_that_ask_nothing_give_way(api: Server, said: bytes) -> None:
    others: list[socket.socket] = []
    try:
        for _ in range(3 * DOORS.most):
            others.append(socket.create_connection(("127.0.0.1", api.port), timeout=5))
            others[-1].sendall(said)
        took: list[float] = []
        for _ in range(5):
            since = time.monotonic()
            assert api.ask("GET", "/healthz").status == 200
            took.append(time.monotonic() - since)
        assert median(took) < 0.4  # none waited for a head to be given up
    finally:
        for other in others:
            other.close()


def test_when_all_are_busy_a_new_one_is_told_to_come_again(sqlite_url: str, tmp_path: Path) -> None:
    keys = [configured_key(name="blue", secret=KEY, tenant="blue")]
    doors = DoorLimits(most=5)
    with serving(sqlite_url, tmp_path / "blobs", keys=keys, doors=doors) as api:
        _turned_away(api, doors.most)


def test_bodies_that_drip_give_way(sqlite_url: str, tmp_path: Path) -> None:
    keys = [configured_key(name="blue", secret=KEY, tenant="blue")]
    doors = DoorLimits(most=5, begins_seconds=0.3)
    begun = b"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n" + AUTH + b"\r\n{"
    others: list[socket.socket] = []
    with serving(sqlite_url, tmp_path / "blobs", keys=keys, doors=doors) as api:
        try:
            for _ in range(doors.most):
                others.append(socket.create_connection(("127.0.0.1", api.port), timeout=20))
                others[-1].sendall(begun)
            time.sleep(0.4)
            for other in others:
                other.sendall(b" ")
            for _ in range(3):
                assert api.ask("GET", "/healthz").status == 200
            assert answer(others[0])[:2] == (503, "too_many_connections")
        finally:
            for other in others:
                other.close()


def _turned_away(api: Server, most: int) -> None:
    begun = (
        b"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\n" + AUTH + b"\r\n{"
    )
    others: list[socket.socket] = []
    try:
        for _ in range(most):
            others.append(socket.create_connection(("127.0.0.1", api.port), timeout=5))
            others[-1].sendall(begun)
        time.sleep(0.3)  # until all have begun: an idle one would give way
        with connected(api) as connection:
            connection.sendall(GET + b"\r\n")
            reply = HTTPResponse(connection)
            reply.begin()
            assert (reply.status, reply.getheader("retry-after")) == (503, "1")
            assert json.loads(reply.read())["error"]["code"] == "too_many_connections"
    finally:
        for other in others:
            other.close()
    eventually(lambda: api.ask("GET", "/healthz").status == 200)


def test_requests_one_behind_the_other_are_answered_in_order(api: Server) -> None:
    with connected(api) as connection:
        paths = [b"/healthz", b"/nowhere", b"/v1/batches/%b" % UNKNOWN_BATCH.encode()] * 200
        heads = b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (p, AUTH) for p in paths)
        connection.sendall(heads)
        stream = connection.makefile("rb")

        def one() -> int:
            status = int(stream.readline().split()[1])
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            stream.read(length)
            return status

        assert [one() for _ in paths] == [200, 404, 404] * 200


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"garbage\r\n\r\n", "invalid_http"),
        (filled(70 * KIB), "request_header_too_large"),
        (CHUNKED + b"zz\r\n", "invalid_http"),
    ],
)
def test_a_refusal_waits_for_the_answers_before_it(api: Server, bad: bytes, code: str) -> None:
    with connected(api) as connection:
        say(connection, (GET + b"\r\n") * 3 + bad)
        stream = connection.makefile("rb").read()
    parts = stream.split(b"HTTP/1.1 ")[1:]
    assert [part[:3] for part in parts[:3]] == [b"200"] * 3
    assert len(parts) == 4
    assert code.encode() in parts[3]


@pytest.mark.parametrize(
    ("said", "first"),
    [
        (b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 405 Me"),
        (GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", b"HTTP/1.1 200 OK"),
        (GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"HTTP/1.1 200 OK"),
        (
            b"POST /v1/batches HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: 2\r\n" + AUTH + b"\r\n",
            b"HTTP/1.1 100 Co",
        ),
    ],
)
def test_what_worked_works(api: Server, said: bytes, first: bytes) -> None:
    with connected(api) as connection:
        connection.sendall(said)
        assert connection.recv(15) == first


def test_a_request_behind_one_that_asked_for_another_protocol(api: Server) -> None:
    with connected(api) as connection:
        connection.sendall(GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + GET + b"\r\n")
        twice(connection)
