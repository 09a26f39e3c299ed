"""Multipart as clients really send it, and as they had better not."""

import asyncio
import json
import socket
import struct
from collections.abc import Generator, Iterator
from http.client import HTTPConnection
from pathlib import Path

import aiohttp
import pytest
from tests.contract.test_api_harness import LINE, Server, an_error, eventually, form, serving

from batchway.domain.errors import Unavailable
from batchway.service.limits import MIB, Limits

PURPOSE = ('name="purpose"', b"batch")
FILE = ('name="file"; filename="in.jsonl"', LINE)
FORM = {"content-type": "multipart/form-data; boundary=b"}
LIMIT = 6 * MIB


@pytest.fixture
def api(sqlite_url: str, tmp_path: Path) -> Generator[Server]:
    """An API that needs no key and takes files of 6 MiB."""
    limits = Limits(file_bytes=LIMIT, idle_seconds=20)
    with serving(sqlite_url, tmp_path / "blobs", limits=limits) as server:
        yield server


def head(api: Server, *lines: str) -> bytes:
    fixed = ("POST /v1/files HTTP/1.1", f"Host: 127.0.0.1:{api.port}", *lines, "", "")
    return "\r\n".join(fixed).encode()


def chunked(api: Server, pieces: Iterator[bytes]) -> tuple[int, dict[str, object]]:
    """Send a form as Node does: chunked, without a Content-Length."""
    connection = HTTPConnection("127.0.0.1", api.port, timeout=30)
    connection.request("POST", "/v1/files", body=pieces, headers=FORM, encode_chunked=True)
    answer = connection.getresponse()
    status, body = answer.status, json.loads(answer.read())
    connection.close()
    return status, body


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
def test_node_sends_the_file_first_and_chunked(api: Server, size: int) -> None:
    body = form(FILE, PURPOSE)
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    status, file = chunked(api, pieces)
    assert (status, file["purpose"], file["bytes"]) == (200, "batch", len(LINE))
    assert api.ask("GET", f"/v1/files/{file['id']}/content").body == LINE


def test_ruby_sends_an_empty_content_type_and_an_encoding(api: Server) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n'
        b"Content-Type: \r\nContent-Transfer-Encoding: binary\r\n\r\n" + LINE + b"\r\n"
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b--\r\n'
    )
    assert api.ask("POST", "/v1/files", body=body, headers=FORM).status == 200


async def test_aiohttp_sends_both_orders(api: Server) -> None:
    async with aiohttp.ClientSession() as session:
        for file_first in (True, False):
            data = aiohttp.FormData()
            if not file_first:
                data.add_field("purpose", "batch")
            data.add_field("file", LINE * 50_000, filename="größe.jsonl")
            if file_first:
                data.add_field("purpose", "batch")
            async with session.post(f"{api.url}/v1/files", data=data) as answer:
                file = await answer.json()
                assert (answer.status, file["bytes"]) == (200, len(LINE) * 50_000)


@pytest.mark.parametrize("style", ["expires_after[{}]", "expires_after.{}"])
def test_expiry_is_written_with_brackets_or_dots(api: Server, style: str) -> None:
    anchor = (f'name="{style.format("anchor")}"', b"created_at")
    seconds = (f'name="{style.format("seconds")}"', b"7200")
    file = api.send_form("/v1/files", anchor, FILE, seconds, PURPOSE).json()
    assert file["expires_at"] == file["created_at"] + 7_200


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        (
            {"anchor": b"created_at"},
            "expires_after.seconds",
            "Missing required parameter: 'expires_after.seconds'.",
        ),
        (
            {"anchor": b"now", "seconds": b"3600"},
            "expires_after.anchor",
            "Invalid value: 'now'. Supported values are: 'created_at'.",
        ),
        (
            {"anchor": b"created_at", "seconds": b"soon"},
            "expires_after.seconds",
            "Invalid type for 'expires_after.seconds': expected an integer, but got a string "
            "instead.",
        ),
        (
            {"anchor": b"created_at", "seconds": b"2592001"},
            "expires_after.seconds",
            "Invalid 'expires_after.seconds': integer above maximum value. Expected a value <= "
            "2592000, but got 2592001 instead.",
        ),
    ],
)
def test_a_wrong_expiry_is_refused(
    api: Server, fields: dict[str, bytes], param: str, message: str
) -> None:
    parts = [(f'name="expires_after[{name}]"', value) for name, value in fields.items()]
    reply = api.send_form("/v1/files", PURPOSE, *parts, FILE)
    error = reply.json()["error"]
    assert (reply.status, error["param"], error["message"]) == (400, param, message)
    assert api.stored() == []


