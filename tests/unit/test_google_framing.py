"""`providers.google.framing` and `rows`: lines and rows of Vertex AI's batch files."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchway.dialects.line_ids import MOST_LINES, MOST_PARTS
from batchway.domain.fate import Fate
from batchway.ports import Framing, Row
from batchway.providers.google.framing import (
    ClaudeFraming,
    EmbeddingsFraming,
    GeminiFraming,
    OpenModelFraming,
    TextEmbeddingsFraming,
)
from batchway.providers.google.rows import foreign_row

CHAT = "/v1/chat/completions"
FRAMINGS: Mapping[str, Framing] = {
    "gemini": GeminiFraming(),
    "embeddings": EmbeddingsFraming(),
    "text embeddings": TextEmbeddingsFraming(),
    "claude": ClaudeFraming(),
    "open models": OpenModelFraming(endpoint=CHAT),
}
ANSWER = {"candidates": [{"content": {"role": "model", "parts": [{"text": "hi"}]}}]}
AT = "2026-11-01T18:13:16.826+00:00"
SECONDS = 1_793_556_796


def dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def failed(code: int, word: str, message: str = "Please use a valid role.") -> str:
    error = {"error": {"code": code, "message": message, "status": word}}
    return f"Bad Request: {json.dumps(error)}"


# ----------------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("kind", "body", "line"),
    [
        (
            "gemini",
            {"contents": [1]},
            {
                "custom_id": "p000002a001",
                "request": {"contents": [1], "labels": {"batchway_line": "p000002a001"}},
            },
        ),
        (
            "gemini",
            {"labels": {"team": "blue"}, "contents": ["labels"]},
            {
                "custom_id": "p000002a001",
                "request": {
                    "labels": {"team": "blue", "batchway_line": "p000002a001"},
                    "contents": ["labels"],
                },
            },
        ),
        (
            "gemini",
            {"contents": [{"parts": [{"text": 'say "labels"'}]}]},
            {
                "custom_id": "p000002a001",
                "request": {
                    "contents": [{"parts": [{"text": 'say "labels"'}]}],
                    "labels": {"batchway_line": "p000002a001"},
                },
            },
        ),
        (
            "gemini",
            {},
            {
                "custom_id": "p000002a001",
                "request": {"labels": {"batchway_line": "p000002a001"}},
            },
        ),
        (
            "embeddings",
            {"content": {"parts": [{"text": "a"}]}},
            {"key": "p000002a001", "request": {"content": {"parts": [{"text": "a"}]}}},
        ),
        (
            "text embeddings",
            {"content": "a"},
            {"content": "a", "batchway_line": "p000002a001"},
        ),
        (
            "claude",
            {"max_tokens": 5, "messages": []},
            {"custom_id": "p000002a001", "request": {"max_tokens": 5, "messages": []}},
        ),
        (
            "open models",
            {"model": "m", "messages": []},
            {
                "custom_id": "p000002a001",
                "method": "POST",
                "url": CHAT,
                "body": {"model": "m", "messages": []},
            },
        ),
    ],
)
def test_a_line(kind: str, body: object, line: object) -> None:
    written = FRAMINGS[kind].line(line=42, part=1, body=dumped(body))
    assert json.loads(written) == line
    assert b"\n" not in written


def test_the_first_body_of_a_line_has_no_part() -> None:
    for framing in FRAMINGS.values():
        assert b'"r0000000007"' in framing.line(line=7, part=0, body=b'{"a":1}')


# ----------------------------------------------------------------------------- rows


@pytest.mark.parametrize(
    "whose",
    [
        {"custom_id": "r0000000042"},
        {"key": "r0000000042"},
        {"custom_id": "R42"},
        {"custom_id": "0000000042"},
        {"custom_id": 42},
        {"custom_id": 42.0},
        {"custom_id": None, "request": {"labels": {"batchway_line": "r0000000042"}}},
        {"request": {"contents": [], "labels": {"batchway_line": "r0000000042", "a": None}}},
        {"custom_id": "somebody", "request": {"labels": {"batchway_line": "r42"}}},
        {"custom_id": "r0000000042", "request": {"labels": None}},
        {"instance": {"content": "a", "batchway_line": "r0000000042"}},
        {"instance": {"content": "a", "key": "r0000000042"}},
    ],
)
def test_whose_a_row_is(whose: dict[str, Any]) -> None:
    raw = dumped({"status": "", "processed_time": AT, "response": ANSWER, **whose})
    for framing in FRAMINGS.values():
        assert framing.row(raw) == Row(
            42, 0, Fate.ANSWERED, 200, dumped(ANSWER), None, "", "", SECONDS
        )


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'"r0000000042"',
        b'{"custom_id":"r0000000042","status":"","response":{"candidates":[',
        b'{"custom_id":"somebody-else","status":"","response":{"a":1}}',
        b'{"custom_id":true,"status":"","response":{"a":1}}',
        b'{"custom_id":"r99999999999","response":{"a":1}}',
        b'{"custom_id":{"r":1},"response":{"a":1}}',
        b"\xff\xfe",
        b'{"request":' + b"[" * 100_000,
    ],
)
def test_what_is_no_row_of_ours(raw: bytes) -> None:
    for framing in FRAMINGS.values():
        assert framing.row(raw) is None


@pytest.mark.parametrize(
    ("status", "fate", "code"),
    [
        (failed(400, "INVALID_ARGUMENT"), Fate.FAILED, 400),
        (failed(429, "RESOURCE_EXHAUSTED"), Fate.PASSING, 429),
        (failed(503, "UNAVAILABLE"), Fate.PASSING, 503),
        (failed(401, "UNAUTHENTICATED"), Fate.ACCOUNT, 401),
        (failed(403, "PERMISSION_DENIED", "Permission denied."), Fate.ACCOUNT, 403),
        # Another line may name a file that can be read.
        (failed(403, "PERMISSION_DENIED", "No storage.objects.get to gs://b/a."), Fate.FAILED, 403),
        (failed(3, "INVALID_ARGUMENT"), Fate.FAILED, 400),
        (failed(13, "INTERNAL"), Fate.PASSING, 500),
        ('Too Many Requests: {"message": "slow"}', Fate.PASSING, 429),
        ('Bad Request: {"type":"error","error":{"type":"x","message":"m"}}', Fate.FAILED, 400),
        ("Service Unavailable", Fate.PASSING, 503),
        ("RESOURCE_EXHAUSTED: quota", Fate.PASSING, 429),
        ("404 Not Found", Fate.FAILED, 404),
        ('Bad Request: {"error": {"code": 400, "message": "cut o', Fate.FAILED, 400),
        ({"code": 8, "message": "quota"}, Fate.PASSING, 429),
    ],
)
def test_a_row_that_failed(status: object, fate: Fate, code: int) -> None:
    raw = dumped(
        {"custom_id": "p0000007002", "status": status, "processed_time": AT, "response": {}}
    )
    row = GeminiFraming().row(raw)
    assert row is not None
    assert (row.line, row.part, row.fate, row.status, row.at) == (7, 2, fate, code, SECONDS)
    assert json.loads(row.body)


def test_the_body_of_an_error_is_what_the_provider_said() -> None:
    row = ClaudeFraming().row(
        dumped({"custom_id": "r1", "status": failed(400, "INVALID_ARGUMENT"), "response": {}})
    )
    assert row is not None
    assert json.loads(row.body) == {
        "error": {"code": 400, "message": "Please use a valid role.", "status": "INVALID_ARGUMENT"}
    }


@pytest.mark.parametrize("response", [{}, None, [], "", "text"])
def test_a_row_without_an_answer(response: object) -> None:
    row = GeminiFraming().row(dumped({"custom_id": "r1", "status": "", "response": response}))
    assert row == Row(
        1,
        0,
        Fate.PASSING,
        code="missing_result",
        message="Vertex AI's batch gave no answer for this request.",
    )


@pytest.mark.parametrize(
    ("status", "fate", "code", "message"),
    [
        (failed(499, "CANCELLED", "The job was cancelled."), Fate.UNTRIED, "batch_cancelled", None),
        ("CANCELLED", Fate.UNTRIED, "batch_cancelled", "CANCELLED"),
        ("Something odd", Fate.PASSING, "missing_result", "Something odd"),
    ],
)
def test_a_row_that_no_status_stands_for(
    status: str, fate: Fate, code: str, message: str | None
) -> None:
    row = GeminiFraming().row(dumped({"custom_id": "r1", "status": status, "response": {}}))
    assert row is not None
    assert (row.fate, row.status, row.code) == (fate, None, code)
    assert row.message == (message or "The job was cancelled.")


def test_predictions_of_the_older_embeddings() -> None:
    predictions = [{"embeddings": {"values": [0.5], "statistics": {"token_count": 1}}}]
    raw = dumped(
        {
            "instance": {"content": "a", "batchway_line": "p000002a003"},
            "predictions": predictions,
            "status": "",
        }
    )
    row = TextEmbeddingsFraming().row(raw)
    assert row is not None
    assert (row.line, row.part, row.fate, row.status) == (42, 3, Fate.ANSWERED, 200)
    assert json.loads(row.body) == {"predictions": predictions}


@pytest.mark.parametrize(
    ("rest", "fate", "status", "body"),
    [
        ({"response": {"id": "x", "choices": []}}, Fate.ANSWERED, 200, {"id": "x", "choices": []}),
        ({"response": {"status_code": 200, "body": {"id": "x"}}}, Fate.ANSWERED, 200, {"id": "x"}),
        ({"response": {"body": {"id": "x"}}}, Fate.ANSWERED, 200, {"id": "x"}),
        ({"response": {"body": '{"id": "x"}'}}, Fate.ANSWERED, 200, {"id": "x"}),
        (
            {"response": {"status_code": 429, "body": {"error": {"message": "m"}}}},
            Fate.PASSING,
            429,
            {"error": {"message": "m"}},
        ),
        (
            {"response": None, "error": {"code": 400, "message": "m"}},
            Fate.FAILED,
            400,
            {"code": 400, "message": "m"},
        ),
    ],
)
def test_rows_of_open_models(
    rest: dict[str, Any], fate: Fate, status: int, body: dict[str, Any]
) -> None:
    row = OpenModelFraming(endpoint=CHAT).row(dumped({"custom_id": "r0000000003", **rest}))
    assert row is not None
    assert (row.line, row.fate, row.status) == (3, fate, status)
    assert json.loads(row.body) == body


def test_an_answer_that_holds_a_field_called_body_is_not_unwrapped() -> None:
    answer = {"candidates": [{"functionCall": {"args": {"body": {"status_code": 7}}}}]}
    row = GeminiFraming().row(dumped({"custom_id": "r1", "status": "", "response": answer}))
    assert row is not None
    assert json.loads(row.body) == answer


def test_half_a_character_and_a_byte_order_mark() -> None:
    raw = (
        b'\xef\xbb\xbf{"custom_id":"r1","status":"","response":{"a":"\\ud83d cut \\ud83d\\ude00"}}'
    )
    row = GeminiFraming().row(raw)
    assert row is not None
    assert row.body == b'{"a":"\\ufffd cut \\ud83d\\ude00"}'


def test_rows_of_strangers_keep_their_ids() -> None:
    found = foreign_row(dumped({"custom_id": "mine/1", "status": "", "response": ANSWER}))
    assert found == ("mine/1", Row(0, 0, Fate.ANSWERED, 200, dumped(ANSWER)))
    assert foreign_row(dumped({"status": "", "response": ANSWER})) is not None
    assert foreign_row(b'{"a":1}') is None
    assert foreign_row(b"torn") is None


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
    kind=st.sampled_from(sorted(FRAMINGS)),
    line=st.integers(0, MOST_LINES - 1),
    part=st.integers(0, MOST_PARTS - 1),
    body=_bodies,
    answer=_bodies.filter(bool),
)
def test_what_goes_out_under_a_number_comes_back_under_it(
    kind: str, line: int, part: int, body: dict[str, Any], answer: dict[str, Any]
) -> None:
    framing = FRAMINGS[kind]
    if kind == "text embeddings":
        body.pop("batchway_line", None)
    written: dict[str, Any] = json.loads(framing.line(line=line, part=part, body=dumped(body)))
    echoed = {"instance": written} if kind == "text embeddings" else written
    for name in ("status_code", "body"):
        answer.pop(name, None)
    answer["x"] = 1
    row = framing.row(dumped({**echoed, "status": "", "response": answer}))
    assert row is not None
    assert (row.line, row.part, json.loads(row.body)) == (line, part, answer)


@given(raw=st.binary(max_size=200) | _json.map(dumped))
def test_garbage_is_no_row(raw: bytes) -> None:
    for framing in FRAMINGS.values():
        row = framing.row(raw)
        assert row is None or isinstance(row, Row)
    foreign_row(raw)


@settings(max_examples=200)
@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            name: _json | st.text(max_size=40) | st.just(failed(400, "INVALID_ARGUMENT"))
            for name in (
                "custom_id",
                "key",
                "status",
                "processed_time",
                "request",
                "instance",
                "response",
                "predictions",
                "error",
            )
        },
    )
)
def test_odd_rows_never_raise(fields: dict[str, Any]) -> None:
    raw = dumped({"custom_id": "r0000000001", **fields})
    for framing in FRAMINGS.values():
        row = framing.row(raw)
        assert row is None or row.status is None or 100 <= row.status <= 999
    foreign_row(raw)
