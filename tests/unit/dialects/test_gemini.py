"""Chat lines at Gemini: the tables, Google's and OpenAI's own types, and what no table holds."""

import base64
import json
from typing import Any, Final, Literal, get_args

import msgspec
import pytest
from google.genai import types
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from tests.unit.dialects.cases import Case, check, parameters, table

from batchway.dialects.gemini.dialect import GeminiDialect
from batchway.dialects.gemini.models import traits_of
from batchway.dialects.gemini.parameters import CHAT
from batchway.dialects.requests.chat import ChatRequest
from batchway.dialects.requests.parameters import Handling
from batchway.ports.dialect import Dialect, Encoded, Refused, Result, Size, Unfaithful

_AT: Final = 1_700_000_000
_READABLE: Final = ("gs://bucket/", "gs://cloud-samples-data/generative-ai/")
_DIALECTS: Final[dict[str, Dialect]] = {
    "2.0": GeminiDialect(model="gemini-2.0-flash-001", batch=False),
    "2.5 flash": GeminiDialect(model="gemini-2.5-flash", batch=False, readable=_READABLE),
    "2.5 flash-lite": GeminiDialect(model="gemini-2.5-flash-lite", batch=False),
    "2.5 pro": GeminiDialect(model="publishers/google/models/gemini-2.5-pro", batch=False),
    "3 pro": GeminiDialect(model="gemini-3-pro-preview", batch=False),
    "3 flash": GeminiDialect(model="gemini-3-flash-preview", batch=False),
    "3.1 pro": GeminiDialect(model="gemini-3.1-pro-preview", batch=False),
    "3.5 flash-lite": GeminiDialect(model="gemini-3.5-flash-lite", batch=False),
    "3.6 flash": GeminiDialect(model="gemini-3.6-flash", batch=False),
    "3.8 flash": GeminiDialect(model="gemini-3.8-flash", batch=False),
    "4": GeminiDialect(model="gemini-4-argon", batch=False),
    "tuned": GeminiDialect(model="projects/1/locations/us-central1/endpoints/42", batch=False),
    "batch": GeminiDialect(model="gemini-2.5-flash", batch=True, readable=_READABLE),
    "batch 3": GeminiDialect(model="gemini-3-flash-preview", batch=True),
}
_TABLE: Final = [
    case
    for name in ("turns", "functions", "schemas", "config", "batch", "answers")
    for case in table(f"gemini_{name}")
]


class GenerateContentRequest(BaseModel):
    """The body of Vertex AI's method, of google-genai's types: the SDK has no type for the whole.

    https://docs.cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.publishers.models/generateContent
    """

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)
    contents: list[types.Content]
    system_instruction: types.Content | None = None
    tools: list[types.Tool] | None = None
    tool_config: types.ToolConfig | None = None
    generation_config: types.GenerationConfig | None = None


def _sent(body: dict[str, Any]) -> None:
    """What the SDK's types, which refuse unknown keys, say of a request."""
    read = GenerateContentRequest.model_validate(body)
    assert all(content.parts and content.role in ("user", "model") for content in read.contents)
    for content in read.contents:
        for part in content.parts or ():
            # One field of a part is its value.
            assert len(part.model_dump(exclude_none=True, exclude={"thought_signature"})) == 1
    for schema in _schemas(body):
        _in_the_subset(schema)


def _schemas(body: dict[str, Any]) -> list[dict[str, Any]]:
    config = body.get("generationConfig", {})
    declared = [each for tool in body.get("tools", ()) for each in tool["functionDeclarations"]]
    given = [config.get("responseSchema"), *(each.get("parameters") for each in declared)]
    return [each for each in given if each is not None]


def _in_the_subset(schema: dict[str, Any]) -> None:
    """What Vertex AI refuses that its type allows."""
    assert "type" in schema or "anyOf" in schema
    if "anyOf" in schema:
        assert set(schema) == {"anyOf"}
        assert all("type" in each for each in schema["anyOf"])
    assert set(schema.get("required", ())) <= set(schema.get("properties", ()))
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    inner += [schema[key] for key in ("items", "additionalProperties") if key in schema]
    for each in inner:
        _in_the_subset(each)


