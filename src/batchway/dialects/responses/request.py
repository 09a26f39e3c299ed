"""A Responses request as the chat request that asks for the same.

    ResponsesRequest --to_chat--> Chat: the body, where its messages come from, what was left out

Owns every parameter but `input` (`conversation`) and what the response repeats of the request
(`repeated`). Does not judge values that chat has too: the account's chat dialect does. Pure.
"""

from typing import Any, Final, cast

import msgspec

from batchway.dialects.requests.chat import JsonObjectFormat
from batchway.dialects.requests.responses import (
    AllowedChoice,
    FunctionTool,
    JsonSchemaFormat,
    NamedChoice,
    Reasoning,
    ResponsesRequest,
    TextConfig,
    Unread,
    given,
    is_object,
    read_choice,
    read_tool,
)
from batchway.dialects.responses.conversation import Conversation, Origin
from batchway.dialects.responses.parameters import IDLE_INCLUDES, RESPONSES, why_not
from batchway.dialects.responses.places import in_responses
from batchway.ports.dialect import Unfaithful

_LOGPROBS: Final = "message.output_text.logprobs"
_ENCRYPTED: Final = "reasoning.encrypted_content"
_MOST_NAME: Final = 64
_NO_SCHEMA: Final = "A JSON schema is an object."

# Parameters that chat has under the same name, or under another one.
_SAME: Final = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_output_tokens": "max_completion_tokens",
    "user": "user",
    "safety_identifier": "safety_identifier",
    "prompt_cache_key": "prompt_cache_key",
    "prompt_cache_retention": "prompt_cache_retention",
    "service_tier": "service_tier",
}


class Chat(msgspec.Struct, frozen=True, gc=False):
    """`body` is a chat request as JSON; `origins` are of its messages, in their order.

    `ignored` are the parameters that were left out. `functions` are the names of the tools.
    `logprobs` is the parameter of the Responses request that asks for those.
    """

    body: dict[str, Any]
    origins: list[Origin]
    ignored: list[str]
    functions: list[str]
    logprobs: str

    def param(self, chat_name: str) -> str:
        """What the Responses request calls a parameter of this chat."""
        return self.logprobs if chat_name == "logprobs" else in_responses(chat_name, self.origins)


def to_chat(request: ResponsesRequest, *, model: str) -> Chat | Unfaithful:
    """The chat request of a Responses request, for `model`; or what of it cannot be said there."""
    ignored = RESPONSES.check(request)
    if isinstance(ignored, Unfaithful):
        return ignored
    talk = Conversation(ignored=list(ignored))
    body: dict[str, Any] = {"model": model, "messages": talk.messages}
    for name, chat_name in _SAME.items():
        value = getattr(request, name)
        if value is not None:
            body[chat_name] = value
    functions: list[str] = []
    wrong = (
        _input(request, talk)
        or _cache_options(request.prompt_cache_options)
        or _logprobs(request, body, talk)
        or (None if request.reasoning is None else _reasoning(request.reasoning, body, talk))
        or (None if request.text is None else _text(request.text, body))
        or _tools(request, body, talk, functions)
    )
    if wrong is not None:
        return wrong
    logprobs = "include" if _LOGPROBS in (request.include or ()) else "top_logprobs"
    return Chat(body, talk.origins, talk.ignored, functions, logprobs)


def _input(request: ResponsesRequest, talk: Conversation) -> Unfaithful | None:
    given_input, instructions = request.input, request.instructions
    if given_input is None:
        return Unfaithful("input", "It is required.")
    if instructions is not None:
        talk.say("system", instructions, "instructions")
    if isinstance(given_input, str):
        talk.say("user", given_input, "input")
        return None
    wrong = talk.add(given_input)
    if wrong is None and (not given_input or not talk.messages):
        return Unfaithful("input", "There is nothing in it to answer.")
    return wrong


def _cache_options(options: object) -> Unfaithful | None:
    if isinstance(options, dict) and cast("dict[str, object]", options).get("prewarm"):
        name = "prompt_cache_options.prewarm"
        return Unfaithful(name, why_not(name))
    return None


def _logprobs(
    request: ResponsesRequest, body: dict[str, Any], talk: Conversation
) -> Unfaithful | None:
    wanted = bool(request.top_logprobs)
    for index, value in enumerate(request.include or ()):
        if value == _LOGPROBS:
            wanted = True
        elif value == _ENCRYPTED:
            talk.ignore("include[]: reasoning.encrypted_content")
        elif value not in IDLE_INCLUDES:
            return Unfaithful(f"include[{index}]", why_not(""))
    if wanted:
        body["logprobs"] = True
        if request.top_logprobs is not None:
            body["top_logprobs"] = request.top_logprobs
    return None


