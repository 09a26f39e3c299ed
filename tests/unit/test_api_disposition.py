"""`Content-Disposition`: what is read from parts and written to downloads."""

import pytest

from batchway.api.disposition import attachment, parse_disposition


@pytest.mark.parametrize(
    ("header", "name", "filename"),
    [
        (b"", None, None),
        (b"form-data", None, None),
        (b'form-data; name="purpose"', "purpose", None),
        (b"form-data;name=purpose", "purpose", None),
        (b'form-data; name="file"; filename=""', "file", ""),
        (b'form-data; NAME="file"; FileName="a.jsonl"', "file", "a.jsonl"),
        (b'form-data; filename="a; name=\\"x\\""; name="file"', "file", 'a; name="x"'),
        (b'form-data; name="a"; name="b"', "a", None),
        ('form-data; name="file"; filename="日.jsonl"'.encode(), "file", "日.jsonl"),
        (b'form-data; name="file"; filename="\xff"', "file", "\ufffd"),
        (b"form-data; name=file; filename*=UTF-8'en'%e6%97%a5", "file", "日"),
        (b"form-data; name=file; filename*=iso-8859-1''%fc", "file", "ü"),
        (b"form-data; name=file; filename*=broken; filename=a", "file", "a"),
        (b'form-data; name="file"; filename="a%22b%0D%0Ac%41"', "file", 'a"b\r\nc%41'),
    ],
)
def test_a_parts_names(header: bytes, name: str | None, filename: str | None) -> None:
    assert parse_disposition(header) == (name, filename)


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("a.jsonl", 'attachment; filename="a.jsonl"'),
        ('say "hi"\\.txt', 'attachment; filename="say \\"hi\\"\\\\.txt"'),
        ("ü.txt", "attachment; filename=\"?.txt\"; filename*=UTF-8''%C3%BC.txt"),
    ],
)
def test_a_download_is_named(filename: str, header: str) -> None:
    assert attachment(filename) == header
    assert header.isascii()
