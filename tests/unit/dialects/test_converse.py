"""Chat lines at Converse: the tables, botocore's and OpenAI's types, and what no table holds."""

import json
from typing import Any, Final

import pytest
from tests.unit.dialects.cases import Case, check, parameters, table
from tests.unit.dialects.completions import given_by_openai, with_id
from tests.unit.dialects.converse_shapes import answered_by_converse, sent_to_converse

from batchway.dialects.claude.models import traits_of as claude_traits
from batchway.dialects.converse.dialect import ConverseDialect
from batchway.dialects.converse.models import MODELS, NEWER, Reasoning, nova_traits, traits_of
from batchway.dialects.converse.parameters import CHAT
from batchway.dialects.requests.chat import ChatRequest
from batchway.ports.dialect import Dialect, Encoded, Refused, Result, Size, Unfaithful

_AT: Final = 1_700_000_000
_READABLE: Final = ("s3://bucket/",)
_HAIKU: Final = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


def _online(model: str) -> ConverseDialect:
    return ConverseDialect(model=model, batch=False, readable=_READABLE)


_DIALECTS: Final[dict[str, Dialect]] = {
    "nova micro": _online("amazon.nova-micro-v1:0"),
    "nova lite": _online("amazon.nova-lite-v1:0"),
    "nova 2": _online("us.amazon.nova-2-lite-v1:0"),
    "claude 4.5": _online(_HAIKU),
    "claude 4.6": _online("global.anthropic.claude-opus-4-6-v1"),
    "llama 3.3": _online("us.meta.llama3-3-70b-instruct-v1:0"),
    "mistral 7b": _online("mistral.mistral-7b-instruct-v0:2"),
    "mistral large": _online("mistral.mistral-large-2402-v1:0"),
    "voxtral": _online("mistral.voxtral-small-24b-2507"),
    "qwen3": _online("qwen.qwen3-32b-v1:0"),
    "gpt-oss": _online("openai.gpt-oss-120b-1:0"),
    "deepseek r1": _online("us.deepseek.r1-v1:0"),
    "batch": ConverseDialect(model="qwen.qwen3-32b-v1:0", batch=True),
    "batch nova": ConverseDialect(model="amazon.nova-lite-v1:0", batch=True),
}
_TABLE: Final = [
    case for name in ("turns", "tools", "config", "answers") for case in table(f"converse_{name}")
]


@pytest.mark.parametrize("case", parameters(_TABLE))
def test_case(case: Case) -> None:
    dialect = _DIALECTS[case.dialect]
    check(with_id(case), dialect, sent=sent_to_converse, given=given_by_openai, at=_AT)


@pytest.mark.parametrize("case", parameters([case for case in _TABLE if case.result is not None]))
def test_the_tables_answers_are_answers_of_converse(case: Case) -> None:
    (answer,) = case.answers
    answered_by_converse(answer.body)


def test_the_tables_have_enough_cases_of_every_dialect() -> None:
    assert len(_TABLE) >= 180
    assert {case.dialect for case in _TABLE} == set(_DIALECTS)
    assert all(case.source.startswith("https://") for case in _TABLE)


_RESULT: Final[dict[str, Any]] = {"toolUseId": "t", "content": []}
_RIGHT: Final = {"messages": [{"role": "user", "content": [{"text": "x"}]}]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"modelId": "m"},
        {"model": "m"},
        {"max_tokens": 1},
        {"inferenceConfig": {"topK": 1}},
        {"inferenceConfig": {"temperature": 2}},
        {"toolConfig": {"tools": [{"toolSpec": {"name": "n"}}]}},
        {"messages": [{"role": "assistant", "content": [{"text": "x"}]}]},
        {"messages": [{"role": "user", "content": [{"text": " "}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        {"messages": [{"role": "user", "content": [{"image": {"format": "bmp"}}]}]},
        {"messages": [{"role": "user", "content": [{"toolResult": _RESULT}]}]},
    ],
)
def test_the_check_of_requests_finds_what_is_wrong(wrong: dict[str, Any]) -> None:
    sent_to_converse(_RIGHT)
    with pytest.raises(AssertionError):
        sent_to_converse({**_RIGHT, **wrong})


# ---------------------------------------------------------- parameters, models


def test_every_parameter_has_a_row() -> None:
    names = [row.name for row in CHAT.rows]
    assert len(names) == len(set(names))
    assert set(ChatRequest.__struct_fields__) <= set(names)
    assert all(row.note and row.source.startswith("https://") for row in CHAT.rows)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("amazon.nova-micro-v1:0", "nova-micro"),
        ("us.amazon.nova-premier-v1:0", "nova-(lite|pro|premier)"),
        ("global.amazon.nova-2-lite-v1:0", "nova-2-"),
        ("us.amazon.nova-2-omni-v1:0", "nova-2-(omni|sonic)"),
        ("amazon.titan-text-express-v1", "titan-t"),
        ("us.meta.llama4-scout-17b-instruct-v1:0", "llama4|llama3-2-(11|90)b"),
        ("us.meta.llama3-2-90b-instruct-v1:0", "llama4|llama3-2-(11|90)b"),
        ("us.meta.llama3-2-1b-instruct-v1:0", "llama"),
        ("meta.llama3-1-8b-instruct-v1:0", "llama3-[13]"),
        ("meta.llama3-70b-instruct-v1:0", "llama"),
        ("mistral.mixtral-8x7b-instruct-v0:1", "mistral-7b|mixtral"),
        ("mistral.mistral-small-2402-v1:0", "mistral-(large|small)-24"),
        ("us.mistral.pixtral-large-2502-v1:0", "pixtral"),
        ("cohere.command-r-plus-v1:0", "command-r"),
        ("ai21.jamba-1-5-large-v1:0", "jamba"),
        ("us.writer.palmyra-x5-v1:0", "palmyra-x"),
        ("us.deepseek.r1-v1:0", r"deepseek\.r1"),
        ("deepseek.v3-v1:0", "deepseek"),
        ("openai.gpt-oss-20b-1:0", "gpt-oss"),
        ("qwen.qwen3-coder-30b-a3b-v1:0", "qwen3-(?!vl)"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0",
            "nova-(lite|pro|premier)",
        ),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k",
            "nova-(lite|pro|premier)",
        ),
    ],
)
def test_finds_a_model_by_any_of_bedrocks_names(name: str, row: str) -> None:
    assert traits_of(name) is dict(MODELS)[row]


