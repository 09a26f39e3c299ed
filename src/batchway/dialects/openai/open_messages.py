"""Messages for open models, byte for byte but for what they do not know.

    developer             system, where the model knows no developers
    name, annotations     left out, with a warning; so are thoughts, and marks of caches
    a refusal             words of the turn
    null                  left out, but for the content of a turn of calls

Owns what is refused of a message by name. A message that needs no change keeps its bytes.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from batchway.dialects.bedrock.turns import no_text, words_of
from batchway.dialects.openai.open_models import Traits
from batchway.dialects.requests.chat import (
    AssistantMessage,
    AudioPart,
    DeveloperMessage,
    FilePart,
    FunctionMessage,
    FunctionToolCall,
    ImagePart,
    Message,
    SystemMessage,
    TextPart,
    UserMessage,
    UserPart,
)
from batchway.dialects.requests.places import BREAKPOINT, NAME
from batchway.dialects.unsayable import Unsayable

Members = dict[str, msgspec.Raw]

_members: Final = msgspec.json.Decoder(list[Members]).decode
_encode: Final = msgspec.json.Encoder().encode
_LEGACY: Final = (
    "Calls are taken in the form of `tool_calls` and of messages of the role tool only."
)
_SYSTEM: Final = msgspec.Raw(b'"system"')
_NULL: Final = b"null"
_DROPPED: Final = frozenset({"name", "annotations", "reasoning_content", "refusal"})


def messages_for(
    messages: Sequence[Message], written: msgspec.Raw, traits: Traits, ignored: dict[str, None]
) -> msgspec.Raw:
    """The messages as JSON. `written` is how the line has them.

    Raises:
        Unsayable: a part of a message is not for the model, or there is none.
    """
    if not messages:
        raise Unsayable("messages", "There is nothing to answer.")
    changes = [
        _change(message, f"messages[{at}]", traits, ignored) for at, message in enumerate(messages)
    ]
    if not any(changes) and _NULL not in bytes(written):
        return written
    told = _members(written)
    changed = [{**_kept(members), **change} for members, change in zip(told, changes, strict=True)]
    return msgspec.Raw(_encode(changed))


def _kept(members: Members) -> Members:
    return {
        name: value
        for name, value in members.items()
        if name not in _DROPPED and (name == "content" or bytes(value) != _NULL)
    }


def _change(message: Message, place: str, traits: Traits, ignored: dict[str, None]) -> Members:
    """What takes the place of a message's members: never empty where one is to be left out."""
    match message:
        case FunctionMessage():
            raise Unsayable(f"{place}.name", _LEGACY)
        case AssistantMessage():
            return _said(message, place, ignored)
        case UserMessage():
            change = _heard(message.content, f"{place}.content", traits, ignored)
        case SystemMessage() | DeveloperMessage():
            change = _heard(message.content, f"{place}.content", traits, ignored)
            if isinstance(message, DeveloperMessage) and not traits.developer:
                change["role"] = _SYSTEM
        case _:
            return _heard(message.content, f"{place}.content", traits, ignored)
    if message.name is not None:
        ignored[NAME] = None
        change.setdefault("role", msgspec.Raw(_encode(_role(message))))
    return change


def _role(message: SystemMessage | DeveloperMessage | UserMessage) -> str:
    return str(message.__struct_config__.tag)


def _heard(
    content: str | Sequence[UserPart] | Sequence[TextPart],
    place: str,
    traits: Traits,
    ignored: dict[str, None],
) -> Members:
    if isinstance(content, str):
        return {}
    marked = False
    parts: list[TextPart | ImagePart] = []
    for at, part in enumerate(content):
        where = f"{place}[{at}]"
        match part:
            case ImagePart():
                if not traits.sees:
                    raise Unsayable(f"{where}.image_url", "This model takes no images.")
                if not part.image_url.url.startswith("data:"):
                    why = "This platform takes images as data URLs only."
                    raise Unsayable(f"{where}.image_url.url", why)
            case AudioPart() | FilePart():
                raise no_text(part, where)
            case TextPart():
                pass
        parts.append(part)
        marked = marked or part.prompt_cache_breakpoint is not None
    if not marked:
        return {}
    ignored[BREAKPOINT] = None
    return {"content": msgspec.Raw(_encode([_unmarked(part) for part in parts]))}


def _unmarked(part: TextPart | ImagePart) -> dict[str, Any]:
    """A part without the mark of a cache."""
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    image = part.image_url
    detail = {} if image.detail is None else {"detail": image.detail}
    return {"type": "image_url", "image_url": {"url": image.url, **detail}}


def _said(message: AssistantMessage, place: str, ignored: dict[str, None]) -> Members:
    if message.function_call is not None:
        raise Unsayable(f"{place}.function_call", _LEGACY)
    for at, call in enumerate(message.tool_calls or ()):
        if not isinstance(call, FunctionToolCall):
            raise Unsayable(f"{place}.tool_calls[{at}]", "The models have no custom tools.")
    text = words_of(message, place, ignored)
    if not text and not message.tool_calls:
        raise Unsayable(place, "It says nothing.")
    plain = message.content is None or isinstance(message.content, str)
    if (
        plain
        and not message.refusal
        and message.name is None
        and message.annotations is None
        and message.reasoning_content is None
    ):
        return {}
    content = text if text or not message.tool_calls else None
    return {"content": msgspec.Raw(_encode(content))}
