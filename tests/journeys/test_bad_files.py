"""Bad files over HTTP: each its clear error, nothing lost, and nothing left behind.

What is wrong with the lines of a file that was accepted is in `test_batches`.
"""

import json
from typing import Any, Final

import openai
import pytest
from tests.journeys.lines import chat, chats, completed, jsonl, submit
from tests.journeys.processes import Server
from tests.journeys.wire import FORM, abandon, call, field, file, form

pytestmark = pytest.mark.usefixtures("nothing_is_left")

LINE: Final = jsonl([chat("a")])
PURPOSE: Final = field("purpose", "batch")
NOT_JSONL: Final = "Invalid file format for Batch API. Must be .jsonl."
PROSE: Final = "Line 1 is not JSON: every line is one JSON object, a request."
UTF16: Final = "The file is in UTF-16, as Windows calls Unicode: save it as UTF-8."
NAME: Final = "The file is named 'in.txt': give it a name that ends in .jsonl."
LIMIT: Final = 50_000_000
PURPOSES: Final = "['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals']"


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
    "case",
    [
        (form(PURPOSE, file(b"no JSON\n")), FORM, 400, f"{NOT_JSONL} {PROSE}", None, None),
        (form(PURPOSE, file(b"")), FORM, 400, f"{NOT_JSONL} The file is empty.", None, None),
        (form(PURPOSE, file(b"\xff\xfe\n")), FORM, 400, f"{NOT_JSONL} {UTF16}", None, None),
        (
            form(PURPOSE, file(LINE, filename="in.txt")),
            FORM,
            400,
            f"{NOT_JSONL} {NAME}",
            None,
            None,
        ),
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
            {"content-type": "application/json"},
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
    plain_server: Server, case: tuple[bytes, dict[str, str], int, str, str | None, str | None]
) -> None:
    body, headers, status, message, param, code = case
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


def test_blank_lines_are_no_batch(plain_server: Server) -> None:
    client = plain_server.client()
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.create(file=("in.jsonl", b"\n\n"), purpose="batch")
    body: Any = refused.value.body
    assert body["message"] == f"{NOT_JSONL} The file holds nothing but blank lines."


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../../../etc/passwd.jsonl", "passwd.jsonl"),
        ("..\\..\\windows.jsonl", "windows.jsonl"),
        ("/etc/shadow.jsonl", "shadow.jsonl"),
        ("naïve ☃ 文件 😀.jsonl", "naïve ☃ 文件 😀.jsonl"),
        # The SDK escapes control characters; of those escapes forms define three, and not %00.
        ("line\r\nbreak\x00.jsonl", "linebreak%00.jsonl"),
        ('quo"te;x=1.jsonl', 'quo"te;x=1.jsonl'),
        ("x" * 300 + ".jsonl", "x" * 249 + ".jsonl"),
        (".jsonl", ".jsonl"),
    ],
)
def test_filenames_are_names_and_never_paths(plain_server: Server, given: str, kept: str) -> None:
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
    assert call(plain_server, "GET", "/v1/files?limit=1").status == 200


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
    for file_id in (last.input_file_id, last.output_file_id):
        client.files.delete(str(file_id))
