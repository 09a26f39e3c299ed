"""Functions and which of them are to be called, as Mistral's tools.

    auto, none            the same
    required              any
    a named function      any, and this one alone
    allowed_tools         these alone, and auto or any

Source:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from batchway.dialects.requests.chat import (
    AllowedChoice,
    ChatRequest,
    CustomTool,
    Function,
    NamedChoice,
)
from batchway.dialects.requests.schemas import bytes_of, read_schema
from batchway.dialects.tolerant_json import object_or_none
from batchway.dialects.unsayable import Unsayable
from batchway.ports.dialect import Unfaithful

STRICT: Final = "tools[].function.strict"
_CHOICE: Final = "tool_choice"
_NO_CUSTOM: Final = "This model has no custom tools, only functions."
_WORDS: Final = {"auto": "auto", "none": "none", "required": "any"}
_NO_PARAMETERS: Final = msgspec.Raw(b'{"type":"object","properties":{}}')

Fields = dict[str, Any]


def tools_of(request: ChatRequest, ignored: dict[str, None]) -> Fields:
    """`tools` and `tool_choice`; nothing where a request has no tools.

    Raises:
        Unsayable: a tool is no function, its schema no JSON, or the choice none of Mistral's.
    """
    tools: dict[str, Fields] = {}
    for at, tool in enumerate(request.tools or ()):
        if isinstance(tool, CustomTool):
            raise Unsayable(f"tools[{at}]", _NO_CUSTOM)
        name, place = tool.function.name, f"tools[{at}].function"
        if name in tools:
            raise Unsayable(f"{place}.name", "Another function has the same name.")
        tools[name] = _tool(tool.function, place, ignored)
    word, only = _choice(request)
    if not tools:
        if word not in (None, "auto", "none"):
            raise Unsayable(_CHOICE, "There are no tools to choose from.")
        return {}
    if only is not None and (not only or not tools.keys() >= set(only)):
        raise Unsayable(_CHOICE, "It names none of the tools, or another than those.")
    chosen = [tool for name, tool in tools.items() if only is None or name in only]
    fields: Fields = {"tools": chosen}
    if word is not None:
        fields[_CHOICE] = word
    return fields


def _tool(function: Function, place: str, ignored: dict[str, None]) -> Fields:
    if function.strict:
        ignored[STRICT] = None
    written: Fields = {"name": function.name}
    if function.description:
        written["description"] = function.description
    text = bytes_of(function.parameters)
    if text:
        schema = read_schema(text)
        if isinstance(schema, Unfaithful):
            raise Unsayable(f"{place}.parameters", schema.why)
        if not isinstance(schema, dict):
            raise Unsayable(f"{place}.parameters", "It is no JSON schema of an object.")
    written["parameters"] = function.parameters if text else _NO_PARAMETERS
    return {"type": "function", "function": written}


def _choice(request: ChatRequest) -> tuple[str | None, Sequence[str] | None]:
    """Mistral's word for the choice, `None` where nothing is said; and the only tools, if any."""
    choice = request.tool_choice
    if choice is None:
        return None, None
    if isinstance(choice, str):
        return _word(choice), None
    if isinstance(choice, NamedChoice):
        return "any", (choice.function.name,)
    if not isinstance(choice, AllowedChoice):
        raise Unsayable(_CHOICE, _NO_CUSTOM)
    allowed = choice.allowed_tools
    names: list[str] = []
    for tool in allowed.tools:
        named = (object_or_none(tool) or {}).get("function")
        name = (object_or_none(named) or {}).get("name")
        if not isinstance(name, str):
            raise Unsayable(f"{_CHOICE}.allowed_tools.tools", _NO_CUSTOM)
        names.append(name)
    return _word(allowed.mode), names


def _word(given: str) -> str:
    if given not in _WORDS:
        why = "OpenAI's API takes auto, none, required or a function here."
        raise Unsayable(_CHOICE, why)
    return _WORDS[given]
