"""Bad input over HTTP: each its clear error, nothing lost, and nothing left behind.

What is wrong with the lines of a file that was accepted is in `test_batches`.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import openai
import pytest

from tests.journeys.lines import CHAT, chat, chats, completed, counts, ended, jsonl, submit
from tests.journeys.processes import Server, eventually
from tests.journeys.wire import FORM, abandon, call, field, file, form

LINE: Final = jsonl([chat("a")])
PURPOSE: Final = field("purpose", "batch")
JSON: Final = {"content-type": "application/json"}
UNKNOWN_FILE: Final = "file-" + "0" * 22
UNKNOWN_BATCH: Final = "batch_" + "0" * 32
UNKNOWN_UPLOAD: Final = "upload_" + "0" * 32
NOT_JSONL: Final = "Invalid file format for Batch API. Must be .jsonl"
LIMIT: Final = 50_000_000
PURPOSES: Final = "['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals']"


@pytest.fixture(autouse=True)
def nothing_is_left(plain_server: Server) -> Iterator[None]:
    """Whatever a test sends, the blob store is afterwards as it was before."""
    before = plain_server.kept()
    yield
    eventually("nothing is left behind", lambda: plain_server.kept() == before, within=10)


def test_the_good_form_is_good(plain_server: Server) -> None:
    """The forms below are bad for the reason that is given, not because of how they are made."""
    body = form(PURPOSE, file(LINE))
    for path in ("/v1/files", "/files"):
        reply = call(plain_server, "POST", path, body, FORM)
        assert reply.status == 200, reply.body
        assert plain_server.client().files.delete(json.loads(reply.body)["id"]).deleted
    # In pieces of odd sizes, without Content-Length, the file first.
    pieces = form(file(LINE), PURPOSE)
    reply = call(
        plain_server,
        "POST",
        "/v1/files",
        (pieces[at : at + 7] for at in range(0, len(pieces), 7)),
        FORM,
    )
    assert plain_server.client().files.delete(json.loads(reply.body)["id"]).deleted


@pytest.mark.parametrize(
    ("body", "headers", "status", "message", "param", "code"),
    [
        (form(PURPOSE, file(b"no JSON\n")), FORM, 400, NOT_JSONL, None, None),
        (form(PURPOSE, file(b"")), FORM, 400, NOT_JSONL, None, None),
        (form(PURPOSE, file(b"\xff\xfe\n")), FORM, 400, NOT_JSONL, None, None),
        (form(PURPOSE, file(LINE, filename="in.txt")), FORM, 400, NOT_JSONL, None, None),
        (
            form(field("purpose", "fun"), file(LINE)),
            FORM,
            400,
            f"'fun' is not one of {PURPOSES} - 'purpose'",
            "purpose",
            None,
        ),
        (
            form(file(LINE), field("purpose", "batch_output")),
            FORM,
            400,
            f"'batch_output' is not one of {PURPOSES} - 'purpose'",
            "purpose",
            None,
        ),
        (
            form(file(LINE)),
            FORM,
            400,
            "Missing required parameter: 'purpose'.",
            "purpose",
            "missing_required_parameter",
        ),
        (
            form(PURPOSE),
            FORM,
            400,
            "Missing required parameter: 'file'.",
            "file",
            "missing_required_parameter",
        ),
        (
            form(PURPOSE, file(LINE, name="data")),
            FORM,
            400,
            "Missing required parameter: 'file'.",
            "file",
            "missing_required_parameter",
        ),
        (
            form(PURPOSE, file(LINE), file(LINE)),
            FORM,
            400,
            "We could not parse the multipart form of your request: it has more than one 'file'.",
            None,
            "invalid_multipart",
        ),
        (
            form(PURPOSE, file(LINE))[:-20],
            FORM,
            400,
            "We could not parse the multipart form of your request: it ends before its closing "
            "boundary.",
            None,
            "invalid_multipart",
        ),
        (
            b"",
            FORM,
            400,
            "We could not parse the multipart form of your request: it ends before its closing "
            "boundary.",
            None,
            "invalid_multipart",
        ),
        (
            form(PURPOSE, file(LINE)),
            {"content-type": "multipart/form-data"},
            400,
            "We could not parse the multipart form of your request: its Content-Type names no "
            "boundary.",
            None,
            "invalid_multipart",
        ),
        (
            LINE,
            JSON,
            415,
            "Unsupported content type 'application/json'. This endpoint takes "
            "'multipart/form-data'.",
            None,
            "unsupported_content_type",
        ),
        (
            LINE,
            {},
            415,
            "Unsupported content type 'none'. This endpoint takes 'multipart/form-data'.",
            None,
            "unsupported_content_type",
        ),
        (
            form(PURPOSE, field("expires_after[anchor]", "created_at"), file(LINE)),
            FORM,
            400,
            "Missing required parameter: 'expires_after.seconds'.",
            "expires_after.seconds",
            "missing_required_parameter",
        ),
        (
            form(
                PURPOSE,
                field("expires_after[anchor]", "created_at"),
                field("expires_after[seconds]", "5"),
                file(LINE),
            ),
            FORM,
            400,
            "Invalid 'expires_after.seconds': integer below minimum value. Expected a value >= "
            "3600, but got 5 instead.",
            "expires_after.seconds",
            "invalid_value",
        ),
    ],
)
def test_files_that_are_refused(
    plain_server: Server,
    body: bytes,
    headers: dict[str, str],
    status: int,
    message: str,
    param: str | None,
    code: str | None,
) -> None:
    reply = call(plain_server, "POST", "/v1/files", body, headers)
    assert (reply.status, reply.error) == (
        status,
        {"message": message, "type": "invalid_request_error", "param": param, "code": code},
    )
    assert reply.headers["x-should-retry"] == "false"
    assert reply.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_a_file_over_the_limit(plain_server: Server, announced: bool) -> None:
    megabyte = b'{"x":"' + b"y" * 999_990 + b'"}\n'
    # Well over, since a form's framing is not counted before it has been read.
    head, tail = PURPOSE + file(b"")[:-2], b"\r\n" + form()
    pieces = [head, *[megabyte] * (LIMIT // len(megabyte) + 3), tail]
    body = b"".join(pieces) if announced else iter(pieces)
    reply = call(plain_server, "POST", "/v1/files", body, FORM)
    assert (reply.status, reply.error) == (
        400,
        {
            "message": f"File is too large. The limit is {LIMIT} bytes.",
            "type": "invalid_request_error",
            "param": "file",
            "code": "file_too_large",
        },
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "message", "allow"),
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
    plain_server: Server, method: str, path: str, status: int, message: str, allow: bool
) -> None:
    reply = call(plain_server, method, path)
    assert (reply.status, reply.error["message"]) == (status, message)
    assert ("allow" in reply.headers) == allow


@pytest.mark.parametrize(
    ("method", "path", "status", "message", "param", "code"),
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
    plain_server: Server,
    method: str,
    path: str,
    status: int,
    message: str,
    param: str | None,
    code: str | None,
) -> None:
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
    ("body", "headers", "status", "message", "param", "code"),
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
            form(PURPOSE),
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
    plain_server: Server,
    body: bytes,
    headers: dict[str, str],
    status: int,
    message: str,
    param: str | None,
    code: str | None,
) -> None:
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


def test_blank_lines_are_no_batch(plain_server: Server) -> None:
    client = plain_server.client()
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.create(file=("in.jsonl", b"\n\n"), purpose="batch")
    body: Any = refused.value.body
    assert body["message"] == NOT_JSONL


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


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../../../etc/passwd.jsonl", "passwd.jsonl"),
        ("..\\..\\windows.jsonl", "windows.jsonl"),
        ("/etc/shadow.jsonl", "shadow.jsonl"),
        ("naïve ☃ 文件 😀.jsonl", "naïve ☃ 文件 😀.jsonl"),
        ("line\r\nbreak\x00.jsonl", "linebreak.jsonl"),
        ('quo"te;x=1.jsonl', 'quo"te;x=1.jsonl'),
        ("x" * 300 + ".jsonl", "x" * 249 + ".jsonl"),
        (".jsonl", ".jsonl"),
    ],
)
def test_filenames_are_names_and_never_paths(
    plain_server: Server, given: str, kept: str
) -> None:
    client = plain_server.client()
    source = client.files.create(file=(given, LINE), purpose="batch")
    content = client.files.content(source.id)
    assert (source.filename, client.files.retrieve(source.id).filename) == (kept, kept)
    assert content.read() == LINE
    assert content.response.headers["content-disposition"].startswith("attachment; filename=")
    assert f"files/{source.id}" in plain_server.kept()
    client.files.delete(source.id)


@pytest.mark.parametrize(
    ("path", "name"),
    [("/v1/files", "file"), ("/v1/uploads/{upload}/parts", "data")],
)
def test_a_client_that_goes_away(plain_server: Server, path: str, name: str) -> None:
    client = plain_server.client()
    upload = client.uploads.create(
        bytes=9_000_000, filename="x.jsonl", mime_type="x", purpose="batch"
    )
    sent = PURPOSE + file(LINE * 20_000, name=name)
    abandon(plain_server, path.format(upload=upload.id), sent, announced=len(sent) + 5_000_000)
    client.uploads.cancel(upload.id)
    assert client.files.list(limit=1).object == "list"


def test_uploads_that_do_not_add_up(plain_server: Server) -> None:
    client = plain_server.client()
    upload = client.uploads.create(bytes=10, filename="x.jsonl", mime_type="x", purpose="batch")
    part = client.uploads.parts.create(upload.id, data=b"12345")
    cases: list[tuple[list[str], str]] = [
        ([part.id], "The parts hold 5 bytes, but the upload was created for 10 bytes."),
        (["part_nonsense"], f"No part 'part_nonsense' in upload {upload.id}."),
    ]
    for parts, message in cases:
        with pytest.raises(openai.BadRequestError) as refused:
            client.uploads.complete(upload.id, part_ids=parts)
        body: Any = refused.value.body
        assert (body["message"], body["param"]) == (message, "part_ids")
    client.uploads.cancel(upload.id)
    with pytest.raises(openai.BadRequestError) as late:
        client.uploads.parts.create(upload.id, data=b"12345")
    body = late.value.body
    assert body["message"] == (
        f"Upload {upload.id} is cancelled; only a pending upload can be changed."
    )


def test_good_work_goes_on_meanwhile(plain_server: Server) -> None:
    """After all of that, a batch runs as ever."""
    client = plain_server.client()
    asked = chats(5)
    last = completed(client, submit(client, asked), asked)
    _forget(plain_server, last.input_file_id, last.output_file_id)


def _forget(server: Server, *files: str | None) -> None:
    for each in files:
        if each is not None:
            server.client().files.delete(each)


def _errors(batch: Any) -> list[tuple[str, str, str | None, int | None]]:
    return [(error.code, error.message, error.param, error.line) for error in batch.errors.data]
