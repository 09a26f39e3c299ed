"""Responses lines over chat: the tables, OpenAI's own types, and what no table holds."""

import json
from collections.abc import Sequence
from typing import Any, Final, get_args

import msgspec
import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses import Response, response_input_item_param, tool_param
from openai.types.responses import response_create_params as create_params
from tests.unit.dialects.cases import Case, check, parameters, table
from tests.unit.dialects.strict_types import strict
from typing_extensions import get_type_hints

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.requests.chat import ChatRequest, read_chat
from batchway.dialects.requests.parameters import Handling
from batchway.dialects.requests.responses import ResponsesRequest
from batchway.dialects.responses.dialect import ResponsesDialect
from batchway.dialects.responses.parameters import RESPONSES
from batchway.dialects.responses.repeated import MOST_KEPT
from batchway.ports.dialect import Encoded, Refused, Result, Size, Unfaithful

_AT: Final = 1234
_TABLE: Final = {
    name: table(f"responses_{name}")
    for name in ("text", "media", "tools", "settings", "names", "answers")
}
_ALL: Final = [case for cases in _TABLE.values() for case in cases]
_check_chat: Final = strict(CompletionCreateParamsNonStreaming)
_check_request: Final = strict(create_params.ResponseCreateParamsNonStreaming)

# What the dialect of chat leaves out in the one case that is about it.
_WARNED: Final = (
    "user",
    "verbosity",
    "messages[].content[].image_url.detail",
    "tools[].function.strict",
)


class RecordingDialect:
    """A dialect of chat that keeps what it is given, and says what it is told to say."""

    faithful = False

    def __init__(self, param: str | None = None, warnings: Sequence[str] = ()) -> None:
        self.contexts: list[bytes] = []
        self._param, self._warnings = param, tuple(warnings)

    def encode(self, body: bytes, *, named: str) -> Encoded | Unfaithful:
        if self._param is not None:
            return Unfaithful(self._param, "Cannot be said.")
        return Encoded((body,), b"its own\n\x00\xff", self._warnings, (("a", "s"),))

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        self.contexts.append(context)
        return None

    def join(self, results: Sequence[Result], context: bytes) -> Result:
        raise NotImplementedError

    def measure(self, body: bytes) -> Size:
        return Size(tokens=0)


def _openai() -> ResponsesDialect:
    inner = OpenAIDialect(endpoint="/v1/chat/completions", model="m")
    return ResponsesDialect(inner=inner, model="m")


def _dialect(name: str) -> ResponsesDialect:
    """Over OpenAI's chat; or over one that refuses the parameter `name`, or leaves some out."""
    if not name:
        return _openai()
    inner = RecordingDialect(warnings=_WARNED) if name == "warns" else RecordingDialect(name)
    return ResponsesDialect(inner=inner, model="m")


def _encoded(dialect: ResponsesDialect, line: object) -> Encoded:
    encoded = dialect.encode(msgspec.json.encode(line), named="named")
    assert isinstance(encoded, Encoded)
    return encoded


def _sent(body: dict[str, Any]) -> None:
    """What the SDK's types say of a chat request, and what other dialects read it with."""
    _check_chat(body)
    assert isinstance(read_chat(msgspec.json.encode(body)), ChatRequest)


def _given(body: dict[str, Any]) -> None:
    """What the SDK makes of a Response: its text is that of all messages."""
    read = Response.model_validate(body)
    assert set(read.model_extra or ()) <= {"batchway"}
    parts = [part for item in body["output"] for part in item.get("content", ())]
    said = [part["text"] for part in parts if part["type"] == "output_text"]
    assert read.output_text == "".join(said)


@pytest.mark.parametrize("case", parameters(_ALL))
def test_case(case: Case) -> None:
    check(case, _dialect(case.dialect), sent=_sent, given=_given, at=_AT)


def test_there_are_enough_cases() -> None:
    assert len({case.name for case in _ALL}) == len(_ALL) >= 80
    assert all(case.source.startswith("https://") for case in _ALL)


# The SDK has the part of sound, but not among those of a message.
_TYPED = [case for case in _ALL if case.unfaithful is None and case.name != "sound"]


@pytest.mark.parametrize("case", parameters(_TYPED))
def test_the_tables_lines_are_requests_of_openais(case: Case) -> None:
    _check_request({"model": "m", **case.line})