@pytest.mark.parametrize(
    ("disposition", "kept"),
    [
        ('filename="a.jsonl"', "a.jsonl"),
        ("filename=a.jsonl", "a.jsonl"),
        ('filename="日本語 ünï.jsonl"', "日本語 ünï.jsonl"),
        ("filename*=UTF-8''%E6%97%A5%20x.jsonl", "日 x.jsonl"),
        ("filename=\"_.txt\"; filename*=utf-8''%c3%bc.jsonl", "ü.jsonl"),
        ("filename*=latin-7'x; filename=b.jsonl", "b.jsonl"),
        ('filename="say \\"hi\\".jsonl"', 'say "hi".jsonl'),
        ('filename="say %22hi%22; x=1.jsonl"', 'say "hi"; x=1.jsonl'),
        ('filename="../../../etc/cron.d/a.jsonl"', "a.jsonl"),
        ('filename="C:\\\\Users\\\\me\\\\a.jsonl"', "a.jsonl"),
        ('filename="C:\\Users\\me\\a.jsonl"', "a.jsonl"),
        ("filename*=UTF-8''..%2F..%2Fa%00%0d%0ab.jsonl", "ab.jsonl"),
        ('filename="IN.JSONL"', "IN.JSONL"),
        (f'filename="{"x" * 400}.jsonl"', "x" * 249 + ".jsonl"),
    ],
)
def test_a_filename_is_kept_but_never_a_path(api: Server, disposition: str, kept: str) -> None:
    reply = api.send_form("/v1/files", PURPOSE, (f'name="file"; {disposition}', LINE))
    assert (reply.status, reply.json().get("filename")) == (200, kept)
    assert api.stored() == [f"files/{reply.json()['id']}"]
    download = api.ask("GET", f"/v1/files/{reply.json()['id']}/content")
    assert download.status == 200
    assert "\r" not in download.headers["content-disposition"]


def test_a_download_names_unicode_in_both_ways(api: Server) -> None:
    file_id = api.upload(filename='ü".jsonl'.replace('"', "%22"))
    assert (
        api.ask("GET", f"/v1/files/{file_id}/content").headers["content-disposition"]
        == 'attachment; filename="?\\".jsonl"; filename*=UTF-8\'\'%C3%BC%22.jsonl'
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"not json\n", b"{'a': 1}\n", b'{"a": NaN}\n', b"\xff\xfe{}", b"{}{}\n", b'{"a":'],
)
@pytest.mark.parametrize("name", ["in.jsonl"])
def test_what_is_not_jsonl_is_refused_at_once(api: Server, content: bytes, name: str) -> None:
    reply = api.send_form("/v1/files", PURPOSE, (f'name="file"; filename="{name}"', content))
    assert reply.status == 400
    error = reply.json()["error"]
    assert error.pop("message").startswith("Invalid file format for Batch API. Must be .jsonl. ")
    assert error == {"type": "invalid_request_error", "param": None, "code": None}
    assert api.stored() == []


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + LINE,
        b"{}",
        b"{}\r\n",
        b'{"a": "\\ud800"}\n',
        b'{"n": ' + b"9" * 5_000 + b"}\n",
        LINE + b"broken later\n",
        b'"' + b"x" * (2 * MIB) + b"\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=["bom", "no newline", "crlf", "surrogate", "long", "later", "beyond the head", "deep"],
)
def test_what_the_validator_may_judge_is_taken(api: Server, content: bytes) -> None:
    file_id = api.upload(content)
    assert api.ask("GET", f"/v1/files/{file_id}/content").body == content


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (form(PURPOSE, FILE, end=False), "it ends before its closing boundary"),
        (form(PURPOSE, FILE)[:-60], "it ends before its closing boundary"),
        (form(FILE, FILE, PURPOSE), "it has more than one 'file'"),
        (form(*[PURPOSE] * 65), "it has more than 64 parts"),
        (form(('filename="a"', b"")), "a part has no name in its Content-Disposition"),
        (b"--b\r\n\r\nx\r\n--b--\r\n", "a part has no name in its Content-Disposition"),
        (form(('name="purpose"', b"\xff")), "a field is not valid UTF-8"),
        (
            form(('name="x"', b"x" * (MIB + 1))),
            "its fields hold more than 1048576 bytes",
        ),
        (
            b"--b\r\nContent-Disposition: form-data; name=file\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\ne30=\r\n--b--\r\n",
            "a part has a Content-Transfer-Encoding, which forms may not use",
        ),
    ],
)
def test_a_malformed_form_keeps_nothing(api: Server, body: bytes, reason: str) -> None:
    reply = api.ask("POST", "/v1/files", body=body, headers=FORM)
    assert reply.json() == an_error(
        f"We could not parse the multipart form of your request: {reason}.",
        code="invalid_multipart",
    )
    assert reply.status == 400
    assert api.stored() == []


