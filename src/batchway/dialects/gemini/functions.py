"""Functions that the model may call, and how it is to choose among them.

    tools, functions            functionDeclarations of one tool
    tool_choice, function_call  functionCallingConfig: NONE, ANY, ANY of some
    allowed_tools, auto         only these are declared: ANY is the one mode that takes names

Owns what OpenAI's choices mean for the declarations. Pure.
Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling
"""

import re
from typing import Final, cast

from msgspec import UNSET, Raw, UnsetType

from batchway.dialects.gemini.importer import Places, digest
from batchway.dialects.gemini.translations import parameters_of
from batchway.dialects.gemini.wire import (
    FunctionCallingConfig,
    FunctionDeclaration,
    Tool,
    ToolConfig,
)
from batchway.dialects.requests.chat import (
    AllowedChoice,
    AllowedTools,
    ChatRequest,
    CustomTool,
    Function,
    NamedChoice,
    NamedFunction,
)
from batchway.dialects.requests.schemas import bytes_of
from batchway.dialects.unsayable import Unsayable

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}\Z")
_INDEX: Final = re.compile(r"\[\d+\]")

Declared = tuple[list[Tool] | UnsetType, ToolConfig | UnsetType]


def functions_of(
    request: ChatRequest, *, batch: bool, ignored: dict[str, None], places: Places
) -> Declared:
    """The tools of a request and how they are called. Adds to `ignored`, and to `places` in batch.

    Raises:
        Unsayable: a tool or a choice has no equivalent.
    """
    legacy = bool(request.functions)
    if legacy and request.tools:
        raise Unsayable("functions", "OpenAI's API takes functions or tools, not both.")
    given = (request.functions or []) if legacy else _functions_in_tools(request)
    choice, choice_place = (
        (_modern(request.function_call), "function_call")
        if legacy
        else (request.tool_choice, "tool_choice")
    )
    other, other_place = (
        (request.tool_choice, "tool_choice") if legacy else (request.function_call, "function_call")
    )
    if other not in (None, "none", "auto"):
        raise Unsayable(other_place, "It chooses among what the request does not have.")
    if not given:
        if choice not in (None, "none", "auto"):
            raise Unsayable(choice_place, "There are no functions to choose among.")
        return UNSET, UNSET
    if request.parallel_tool_calls is False:
        raise Unsayable(
            "parallel_tool_calls", "Gemini cannot be told to make no more than one call at a time."
        )
    named = "functions[{}]" if legacy else "tools[{}].function"
    written = [
        _declared(function, place=named.format(index), batch=batch, ignored=ignored)
        for index, function in enumerate(given)
    ]
    _check_unique([each.name for each, _ in written], named)
    names, config = _chosen(choice, [each.name for each, _ in written], place=choice_place)
    tools = [(each, columns) for each, columns in written if each.name in names]
    found = [columns for _, columns in tools if columns]
    if found:
        # A column for each property: lines with other functions would give it nulls there.
        places["tools"] = digest(found)
    return [Tool([each for each, _ in tools])], config


def _functions_in_tools(request: ChatRequest) -> list[Function]:
    functions: list[Function] = []
    for index, tool in enumerate(request.tools or []):
        if isinstance(tool, CustomTool):
            raise Unsayable(f"tools[{index}]", "Gemini has no tools whose input is free text.")
        functions.append(tool.function)
    return functions


def _modern(choice: object) -> object:
    """A `function_call` as the `tool_choice` of today."""
    if not isinstance(choice, dict):
        return choice
    name = cast("dict[str, object]", choice).get("name")
    if not isinstance(name, str):
        raise Unsayable("function_call", "It names no function.")
    return NamedChoice(function=NamedFunction(name=name))


def _declared(
    function: Function, *, place: str, batch: bool, ignored: dict[str, None]
) -> tuple[FunctionDeclaration, str]:
    """A function, and in batch a name for the columns of its parameters, empty without any."""
    if _NAME.match(function.name) is None:
        raise Unsayable(
            f"{place}.name",
            "Names of Gemini's functions are letters, digits, _ and -, from a letter.",
        )
    if function.strict:
        ignored[_any_of(f"{place}.strict")] = None
    declared = FunctionDeclaration(function.name, function.description or UNSET)
    text = bytes_of(function.parameters)
    if not text:
        return declared, ""
    translated = parameters_of(text, batch)
    if translated.why:
        raise Unsayable(f"{place}.parameters", translated.why)
    if not translated.whole:
        ignored[_any_of(f"{place}.parameters")] = None
    if translated.json:
        written = Raw(translated.json)
        if translated.subset:
            declared.parameters = written
        else:
            declared.parameters_json_schema = written
    return declared, translated.digest


def _check_unique(names: list[str], place: str) -> None:
    """Vertex AI refuses a request that declares a function twice."""
    if len(set(names)) == len(names):
        return
    for index, name in enumerate(names):
        if name in names[:index]:
            raise Unsayable(f"{place.format(index)}.name", "Another function has the same name.")


def _any_of(place: str) -> str:
    """A place in one of several, as the parameter's name."""
    return _INDEX.sub("[]", place)


def _chosen(
    choice: object, names: list[str], *, place: str
) -> tuple[list[str], ToolConfig | UnsetType]:
    """Which functions to declare, and the mode."""
    match choice:
        case None | "auto":
            return names, UNSET
        case "none":
            return names, ToolConfig(FunctionCallingConfig("NONE"))
        case "required":
            return names, ToolConfig(FunctionCallingConfig("ANY"))
        case NamedChoice():
            return names, _any([choice.function.name], names, place)
        case AllowedChoice():
            return _allowed(choice.allowed_tools, names)
        case _:
            raise Unsayable(place, "Gemini has no such choice.")


def _allowed(allowed: AllowedTools, names: list[str]) -> tuple[list[str], ToolConfig | UnsetType]:
    place = "tool_choice.allowed_tools"
    wanted = [_referred(tool, place) for tool in allowed.tools]
    if not wanted:
        raise Unsayable(f"{place}.tools", "It names no tools.")
    match allowed.mode:
        case "required":
            return names, _any(wanted, names, place)
        case "auto":
            _any(wanted, names, place)
            return wanted, UNSET
        case _:
            raise Unsayable(f"{place}.mode", "OpenAI's API takes auto or required here.")


def _any(wanted: list[str], names: list[str], place: str) -> ToolConfig:
    if not set(wanted) <= set(names):
        raise Unsayable(place, "It names a function that is not among the tools.")
    return ToolConfig(FunctionCallingConfig("ANY", wanted))


def _referred(tool: object, place: str) -> str:
    """The name in a reference such as `{"type": "function", "function": {"name": ...}}`."""
    fields = cast("dict[str, object]", tool) if isinstance(tool, dict) else {}
    function = fields.get("function")
    name = cast("dict[str, object]", function).get("name") if isinstance(function, dict) else None
    if fields.get("type") != "function" or not isinstance(name, str):
        raise Unsayable(f"{place}.tools", "Gemini has no tools but functions.")
    return name