@pytest.mark.parametrize(
    "name",
    [
        "qwen.qwen3-vl-235b-a22b",
        "mistral.mistral-large-3-675b-instruct",
        "google.gemma-3-27b-it",
        "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdef123456",
        "",
    ],
)
def test_a_model_without_a_row_takes_what_the_api_has(name: str) -> None:
    assert traits_of(name) is NEWER


def test_claude_takes_what_its_own_api_takes() -> None:
    assert traits_of(_HAIKU).claude is claude_traits("claude-haiku-4-5")
    assert not traits_of("anthropic.claude-3-haiku-20240307-v1:0").schemas


def test_a_nova_that_its_name_does_not_tell_is_the_newest() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
    assert nova_traits(arn).reasoning is Reasoning.NOVA
    assert not nova_traits(arn).documents


@pytest.mark.parametrize("row", [row for _, row in MODELS], ids=[name for name, _ in MODELS])
def test_the_rows_hold_together(row: Any) -> None:
    assert row.source.startswith("https://docs.aws.amazon.com/")
    assert not (row.schemas and row.schema_by_tool)
    assert row.stored or not row.stored_images
    assert set(row.forced) <= {"any", "tool"}


# ---------------------------------------------------------- what no table holds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b"\xff",
        b'{"output":null}',
        b'{"output":{"message":{"content":"text"}}}',
        b'{"output":{"message":{"content":[1]}}}',
        b'{"output":{"message":{"content":[{"text":7}]}}}',
        b'{"output":{"message":{"content":[]}},"usage":{"inputTokens":"x"}}',
        b'{"message":["x"],"Message":7}',
        b"[[]]",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 503])
def test_never_raises_whatever_is_answered(body: bytes, status: int) -> None:
    read = _DIALECTS["nova lite"].decode(status, body, b"")
    if status == 200:
        assert read is None or isinstance(read, Refused)
    else:
        assert isinstance(read, Refused)
    if isinstance(read, Refused):
        assert not 200 <= read.status < 300
        assert json.loads(read.body)["error"]["message"]
        assert b"\n" not in read.body


def test_repeats_no_more_of_an_error_than_people_read() -> None:
    read = _DIALECTS["nova lite"].decode(400, json.dumps({"message": "m" * 10_000}).encode(), b"")
    assert isinstance(read, Refused)
    assert len(read.message) == 1_000


def test_arguments_stay_as_the_model_wrote_them() -> None:
    written = '{"n": 1.0, "big": 12345678901234567890123, "é": "\\u00e9"}'
    call = '{"toolUse":{"toolUseId":"t","name":"f","input":' + written + "}}"
    body = '{"output":{"message":{"content":[' + call + ']}},"stopReason":"tool_use"}'
    read = _DIALECTS["nova lite"].decode(200, body.encode(), b"", at=_AT)
    assert isinstance(read, Result)
    (found,) = json.loads(read.body)["choices"][0]["message"]["tool_calls"]
    assert found["function"]["arguments"] == written


def test_the_id_is_the_same_for_the_same_answer_only() -> None:
    def id_of(text: str) -> str:
        body = {"output": {"message": {"content": [{"text": text}]}}, "stopReason": "end_turn"}
        read = _DIALECTS["nova lite"].decode(200, json.dumps(body).encode(), b"")
        assert isinstance(read, Result)
        return json.loads(read.body)["id"]

    assert id_of("a") == id_of("a") != id_of("b")


def test_a_line_is_one_body_of_one_line() -> None:
    line = {"messages": [{"role": "user", "content": "a\nb"}], "user": "u"}
    encoded = _DIALECTS["nova lite"].encode(json.dumps(line).encode(), named="m")
    assert isinstance(encoded, Encoded)
    assert (len(encoded.bodies), encoded.context, encoded.shape) == (1, b"user", ())
    assert b"\n" not in encoded.bodies[0]


def test_a_schema_that_would_fill_the_memory_is_refused() -> None:
    """References to references, each written out ten times: 10 to the 9th at the end."""
    definitions: dict[str, Any] = {
        f"d{n}": {"type": "array", "prefixItems": [{"$ref": f"#/$defs/d{n + 1}"}] * 10}
        for n in range(9)
    }
    definitions["d9"] = {"type": "string"}
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": definitions}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    line = {"messages": [{"role": "user", "content": "x"}], "tools": [tool]}
    encoded = _DIALECTS["nova lite"].encode(json.dumps(line).encode(), named="m")
    assert isinstance(encoded, Unfaithful)
    assert encoded.param == "tools[0].function.parameters"
    assert "too large" in encoded.why


@pytest.mark.parametrize(
    ("body", "tokens"),
    [(b'{"messages":[]}', 4), (b'{"max_tokens":100}', 105), (b"no JSON", 2)],
)
def test_measures_a_line(body: bytes, tokens: int) -> None:
    assert _DIALECTS["nova lite"].measure(body) == Size(tokens=tokens)
