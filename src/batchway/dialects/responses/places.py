"""Where in a Responses request something stands that chat has elsewhere, or calls otherwise.

    messages[2].content[0].image_url.url --> input[2].content[0].image_url
    response_format.json_schema.schema   --> text.format.schema

Owns the names only. Pure.
"""

import re
from collections.abc import Sequence
from typing import Final

from batchway.dialects.responses.conversation import Origin

_NAMES: Final = {
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "logprobs": "include",
    "messages": "input",
}
_HEAD: Final = re.compile(r"[^.\[]*")
_MESSAGE: Final = re.compile(r"\[(\d*)\](.*)", re.DOTALL)
_CALL: Final = re.compile(r"\.tool_calls(?:\[(\d*)\])?(.*)", re.DOTALL)
_FILE: Final = re.compile(r"\[(\d+)\]\.file\.file_data")
_UNKNOWN: Final = Origin("input[]", "input[].content")

# What chat puts into an object of its own, and Responses does not.
_OF_CHAT: Final = {
    "response_format": (".json_schema",),
    "tools": (".function",),
    "tool_choice": (".function", ".allowed_tools"),
}
_OF_PARTS: Final = (
    (".image_url.url", ".image_url"),
    (".image_url.detail", ".detail"),
    (".file.", "."),
)


def in_responses(param: str, origins: Sequence[Origin] = ()) -> str:
    """What a Responses request calls a parameter of chat.

    `origins` are of the chat's messages; without them, `messages[3]` is some item.
    """
    head = _HEAD.match(param)
    name = "" if head is None else head[0]
    rest = param[len(name) :]
    if name == "messages" and (message := _MESSAGE.fullmatch(rest)) is not None:
        return _in_input(message[1], message[2], origins)
    for wrapped in _OF_CHAT.get(name, ()):
        rest = _without(rest, wrapped)
    return _NAMES.get(name, name) + rest


def _in_input(number: str, rest: str, origins: Sequence[Origin]) -> str:
    index = int(number) if number else len(origins)
    origin = origins[index] if index < len(origins) else _UNKNOWN
    call = _CALL.fullmatch(rest)
    if call is not None:
        return _of_call(call[1], call[2], origin)
    if origin.place in ("instructions", "input"):
        return origin.place
    if rest.startswith(".content"):
        rest = rest.removeprefix(".content")
        file = _FILE.fullmatch(rest)
        if file is not None and int(file[1]) in origin.addressed:
            rest = f"[{file[1]}].file_url"
        for ours, theirs in _OF_PARTS:
            rest = rest.replace(ours, theirs, 1)
        return origin.content + rest.removesuffix(".file")
    return origin.place + rest.replace(".tool_call_id", ".call_id")


def _of_call(number: str | None, rest: str, origin: Origin) -> str:
    index = int(number) if number else 0
    place = origin.calls[index] if index < len(origin.calls) else origin.place
    rest = _without(rest, ".function")
    return place + (".call_id" if rest == ".id" else rest)


def _without(rest: str, wrapped: str) -> str:
    """The path without a step, where it is the first one with a name."""
    at = rest.find(".")
    if at == -1 or not (rest + ".").startswith(wrapped + ".", at):
        return rest
    return rest[:at] + rest[at + len(wrapped) :]
