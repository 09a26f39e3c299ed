"""What a file that is no JSONL is told to be, by its name and its first line."""

import gzip
import io
import zipfile

import pytest

from batchway.domain.errors import ApiError
from batchway.service.jsonl import check_first_line, check_jsonl_name

LINE = (
    b'{"custom_id":"1","method":"POST","url":"/v1/chat/completions",'
    b'"body":{"model":"m","messages":[]}}'
)
BOM = b"\xef\xbb\xbf"
HEAD = 1 << 20


def checked(content: bytes) -> None:
    check_first_line(content[:HEAD], size=len(content))


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "The file is empty."),
    "a mark alone": (BOM, "The file holds nothing but blank lines."),
    "blank lines": (b"\n \t\r\n\n", "The file holds nothing but blank lines."),
    "spaces": (b" " * HEAD, "The file holds nothing but blank lines."),
    "gzip": (gzip.compress(LINE), "The file is compressed with gzip: unpack it and upload"),
    "excel": (zipped(), "The file is a zip archive, as Excel and Word files are: unpack it"),
    "utf-16": (LINE.decode().encode("utf-16"), "The file is in UTF-16, as Windows calls Unicode"),
    "utf-16 unmarked": (LINE.decode().encode("utf-16-le"), "The file is in UTF-16, as Windows"),
    "utf-16 big": (LINE.decode().encode("utf-16-be"), "The file is in UTF-16, as Windows"),
    "binary": (b"\x7fELF\x00\x01\x02\x00\x00", "The file is binary: write one request as JSON"),
    "latin-1": ('{"a":"café"}'.encode("latin-1"), "Line 1 is not UTF-8: its byte 10 is 0xE9. Save"),
    "half a surrogate": (b'{"a":"\xed\xa0\x80"}', "Line 1 is not UTF-8: its byte 7 is 0xED. Save"),
    "nan": (b'{"a": NaN}', "Line 1 holds NaN, which JSON does not have: write null, or leave"),
    "infinity": (b'{"a": -Infinity}', "Line 1 holds -Infinity, which JSON does not have"),
    "two objects": (LINE + LINE, "Line 1 holds more than one JSON value: write each object on a"),
    "a comma": (LINE + b",\n" + LINE, "Line 1 ends with a comma: lines are not separated by"),
    "an array": (b"[" + LINE + b"," + LINE + b"]", "Line 1 is a JSON array: write each of its"),
    "an array in lines": (b"[\n" + LINE + b"\n]", "Line 1 begins a JSON array: write each of its"),
    "csv": (b"id,prompt\n1,hello\n", "Line 1 is not JSON; it looks like CSV: write each row as"),
    "quoted csv": (b'"id","prompt"\n', "Line 1 is not JSON; it looks like CSV: write each row as"),
    "html": (b"<!DOCTYPE html>\n", "Line 1 begins like HTML or XML: this may be an error page"),
    "prose": (b"\n\nno JSON\n", "Line 3 is not JSON: every line is one JSON object, a request."),
    "a dict": (b"{'custom_id': 'a'}", "Line 1 has single quotes, as Python prints a dict: write"),
    "indented": (
        b'{\n  "custom_id": "a"\n}',
        "Line 1 ends before its JSON object does: write each",
    ),
    "half a line": (LINE[:-1], "Line 1 ends before its JSON object does: write each request on"),
    "a comma too many": (b'{"a":1,}', "Line 1 is not valid JSON: expecting property name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_jsonl_is_told_what_it_is(name: str) -> None:
    content, found = REFUSED[name]
    with pytest.raises(ApiError) as refused:
        checked(content)
    said = "Invalid file format for Batch API. Must be .jsonl. "
    assert refused.value.message.startswith(said + found)
    assert refused.value.message.endswith(".")
    assert (refused.value.status, refused.value.param, refused.value.code) == (400, None, None)


ACCEPTED = {
    "plain": LINE,
    "a mark": BOM + LINE + b"\n",
    "CRLF": LINE + b"\r\n" + LINE + b"\r\n",
    "blank lines first": b"\n\r\n \t\n" + LINE,
    "a mark and blank lines": BOM + b"\n\n" + LINE,
    "another line that is wrong": LINE + b"\nno JSON\n",
    "an escaped half of a surrogate": b'{"a":"\\ud800"}',
    "a number of 5,000 digits": b'{"a":' + b"1" * 5_000 + b"}",
    "nested deep": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a line of 5 MiB": b'{"a":"' + b"x" * (5 << 20) + b'"}',
    "a wrong line of 5 MiB": b'{"a":"' + b"x" * (5 << 20),
    "blank for a megabyte": b"\n" * HEAD + LINE,
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_the_validator_is_left_to_read(name: str) -> None:
    checked(ACCEPTED[name])


@pytest.mark.parametrize("name", ["in.txt", "jsonl", "in.jsonl.gz", "in.json", "x" * 300])
def test_a_name_of_another_kind(name: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_jsonl_name(name)
    assert f"The file is named '{name[:100]}" in refused.value.message
    assert refused.value.message.endswith("give it a name that ends in .jsonl.")


def test_a_name_in_capitals() -> None:
    check_jsonl_name("IN.JSONL")
