"""A conversation as Mistral's messages.

    system, developer   system
    user                a text; parts of texts and images where the model sees
    assistant           its words, and `tool_calls` whose ids are nine letters and digits
    tool                what a call gave

Mistral's own API and tokenizers know ids of calls of nine letters and digits only: others are
replaced by a digest, in calls and results alike. Sources:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html,
https://github.com/mistralai/mistral-common (validator.py).
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

from batchway.dialects.bedrock.turns import no_text, text_of, words_of
from batchway.dialects.requests.arguments import arguments_in
from batchway.dialects.requests.chat import (
    AssistantMessage,
    DeveloperMessage,
    FunctionMessage,
    FunctionToolCall,
    ImagePart,
    Message,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
)
from batchway.dialects.requests.places import BREAKPOINT, DETAIL, NAME
from batchway.dialects.unsayable import Unsayable

_ID: Final = re.compile(r"[A-Za-z0-9]{9}")
_DATA: Final = re.compile(r"data:image/(?:jpe?g|png|gif|webp);base64,.", re.IGNORECASE)
_LEGACY: Final = (
    "Calls are taken in the form of `tool_calls` and of messages of the role tool only."
)

Fields = dict[str, Any]


def messages_of(
    messages: Sequence[Message], ignored: dict[str, None], *, sees: bool
) -> list[Fields]:
    """The messages. `sees` is whether the model takes images.

    Raises:
        Unsayable: a part of a message is not for the model, or there is nothing to answer.
    """
    if not messages:
        raise Unsayable("messages", "There is nothing to answer.")
    written: list[Fields] = []
    for at, message in enumerate(messages):
        place = f"messages[{at}]"
        match message:
            case SystemMessage() | DeveloperMessage():
                content = text_of(message.content, f"{place}.content", ignored)
                written.append({"role": "system", "content": content})
            case UserMessage():
                written.append({"role": "user", "content": _heard(message, place, ignored, sees)})
            case AssistantMessage():
                written.append(_said(message, place, ignored))
                continue  # its name is seen to
            case ToolMessage():
                content = text_of(message.content, f"{place}.content", ignored)
                call = _id(message.tool_call_id)
                written.append({"role": "tool", "tool_call_id": call, "content": content})
                continue
            case FunctionMessage():
                raise Unsayable(f"{place}.name", _LEGACY)
        if message.name is not None:
            ignored[NAME] = None
    if isinstance(messages[-1], AssistantMessage):
        raise Unsayable("messages", "The last is the assistant's, where this model needs a user's.")
    return written


def _heard(
    message: UserMessage, place: str, ignored: dict[str, None], sees: bool
) -> str | list[Fields]:
    content = message.content
    place = f"{place}.content"
    if not sees or isinstance(content, str):
        return text_of(content, place, ignored)
    if not any(isinstance(part, ImagePart) for part in content):
        return text_of(content, place, ignored)
    parts: list[Fields] = []
    for at, part in enumerate(content):
        match part:
            case TextPart():
                parts.append({"type": "text", "text": part.text})
            case ImagePart():
                url = part.image_url.url
                if not _DATA.match(url):
                    why = "This model takes JPEG, PNG, GIF and WebP images, as data URLs."
                    raise Unsayable(f"{place}[{at}].image_url.url", why)
                if part.image_url.detail not in (None, "auto"):
                    ignored[DETAIL] = None
                parts.append({"type": "image_url", "image_url": {"url": url}})
            case _:
                raise no_text(part, f"{place}[{at}]")
        if part.prompt_cache_breakpoint is not None:
            ignored[BREAKPOINT] = None
    return parts


def _said(message: AssistantMessage, place: str, ignored: dict[str, None]) -> Fields:
    if message.function_call is not None:
        raise Unsayable(f"{place}.function_call", _LEGACY)
    text = words_of(message, place, ignored)
    calls: list[Fields] = []
    for at, call in enumerate(message.tool_calls or ()):
        where = f"{place}.tool_calls[{at}]"
        if not isinstance(call, FunctionToolCall):
            raise Unsayable(where, "This model has no custom tools, only functions.")
        arguments = arguments_in(call.function.arguments)
        if isinstance(arguments, str):
            raise Unsayable(f"{where}.function.arguments", arguments)
        function = {"name": call.function.name, "arguments": call.function.arguments or "{}"}
        calls.append({"id": _id(call.id), "function": function})
    if not text and not calls:
        raise Unsayable(place, "It says nothing.")
    said: Fields = {"role": "assistant", "content": text}
    if calls:
        said["tool_calls"] = calls
    return said


def _id(given: str) -> str:
    if _ID.fullmatch(given):
        return given
    return blake2b(given.encode(), digest_size=8).hexdigest()[:9]