@pytest.mark.parametrize(
    "body",
    [
        b"--other\r\n\r\n",
        b"--b\r\nno colon\r\n\r\n--b--\r\n",
        b"--b\r\nX: " + b"x" * 20_000 + b"\r\n\r\n--b--\r\n",
        b"--b\r\n" + b"X: y\r\n" * 40 + b"\r\n--b--\r\n",
        b"--bx",
        b"{}",
    ],
)
def test_what_is_no_form_keeps_nothing(api: Server, body: bytes) -> None:
    reply = api.ask("POST", "/v1/files", body=body, headers=FORM)
    assert (reply.status, reply.json()["error"]["code"]) == (400, "invalid_multipart")
    assert api.stored() == []


@pytest.mark.parametrize("parameter", ["", "; boundary=", f"; boundary={'x' * 500}"])
def test_a_form_needs_a_sound_boundary(api: Server, parameter: str) -> None:
    headers = {"content-type": f"multipart/form-data{parameter}"}
    reply = api.ask("POST", "/v1/files", body=form(PURPOSE, FILE), headers=headers)
    assert (reply.status, reply.json()["error"]["code"]) == (400, "invalid_multipart")


def test_a_file_under_another_name_is_read_past(api: Server) -> None:
    other = ('name="attachment"; filename="x.bin"', b"x" * 1_000)
    assert api.send_form("/v1/files", other, PURPOSE, FILE).json()["bytes"] == len(LINE)


def test_a_file_may_look_like_a_boundary(api: Server) -> None:
    content = b'"' + b"\r\n--c\r\n-b--\r\n--".replace(b"\r\n", b"") + b'"\r\n--a\r\n--B--\r\n-'
    assert api.ask("GET", f"/v1/files/{api.upload(content)}/content").body == content


def test_a_file_too_large_is_refused_while_it_streams(api: Server) -> None:
    def endless() -> Iterator[bytes]:
        yield form(PURPOSE, end=False)
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n'
        for _ in range(20):
            yield LINE * (MIB // len(LINE))
        yield b"\r\n--b--\r\n"

    status, body = chunked(api, endless())
    assert status == 400
    assert body == an_error(
        f"File is too large. The limit is {LIMIT} bytes.", param="file", code="file_too_large"
    )
    assert api.stored() == []


def test_a_bad_purpose_before_the_file_is_refused_before_it_is_stored(api: Server) -> None:
    big = ('name="file"; filename="in.jsonl"', LINE * 30_000)
    assert api.send_form("/v1/files", ('name="purpose"', b"x"), big).status == 400
    assert api.stored() == []


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
def test_a_client_that_goes_leaves_nothing(api: Server, reset: bool) -> None:
    body = form(PURPOSE, ('name="file"; filename="in.jsonl"', LINE * 30_000), end=False)
    lines = ("Content-Type: multipart/form-data; boundary=b", f"Content-Length: {5 * MIB}")
    connection = socket.create_connection(("127.0.0.1", api.port))
    connection.sendall(head(api, *lines) + body)
    eventually(lambda: len(api.stored()) == 1)  # a part of it is in tmp
    assert api.stored()[0].startswith("tmp/")
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    eventually(lambda: api.stored() == [])
    assert api.client().files.list().data == []


def test_a_full_disk_keeps_nothing_and_heals(api: Server) -> None:
    api.blobs.failure = Unavailable("full", full=True)
    reply = api.send_form("/v1/files", PURPOSE, FILE)
    assert (reply.status, reply.json()["error"]["code"]) == (507, "insufficient_storage")
    assert api.stored() == []
    api.blobs.failure = None
    assert api.send_form("/v1/files", PURPOSE, FILE).status == 200


async def test_many_uploads_at_once_do_not_hold_up_a_poll(api: Server) -> None:
    content = LINE * (5 * MIB // len(LINE))

    async def upload(session: aiohttp.ClientSession) -> int:
        data = aiohttp.FormData()
        data.add_field("file", content, filename="in.jsonl")
        data.add_field("purpose", "batch")
        async with session.post(f"{api.url}/v1/files", data=data) as answer:
            return answer.status

    async with aiohttp.ClientSession() as session:
        statuses = await asyncio.gather(*(upload(session) for _ in range(12)))
    assert statuses == [200] * 12
    assert len(api.stored()) == 12
