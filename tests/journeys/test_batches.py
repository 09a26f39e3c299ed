"""How batches end: completed, mixed, failed, expired, cancelled.

Through the official SDK against a real server and a real simulator.
"""

import json
import sqlite3
import time
from typing import Final

import pytest
from tests.journeys.conftest import NewServer, NewSimulator, provider
from tests.journeys.lines import (
    CHAT,
    chat,
    chats,
    check,
    completed,
    counts,
    ended,
    reached,
    results,
    submit,
    upload,
)
from tests.journeys.processes import Server, eventually

CONTEXT_LENGTH: Final = {
    "error": {
        "message": "This model's maximum context length is 128000 tokens. However, your messages "
        "resulted in 128007 tokens. Please reduce the length of the messages.",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }
}
EXPIRED: Final = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}
CANCELLED: Final = {
    "code": "batch_cancelled",
    "message": "This request was not executed: the batch was cancelled.",
}


def test_every_line_succeeds(plain_server: Server) -> None:
    client = plain_server.client()
    asked = chats(40)
    last = completed(client, submit(client, asked), asked)

    answers = [each["response"]["body"]["usage"] for each in results(client, last).output]
    spent = {
        "input_tokens": sum(usage["prompt_tokens"] for usage in answers),
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": sum(usage["completion_tokens"] for usage in answers),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": sum(usage["total_tokens"] for usage in answers),
    }
    assert (last.model, last.to_dict()["usage"]) == ("m", spent)
    assert last.created_at <= _time(last.in_progress_at) <= _time(last.finalizing_at)
    assert _time(last.finalizing_at) <= _time(last.completed_at)
    assert _time(last.expires_at) == last.created_at + 86_400


def test_lines_that_fail_go_to_the_error_file_with_the_answer_they_got(
    plain_server: Server,
) -> None:
    client = plain_server.client()
    asked = [
        chat("a"),
        chat("long", "[[400]] far too long"),
        chat("b"),
        chat("missing", "[[404]]"),
        chat("broken", "[[500]]"),
        chat("c"),
    ]
    last = ended(client, submit(client, asked))
    given = results(client, last)

    assert (last.status, counts(last)) == ("completed", (6, 3, 3))
    check(asked, given)
    assert given.codes() == {"long": 400, "missing": 404, "broken": 500}
    assert given.errors[0]["response"]["body"] == CONTEXT_LENGTH
    assert [each["error"] for each in given.errors] == [None, None, None]


def test_when_all_lines_fail_there_is_no_output_file(plain_server: Server) -> None:
    client = plain_server.client()
    asked = [chat(f"r-{number}", f"[[400]] {number}") for number in range(5)]
    last = ended(client, submit(client, asked))

    assert (last.status, counts(last), last.output_file_id) == ("completed", (5, 0, 5), None)
    check(asked, results(client, last))


@pytest.mark.parametrize(
    ("custom_id", "prompt", "code", "message"),
    [
        (
            "garbage",
            "[[garbage]]",
            "invalid_provider_response",
            "The provider 'sim' answered 200 with a body that is not JSON.",
        ),
        (
            "truncated",
            "[[truncate]]",
            "connection_interrupted",
            "The connection to the provider 'sim' broke before its answer was complete.",
        ),
        (
            "reset",
            "[[reset]]",
            "connection_interrupted",
            "The connection to the provider 'sim' broke before its answer was complete.",
        ),
        (
            "hanging",
            "[[hang]]",
            "request_timeout",
            "The provider did not answer within 2 seconds.",
        ),
    ],
)
def test_a_line_that_never_gets_a_good_answer_says_why(
    plain_server: Server, custom_id: str, prompt: str, code: str, message: str
) -> None:
    client = plain_server.client()
    # The good line shows the provider to be well, so that the bad one is to blame.
    asked = [chat(custom_id, f"{prompt} {custom_id}"), *chats(3)]
    last = ended(client, submit(client, asked))
    given = results(client, last)

    assert (last.status, counts(last)) == ("completed", (4, 3, 1))
    check(asked, given)
    assert given.errors[0]["response"] is None
    assert given.errors[0]["error"] == {"code": code, "message": message}