# --------------------------------------------------------------------------- the table


def test_every_parameter_of_the_sdk_has_a_row() -> None:
    known = set(get_type_hints(create_params.ResponseCreateParamsNonStreaming))
    assert "stream" in known
    rows = [row.name for row in RESPONSES.rows]
    assert {name for name in rows if "." not in name and "[" not in name} == known
    assert set(ResponsesRequest.__struct_fields__) == known
    assert len(rows) == len(set(rows))


def test_rows_say_why_and_where() -> None:
    for row in RESPONSES.rows:
        assert row.note
        assert row.source.startswith("https://developers.openai.com/")
        assert not row.idle or row.handling is not Handling.MAPPED


@pytest.mark.parametrize(
    ("place", "members"),
    [
        ("input[].type", get_args(response_input_item_param.ResponseInputItemParam)),
        ("tools[].type", get_args(tool_param.ToolParam)),
        ("tool_choice.type", get_args(create_params.ToolChoice)),
    ],
)
def test_every_kind_of_the_sdk_has_a_row(place: str, members: Sequence[Any]) -> None:
    typed = [member for member in members if hasattr(member, "__required_keys__")]
    kinds = {kind for member in typed for kind in _texts(get_type_hints(member).get("type"))}
    prefix = f"{place}: "
    rows = {row.name for row in RESPONSES.rows if row.name.startswith(prefix)}
    assert kinds
    assert {row.removeprefix(prefix) for row in rows} == kinds


def _texts(hint: Any) -> set[str]:
    """The texts that a type has by name."""
    parts = get_args(hint)
    own = {part for part in parts if isinstance(part, str)}
    return own.union(*(_texts(part) for part in parts if not isinstance(part, str)))


# --------------------------------------------------------------------------- what cases do not show


def test_the_inner_dialect_gets_its_own_context_back() -> None:
    inner = RecordingDialect()
    dialect = ResponsesDialect(inner=inner, model="m")
    for line in ({"input": "Hi"}, {"input": "Hi", "temperature": 1, "store": True}):
        encoded = _encoded(dialect, line)
        assert dialect.decode(200, b"{}", encoded.context, at=_AT) is None
        assert encoded.shape == (("a", "s"),)
    assert inner.contexts == [b"its own\n\x00\xff"] * 2


def test_a_plain_line_keeps_nothing() -> None:
    line = {"model": "a", "input": "Hi", "instructions": "Be brief.", "user": "u"}
    assert _encoded(_openai(), line).context == b""


def test_a_context_is_small_whatever_the_line_holds() -> None:
    tools = [
        {"type": "function", "name": f"{n:064}", "parameters": {}, "strict": False}
        for n in range(128)
    ]
    metadata = {f"{n:064}": "x" * 512 for n in range(16)}
    allowed = {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": tool["name"]} for tool in tools],
    }
    line = {"input": "Hi", "tools": tools, "metadata": metadata, "tool_choice": allowed}
    encoded = _encoded(_openai(), line)
    assert encoded.warnings == ("metadata", "tools")
    assert len(encoded.context) <= MOST_KEPT
    answer = msgspec.json.encode({"id": "1", "choices": [{"message": {"content": "Hello"}}]})
    result = _openai().decode(200, answer, encoded.context, at=_AT)
    assert isinstance(result, Result)
    said = Response.model_validate_json(result.body)
    assert (said.metadata, said.tools, said.tool_choice) == (None, [], "auto")
    told = json.loads(result.body)["batchway"]["warnings"]
    assert [each["param"] for each in told] == ["metadata", "tools"]


def test_schemas_are_sent_byte_for_byte() -> None:
    schema = rb'{"type":"object","maximum":1.0,"big":123456789012345678901234567890,"\u0061":1e400}'
    line = (
        b'{"input":"Hi","tools":[{"type":"function","name":"f","strict":true,"parameters":%b}],'
        b'"text":{"format":{"type":"json_schema","name":"n","schema":%b}}}' % (schema, schema)
    )
    encoded = _openai().encode(line, named="m")
    assert isinstance(encoded, Encoded)
    assert encoded.bodies[0].count(schema) == 2


