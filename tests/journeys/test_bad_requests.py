"""Bad requests over HTTP: methods, paths, ids, JSON bodies, and batches over the wrong files."""

import json
from typing import Any, Final

import openai
import pytest
from tests.journeys.lines import CHAT, chat, completed, counts, ended, jsonl, submit
from tests.journeys.processes import Server
from tests.journeys.wire import FORM, call, field, form

pytestmark = pytest.mark.usefixtures("nothing_is_left")

LINE: Final = jsonl([chat("a")])
JSON: Final = {"content-type": "application/json"}
UNKNOWN_FILE: Final = "file-" + "0" * 22
UNKNOWN_BATCH: Final = "batch_" + "0" * 32
UNKNOWN_UPLOAD: Final = "upload_" + "0" * 32


@pytest.mark.parametrize(
    "case",
    [
        ("PUT", "/v1/files", 405, "Not allowed to PUT on /v1/files. Allowed: GET, POST.", True),
        ("DELETE", "/batches", 405, "Not allowed to DELETE on /batches. Allowed: GET, POST.", True),
        (
            "DELETE",
            f"/v1/batches/{UNKNOWN_BATCH}",
            405,
            f"Not allowed to DELETE on /v1/batches/{UNKNOWN_BATCH}. Allowed: GET.",
            True,
        ),
        (
            "GET",
            f"/v1/batches/{UNKNOWN_BATCH}/cancel",
            405,
            f"Not allowed to GET on /v1/batches/{UNKNOWN_BATCH}/cancel. Allowed: POST.",
            True,
        ),
        ("GET", "/v1/nothing", 404, "Invalid URL (GET /v1/nothing)", False),
        ("POST", "/v2/files", 404, "Invalid URL (POST /v2/files)", False),
        (
            "GET",
            "/v1/files/../../etc/passwd",
            404,
            "Invalid URL (GET /v1/files/../../etc/passwd)",
            False,
        ),
    ],
)
def test_wrong_methods_and_paths(
    plain_server: Server, case: tuple[str, str, int, str, bool]
) -> None:
    method, path, status, message, allow = case
    reply = call(plain_server, method, path)
    assert (reply.status, reply.error["message"]) == (status, message)
    assert ("allow" in reply.headers) == allow


@pytest.mark.parametrize(
    "case",
    [
        (
            "GET",
            f"/v1/files/{UNKNOWN_FILE}",
            404,
            f"No such File object: {UNKNOWN_FILE}",
            "id",
            None,
        ),
        (
            "DELETE",
            f"/v1/files/{UNKNOWN_FILE}",
            404,
            f"No such File object: {UNKNOWN_FILE}",
            "id",
            None,
        ),
        (
            "GET",
            "/v1/files/..%2F..%2Fetc%2Fpasswd/content",
            400,
            "Invalid 'file_id': '../../etc/passwd'. Expected an ID that begins with 'file'.",
            "file_id",
            "invalid_value",
        ),
        (
            "GET",
            "/v1/files/file-%00%0A%F0%9F%98%80",
            404,
            "No such File object: file-\x00\n😀",
            "id",
            None,
        ),
        (
            "POST",
            f"/v1/batches/{UNKNOWN_BATCH}/cancel",
            404,
            f"No batch found with id '{UNKNOWN_BATCH}'.",
            None,
            None,
        ),
        (
            "GET",
            "/v1/batches/nonsense",
            400,
            "Invalid 'batch_id': 'nonsense'. Expected an ID that begins with 'batch'.",
            "batch_id",
            "invalid_value",
        ),
        (
            "POST",
            f"/v1/uploads/{UNKNOWN_UPLOAD}/cancel",
            404,
            f"No such Upload object: {UNKNOWN_UPLOAD}",
            "id",
            None,
        ),
        (
            "GET",
            "/v1/batches?limit=0",
            400,
            "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 "
            "instead.",
            "limit",
            "invalid_value",
        ),
        (
            "GET",
            f"/v1/files?after={UNKNOWN_FILE}",
            400,
            f"Invalid 'after': '{UNKNOWN_FILE}' does not name an object of this list.",
            "after",
            "invalid_value",
        ),
        (
            "GET",
            "/v1/files?purpose=fun",
            400,
            "Invalid value: 'fun'. Supported values are: 'assistants', 'batch', 'fine-tune', "
            "'vision', 'user_data', 'evals', 'batch_output'.",
            "purpose",
            "invalid_value",
        ),
    ],
)
def test_unknown_ids(
    plain_server: Server, case: tuple[str, str, int, str, str | None, str | None]
) -> None:
    method, path, status, message, param, code = case
    reply = call(plain_server, method, path)
    assert (reply.status, reply.error) == (
        status,
        {"message": message, "type": "invalid_request_error", "param": param, "code": code},
    )


GOOD: Final = {
    "input_file_id": UNKNOWN_FILE,
    "endpoint": CHAT,
    "completion_window": "24h",
}