def test_a_proxy_page_becomes_an_error_in_the_envelope(plain_server: Server) -> None:
    client = plain_server.client()
    asked = [chat("page", "[[html]]"), *chats(3)]
    given = results(client, ended(client, submit(client, asked)))

    response = given.errors[0]["response"]
    assert response["status_code"] == 502
    assert set(response["body"]) == {"error"}
    assert set(response["body"]["error"]) == {"message", "type", "param", "code"}
    assert "<html>" in response["body"]["error"]["message"].lower()


def test_every_mistake_of_a_file_is_listed_with_its_line(plain_server: Server) -> None:
    client = plain_server.client()
    good = chat("first")
    bare = {"method": "POST", "url": CHAT}
    body = good["body"]
    content = b"\n".join(
        [
            json.dumps(good).encode(),
            b"{not json",
            json.dumps({**bare, "body": body}).encode(),
            json.dumps({**good, "custom_id": "get", "method": "GET"}).encode(),
            json.dumps({**good, "custom_id": "url", "url": "/v1/embeddings"}).encode(),
            json.dumps({**bare, "custom_id": "model", "body": {"messages": []}}).encode(),
            json.dumps({**bare, "custom_id": "messages", "body": {"model": "m"}}).encode(),
            json.dumps(chat("stream", stream=True)).encode(),
            json.dumps(good).encode(),
            b'{"custom_id":"\xff","method":"POST","url":"/v1/chat/completions","body":{}}',
            json.dumps(chat("deep")).encode().replace(b'"m"', b"[" * 50_000 + b"]" * 50_000),
            json.dumps(chat("huge", "x" * 100_000)).encode(),
            b"[1]",
            json.dumps({**good, "custom_id": 7, "body": "text"}).encode(),
            b"",
            json.dumps({**good, "custom_id": ""}).encode(),
            json.dumps({"custom_id": "empty"}).encode(),
        ]
    )
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    before = plain_server.blobs()
    batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    last = ended(client, batch)
    deep, huge = (len(each) for each in content.split(b"\n")[10:12])

    assert (last.status, counts(last)) == ("failed", (0, 0, 0))
    assert (last.output_file_id, last.error_file_id, last.in_progress_at) == (None, None, None)
    assert last.failed_at is not None
    assert last.errors is not None
    assert last.errors.object == "list"
    assert [
        (error.line, error.code, error.param, error.message) for error in last.errors.data or []
    ] == [
        (2, "invalid_json_line", None, "This line is not parseable as valid JSON."),
        (
            3,
            "missing_required_parameter",
            "custom_id",
            "Missing required parameter: 'custom_id'.",
        ),
        (
            4,
            "invalid_method",
            "method",
            "The method 'GET' is not supported. Each line's method must be 'POST'.",
        ),
        (
            5,
            "invalid_url",
            "url",
            "The URL provided for this request does not match the batch endpoint.",
        ),
        (6, "missing_required_parameter", "body.model", "Missing required parameter: 'model'."),
        (
            7,
            "missing_required_parameter",
            "body.messages",
            "Missing required parameter: 'messages'.",
        ),
        (
            8,
            "streaming_unsupported",
            "body.stream",
            "Chat Completions: Streaming is not supported in the Batch API.",
        ),
        (
            9,
            "duplicate_custom_id",
            "custom_id",
            "The custom_id 'first' for this request is a duplicate of another request. The "
            "custom_id parameter must be unique for each request in a batch.",
        ),
        (10, "invalid_json_line", None, "This line is not valid UTF-8."),
        (
            11,
            "line_too_long",
            None,
            f"This line is {deep} bytes long. The limit is 100000 bytes a line: "
            "the setting `limits.max_line_bytes` of this server.",
        ),
        (
            12,
            "line_too_long",
            None,
            f"This line is {huge} bytes long. The limit is 100000 bytes a line: "
            "the setting `limits.max_line_bytes` of this server.",
        ),
        (13, "invalid_json_line", None, "This line is not a JSON object."),
        (14, "invalid_type", "custom_id", "Invalid type for 'custom_id': expected a string."),
        (14, "invalid_type", "body", "Invalid type for 'body': expected an object."),
        (16, "invalid_value", "custom_id", "The custom_id must be a non-empty string."),
        (17, "missing_required_parameter", "method", "Missing required parameter: 'method'."),
        (17, "missing_required_parameter", "url", "Missing required parameter: 'url'."),
        (17, "missing_required_parameter", "body", "Missing required parameter: 'body'."),
    ]
    assert plain_server.kept() == before