def _given(body: dict[str, Any]) -> None:
    read = ChatCompletion.model_validate(body)
    assert set(read.model_extra or ()) <= {"batchway"}
    for choice in read.choices:
        assert set(choice.message.model_extra or ()) <= {"reasoning_content"}
        assert choice.finish_reason in get_args(
            Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
        )


@pytest.mark.parametrize("case", parameters(_TABLE))
def test_case(case: Case) -> None:
    check(case, _DIALECTS[case.dialect], sent=_sent, given=_given, at=_AT)


@pytest.mark.parametrize("case", parameters([case for case in _TABLE if case.result is not None]))
def test_the_tables_answers_are_responses_of_gemini(case: Case) -> None:
    for answer in case.answers:
        body = dict(answer.body)
        # In HTTP errors only; null in rows of batch jobs.
        assert body.pop("error", None) is None
        if body.get("createTime") == "yesterday":
            del body["createTime"]
        types.GenerateContentResponse.model_validate(body)


def test_the_tables_have_enough_cases_of_every_dialect() -> None:
    assert len(_TABLE) >= 150
    assert {case.dialect for case in _TABLE} == set(_DIALECTS)
    assert all(case.source.startswith("https://") for case in _TABLE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"contents": [{"role": "user", "parts": [{"txt": "x"}]}]},
        {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]},
        {"contents": [{"role": "user", "parts": []}]},
        {"contents": [{"role": "user", "parts": [{"text": "x", "fileData": {"fileUri": "x"}}]}]},
        {"generationConfig": {"maxTokens": 1}},
        {"generationConfig": {"responseSchema": {"type": "OBJECT", "additional": False}}},
        {"generationConfig": {"responseSchema": {"anyOf": [{"type": "STRING"}], "title": "x"}}},
        {"tools": [{"functionDeclarations": [{"name": "f", "schema": {}}]}]},
        {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"$ref": "#"}}]}]},
        {"toolConfig": {"functionCallingConfig": {"names": ["f"]}}},
        {"system_instruct": {}},
    ],
)
def test_the_check_of_requests_finds_what_is_wrong(wrong: dict[str, Any]) -> None:
    right = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    _sent(right)
    with pytest.raises((ValidationError, AssertionError)):
        _sent({**right, **wrong})


# ---------------------------------------------------------- parameters, models


def test_every_parameter_has_a_row() -> None:
    names = [row.name for row in CHAT.rows]
    assert len(names) == len(set(names))
    assert set(ChatRequest.__struct_fields__) <= set(names)
    assert all(row.note and row.source.startswith("https://") for row in CHAT.rows)


def test_every_warning_of_the_tables_has_a_row() -> None:
    told = {name for case in _TABLE for name in case.warnings}
    assert all(CHAT.note(name) for name in told)
    assert {row.name for row in CHAT.rows if row.handling is Handling.IGNORED} <= told


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("gemini-3-pro-preview", "LOW HIGH"),
        ("gemini-3.1-pro-preview", "LOW MEDIUM HIGH"),
        ("gemini-3-flash-preview", "MINIMAL LOW MEDIUM HIGH"),
        ("google/gemini-3.1-flash-lite", "MINIMAL LOW MEDIUM HIGH"),
        ("gemini-3.5-flash@001", "MINIMAL LOW MEDIUM HIGH"),
        ("Gemini-3.6-Flash", "MINIMAL LOW MEDIUM HIGH"),
        ("gemini-3.7-flash", "LOW MEDIUM HIGH"),
        ("publishers/google/models/gemini-3.8-flash", "LOW MEDIUM HIGH"),
        ("gemini-4-argon-cyber-permissive", "LOW MEDIUM HIGH"),
        ("gemini-flash-latest", "LOW MEDIUM HIGH"),
        ("42", "LOW MEDIUM HIGH"),
    ],
)
def test_finds_the_levels_of_a_model_by_any_name(name: str, levels: str) -> None:
    efforts = traits_of(name).efforts
    found = {thinking.thinking_level for thinking in efforts.values()}
    assert found == set(levels.split())
    assert efforts["xhigh"].thinking_level == "HIGH"
    assert "none" not in efforts


