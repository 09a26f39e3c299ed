"""Functions that the model may call, and how it is to choose among them: `toolConfig`.

    tools, functions     toolSpecs; `strict` where the model can be bound to schemas
    auto, required       auto, any
    a named function     tool; where a model knows `any` only, that one alone is declared
    allowed_tools        only these are declared
    none                 no tools at all, where the messages have no calls

The API wants the tools wherever messages have calls, and knows no word for "call none". Sources:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html,
https://docs.aws.amazon.com/nova/latest/userguide/tool-choice.html. Pure.
"""

from typing import Any, Final, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from batchway.dialects.converse.messages import ILLEGAL_NAME, TOOL_NAME
from batchway.dialects.converse.models import Traits
from batchway.dialects.converse.schemas import nova_input
from batchway.dialects.converse.wire import InputSchema, Tool, ToolConfig, ToolSpec
from batchway.dialects.grammars.translations import parameters_of
from batchway.dialects.requests.chat import (
    AllowedChoice,
    AllowedTools,
    ChatRequest,
    CustomTool,
    Function,
    JsonSchema,
    NamedChoice,
    NamedFunction,
)
from batchway.dialects.requests.schemas import bytes_of
from batchway.dialects.tolerant_json import object_or_none
from batchway.dialects.unsayable import Unsayable

STRICT: Final = "tools[].function.strict"
STRICT_FUNCTION: Final = "functions[].strict"

_NO_PARAMETERS: Final = b'{"type":"object","properties":{}}'
_ANSWER: Final = "answer"
_ANY: Final = "any"

Choice = dict[str, dict[str, str]]


class Tooling(msgspec.Struct, gc=False):
    """The `config`, and the parameter that makes the model call one of its tools, if any does."""

    config: ToolConfig | UnsetType = UNSET
    forced: str = ""


def tooling(
    request: ChatRequest, traits: Traits, *, batch: bool, called: str, ignored: dict[str, None]
) -> Tooling:
    """The tools of a request. `called` is the place of the first call in its messages.

    Raises:
        Unsayable: what is asked of tools has no equivalent.
    """
    legacy = request.tools is None and request.functions is not None
    if request.tools is not None and request.functions is not None:
        raise Unsayable("functions", "It is given beside `tools`, which replaces it.")
    choice, place, other, other_place = _choices(request, legacy=legacy)
    if other not in (None, "none", "auto"):
        raise Unsayable(other_place, "It chooses among what the request does not have.")
    given = (request.functions or []) if legacy else _functions(request)
    if not given:
        if choice not in (None, "none", "auto"):
            raise Unsayable(place, "There are no functions to choose among.")
        if called:
            raise Unsayable(called, "Calls in messages are taken beside their tools only.")
        return Tooling()
    if choice == "none":
        if called:
            raise Unsayable(place, "Beside calls in messages a model cannot be told to call none.")
        return Tooling()
    _check(request, traits, "functions" if legacy else "tools", batch=batch)
    named = "functions[{}]" if legacy else "tools[{}].function"
    _check_names(given, named)
    wanted, allowed = _chosen(choice, [each.name for each in given], traits, place=place)
    tools = [
        _declared(function, traits, place=named.format(index), ignored=ignored)
        for index, function in enumerate(given)
        if function.name in allowed
    ]
    config = ToolConfig(tools, UNSET if wanted is None else wanted)
    return Tooling(config, "" if wanted is None else place)


def answering(wanted: JsonSchema, traits: Traits) -> ToolConfig:
    """The tool whose input is the answer, for models that are bound to schemas in no other way.

    https://docs.aws.amazon.com/nova/latest/userguide/concept-chapter-servicename.html

    Raises:
        Unsayable: the schema is none that such an input can have.
    """
    if not bytes_of(wanted.schema):
        raise Unsayable("response_format.json_schema.schema", "A schema is required.")
    name = wanted.name if TOOL_NAME.fullmatch(wanted.name) else _ANSWER
    function = Function(name=name, description=wanted.description, parameters=wanted.schema)
    tool = _declared(function, traits, place="response_format.json_schema", ignored={})
    return ToolConfig([tool], {"tool": {"name": name}})


def _choices(request: ChatRequest, *, legacy: bool) -> tuple[object, str, object, str]:
    """The choice that counts and its place, and those of the one that does not."""
    modern = (request.tool_choice, "tool_choice")
    if legacy:
        return _modern(request.function_call), "function_call", *modern
    return *modern, request.function_call, "function_call"