def test_cancelled_while_validating(plain_server: Server) -> None:
    client = plain_server.client()
    # Long enough to validate that the cancel, a few milliseconds later, comes first.
    batch = submit(client, chats(250_000))
    first = client.batches.cancel(batch.id)
    last = ended(client, batch)

    assert (first.status, first.cancelling_at is not None) == ("cancelling", True)
    assert (last.status, counts(last), last.in_progress_at) == ("cancelled", (0, 0, 0), None)
    assert (last.output_file_id, last.error_file_id, last.errors) == (None, None, None)
    assert client.batches.cancel(batch.id).to_dict() == last.to_dict()
    client.files.delete(batch.input_file_id)


def test_cancelled_in_progress_delivers_what_is_done(
    new_simulator: NewSimulator, new_server: NewServer
) -> None:
    # Slots enough for all that hang: `auto` would begin with fewer.
    server = new_server(
        provider(new_simulator(), limits={"concurrency": 64}), execution={"drain_timeout": 0.3}
    )
    client = server.client()
    asked = [
        chat(f"r-{number}", f"[[hang]] {number}" if number % 3 else f"quick {number}")
        for number in range(30)
    ]
    batch = submit(client, asked)
    reached(client, batch, completed=10)
    assert client.batches.cancel(batch.id).status == "cancelling"
    last = ended(client, batch)
    given = results(client, last)

    assert (last.status, counts(last)) == ("cancelled", (30, 10, 0))
    check(asked, given)
    assert [(each["response"], each["error"]) for each in given.errors] == [(None, CANCELLED)] * 20


def test_expired_delivers_what_is_done(new_simulator: NewSimulator, new_server: NewServer) -> None:
    """The shortest window is a minute, so the test moves the deadline in the ledger instead.

    A running server has read it, so that it happens between two lives of the server.
    """
    server = new_server(
        provider(new_simulator(), limits={"concurrency": 64}), execution={"drain_timeout": 0.1}
    )
    client = server.client()
    asked = [
        chat(f"r-{number}", f"[[hang]] {number}" if number % 2 else f"quick {number}")
        for number in range(20)
    ]
    batch = submit(client, asked, completion_window="1m")
    assert _time(batch.expires_at) == batch.created_at + 60
    reached(client, batch, completed=10)
    assert server.stop() == 0
    deadline = int(time.time()) + 4
    with sqlite3.connect(server.data / "batchway.db") as ledger:
        ledger.execute("UPDATE batches SET deadline = ?", (deadline,))
    server.start()
    client = server.client()
    last = ended(client, batch)
    given = results(client, last)

    assert (last.status, counts(last)) == ("expired", (20, 10, 0))
    assert _time(last.expired_at) >= deadline
    check(asked, given)
    assert [(each["response"], each["error"]) for each in given.errors] == [(None, EXPIRED)] * 10


def test_a_deleted_input_does_not_stop_its_batch(
    new_simulator: NewSimulator, new_server: NewServer
) -> None:
    server = new_server(provider(new_simulator(latency=0.05), limits={"concurrency": 4}))
    client = server.client()
    asked = chats(40)
    file_id = upload(client, asked)
    batch = client.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window="24h")
    reached(client, batch, completed=1)
    client.files.delete(file_id)
    last = completed(client, batch, asked)

    # What is left is the output: neither the input nor a segment.
    wanted = [f"files/{last.output_file_id}"]
    eventually("only the output is left", lambda: server.blobs() == wanted, within=10)


def _time(value: int | None) -> int:
    assert value is not None
    return value