# ---------------------------------------------------------- what no table holds


def _line(**parameters: Any) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": "Hi"}], **parameters}).encode()


def _answer(**fields: Any) -> bytes:
    candidate = {"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}
    return json.dumps({"candidates": [candidate], **fields}).encode()


def _completed(read: object) -> dict[str, Any]:
    assert isinstance(read, Result)
    return msgspec.json.decode(read.body)


def test_an_answer_without_an_id_has_the_same_one_each_time() -> None:
    dialect = _DIALECTS["2.5 flash"]
    first, again, other = (
        _completed(dialect.decode(200, body, b"", at=_AT))["id"]
        for body in (_answer(), _answer(), _answer(usageMetadata={}))
    )
    assert first == again != other
    assert first.startswith("chatcmpl-")


def test_answers_that_are_printed_over_lines_are_one_line() -> None:
    call = {"functionCall": {"name": "f", "args": {"a": [1, {"b": 2}]}}}
    body = {"candidates": [{"content": {"parts": [call]}}], "responseId": "r"}
    read = _DIALECTS["2.5 flash"].decode(200, json.dumps(body, indent=2).encode(), b"", at=_AT)
    assert isinstance(read, Result)
    assert b"\n" not in read.body
    (made,) = _completed(read)["choices"][0]["message"]["tool_calls"]
    assert made["function"]["arguments"] == '{"a":[1,{"b":2}]}'


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("2.5 flash", b'{"a":1.0,"b":7,"c":100.0,"d":true}'),
        # In a job's table a column of whole numbers would refuse another line's fraction.
        ("batch", b'{"a":1.0,"b":7.0,"c":100.0,"d":true}'),
    ],
)
def test_numbers_in_arguments_stay_what_they_are(name: str, written: bytes) -> None:
    arguments = '{"a":1.0,"b":7,"c":1e2,"d":true}'
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ]
    encoded = _DIALECTS[name].encode(_line(messages=messages), named="m")
    assert isinstance(encoded, Encoded)
    assert b'"args":' + written in encoded.bodies[0]


def test_the_signature_is_base64_as_the_wire_wants_it() -> None:
    # The field holds bytes: what the vendor documents is what its bytes are written as.
    assert len(base64.urlsafe_b64decode("skip_thought_signature_validator")) == 24


_A_STRING = {"type": "object", "properties": {"a": {"type": "string"}}}
_A_NUMBER = {"type": "object", "properties": {"a": {"type": "number", "description": "n"}}}
_ANOTHER = {"type": "object", "properties": {"b": {"type": "string"}}}


def _shape(**parameters: Any) -> tuple[tuple[str, str], ...]:
    encoded = _DIALECTS["batch"].encode(_line(**parameters), named="m")
    assert isinstance(encoded, Encoded)
    return encoded.shape


def test_lines_of_one_schema_share_a_job_and_those_of_two_do_not() -> None:
    def shape(schema: object) -> object:
        named = {"name": "s", "schema": schema}
        return _shape(response_format={"type": "json_schema", "json_schema": named})

    reordered = {"properties": {"a": {"type": "string"}}, "type": "object"}
    assert shape(_A_STRING) == shape(reordered)
    assert len({shape(_A_STRING), shape(_A_NUMBER), shape(_ANOTHER)}) == 3


def test_lines_whose_functions_have_the_same_properties_share_a_job() -> None:
    def shape(*schemas: object) -> object:
        functions = [{"name": f"f{n}", "parameters": each} for n, each in enumerate(schemas)]
        return _shape(tools=[{"type": "function", "function": each} for each in functions])

    assert shape(_A_STRING) == shape(_A_NUMBER)
    assert len({shape(_A_STRING), shape(_ANOTHER), shape(_A_STRING, _ANOTHER)}) == 3
    assert shape() == ()


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b'{"messages":[],"max_tokens":100}', Size(109)),
        (b'{"messages":[],"max_completion_tokens":10,"n":3}', Size(43)),
        (b"[]", Size(1)),
        (b'{"max_tokens":"x"}', Size(5)),
        (b"[" * 100_000, Size(25_001)),
    ],
)
def test_measures_any_body(body: bytes, size: Size) -> None:
    assert _DIALECTS["2.5 flash"].measure(body) == size


