"""`providers.aws.framing` and `rows`: lines and rows of Bedrock's jobs."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchway.dialects.line_ids import MOST_LINES, MOST_PARTS
from batchway.domain.fate import Fate
from batchway.ports import Row
from batchway.providers.aws.framing import BedrockFraming
from batchway.providers.aws.rows import FORM, foreign_row

FRAMING = BedrockFraming()
ANSWER = {"content": [{"type": "text", "text": "größer 😀"}]}
ECHO = {"messages": [{"role": "user", "content": 'of "modelOutput": {"a": 1}'}]}


def dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def failed(code: object, message: object = "For a reason.") -> dict[str, Any]:
    return {"errorCode": code, "errorMessage": message}


# ----------------------------------------------------------------------------- lines


def test_a_line() -> None:
    written = FRAMING.line(line=42, part=1, body=b'{"max_tokens":5}')
    assert written == b'{"recordId":"p000002a001","modelInput":{"max_tokens":5}}'
    assert b'"r0000000007"' in FRAMING.line(line=7, part=0, body=b"{}")


# ----------------------------------------------------------------------------- rows


@pytest.mark.parametrize("record_id", ["r0000000042", "R0000000042", "r42", 42, "0000000042"])
def test_whose_a_row_is(record_id: object) -> None:
    raw = dumped({"modelInput": ECHO, "modelOutput": ANSWER, "recordId": record_id, "new": [1]})
    assert FRAMING.row(raw) == Row(42, 0, Fate.ANSWERED, 200, dumped(ANSWER))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'"r0000000042"',
        b'{"recordId":"r0000000042","modelInput":{},"modelOutput":{"content":[',
        b'{"recordId":"REC00000001","modelInput":{},"modelOutput":{"a":1}}',
        b'{"recordId":true,"modelOutput":{"a":1}}',
        b'{"recordId":{"r":1},"modelOutput":{"a":1}}',
        b'{"modelInput":{"recordId":"r0000000042"},"modelOutput":{"a":1}}',
        b"\xff\xfe",
        b'{"modelInput":' + b"[" * 100_000,
    ],
)
def test_what_is_no_row_of_ours(raw: bytes) -> None:
    assert FRAMING.row(raw) is None


@pytest.mark.parametrize(
    ("error", "fate", "status", "name"),
    [
        (failed(400), Fate.FAILED, 400, "ValidationException"),
        (failed("400"), Fate.FAILED, 400, "ValidationException"),
        # The model was not to be called so: another line of it fares no better.
        (
            failed(400, "The provided model identifier is invalid."),
            Fate.FAILED,
            404,
            "ValidationException",
        ),
        (failed(403), Fate.ACCOUNT, 403, "AccessDeniedException"),
        # Another line may name a file that can be read.
        (failed(403, "No access to s3://b/a.png"), Fate.FAILED, 403, "AccessDeniedException"),
        (failed(404), Fate.FAILED, 404, "ResourceNotFoundException"),
        (failed(408), Fate.PASSING, 408, "ModelTimeoutException"),
        (failed(424), Fate.PASSING, 500, "ModelErrorException"),
        (failed(429), Fate.PASSING, 429, "ThrottlingException"),
        (failed(500), Fate.PASSING, 500, "InternalServerException"),
        (failed(503), Fate.PASSING, 503, "ServiceUnavailableException"),
        (failed(413), Fate.FAILED, 413, ""),
    ],
)
def test_a_row_that_failed(error: dict[str, Any], fate: Fate, status: int, name: str) -> None:
    row = FRAMING.row(dumped({"recordId": "p0000007002", "modelInput": ECHO, "error": error}))
    assert row is not None
    assert (row.line, row.part, row.fate, row.status) == (7, 2, fate, status)
    assert json.loads(row.body) == {"__type": name, "message": error["errorMessage"]}


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ({}, "Bedrock's job gave no answer for this request."),
        ({"modelOutput": None}, "Bedrock's job gave no answer for this request."),
        ({"modelOutput": {}, "error": None}, "Bedrock's job gave no answer for this request."),
        ({"error": "Something odd"}, "Something odd"),
        ({"error": {"errorMessage": "Something odd"}}, "Something odd"),
        ({"error": failed(200, "ok?")}, "ok?"),
        ({"error": failed(True, "x")}, "x"),
        ({"error": failed("9" * 5_000, "x")}, "x"),
        ({"error": failed(99, ["x"])}, "Bedrock's job gave no answer for this request."),
    ],
)
def test_a_row_without_an_answer(rest: dict[str, Any], message: str) -> None:
    row = FRAMING.row(dumped({"recordId": "r1", "modelInput": ECHO, **rest}))
    assert row == Row(1, 0, Fate.PASSING, code="missing_result", message=message)


def test_half_a_character_and_a_byte_order_mark() -> None:
    raw = b'\xef\xbb\xbf{"recordId":"r1","modelOutput":{"a":"\\ud83d cut \\ud83d\\ude00"}}'
    row = FRAMING.row(raw)
    assert row is not None
    assert row.body == b'{"a":"\\ufffd cut \\ud83d\\ude00"}'


def test_rows_of_strangers_keep_their_ids() -> None:
    answered = Row(0, 0, Fate.ANSWERED, 200, dumped(ANSWER))
    assert foreign_row(dumped({"recordId": "mine/1", "modelOutput": ANSWER})) == (
        "mine/1",
        answered,
    )
    assert foreign_row(dumped({"recordId": None, "modelOutput": ANSWER})) == ("", answered)
    assert foreign_row(dumped({"modelOutput": ANSWER})) == ("", answered)
    assert foreign_row(b'{"a":1}') is None
    assert foreign_row(b"torn") is None
    assert FORM.id_at_edges(b'{"recordId":"mine/1","modelInput":{"a":"') == "mine/1"


# ----------------------------------------------------------------------------- properties

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
_bodies = st.dictionaries(st.text(max_size=8), _json, max_size=4)


@given(
    line=st.integers(0, MOST_LINES - 1),
    part=st.integers(0, MOST_PARTS - 1),
    body=_bodies,
    answer=_bodies.filter(bool),
)
def test_what_goes_out_under_a_number_comes_back_under_it(
    line: int, part: int, body: dict[str, Any], answer: dict[str, Any]
) -> None:
    written: dict[str, Any] = json.loads(FRAMING.line(line=line, part=part, body=dumped(body)))
    row = FRAMING.row(dumped({**written, "modelOutput": answer}))
    assert row is not None
    assert (row.line, row.part, json.loads(row.body)) == (line, part, answer)
    refused = FRAMING.row(dumped({**written, "error": failed(400)}))
    assert refused is not None
    assert (refused.line, refused.part, refused.status) == (line, part, 400)


@given(raw=st.binary(max_size=200) | _json.map(dumped))
def test_garbage_is_no_row(raw: bytes) -> None:
    row = FRAMING.row(raw)
    assert row is None or isinstance(row, Row)
    foreign_row(raw)


@settings(max_examples=200)
@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "recordId": _json,
            "modelInput": _json,
            "modelOutput": _json,
            "error": _json | st.fixed_dictionaries({"errorCode": _json, "errorMessage": _json}),
        },
    )
)
def test_odd_rows_never_raise(fields: dict[str, Any]) -> None:
    raw = dumped({"recordId": "r0000000001", **fields})
    row = FRAMING.row(raw)
    assert row is None or row.status is None or 200 <= row.status <= 599
    foreign_row(raw)
