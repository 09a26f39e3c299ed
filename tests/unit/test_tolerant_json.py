"""JSON of unknown origin: a value, or that there is none, and never an exception."""

import pytest

from batchway.dialects.tolerant_json import NoJson, json_in, mended, object_in


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"null", None),
        (b'{"a":[1]}', {"a": [1]}),
        (b'"\xc3\xbc"', "ü"),
        (b"", NoJson.NO_JSON),
        (b"<html>", NoJson.NO_JSON),
        (b'{"a":NaN}', NoJson.NO_JSON),
        (b'"\xff"', NoJson.NO_JSON),
        (b"[" * 100_000, NoJson.NO_JSON),
    ],
)
def test_whatever_comes_in(data: bytes, value: object) -> None:
    assert json_in(data) == value
    assert object_in(data) == (value if isinstance(value, dict) else None)


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b'{"a":"\\ud83d\\ude00"}', b'{"a":"\\ud83d\\ude00"}'),
        (b'{"a":"cut \\ud83d"}', b'{"a":"cut \\ufffd"}'),
        (b'{"a":"\\ude00 cut"}', b'{"a":"\\ufffd cut"}'),
        (b'{"a":"\\\\ud83d"}', b'{"a":"\\\\ud83d"}'),
        (b'{"a":"cut \xf0\x9f"}', b'{"a":"cut \xef\xbf\xbd"}'),
        (b"\xef\xbb\xbf{}", b"{}"),
        (b"torn \\u12", b"torn \\u12"),
    ],
)
def test_half_characters_are_mended(data: bytes, whole: bytes) -> None:
    assert mended(data) == whole