def _reasoning(reasoning: Reasoning, body: dict[str, Any], talk: Conversation) -> Unfaithful | None:
    if reasoning.mode not in (None, "standard"):
        return Unfaithful("reasoning.mode", why_not("reasoning.mode"))
    if reasoning.context not in (None, "auto"):
        talk.ignore("reasoning.context")
    if reasoning.summary is not None:
        talk.ignore("reasoning.summary")
    if reasoning.generate_summary is not None:
        talk.ignore("reasoning.generate_summary")
    if reasoning.effort is not None:
        body["reasoning_effort"] = reasoning.effort
    return None


def _text(text: TextConfig, body: dict[str, Any]) -> Unfaithful | None:
    if text.verbosity is not None:
        body["verbosity"] = text.verbosity
    wanted = text.format
    if isinstance(wanted, JsonObjectFormat):
        body["response_format"] = {"type": "json_object"}
    elif isinstance(wanted, JsonSchemaFormat):
        if not is_object(wanted.schema):
            return Unfaithful("text.format.schema", _NO_SCHEMA)
        schema: dict[str, Any] = {"name": wanted.name, "schema": wanted.schema}
        if wanted.description is not None:
            schema["description"] = wanted.description
        if wanted.strict is not None:
            schema["strict"] = wanted.strict
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return None


# --------------------------------------------------------------------------- tools


def _tools(
    request: ResponsesRequest, body: dict[str, Any], talk: Conversation, functions: list[str]
) -> Unfaithful | None:
    if not request.tools:
        return _choice_without_tools(request)
    tools: list[dict[str, Any]] = []
    for index, raw in enumerate(request.tools):
        place = f"tools[{index}]"
        tool = read_tool(raw, place)
        if isinstance(tool, Unread):
            return Unfaithful(f"{place}.type", why_not(f"tools[].type: {tool.kind}"))
        if isinstance(tool, Unfaithful):
            return tool
        function = _function(tool, place, talk)
        if isinstance(function, Unfaithful):
            return function
        functions.append(tool.name)
        tools.append({"type": "function", "function": function})
    body["tools"] = tools
    # Chat takes these two only where there are tools.
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls
    if given(request.tool_choice):
        choice = _choice(request.tool_choice)
        if isinstance(choice, Unfaithful):
            return choice
        body["tool_choice"] = choice
    return None


def _function(tool: FunctionTool, place: str, talk: Conversation) -> dict[str, Any] | Unfaithful:
    if not 0 < len(tool.name) <= _MOST_NAME:
        return Unfaithful(f"{place}.name", f"A name has 1 to {_MOST_NAME} characters.")
    if tool.defer_loading:
        return Unfaithful(f"{place}.defer_loading", why_not("tools[].defer_loading"))
    if tool.asynchronous:
        return Unfaithful(f"{place}.async", why_not("tools[].async"))
    if tool.allowed_callers is not None and "direct" not in tool.allowed_callers:
        return Unfaithful(f"{place}.allowed_callers", why_not("tools[].allowed_callers"))
    if tool.output_schema is not None:
        talk.ignore("tools[].output_schema")
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if given(tool.parameters):
        if not is_object(tool.parameters):
            return Unfaithful(f"{place}.parameters", _NO_SCHEMA)
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return function


def _choice_without_tools(request: ResponsesRequest) -> Unfaithful | None:
    """Nothing, where the choice asks for no call; chat would refuse even that."""
    if not given(request.tool_choice):
        return None
    choice = _choice(request.tool_choice)
    if isinstance(choice, Unfaithful):
        return choice
    return None if choice in ("auto", "none") else Unfaithful("tool_choice", "There are no tools.")


def _choice(raw: msgspec.Raw) -> str | dict[str, Any] | Unfaithful:
    choice = read_choice(raw, "tool_choice")
    if isinstance(choice, str | Unfaithful):
        return choice
    if isinstance(choice, Unread):
        return Unfaithful("tool_choice.type", why_not(f"tool_choice.type: {choice.kind}"))
    if isinstance(choice, NamedChoice):
        return {"type": "function", "function": {"name": choice.name}}
    return _allowed(choice)


def _allowed(choice: AllowedChoice) -> dict[str, Any] | Unfaithful:
    tools: list[dict[str, Any]] = []
    for index, raw in enumerate(choice.tools):
        place = f"tool_choice.tools[{index}]"
        tool = read_choice(raw, place)
        if isinstance(tool, Unfaithful):
            return tool
        if isinstance(tool, NamedChoice):
            tools.append({"type": "function", "function": {"name": tool.name}})
        else:
            kind = tool.kind if isinstance(tool, Unread) else ""
            return Unfaithful(f"{place}.type", why_not(f"tools[].type: {kind}"))
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": tools}}
