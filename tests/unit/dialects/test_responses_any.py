"""Any Responses request of the parts that chat has becomes a chat request, and says the same."""

import json
from typing import Any, Final

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses import Response
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from tests.unit.dialects.strict_types import strict

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.requests.chat import ChatRequest, read_chat
from batchway.dialects.responses.dialect import ResponsesDialect
from batchway.ports.dialect import Encoded, Result

_check_chat: Final = strict(CompletionCreateParamsNonStreaming)
_check_request: Final = strict(ResponseCreateParamsNonStreaming)
_DIALECT: Final = ResponsesDialect(
    inner=OpenAIDialect(endpoint="/v1/chat/completions", model="m"), model="m"
)

_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_names = st.sampled_from(["f", "get_weather", "n-1"])


def _object(type: str | None = None, **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with these fields: strategies, or values."""
    whole = fields if type is None else {"type": type, **fields}
    return st.fixed_dictionaries(
        {
            name: value if isinstance(value, st.SearchStrategy) else st.just(value)
            for name, value in whole.items()
        }
    )


_text = _object("input_text", text=_words)
_said = _object("output_text", text=_words, annotations=[]) | _object("refusal", refusal=_words)
_image = _object(
    "input_image",
    image_url=st.sampled_from(["data:image/png;base64,AAAA", "https://example.org/a.png"]),
    detail=st.sampled_from(["auto", "low", "high", "original"]),
)
_file = st.sampled_from(
    [
        {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
    ]
)
_asked = _object(role="user", content=_words)
_items = st.one_of(
    _asked,
    _object(role=st.sampled_from(["system", "developer"]), content=_words),
    _object(role="developer", content=st.lists(_text, max_size=3)),
    _object("message", role="user", content=st.lists(_text | _image | _file, max_size=4)),
    _object(role="assistant", content=_words),
    _object(
        "message",
        id="msg_1",
        role="assistant",
        status="completed",
        content=st.lists(_said, max_size=3),
    ),
    _object("function_call", call_id=_words, name=_names, arguments=_words),
    _object("function_call_output", call_id=_words, output=_words),
    _object("function_call_output", call_id=_words, output=st.lists(_text, max_size=2)),
    _object("reasoning", id="rs_1", summary=[]),
)
_schemas = st.sampled_from([None, {}, {"type": "object", "properties": {"é": {"type": "string"}}}])
_tools = st.lists(
    _object("function", name=_names, strict=st.none() | st.booleans(), parameters=_schemas),
    min_size=1,
    max_size=3,
)
_choices = st.sampled_from(
    [
        "auto",
        "none",
        "required",
        {"type": "function", "name": "f"},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    ]
)
_formats = st.sampled_from(
    [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True},
    ]
)
_settings = st.fixed_dictionaries(
    {},
    optional={
        "instructions": _words,
        "max_output_tokens": st.integers(1, 100_000),
        "metadata": st.dictionaries(_words, _words, max_size=3),
        "parallel_tool_calls": st.booleans(),
        "prompt_cache_key": _words,
        "reasoning": st.fixed_dictionaries(
            {}, optional={"effort": st.sampled_from(["none", "low", "max"])}
        ),
        "safety_identifier": _words,
        "service_tier": st.sampled_from(["auto", "default", "flex"]),
        "store": st.booleans(),
        "temperature": st.floats(0, 2),
        "text": st.fixed_dictionaries(
            {}, optional={"format": _formats, "verbosity": st.sampled_from(["low", "high"])}
        ),
        "top_logprobs": st.integers(0, 20),
        "top_p": st.floats(0, 1),
        "truncation": st.sampled_from(["auto", "disabled"]),
        "user": _words,
    },
)
_tooling = st.just({}) | st.fixed_dictionaries(
    {"tools": _tools}, optional={"tool_choice": _choices}
)


@st.composite
def _lines(draw: st.DrawFn) -> dict[str, Any]:
    talk = draw(_words) if draw(st.booleans()) else [*draw(st.lists(_items)), draw(_asked)]
    return {"model": draw(_words), "input": talk, **draw(_settings), **draw(_tooling)}


@given(_lines())
def test_any_line(line: dict[str, Any]) -> None:
    _check_request(line)
    encoded = _DIALECT.encode(msgspec.json.encode(line), named="a")
    assert isinstance(encoded, Encoded)
    (body,) = encoded.bodies
    chat = json.loads(body)
    _check_chat(chat)
    assert isinstance(read_chat(body), ChatRequest)
    assert _texts(line) == _texts(chat)
    assert _calls(line["input"]) == _chat_calls(chat)
    answer = {"id": "1", "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    result = _DIALECT.decode(200, msgspec.json.encode(answer), encoded.context)
    assert isinstance(result, Result)
    read = Response.model_validate_json(result.body)
    assert read.output_text == "Hi"
    too_long = "metadata" in encoded.warnings  # to be repeated in the response
    assert read.metadata == (None if too_long else line.get("metadata", {}))
    assert read.temperature == line.get("temperature")
    body = json.loads(result.body)
    assert [tool["name"] for tool in body["tools"]] == [
        tool["name"] for tool in line.get("tools", ())
    ]
    warned = body.get("batchway", {"warnings": []})["warnings"]
    assert [each["param"] for each in warned] == list(encoded.warnings)


def _texts(value: Any) -> list[str]:
    """Every text that is said, in order: whatever holds it."""
    if isinstance(value, dict):
        if "messages" in value:
            return _texts(value["messages"])
        if "input" in value:
            first = [value["instructions"]] if "instructions" in value else []
            given = value["input"]
            return [*first, *([given] if isinstance(given, str) else _texts(given))]
        found: list[str] = []
        for name in ("text", "refusal", "content", "output"):
            inner = value.get(name)
            found += [inner] if isinstance(inner, str) else _texts(inner)
        return found
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else []


def _calls(items: str | list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """The calls of an input: id, name, arguments."""
    if isinstance(items, str):
        return []
    return [
        (item["call_id"], item["name"], item["arguments"])
        for item in items
        if item.get("type") == "function_call"
    ]


def _chat_calls(chat: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for message in chat["messages"]
        for call in message.get("tool_calls", ())
    ]