def test_a_line_with_line_breaks_becomes_one_line() -> None:
    line = b'{"input":\r"Hi","tools":[{"type":"function","name":"f","parameters":{\r\n}}]}'
    encoded = _openai().encode(line, named="m")
    assert isinstance(encoded, Encoded)
    assert b"\r" not in encoded.bodies[0]
    assert b"\n" not in encoded.bodies[0]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"input":"\xff"}',
        b'{"input":[{"role":"user","content":"\xff"}]}',
        b'{"input":"Hi","tools":[{"type":"function","name":"f","parameters":{"a":"\xff"}}]}',
        b'{"input":"\\ud800"}',
        b'{"input":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"input":[null]}',
        b'{"input":"Hi","tools":[3]}',
        b'{"input":"Hi","tools":[{}]}',
        b'{"input":"Hi","tools":[{"type":"function","name":"f"}],"tool_choice":{}}',
        b'{"input":"Hi","tools":[{"type":"function","name":"f"}],"tool_choice":3}',
        b'{"input":"Hi","tools":[{"type":"function","name":"f"}],"tool_choice":{"type":3}}',
        b'{"input":"Hi","temperature":1e999}',
        b'{"input":"Hi","metadata":{"a":1}}',
    ],
    ids=range(17),
)
def test_what_is_no_request_is_unfaithful(line: bytes) -> None:
    assert isinstance(_openai().encode(line, named="m"), Unfaithful)
    assert _openai().measure(line).tokens > 0


def test_reasons_quote_nothing_of_the_line() -> None:
    secret = "sesame"
    for line in (
        {"input": [{"role": secret, "content": "x"}]},
        {"input": [{"type": secret}]},
        {"input": "x", "tools": [{"type": secret}]},
        {"input": "x", "include": [secret]},
        {"input": "x", "reasoning": {"effort": secret}},
        {"input": "x", "text": {"format": {"type": secret}}},
    ):
        encoded = _openai().encode(msgspec.json.encode(line), named="m")
        assert isinstance(encoded, Unfaithful)
        assert secret not in encoded.param + encoded.why


def test_nothing_is_raised_however_deep_a_body_is() -> None:
    for depth in (*range(900, 1_000, 5), 50_000):
        deep = b"[" * depth + b"]" * depth
        cached = b'{"type":"input_text","text":"a","prompt_cache_breakpoint":%b}' % deep
        for line in (
            b'{"input":[{"role":"user","content":[%b]}]}' % cached,
            b'{"input":"a","moderation":%b}' % deep,
            b'{"input":"a","tools":[{"type":"function","name":"f","parameters":{"a":%b}}]}' % deep,
        ):
            assert isinstance(_openai().encode(line, named="m"), Encoded | Unfaithful)
        cited = b'[{"type":"url_citation","url_citation":%b}]' % deep
        called = b'[{"function":{"name":"f","arguments":%b}}]' % deep
        for message in (b'"annotations":' + cited, b'"tool_calls":' + called):
            answer = b'{"choices":[{"message":{"content":"a",%b}}]}' % message
            read = _openai().decode(200, answer, b"", at=_AT)
            assert isinstance(read, Result | Refused | None)


def test_an_answer_with_half_a_character_is_delivered() -> None:
    answer = b'{"id":"1","choices":[{"message":{"content":"a\\ud83db"},"finish_reason":"stop"}]}'
    result = _openai().decode(200, answer, b"", at=_AT)
    assert isinstance(result, Result)
    assert Response.model_validate_json(result.body).output_text == "a?b"


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b'"a"', b"\xff", b"{", b"[" * 100_000, b'{"id":' + b"[" * 100_000]
)
def test_what_is_no_json_object_is_nothing(answer: bytes) -> None:
    assert _openai().decode(200, answer, b"", at=_AT) is None


def test_a_line_is_as_large_as_its_bytes_and_what_it_may_generate() -> None:
    dialect = _openai()
    line = b'{"input":"0123456789"}'
    assert dialect.measure(line) == Size(tokens=len(line) // 4 + 1)
    line = b'{"input":"0123456789","max_output_tokens":1000}'
    assert dialect.measure(line) == Size(tokens=len(line) // 4 + 1001)


def test_a_line_is_one_body() -> None:
    with pytest.raises(NotImplementedError):
        _openai().join([], b"")
    assert not _openai().faithful
