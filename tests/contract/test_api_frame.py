"""What every request and answer has in common: headers, ids, early refusals, mistakes of ours."""

import asyncio
import json
import logging
import re
import socket
import time
from collections.abc import Generator
from http.client import HTTPResponse
from pathlib import Path

import openai
import pytest
from tests.contract.test_api_harness import (
    UNKNOWN_BATCH,
    UNKNOWN_FILE,
    Server,
    an_error,
    serving,
)

from batchway.domain.errors import Unavailable
from batchway.domain.keys import Principal
from batchway.service.keys import configured_key
from batchway.service.limits import MIB, Limits

KEY = "sk-blue-0123456789"
PROMPT = "a secret prompt"
LIMITS = Limits(idle_seconds=0.3, drain_seconds=0.5, drain_bytes=8 * MIB)


@pytest.fixture
def api(sqlite_url: str, tmp_path: Path) -> Generator[Server]:
    """An API with one key and little patience."""
    keys = [configured_key(name="blue", secret=KEY, tenant="blue/équipe")]
    with serving(sqlite_url, tmp_path / "blobs", keys=keys, limits=LIMITS) as server:
        yield server


def spoken(api: Server, *lines: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """Say something over a socket and read one answer; the connection stays half open."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=20) as connection:
        text = "\r\n".join((lines[0], f"Host: 127.0.0.1:{api.port}", *lines[1:], "", ""))
        connection.sendall(text.encode("latin-1") + body)
        answer = HTTPResponse(connection)
        answer.begin()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()


def test_every_answer_has_the_common_headers(api: Server) -> None:
    auth = {"authorization": f"Bearer {KEY}"}
    for path in ("/v1/batches", f"/v1/files/{UNKNOWN_FILE}", "/nowhere", "/healthz"):
        headers = api.ask("GET", path, headers=auth).headers
        assert re.fullmatch(r"req_[0-9a-f]{32}", headers["x-request-id"])
        assert headers["openai-version"] == "2020-10-01"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["openai-processing-ms"].isdigit()
    assert api.ask("GET", "/v1/files", headers=auth).headers["openai-organization"] == (
        "blue/%C3%A9quipe"
    )
    assert "openai-organization" not in api.ask("GET", "/v1/files").headers


def test_the_sdk_sees_the_request_id(api: Server) -> None:
    page = api.client(KEY).batches.list()
    assert re.fullmatch(r"req_[0-9a-f]{32}", page._request_id or "")  # pyright: ignore[reportPrivateUsage] - the SDK's documented name
    with pytest.raises(openai.NotFoundError) as caught:
        api.client(KEY).batches.retrieve(UNKNOWN_BATCH)
    assert re.fullmatch(r"req_[0-9a-f]{32}", caught.value.request_id or "")


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/v1/batches/batch_%00", 404, "No batch found with id 'batch_\0'."),
        ("/v1/batches/batch_%ED%A0%80", 404, "No batch found with id 'batch_\ufffd\ufffd\ufffd'."),
        ("/v1/batches/batch%2F..%2Fx", 404, "No batch found with id 'batch/../x'."),
        ("/v1/files/file-%2525", 404, "No such File object: file-%25"),
        ("/v1/files/file-" + "x" * 600, 404, "No such File object: file-" + "x" * 507 + "…"),
        ("/v1/files/file-%E2%80%AE/content", 404, "No such File object: file-\u202e"),
        (
            "/v1/files/gs%3A%2F%2Fbucket%2Fo/content",
            400,
            "Invalid 'file_id': 'gs://bucket/o'. Expected an ID that begins with 'file'.",
        ),
        (
            "/v1/batches/arn%3Aaws%3Abedrock",
            400,
            "Invalid 'batch_id': 'arn:aws:bedrock'. Expected an ID that begins with 'batch'.",
        ),
        ("/v1/batches/", 404, "Invalid URL (GET /v1/batches/)"),
        ("/v1//batches", 404, "Invalid URL (GET /v1//batches)"),
        ("/v1/files/a/b", 404, "Invalid URL (GET /v1/files/a/b)"),
    ],
)
def test_an_odd_id_is_no_mistake_of_ours(api: Server, path: str, status: int, message: str) -> None:
    reply = api.ask("GET", path, headers={"authorization": f"Bearer {KEY}"})
    assert (reply.status, reply.json()["error"]["message"]) == (status, message)


def test_a_mistake_of_ours_is_told_and_logged_once(
    api: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(principal: Principal, batch_id: str) -> None:
        raise RuntimeError(f"quoting {PROMPT}")

    monkeypatch.setattr(api.batches, "get", fail)
    with caplog.at_level(logging.INFO):
        reply = api.ask(
            "GET", f"/v1/batches/{UNKNOWN_BATCH}", headers={"authorization": f"Bearer {KEY}"}
        )
    request_id = reply.headers["x-request-id"]
    assert reply.status == 500
    assert reply.json() == an_error(
        "The server had an error while processing your request. Please retry, and quote the "
        f"request id {request_id} if it persists.",
        code="internal_error",
        type="server_error",
    )
    assert "x-should-retry" not in reply.headers
    (record,) = caplog.records
    logged = record.getMessage()
    assert f"GET /v1/batches/{UNKNOWN_BATCH} failed: RuntimeError ({request_id})" in logged
    assert "test_api_frame.py" in logged
    assert PROMPT not in caplog.text
    assert KEY not in caplog.text


def test_failing_storage_is_told_and_logged_once(
    api: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(principal: Principal, batch_id: str) -> None:
        raise Unavailable("The database does not answer.")

    monkeypatch.setattr(api.batches, "get", fail)
    with caplog.at_level(logging.INFO):
        reply = api.ask(
            "GET", f"/v1/batches/{UNKNOWN_BATCH}", headers={"authorization": f"Bearer {KEY}"}
        )
    assert reply.status == 503
    (record,) = caplog.records
    request_id = reply.headers["x-request-id"]
    assert record.getMessage() == (f"storage failed: The database does not answer. ({request_id})")


def test_a_refused_upload_is_read_on_so_that_the_client_sees_why(api: Server) -> None:
    # Without a key, and larger than what sockets buffer: without draining the client would get a
    # broken pipe or a reset instead of the answer.
    with pytest.raises(openai.AuthenticationError):
        api.client("sk-wrong-0123456789").files.create(
            file=("in.jsonl", b"x" * (6 * MIB)), purpose="batch"
        )


def test_a_refused_upload_without_end_is_cut_off(api: Server) -> None:
    since = time.monotonic()
    status, headers, _ = spoken(
        api, "POST /v1/files HTTP/1.1", f"Content-Length: {100 * MIB}", body=b"x" * 100_000
    )
    assert (status, headers["connection"]) == (401, "close")
    assert time.monotonic() - since < 15  # 100 MiB would never have come


def test_a_client_that_asks_before_sending_is_not_told_to_send(api: Server) -> None:
    status, headers, body = spoken(
        api, "POST /v1/files HTTP/1.1", "Content-Length: 1000000", "Expect: 100-continue"
    )
    assert (status, headers["connection"]) == (401, "close")
    assert json.loads(body)["error"]["message"].startswith("Missing bearer")


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
def test_a_body_that_stands_still_is_given_up(api: Server, path: str) -> None:
    status, headers, body = spoken(
        api,
        f"POST {path} HTTP/1.1",
        f"Authorization: Bearer {KEY}",
        "Content-Type: " + ("multipart/form-data; boundary=b" if "files" in path else "a/b"),
        "Content-Length: 1000",
        body=b"--b\r\n",
    )
    assert status == 408
    assert json.loads(body) == an_error(
        "The body of this request stopped arriving for 0.3 seconds. Nothing was kept; send it "
        "again.",
        code="request_timeout",
    )
    assert headers["connection"] == "close"
    assert "x-should-retry" not in headers
    assert api.stored() == []


def test_polls_are_answered_while_the_loop_serves_a_download(api: Server) -> None:
    client = api.client(KEY)
    file = client.files.create(file=("x.bin", b"x" * (8 * MIB)), purpose="fine-tune")

    async def polls() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        request = f"GET /v1/files/{file.id}/content HTTP/1.1\r\nHost: x\r\n"
        writer.write(f"{request}Authorization: Bearer {KEY}\r\n\r\n".encode())
        await reader.readline()  # and read no further: the server's buffers are full
        answered = 0
        for _ in range(5):
            reply = await asyncio.to_thread(api.ask, "GET", "/healthz")
            answered += reply.status == 200
        writer.close()
        return answered

    assert asyncio.run(polls()) == 5


@pytest.mark.parametrize(
    "lines",
    [
        ("garbage",),
        ("GET /v1/files HTTP/1.1", "no colon"),
        ("GET /v1/files HTTP/9.9",),
        ("POST /v1/batches HTTP/1.1", "Content-Length: many"),
        ("POST /v1/batches HTTP/1.1", "Content-Length: 1", "Content-Length: 2"),
    ],
)
def test_what_is_no_http_is_refused_in_the_envelope(api: Server, lines: tuple[str, ...]) -> None:
    status, headers, body = spoken(api, *lines)
    assert status == 400
    assert headers == {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-should-retry": "false",
        "connection": "close",
    }
    message = "We could not parse your request: it is not valid HTTP/1.1."
    assert json.loads(body) == an_error(message, code="invalid_http")