@pytest.mark.parametrize(
    "case",
    [
        (
            b"",
            JSON,
            400,
            "We could not parse the JSON body of your request. (the body is empty)",
            None,
            "invalid_json",
        ),
        (b"[]", JSON, 400, "The body of this request must be a JSON object.", None, "invalid_type"),
        (
            b'{"a": "\xff"}',
            JSON,
            400,
            "We could not parse the JSON body of your request. (it is not valid UTF-8)",
            None,
            "invalid_json",
        ),
        (
            b'{"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
            JSON,
            400,
            "We could not parse the JSON body of your request. (it is nested too deep)",
            None,
            "invalid_json",
        ),
        (
            b'{"a": "' + b"x" * 2_000_000 + b'"}',
            JSON,
            413,
            "The body of this request is larger than 1048576 bytes.",
            None,
            "request_too_large",
        ),
        (
            form(field("purpose", "batch")),
            FORM,
            415,
            "Unsupported content type 'multipart/form-data'. This endpoint takes "
            "'application/json'.",
            None,
            "unsupported_content_type",
        ),
        (
            json.dumps({**GOOD, "input_file_id": None}).encode(),
            JSON,
            400,
            "Invalid type for 'input_file_id': expected a string, but got null instead.",
            "input_file_id",
            "invalid_type",
        ),
        (
            json.dumps({**GOOD, "completion_window": "31d"}).encode(),
            JSON,
            400,
            "Invalid value: '31d'. Supported values are: '24h', and any whole minutes, hours or "
            "days from '1m' to '30d'.",
            "completion_window",
            "invalid_value",
        ),
        (
            json.dumps({**GOOD, "metadata": {str(n): "x" for n in range(17)}}).encode(),
            JSON,
            400,
            "Invalid 'metadata': too many properties. Expected an object with at most 16 "
            "properties, but got an object with 17 properties instead.",
            "metadata",
            "invalid_value",
        ),
        (
            json.dumps(GOOD).encode(),
            {**JSON, "x-tfy-metadata": "[1]"},
            400,
            "Invalid header 'x-tfy-metadata': expected a JSON object of strings, but got an array "
            "instead.",
            "x-tfy-metadata",
            "invalid_header",
        ),
    ],
)
def test_batches_that_are_refused(
    plain_server: Server, case: tuple[bytes, dict[str, str], int, str, str | None, str | None]
) -> None:
    body, headers, status, message, param, code = case
    reply = call(plain_server, "POST", "/v1/batches", body, headers)
    assert (reply.status, reply.error) == (
        status,
        {"message": message, "type": "invalid_request_error", "param": param, "code": code},
    )


def test_a_batch_over_a_file_that_is_not_there(plain_server: Server) -> None:
    client = plain_server.client()
    batch = client.batches.create(
        input_file_id=UNKNOWN_FILE, endpoint=CHAT, completion_window="24h"
    )
    last = ended(client, batch)
    assert (batch.status, last.status, counts(last)) == ("validating", "failed", (0, 0, 0))
    assert _errors(last) == [
        (
            "invalid_request",
            f"Cannot find file {UNKNOWN_FILE}, or organization default does not have access to it.",
            "file_id",
            None,
        )
    ]


def test_a_batch_over_a_file_of_another_purpose(plain_server: Server) -> None:
    client = plain_server.client()
    source = client.files.create(file=("in.jsonl", LINE), purpose="user_data")
    last = ended(
        client,
        client.batches.create(input_file_id=source.id, endpoint=CHAT, completion_window="24h"),
    )
    assert _errors(last) == [
        (
            "invalid_request",
            f"The file {source.id} has the purpose 'user_data'. A batch reads files of purpose "
            "'batch'.",
            "file_id",
            None,
        )
    ]
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.content(source.id)
    body: Any = refused.value.body
    assert body["message"] == "Not allowed to download files of purpose: user_data"
    client.files.delete(source.id)


def test_a_hundred_levels_are_no_trouble(plain_server: Server) -> None:
    client = plain_server.client()
    nested: Any = "x"
    for _ in range(100):
        nested = [nested]
    asked = [chat("deep", metadata={"a": nested})]
    last = completed(client, submit(client, asked), asked)
    _forget(plain_server, last.input_file_id, last.output_file_id)


def test_a_line_nested_beyond_reading(plain_server: Server) -> None:
    client = plain_server.client()
    content = LINE + LINE.replace(b'"a"', b'"b"').replace(
        b'"m"', b'"m","x":' + b"[" * 30_000 + b"]" * 30_000
    )
    source = client.files.create(file=("in.jsonl", content), purpose="batch")
    last = ended(
        client,
        client.batches.create(input_file_id=source.id, endpoint=CHAT, completion_window="24h"),
    )
    assert _errors(last) == [
        (
            "invalid_json_line",
            "This line nests arrays or objects deeper than this server reads.",
            None,
            2,
        )
    ]
    _forget(plain_server, source.id)


def _forget(server: Server, *files: str | None) -> None:
    for each in files:
        if each is not None:
            server.client().files.delete(each)


def _errors(batch: Any) -> list[tuple[str, str, str | None, int | None]]:
    return [(error.code, error.message, error.param, error.line) for error in batch.errors.data]
