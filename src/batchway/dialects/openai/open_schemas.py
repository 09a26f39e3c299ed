"""Tools and schemas for open models, byte for byte but for what models are bound to.

    json_schema          the schema of an answer, as structured outputs on Bedrock take it
    strict functions     their parameters, likewise; others are the line's own
    allowed_tools        only these tools, and its mode as the choice

Bedrock refuses schemas beyond its subset of JSON Schema, so they are written in it
(`dialects.grammars`). Source:
https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from batchway.dialects.grammars.translations import Translation, answer_of, parameters_of
from batchway.dialects.requests.chat import (
    AllowedChoice,
    ChatRequest,
    CustomChoice,
    CustomTool,
    Function,
    JsonSchemaFormat,
    ToolChoice,
)
from batchway.dialects.requests.schemas import bytes_of, read_schema
from batchway.dialects.tolerant_json import object_or_none
from batchway.dialects.unsayable import Unsayable
from batchway.ports.dialect import Unfaithful

Members = dict[str, msgspec.Raw]

_members: Final = msgspec.json.Decoder(Members).decode
_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode: Final = msgspec.json.Encoder().encode
_FORMAT: Final = "response_format"
_TOOLS: Final = "tools"
_CHOICE: Final = "tool_choice"
_NO_CUSTOM: Final = "The models have no custom tools."


def bind_answer(request: ChatRequest, fields: Members) -> None:
    """Write the schema of the answer, if there is one, into `fields`.

    Raises:
        Unsayable: no model can be bound to it.
    """
    wanted = request.response_format
    if not isinstance(wanted, JsonSchemaFormat):
        return
    place = f"{_FORMAT}.json_schema"
    text = bytes_of(wanted.json_schema.schema)
    if not text:
        raise Unsayable(place, "It has no schema.")
    schema = _translated(answer_of(text, True), f"{place}.schema")
    fields[_FORMAT] = _with(fields[_FORMAT], ("json_schema", "schema"), schema)


def choose_tools(request: ChatRequest, fields: Members) -> None:
    """Write the tools, and which of them are to be called, into `fields`.

    Raises:
        Unsayable: a tool or a choice is none that the models have.
    """
    functions = _functions(request)
    choice = request.tool_choice
    if not functions:
        if choice not in (None, "auto", "none"):
            raise Unsayable(_CHOICE, "There are no tools to choose from.")
        for name in (_TOOLS, _CHOICE, "parallel_tool_calls"):
            fields.pop(name, None)
        return
    changed = {
        at: schema for at, each in enumerate(functions) if (schema := _bound(each, at)) is not None
    }
    only = _allowed(choice)
    if only is not None and (not only or not only <= {each.name for each in functions}):
        raise Unsayable(_CHOICE, "It names none of the tools, or another than those.")
    if not changed and only is None:
        return
    tools = [
        _with(tool, ("function", "parameters"), changed[at]) if at in changed else tool
        for at, tool in enumerate(_list(fields[_TOOLS]))
        if only is None or functions[at].name in only
    ]
    fields[_TOOLS] = msgspec.Raw(_encode(tools))
    if isinstance(choice, AllowedChoice):
        fields[_CHOICE] = msgspec.Raw(_encode(choice.allowed_tools.mode))


def _functions(request: ChatRequest) -> Sequence[Function]:
    functions: list[Function] = []
    for at, tool in enumerate(request.tools or ()):
        if isinstance(tool, CustomTool):
            raise Unsayable(f"tools[{at}]", _NO_CUSTOM)
        functions.append(tool.function)
    return functions


def _bound(function: Function, at: int) -> bytes | None:
    """The parameters of a strict function; `None` where they stay as they are."""
    text = bytes_of(function.parameters)
    if not text:
        return None
    place = f"tools[{at}].function.parameters"
    if function.strict:
        return _translated(parameters_of(text, True), place)
    found = read_schema(text)  # what is no JSON at all is found here
    if isinstance(found, Unfaithful):
        raise Unsayable(place, found.why)
    return None


def _translated(found: Translation, place: str) -> bytes:
    if found.why:
        raise Unsayable(place, found.why)
    return found.json


def _allowed(choice: str | ToolChoice | None) -> frozenset[str] | None:
    """The only tools that may be called; `None` where all may."""
    if isinstance(choice, CustomChoice):
        raise Unsayable(_CHOICE, _NO_CUSTOM)
    if not isinstance(choice, AllowedChoice):
        return None
    return frozenset(_named(tool) for tool in choice.allowed_tools.tools)


def _named(tool: Any) -> str:
    named = (object_or_none(tool) or {}).get("function")
    name = (object_or_none(named) or {}).get("name")
    if not isinstance(name, str):
        raise Unsayable(f"{_CHOICE}.allowed_tools.tools", _NO_CUSTOM)
    return name


def _with(value: msgspec.Raw, path: tuple[str, str], given: bytes) -> msgspec.Raw:
    """An object with another value at a path, every other value as it was."""
    outer, inner = path
    members = _members(value)
    members[outer] = msgspec.Raw(_encode({**_members(members[outer]), inner: msgspec.Raw(given)}))
    return msgspec.Raw(_encode(members))
