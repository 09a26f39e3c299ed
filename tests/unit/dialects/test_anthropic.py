"""Chat lines at Claude: the tables, Anthropic's and OpenAI's own types, and what no table holds."""

import json
from typing import Any, Final, Literal, get_args

import msgspec
import pytest
from anthropic import transform_schema
from anthropic.types import Message as ClaudeMessage
from anthropic.types import ModelParam
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from anthropic.types.stop_reason import StopReason
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, Field, ValidationError
from tests.unit.dialects.cases import Case, check, parameters, table
from tests.unit.dialects.strict_types import strict

from batchway.dialects.anthropic.dialect import VERTEX, AnthropicDialect
from batchway.dialects.anthropic.parameters import CHAT
from batchway.dialects.claude.models import MODELS, NEWER, Thinking, traits_of
from batchway.dialects.grammars.closed import closed, problem_of
from batchway.dialects.requests.chat import ChatRequest
from batchway.ports.dialect import Dialect, Encoded, Refused, Result, Size, Unfaithful
from batchway.providers.google.advice import refusals_at
from batchway.providers.google.place import Place
from batchway.providers.http.advising import AdvisingDialect

_AT: Final = 1_700_000_000
_DIALECTS: Final[dict[str, Dialect]] = {
    "haiku 3.5": AnthropicDialect(model="claude-3-5-haiku@20241022"),
    "haiku 4.5": AnthropicDialect(model="claude-haiku-4-5@20251001", version=VERTEX),
    "haiku 5.5": AnthropicDialect(model="claude-haiku-5-5"),
    "sonnet 5.5": AnthropicDialect(model="claude-sonnet-5-5"),
    "opus 4.5": AnthropicDialect(model="claude-opus-4-5@20251101"),
    "opus 4.6": AnthropicDialect(model="claude-opus-4-6"),
    "opus 4.6 of 2026": AnthropicDialect(model="claude-opus-4-6", version="2026-10-21"),
    "opus 4.8": AnthropicDialect(model="claude-opus-4-8"),
    "opus 5": AnthropicDialect(model="claude-opus-5"),
    "opus 5.5": AnthropicDialect(model="claude-opus-5-5"),
    "own": AnthropicDialect(model="claude-opus-4-6", version=None, urls=True),
    # What Google says before a model is asked, its account reads, whatever the model's dialect is.
    "at Google": AdvisingDialect(
        AnthropicDialect(model="claude-haiku-4-5@20251001"),
        read=refusals_at(Place(project="p", region="us-east5")),
    ),
}
_TABLE: Final = [
    case
    for name in ("turns", "tools", "parameters", "answers", "errors")
    for case in table(f"anthropic_{name}")
]
_check_request: Final = strict(MessageCreateParamsNonStreaming)


def _sent(body: dict[str, Any]) -> None:
    """What the SDK's types say of a request, and what a platform adds and takes away."""
    request = dict(body)
    assert "stream" not in request
    if (version := request.pop("anthropic_version", None)) is not None:
        assert version in (VERTEX, "2026-10-21")
        assert "model" not in request
        request["model"] = "in the address"
    # Of the API's version of 2023 that Google Cloud goes by; the SDK's types are those of 2026.
    for name in ("temperature", "top_p"):
        assert 0 <= request.pop(name, 0) <= 1
    _check_request(request)


def _given(body: dict[str, Any]) -> None:
    read = ChatCompletion.model_validate(body)
    assert set(read.model_extra or ()) <= {"batchway"}
    (choice,) = read.choices
    assert set(choice.message.model_extra or ()) <= {"reasoning_content"}
    assert choice.finish_reason in get_args(
        Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
    )


@pytest.mark.parametrize("case", parameters(_TABLE))
def test_case(case: Case) -> None:
    check(case, _DIALECTS[case.dialect], sent=_sent, given=_given, at=_AT)


@pytest.mark.parametrize("case", parameters([case for case in _TABLE if case.result is not None]))
def test_the_tables_answers_are_messages_of_anthropics(case: Case) -> None:
    (answer,) = case.answers
    if answer.body["stop_reason"] in get_args(StopReason):
        ClaudeMessage.model_validate(answer.body)


def test_the_tables_have_enough_cases_of_every_dialect() -> None:
    assert len(_TABLE) >= 120
    assert {case.dialect for case in _TABLE} == set(_DIALECTS)
    assert all(case.source.startswith("https://") for case in _TABLE)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("model", None),
        ("max_token", 1),
        ("tool_choice", {"type": "required"}),
        ("messages", [{"role": "user", "content": "x", "name": "n"}]),
        ("messages", [{"role": "user", "content": [{"type": "text", "txt": "x"}]}]),
        ("tools", [{"name": "n", "input_schema": {}, "parameters": {}}]),
    ],
)
def test_the_check_of_requests_finds_what_is_wrong(place: str, value: object) -> None:
    right = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    _check_request(right)
    with pytest.raises(ValidationError):
        _check_request({**right, place: value})