@pytest.mark.parametrize("name", ["2.5 flash", "batch"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"null",
        b"[]",
        b'"x"',
        b"{}",
        b'{"messages":null}',
        b'{"messages":[null]}',
        b'{"messages":[{"role":"user","content":"\xff"}]}',
        b'{"messages":[{"role":"user","content":"\\ud800"}]}',
        b"[" * 100_000,
        _line(response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": 1}}),
        _line(tools=[{"type": "function", "function": {"name": "f", "parameters": "x"}}]),
    ],
)
def test_odd_lines_are_told_and_never_raise(name: str, body: bytes) -> None:
    assert isinstance(_DIALECTS[name].encode(body, named="m"), Unfaithful)


@pytest.mark.parametrize("depth", [20, 60, 400])
@pytest.mark.parametrize("name", ["2.5 flash", "batch"])
def test_schemas_of_any_depth_are_told_and_never_raise(name: str, depth: int) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    named = {"name": "s", "schema": schema}
    line = _line(response_format={"type": "json_schema", "json_schema": named})
    encoded = _DIALECTS[name].encode(line, named="m")
    assert isinstance(encoded, Encoded) == (depth == 20 and name == "2.5 flash")


def test_a_schema_that_grows_without_end_when_written_out_is_refused() -> None:
    definitions: dict[str, Any] = {"d0": {"type": "string"}}
    for level in range(1, 30):
        ref = {"$ref": f"#/$defs/d{level - 1}"}
        definitions[f"d{level}"] = {"type": "object", "properties": {"a": ref, "b": ref}}
    schema = {"$defs": definitions, "$ref": "#/$defs/d29"}
    named = {"name": "s", "schema": schema}
    line = _line(response_format={"type": "json_schema", "json_schema": named})
    encoded = _DIALECTS["2.5 flash"].encode(line, named="m")
    assert isinstance(encoded, Unfaithful)
    assert "too large" in encoded.why


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"null",
        b"[" * 100_000,
        b'{"candidates":[null]}',
        b'{"candidates":[{"content":{"parts":[{"text":"\xff"}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"args":"x"}}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":[1]}}]}}]}',
        b'{"candidates":[{"content":{"parts":7}}]}',
        b'{"candidates":[{"finishReason":"OTHER"}],"usageMetadata":{"promptTokenCount":-1}}',
        b'{"candidates":"x","error":"y"}',
    ],
)
@pytest.mark.parametrize("status", [200, 204, 400, 500])
def test_odd_answers_never_raise(status: int, body: bytes) -> None:
    read = _DIALECTS["2.5 flash"].decode(status, body, b"", at=_AT)
    if status >= 400:
        assert isinstance(read, Refused)
        assert read.status == status
    assert not isinstance(read, Refused) or read.status >= 400


def test_nothing_of_a_line_is_in_a_reason() -> None:
    secret = "sk-very-secret"
    lines = [
        _line(tools=[{"type": "function", "function": {"name": f"{secret} x"}}]),
        _line(reasoning_effort=secret),
        _line(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": secret}]}]),
        _line(tool_choice=secret, tools=[{"type": "function", "function": {"name": "f"}}]),
    ]
    for line in lines:
        encoded = _DIALECTS["batch"].encode(line, named="m")
        assert isinstance(encoded, Unfaithful)
        assert secret not in encoded.why + encoded.param


def test_is_not_faithful_and_joins_nothing() -> None:
    dialect = _DIALECTS["2.5 flash"]
    assert not dialect.faithful
    with pytest.raises(NotImplementedError):
        dialect.join([], b"")