def _modern(choice: object) -> object:
    """A `function_call` as the `tool_choice` of today."""
    fields = object_or_none(choice)
    if fields is None:
        return choice
    name = fields.get("name")
    if not isinstance(name, str):
        raise Unsayable("function_call", "It names no function.")
    return NamedChoice(function=NamedFunction(name=name))


def _functions(request: ChatRequest) -> list[Function]:
    functions: list[Function] = []
    for index, tool in enumerate(request.tools or ()):
        if isinstance(tool, CustomTool):
            raise Unsayable(f"tools[{index}]", "There are no custom tools here, only functions.")
        functions.append(tool.function)
    return functions


def _check(request: ChatRequest, traits: Traits, place: str, *, batch: bool) -> None:
    if batch:
        raise Unsayable(place, "Batch jobs of Converse take no tools; online requests do.")
    if not traits.tools:
        raise Unsayable(place, "This model takes no tools.")
    if request.parallel_tool_calls is False:
        raise Unsayable(
            "parallel_tool_calls", "A model cannot be told here to make one call at a time."
        )


def _check_names(functions: list[Function], place: str) -> None:
    seen: set[str] = set()
    for index, function in enumerate(functions):
        at = f"{place.format(index)}.name"
        if TOOL_NAME.fullmatch(function.name) is None:
            raise Unsayable(at, ILLEGAL_NAME)
        if function.name in seen:
            raise Unsayable(at, "Another function has the same name.")
        seen.add(function.name)


def _declared(function: Function, traits: Traits, *, place: str, ignored: dict[str, None]) -> Tool:
    strict = bool(function.strict) and traits.schemas
    if function.strict and not traits.schemas and not traits.schema_by_tool:
        ignored[STRICT if place.startswith("tools") else STRICT_FUNCTION] = None
    text = bytes_of(function.parameters) or _NO_PARAMETERS
    translated = (nova_input if traits.schema_by_tool else parameters_of)(text, strict)
    if translated.why:
        at = "schema" if place.endswith("json_schema") else "parameters"
        raise Unsayable(f"{place}.{at}", translated.why)
    return Tool(
        ToolSpec(
            name=function.name,
            input_schema=InputSchema(Raw(translated.json)),
            description=function.description or UNSET,
            strict=True if strict else UNSET,
        )
    )


def _chosen(
    choice: object, names: list[str], traits: Traits, *, place: str
) -> tuple[Choice | None, list[str]]:
    """The API's choice, and which functions are declared."""
    match choice:
        case None | "auto":
            return None, names
        case "required":
            return _any(traits, place), names
        case NamedChoice():
            return _named(choice.function.name, names, traits, place)
        case AllowedChoice():
            return _allowed(choice.allowed_tools, names, traits, place)
        case _:
            raise Unsayable(place, "OpenAI's API takes auto, none, required or a function here.")


def _any(traits: Traits, place: str) -> Choice:
    if _ANY not in traits.forced:
        raise Unsayable(place, "This model cannot be made to call a tool.")
    return {_ANY: {}}


def _named(
    name: str, names: list[str], traits: Traits, place: str
) -> tuple[Choice | None, list[str]]:
    if name not in names:
        raise Unsayable(place, "It names a function that is not among the tools.")
    if "tool" in traits.forced:
        return {"tool": {"name": name}}, names
    return _any(traits, place), [name]


def _allowed(
    allowed: AllowedTools, names: list[str], traits: Traits, place: str
) -> tuple[Choice | None, list[str]]:
    wanted = [_referred(tool, place) for tool in allowed.tools]
    if not wanted or not set(wanted) <= set(names):
        raise Unsayable(
            f"{place}.allowed_tools.tools", "It names none of the tools, or another than those."
        )
    match allowed.mode:
        case "auto":
            return None, wanted
        case "required":
            return _any(traits, place), wanted
        case _:
            raise Unsayable(
                f"{place}.allowed_tools.mode", "OpenAI's API takes auto or required here."
            )


def _referred(tool: Any, place: str) -> str:
    """The name in a reference such as `{"type": "function", "function": {"name": ...}}`."""
    named = object_or_none((object_or_none(tool) or {}).get("function")) or {}
    name = cast("object", named.get("name"))
    if not isinstance(name, str):
        raise Unsayable(f"{place}.allowed_tools.tools", "There are no tools here but functions.")
    return name