# ---------------------------------------------------------- parameters, models


def test_every_parameter_has_a_row() -> None:
    names = [row.name for row in CHAT.rows]
    assert len(names) == len(set(names))
    assert set(ChatRequest.__struct_fields__) <= set(names)
    assert all(row.note and row.source.startswith("https://") for row in CHAT.rows)


def test_every_model_of_the_sdk_has_a_row() -> None:
    literal = next(part for part in get_args(ModelParam) if part is not str)
    assert [name for name in get_args(literal) if traits_of(name) is NEWER] == []


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-opus-4@20250514", "claude-opus-4"),
        ("claude-opus-4-1@20250805", "claude-opus-4-1"),
        ("claude-sonnet-4-6@default", "claude-sonnet-4-6"),
        ("claude-3-5-sonnet-v2@20241022", "claude-3-5-sonnet"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5"),
        ("publishers/anthropic/models/claude-opus-5-5", "claude-opus-5-5"),
        ("Claude-Opus-5", "claude-opus-5"),
    ],
)
def test_finds_a_model_by_any_platforms_name(name: str, row: str) -> None:
    assert traits_of(name) is MODELS[row]


@pytest.mark.parametrize("name", ["claude-opus-7", "claude-opus-4-9", "house-model", ""])
def test_takes_a_model_that_it_does_not_know_for_a_newer_one(name: str) -> None:
    assert traits_of(name) is NEWER


@pytest.mark.parametrize("name", MODELS)
def test_the_rows_hold_together(name: str) -> None:
    row = MODELS[name]
    assert row.source.startswith("https://")
    assert bool(row.off) == (row.thinking is Thinking.DEFAULT)
    assert row.most <= NEWER.most or row.thinking in (
        Thinking.ADAPTIVE,
        Thinking.DEFAULT,
        Thinking.ALWAYS,
    )


# ---------------------------------------------------------- schemas


class _Pet(BaseModel):
    kind: Literal["cat", "dog"]
    age: int | None = Field(default=None, ge=0, description="In years")


class _Owner(BaseModel):
    """Somebody with pets."""

    name: str = Field(min_length=1, pattern="^[A-Z]")
    mail: str = Field(json_schema_extra={"format": "email"})
    pets: list[_Pet] = Field(min_length=1, max_length=3)
    best: _Pet
    scores: list[float]


_SCHEMAS: Final[list[Any]] = [
    _Owner.model_json_schema(),
    {"type": "integer", "minimum": 1, "maximum": 10, "description": "A number"},
    {"type": "string", "format": "date-time", "title": "When"},
    {"type": "string", "default": "x", "format": "binary"},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 0},
    {"type": "array", "items": {"type": "null"}, "uniqueItems": True, "minItems": 2},
    {"enum": ["a", 1, None, True]},
    {"type": "string", "const": "a", "description": "d"},
    {"type": "object", "enum": [{"a": 1}]},
    {"anyOf": [{"type": "string"}, {"type": "number"}], "description": "either", "default": 1},
    {"oneOf": [{"type": "object", "properties": {}, "required": []}, {"type": "null"}]},
    {"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"type": "string"}}},
    {"$ref": "#/$defs/A", "description": "left out", "$defs": {"A": {"type": "string"}}},
    {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True},
]


@pytest.mark.parametrize("schema", _SCHEMAS, ids=range(len(_SCHEMAS)))
def test_closes_a_schema_as_the_sdk_does(schema: dict[str, Any]) -> None:
    given = msgspec.json.encode(schema)
    assert problem_of(schema) is None
    assert closed(schema) == transform_schema(msgspec.json.decode(given))
    assert msgspec.json.encode(schema) == given, "the schema itself is not changed"


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (True, "no JSON object"),
        ({}, "no type"),
        ({"enum": [{"a": 1}]}, "no type"),
        ({"const": [1], "type": []}, "no type"),
        ({"enum": "a"}, "no type"),
        ({"type": "text"}, "a type that"),
        ({"type": ["string", 1]}, "a type that"),
        ({"anyOf": {"type": "string"}}, "no list"),
        ({"type": "object", "properties": []}, "no JSON object"),
        ({"type": "array", "items": [{"type": "string"}]}, "no JSON object"),
        ({"anyOf": [{"type": "string"}], "allOf": [{"type": "string"}]}, "beside"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}}, "recursive"),
        ({"$ref": 1}, "another document"),
    ],
)
def test_says_why_a_schema_cannot_be_kept(schema: object, why: str) -> None:
    assert why in (problem_of(schema) or "")


