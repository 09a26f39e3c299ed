"""Responses lines over a dialect of chat: hand-checked cases, as data in `cases/responses/`.

name, source     what it shows, and OpenAI's page that says so
line             the body of a line
foreign          why the SDK's types do not have this line, if they do not
chat, warnings   the chat request that it becomes, and the parameters that are left out
unfaithful       or the parameter that cannot be said, and a part of the reason
inner            what the account's dialect of chat says to it, where that is the point
status, answer   the chat completion that comes back
response, usage  what the Response has other than `plain_response.json`; the tokens counted
text             what the SDK's `output_text` gives
refused          or the error that it is
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from openai.types.responses import Response
from openai.types.responses.response_create_params import (
    ResponseCreateParamsBase,
    ResponseCreateParamsNonStreaming,
)
from tests.unit.dialects.openai_types import chat_request, responses_request

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.requests.parameters import Handling
from batchway.dialects.requests.responses import ResponsesRequest
from batchway.dialects.responses.dialect import ResponsesDialect
from batchway.dialects.responses.parameters import RESPONSES
from batchway.dialects.responses.repeated import MOST_KEPT
from batchway.ports.dialect import Dialect, Encoded, Refused, Result, Size, Unfaithful

_CASES: Final = Path(__file__).parent / "cases" / "responses"
_PLAIN: Final = json.loads((_CASES / "plain_response.json").read_text())
_NOW: Final = 1234


class RecordingDialect:
    """A dialect of chat that keeps what it is given, and says what it is told to say."""

    faithful = False

    def __init__(self, param: str | None = None, warnings: Sequence[str] = ()) -> None:
        self.bodies: list[bytes] = []
        self.contexts: list[bytes] = []
        self._param, self._warnings = param, tuple(warnings)

    def encode(self, body: bytes, *, named: str) -> Encoded | Unfaithful:
        self.bodies.append(body)
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


class _Case(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    source: str
    line: Any
    foreign: str = ""
    chat: Any = None
    warnings: list[str] = []
    unfaithful: dict[str, str] | None = None
    inner: dict[str, Any] | None = None
    status: int = 200
    answer: Any = None
    response: dict[str, Any] | None = None
    text: str = ""
    usage: dict[str, int] = {}
    refused: dict[str, Any] | None = None


def _table() -> list[Any]:
    files = sorted(path for path in _CASES.glob("*.json") if path.stem != "plain_response")
    rows = [
        pytest.param(case, id=f"{file.stem}: {case.name}")
        for file in files
        for case in msgspec.json.decode(file.read_bytes(), type=list[_Case])
    ]
    assert len({row.id for row in rows}) == len(rows) >= 80
    return rows


def _openai(model: str = "m") -> ResponsesDialect:
    inner = OpenAIDialect(endpoint="/v1/chat/completions", model=model)
    return ResponsesDialect(inner=inner, model=model)


def _encoded(dialect: ResponsesDialect, line: object) -> Encoded:
    encoded = dialect.encode(msgspec.json.encode(line), named="named")
    assert isinstance(encoded, Encoded)
    return encoded


@pytest.mark.parametrize("case", _table())
def test_case(case: _Case) -> None:
    assert case.source.startswith("https://")
    inner: Dialect = OpenAIDialect(endpoint="/v1/chat/completions", model="m")
    if case.inner is not None:
        inner = RecordingDialect(**case.inner)
    dialect = ResponsesDialect(inner=inner, model="m")
    encoded = dialect.encode(msgspec.json.encode(case.line), named="named")
    if case.unfaithful is not None:
        assert isinstance(encoded, Unfaithful)
        assert encoded.param == case.unfaithful["param"]
        assert case.unfaithful["why"] in encoded.why
        return
    assert isinstance(encoded, Encoded)
    assert list(encoded.warnings) == case.warnings
    (body,) = encoded.bodies
    assert b"\n" not in body
    chat_request(msgspec.json.decode(body))
    if not case.foreign:
        responses_request({"model": "m", **case.line})
    if case.chat is not None:
        assert msgspec.json.decode(body) == case.chat
    if case.answer is not None:
        _check_answer(case, dialect, encoded.context)
    else:
        assert case.chat is not None, "a case that shows nothing"


def _check_answer(case: _Case, dialect: ResponsesDialect, context: bytes) -> None:
    answer = msgspec.json.encode(case.answer)
    decoded = dialect.decode(case.status, answer, context, at=_NOW)
    if case.refused is not None:
        assert isinstance(decoded, Refused)
        assert {name: getattr(decoded, name) for name in case.refused} == case.refused
        assert json.loads(decoded.body)["error"]["message"] == case.refused["message"]
        return
    assert isinstance(decoded, Result)
    assert case.response is not None
    assert json.loads(decoded.body) == {**_PLAIN, **case.response}
    assert b"\n" not in decoded.body
    assert Response.model_validate_json(decoded.body).output_text == case.text
    counted = msgspec.to_builtins(decoded.usage)
    assert {name: tokens for name, tokens in counted.items() if tokens} == case.usage


# --------------------------------------------------------------------------- the table


def test_every_parameter_of_the_sdk_has_a_row() -> None:
    known = {*ResponseCreateParamsBase.__annotations__, "stream"}
    assert "stream" in ResponseCreateParamsNonStreaming.__annotations__
    rows = [row.name for row in RESPONSES.rows]
    assert {name for name in rows if "." not in name and "[" not in name} == known
    assert set(ResponsesRequest.__struct_fields__) == known
    assert len(rows) == len(set(rows))


def test_rows_say_why_and_where() -> None:
    for row in RESPONSES.rows:
        assert row.note
        assert row.source.startswith("https://developers.openai.com/")
        assert not row.idle or row.handling is not Handling.MAPPED


@pytest.mark.parametrize("at", ["input[].type", "tools[].type", "tool_choice.type"])
def test_every_kind_of_the_sdk_has_a_row(at: str) -> None:
    from openai.types.responses import response_create_params as params
    from openai.types.responses import response_input_item_param, tool_param

    of: Any = {
        "input[].type": response_input_item_param.ResponseInputItemParam,
        "tools[].type": tool_param.ToolParam,
        "tool_choice.type": params.ToolChoice,
    }
    kinds = {kind for member in of[at].__args__ for kind in _kinds(member)}
    assert kinds
    prefix = f"{at}: "
    assert kinds == {
        row.name.removeprefix(prefix) for row in RESPONSES.rows if row.name.startswith(prefix)
    }


def _kinds(member: Any) -> set[str]:
    """The values that `type` has in one of the SDK's TypedDicts."""
    import typing

    hints = typing.get_type_hints(member) if hasattr(member, "__annotations__") else {}
    found: set[str] = set()
    waiting = [hints["type"]] if "type" in hints else []
    while waiting:
        hint = waiting.pop()
        if typing.get_origin(hint) is typing.Literal:
            found |= set(typing.get_args(hint))
        else:
            waiting += typing.get_args(hint)
    return found - {None}


# --------------------------------------------------------------------------- what cases do not show


def test_the_inner_dialect_gets_its_own_context_back() -> None:
    inner = RecordingDialect()
    dialect = ResponsesDialect(inner=inner, model="m")
    for line in ({"input": "Hi"}, {"input": "Hi", "temperature": 1, "store": True}):
        encoded = _encoded(dialect, line)
        assert dialect.decode(200, b"{}", encoded.context, at=_NOW) is None
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
    result = _openai().decode(200, answer, encoded.context, at=_NOW)
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


def test_an_answer_with_half_a_character_is_delivered() -> None:
    answer = b'{"id":"1","choices":[{"message":{"content":"a\\ud83db"},"finish_reason":"stop"}]}'
    result = _openai().decode(200, answer, b"", at=_NOW)
    assert isinstance(result, Result)
    assert Response.model_validate_json(result.body).output_text == "a?b"


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b'"a"', b"\xff", b"{", b"[" * 100_000, b'{"id":' + b"[" * 100_000]
)
def test_what_is_no_json_object_is_nothing(answer: bytes) -> None:
    assert _openai().decode(200, answer, b"", at=_NOW) is None


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
