"""Functions and which of them are to be called, as Claude's tools.

    tools, functions              tools with an `input_schema`; `strict` where the model has schemas
    auto, none, required, named   tool_choice auto, none, any, tool
    allowed_tools                 only these tools, and auto or any
    parallel_tool_calls: false    disable_parallel_tool_use
    function_call                 the same as tool_choice, with one call at most: it holds no more

Claude has to be told of the tools that a chat has calls of: where a line names none, they are
listed by their names and may not be called. Sources:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools,
https://platform.claude.com/docs/en/agents-and-tools/tool-use/strict-tool-use.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from batchway.dialects.claude.models import Traits
from batchway.dialects.grammars.translations import Translation, parameters_of
from batchway.dialects.requests.chat import (
    AllowedChoice,
    ChatRequest,
    CustomTool,
    Function,
    NamedChoice,
)
from batchway.dialects.requests.schemas import bytes_of
from batchway.dialects.tolerant_json import object_or_none
from batchway.ports.dialect import Unfaithful

STRICT: Final = "tools[].function.strict"
_NO_PARAMETERS: Final = Translation(json=b'{"type":"object","properties":{}}')
_NO_CUSTOM: Final = "Claude has no custom tools, only functions."

Fields = dict[str, Any]


class Tooling(msgspec.Struct, gc=False):
    """The request's `tools` and `tool_choice`, as its `fields`.

    `forced` is the parameter that makes the model call one of them, empty where it may as well
    answer; `ignored` are the names of what was left out.
    """

    fields: Fields
    forced: str = ""
    ignored: tuple[str, ...] = ()


def tooling(request: ChatRequest, traits: Traits, called: Sequence[str]) -> Tooling | Unfaithful:
    """The tools of a request. `called` are the functions that are called in its messages."""
    given = _functions(request)
    if isinstance(given, Unfaithful):
        return given
    legacy = request.tools is None and request.functions is not None
    if not given:
        return _without_tools(request, called)
    choice = _choice(request, legacy=legacy)
    if isinstance(choice, Unfaithful):
        return choice
    wanted, forced, only = choice
    if only is not None:
        if not only or not only <= {function.name for _, function in given}:
            return Unfaithful(
                "tool_choice.allowed_tools.tools",
                "It names none of the tools, or another than those.",
            )
        given = [(place, function) for place, function in given if function.name in only]
    tools: list[Fields] = []
    ignored: tuple[str, ...] = ()
    for place, function in given:
        if function.strict and not traits.schemas:
            ignored = (STRICT,)
        tool = _tool(function, place, strict=bool(function.strict) and traits.schemas)
        if isinstance(tool, Unfaithful):
            return tool
        tools.append(tool)
    single = legacy or request.parallel_tool_calls is False
    if single and wanted.get("type") != "none":
        wanted = {"type": "auto", **wanted, "disable_parallel_tool_use": True}
    fields: Fields = {"tools": tools}
    if wanted:
        fields["tool_choice"] = wanted
    return Tooling(fields, forced, ignored)


def _without_tools(request: ChatRequest, called: Sequence[str]) -> Tooling | Unfaithful:
    for name in ("tool_choice", "function_call"):
        if getattr(request, name) not in (None, "none", "auto"):
            return Unfaithful(name, "There are no tools to choose from.")
    if not called:
        return Tooling({})
    known = [{"name": name, "input_schema": {"type": "object"}} for name in dict.fromkeys(called)]
    return Tooling({"tools": known, "tool_choice": {"type": "none"}})


def _functions(request: ChatRequest) -> list[tuple[str, Function]] | Unfaithful:
    """The functions of a request, each with its place."""
    if request.tools is None:
        functions = request.functions or ()
        return [(f"functions[{index}]", each) for index, each in enumerate(functions)]
    if request.functions is not None:
        return Unfaithful("functions", "It is given beside `tools`, which replaces it.")
    given: list[tuple[str, Function]] = []
    for index, tool in enumerate(request.tools):
        if isinstance(tool, CustomTool):
            return Unfaithful(f"tools[{index}]", _NO_CUSTOM)
        given.append((f"tools[{index}].function", tool.function))
    return given


def _tool(function: Function, place: str, *, strict: bool) -> Fields | Unfaithful:
    tool: Fields = {"name": function.name}
    if function.description:
        tool["description"] = function.description
    text = bytes_of(function.parameters)
    schema = parameters_of(text, strict) if text else _NO_PARAMETERS
    if schema.why:
        return Unfaithful(f"{place}.parameters", schema.why)
    if strict:
        tool["strict"] = True
    tool["input_schema"] = msgspec.Raw(schema.json)
    return tool


def _choice(
    request: ChatRequest, *, legacy: bool
) -> tuple[Fields, str, frozenset[str] | None] | Unfaithful:
    """Claude's choice, the parameter that forces a call, and the only functions allowed."""
    if legacy:
        return _legacy_choice(request.function_call)
    choice = request.tool_choice
    place = "tool_choice"
    if choice is None or isinstance(choice, str):
        return _by_word(choice, place)
    if isinstance(choice, NamedChoice):
        return {"type": "tool", "name": choice.function.name}, place, None
    if not isinstance(choice, AllowedChoice):
        return Unfaithful(place, _NO_CUSTOM)
    allowed = choice.allowed_tools
    only = _names(allowed.tools)
    if only is None:
        return Unfaithful(
            f"{place}.allowed_tools.tools", "Claude has no other tools than functions."
        )
    if allowed.mode not in ("auto", "required"):
        why = "OpenAI's API takes auto or required here."
        return Unfaithful(f"{place}.allowed_tools.mode", why)
    chosen = _by_word(allowed.mode, place)
    if isinstance(chosen, Unfaithful):
        return chosen
    return chosen[0], chosen[1], only


def _by_word(
    word: str | None, place: str
) -> tuple[Fields, str, frozenset[str] | None] | Unfaithful:
    match word:
        case None | "auto":
            return {}, "", None
        case "none":
            return {"type": "none"}, "", None
        case "required":
            return {"type": "any"}, place, None
        case _:
            why = "OpenAI's API takes auto, none, required or a function here."
            return Unfaithful(place, why)


def _legacy_choice(value: object) -> tuple[Fields, str, frozenset[str] | None] | Unfaithful:
    place = "function_call"
    if value in (None, "auto", "none"):
        return _by_word(cast("str | None", value), place)
    name = (object_or_none(value) or {}).get("name")
    if not isinstance(name, str):
        return Unfaithful(place, "OpenAI's API takes auto, none or a function's name here.")
    return {"type": "tool", "name": name}, place, None


def _names(tools: Sequence[object]) -> frozenset[str] | None:
    """The functions that references name, such as `{"type": "function", "function": {...}}`."""
    names: set[str] = set()
    for tool in tools:
        named = (object_or_none(tool) or {}).get("function")
        name = (object_or_none(named) or {}).get("name")
        if not isinstance(name, str):
            return None
        names.add(name)
    return frozenset(names)