def test_a_schema_is_not_followed_for_ever() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(70):
        deep = {"type": "array", "items": deep}
    assert "nested" in (problem_of(deep) or "")
    chain = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(5_000)}
    assert problem_of({"$ref": "#/$defs/d0", "$defs": chain}) is None
    chain["d4999"] = {"$ref": "#/$defs/d0"}
    assert "recursive" in (problem_of({"$ref": "#/$defs/d0", "$defs": chain}) or "")


# ---------------------------------------------------------- what no table holds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"a"',
        b"{}",
        b'{"messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"messages":[{"role":"user","content":"\xff"}]}',
        b"[" * 100_000,
        b'{"messages":[{"role":"judge","content":"a"}]}',
        b'{"messages":[{"role":"user","content":"a"}],"max_tokens":1e999}',
    ],
)
def test_says_what_is_wrong_with_any_line(body: bytes) -> None:
    for dialect in _DIALECTS.values():
        read = dialect.encode(body, named="m")
        assert isinstance(read, Unfaithful)
        assert read.why


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b"\xff",
        b'{"content":null}',
        b'{"content":"text"}',
        b'{"content":[1]}',
        b'{"content":[{"type":"text","text":7}]}',
        b'{"content":[],"usage":{"input_tokens":"x"}}',
        b'{"error":"words"}',
        b'{"error":{"message":["x"],"type":7,"details":"x"}}',
        b'{"error":[]}',
        b"[[]]",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 503])
def test_never_raises_whatever_is_answered(body: bytes, status: int) -> None:
    read = _DIALECTS["haiku 4.5"].decode(status, body, b"")
    if status == 200:
        assert read is None or isinstance(read, Refused)
    else:
        assert isinstance(read, Refused)
    if isinstance(read, Refused):
        assert not 200 <= read.status < 300
        assert json.loads(read.body)["error"]["message"]
        assert b"\n" not in read.body


def test_repeats_no_more_of_an_error_than_people_read() -> None:
    body = {"type": "error", "error": {"type": "x" * 100, "message": "m" * 10_000}}
    read = _DIALECTS["own"].decode(400, msgspec.json.encode(body), b"")
    assert isinstance(read, Refused)
    assert (len(read.message), read.code, read.kind) == (1_000, "", "")


def test_tells_the_request_that_anthropics_support_asks_for() -> None:
    body = b'{"type":"error","error":{"type":"api_error","message":"Oops"},"request_id":"req_1"}'
    read = _DIALECTS["own"].decode(500, body, b"")
    assert isinstance(read, Refused)
    assert read.message == "Oops"
    assert json.loads(read.body)["error"]["message"] == "Oops (request req_1)"


def test_arguments_stay_as_the_model_wrote_them() -> None:
    written = '{"n": 1.0, "big": 12345678901234567890123, "é": "\\u00e9"}'
    content = '[{"type":"tool_use","id":"t","name":"f","input":' + written + "}]"
    body = '{"id":"msg_1","content":' + content + ',"stop_reason":"tool_use"}'
    read = _DIALECTS["haiku 4.5"].decode(200, body.encode(), b"", at=_AT)
    assert isinstance(read, Result)
    (call,) = json.loads(read.body)["choices"][0]["message"]["tool_calls"]
    assert call["function"]["arguments"] == written


def test_names_the_model_where_the_answer_does_not() -> None:
    read = _DIALECTS["opus 5"].decode(200, b'{"id":"msg_1","content":[]}', b"")
    assert isinstance(read, Result)
    assert json.loads(read.body)["model"] == "claude-opus-5"


def test_a_line_is_one_body_of_one_line() -> None:
    line = {"messages": [{"role": "user", "content": "a\nb"}], "user": "u"}
    encoded = _DIALECTS["haiku 4.5"].encode(msgspec.json.encode(line), named="m")
    assert isinstance(encoded, Encoded)
    assert (len(encoded.bodies), encoded.context, encoded.shape) == (1, b"user", ())
    assert b"\n" not in encoded.bodies[0]


def test_other_characters_of_ids_never_make_two_calls_one() -> None:
    calls = [
        {"id": given, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        for given in ("a.b", "a:b", "a_b", "")
    ]
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": calls}]
    line = {"messages": [*messages, {"role": "user", "content": "y"}]}
    encoded = _DIALECTS["haiku 4.5"].encode(msgspec.json.encode(line), named="m")
    assert isinstance(encoded, Encoded)
    blocks = json.loads(encoded.bodies[0])["messages"][1]["content"]
    assert len({block["id"] for block in blocks}) == len(calls)


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (b'{"messages":[]}', 4),
        (b'{"max_tokens":100}', 105),
        (b'{"max_completion_tokens":100,"max_tokens":null}', 112),
        (b'{"max_tokens":-100}', 5),
        (b"no JSON", 2),
    ],
)
def test_measures_a_line(body: bytes, tokens: int) -> None:
    assert _DIALECTS["haiku 4.5"].measure(body) == Size(tokens=tokens)
