"""What counts as a result, byte for byte, and what tokens it reports."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchway.dialects.openai.answer import MOST_ERROR_TEXT, error_body, read_result
from batchway.domain.batch import Usage
from batchway.ports import Result

NONE = Usage()
CHAT = Usage(input_tokens=10, cached_tokens=4, output_tokens=20, reasoning_tokens=5)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", Result(b"{}", NONE)),
        (b' {"a": 1.0 , "a":1e400}', Result(b' {"a": 1.0 , "a":1e400}', NONE)),
        (b'{"a":1}\n', Result(b'{"a":1}', NONE)),
        (b'\r\n \n{"a" :1}', Result(b'{"a" :1}', NONE)),  # kept alive with blank lines
        (
            b'{\n  "n": 12345678901234567890123,\n  "n": 1.0E+2,\r\n  "s": "a\\n \\u00e9\\/"\n}',
            Result(b'{"n":12345678901234567890123,"n":1.0E+2,"s":"a\\n \\u00e9\\/"}', NONE),
        ),
        (b'{"s":"\\ud83d"}', Result(b'{"s":"\\ud83d"}', NONE)),  # a lone surrogate's escape
        (b'{\n"s": "\\ud83d \\" x",\n"n": 1}', Result(b'{"s":"\\ud83d \\" x","n":1}', NONE)),
        (b'\xef\xbb\xbf{"a":1}', Result(b'{"a":1}', NONE)),
        ('{"a":"é😀"}'.encode(), Result('{"a":"é😀"}'.encode(), NONE)),
        (b"", None),
        (b"null", None),
        (b"[{}]", None),
        (b'"text"', None),
        (b"<html></html>", None),
        (b'{"a":1', None),
        (b"{} {}", None),
        (b"{}x", None),
        (b'{"a":NaN}', None),
        (b'{"a":"\\ud83d","b":NaN}', None),
        (b'{"a":"\xff"}', None),
        (b'{"a":"\xed\xa0\x80"}', None),
        (b'{"a":01}', None),
        (b'{"a":"\n"}', None),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
    ],
)
def test_a_result_is_one_json_object(body: bytes, expected: Result | None) -> None:
    assert read_result(body) == expected


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            '{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,'
            '"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},'
            '"completion_tokens_details":{"reasoning_tokens":5}}',
            CHAT,
        ),
        (
            '{"input_tokens":10,"output_tokens":20,"input_tokens_details":{"cached_tokens":4},'
            '"output_tokens_details":{"reasoning_tokens":5}}',
            CHAT,
        ),
        ('{"prompt_tokens":10,"total_tokens":10}', Usage(input_tokens=10)),
        (
            '{"prompt_tokens":10.0,"completion_tokens":"20","prompt_tokens_details":'
            '{"cached_tokens":4.0},"completion_tokens_details":{"reasoning_tokens":5}}',
            CHAT,
        ),
        ('{"prompt_tokens":"many","completion_tokens":true}', NONE),
        ('{"prompt_tokens":null,"input_tokens":"7"}', Usage(input_tokens=7)),
        ('{"prompt_tokens":-5,"completion_tokens":1e300}', NONE),
        ('{"prompt_tokens":123456789012345678901234567890}', NONE),
        ('{"prompt_tokens":3,"prompt_tokens_details":[1]}', Usage(input_tokens=3)),
        ('{"prompt_tokens":3,"prompt_tokens_details":null}', Usage(input_tokens=3)),
        ("null", NONE),
        ("[]", NONE),
        ('"none"', NONE),
        ("17", NONE),
    ],
)
def test_an_odd_usage_never_fails_a_good_answer(usage: str, expected: Usage) -> None:
    body = f'{{"id":"x","usage":{usage}}}'.encode()
    assert read_result(body) == Result(body, expected)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=10,
)  # fmt: skip


@given(value=st.dictionaries(st.text(max_size=4), _JSON), ascii_only=st.booleans())
def test_compacting_loses_only_white_space(value: object, ascii_only: bool) -> None:
    try:
        pretty = json.dumps(value, indent=2, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return  # a lone surrogate has no UTF-8
    result = read_result(pretty)
    assert isinstance(result, Result)
    assert b"\n" not in result.body
    compact = json.dumps(value, separators=(",", ":"), ensure_ascii=ascii_only).encode()
    # A body without any line break comes back as it was.
    assert result.body == (compact if b"\n" in pretty else pretty)


@given(body=st.binary(max_size=40))
def test_whatever_arrives_is_one_line_of_utf8_json_or_nothing(body: bytes) -> None:
    result = read_result(body)
    if isinstance(result, Result):
        assert isinstance(json.loads(result.body.decode()), dict)
        assert b"\n" not in result.body
        assert b"\r" not in result.body
    assert b"\n" not in error_body(500, body)
    json.loads(error_body(500, body).decode())


def _wrapped(message: str) -> bytes:
    error = {"message": message, "type": "upstream_error", "param": None, "code": None}
    return msgspec.json.encode({"error": error})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error": {\n"message": "no"}}', b'{"error":{"message":"no"}}'),
        (b'"Not found"\n', b'"Not found"'),
        (b"[1,2]", b"[1,2]"),
        (b"", _wrapped("The provider answered 502 with an empty body.")),
        (b"  \n", _wrapped("The provider answered 502 with an empty body.")),
        (b"<html>\n502</html>", _wrapped("<html>\n502</html>")),
        (b"caf\xe9", _wrapped("caf\ufffd")),
        (b"x" * (MOST_ERROR_TEXT + 9), _wrapped("x" * MOST_ERROR_TEXT)),
        (b"\xff" * MOST_ERROR_TEXT, _wrapped("\ufffd" * (MOST_ERROR_TEXT // 3))),
        ("é".encode() * MOST_ERROR_TEXT, _wrapped("é" * (MOST_ERROR_TEXT // 2))),
    ],
)
def test_an_error_is_always_one_line_of_json(body: bytes, expected: bytes) -> None:
    assert error_body(502, body) == expected
