"""A conversation as turns of plain text, for models that are told no more than that.

Owns which parts of messages are no text, and are refused by name; not how a model's prompt is
written. What is left out (`requests.places`) is added to `ignored`.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from batchway.dialects.requests.chat import (
    AssistantMessage,
    AssistantPart,
    AudioPart,
    DeveloperMessage,
    FilePart,
    FunctionMessage,
    ImagePart,
    Message,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
    UserPart,
)
from batchway.dialects.requests.places import ANNOTATIONS, BREAKPOINT, NAME, REASONING
from batchway.dialects.unsayable import Unsayable

SYSTEM: Final = "system"
USER: Final = "user"
ASSISTANT: Final = "assistant"
# Between the parts of one message, which are texts of their own.
_BETWEEN_PARTS: Final = "\n"
_NO_CALLS: Final = "This model is asked without tools, and is told of no calls."


class Turn(msgspec.Struct, frozen=True, gc=False):
    """What one message says. `role` is system, user or assistant; `place` where the text stands."""

    role: str
    text: str
    place: str


def turns_of(messages: Sequence[Message], ignored: dict[str, None]) -> list[Turn]:
    """The turns of a conversation, one for each message.

    Raises:
        Unsayable: a message is no text, or there is none.
    """
    if not messages:
        raise Unsayable("messages", "There is nothing to answer.")
    return [_turn(message, f"messages[{at}]", ignored) for at, message in enumerate(messages)]


def _turn(message: Message, place: str, ignored: dict[str, None]) -> Turn:
    match message:
        case SystemMessage() | DeveloperMessage():
            role = SYSTEM
        case UserMessage():
            role = USER
        case AssistantMessage():
            return _said(message, place, ignored)
        case ToolMessage():
            raise Unsayable(f"{place}.tool_call_id", _NO_CALLS)
        case FunctionMessage():
            raise Unsayable(f"{place}.name", _NO_CALLS)
    if message.name is not None:
        ignored[NAME] = None
    place = f"{place}.content"
    return Turn(role, text_of(message.content, place, ignored), place)


def _said(message: AssistantMessage, place: str, ignored: dict[str, None]) -> Turn:
    """A turn of the assistant, perhaps copied from an answer with all that it had."""
    if message.tool_calls:
        raise Unsayable(f"{place}.tool_calls", _NO_CALLS)
    if message.function_call is not None:
        raise Unsayable(f"{place}.function_call", _NO_CALLS)
    text = words_of(message, place, ignored)
    if not text:
        raise Unsayable(place, "It says nothing.")
    return Turn(ASSISTANT, text, place if message.content is None else f"{place}.content")


def words_of(message: AssistantMessage, place: str, ignored: dict[str, None]) -> str:
    """What the assistant said, a refusal too; empty where it only called.

    Raises:
        Unsayable: it is a sound.
    """
    if message.audio is not None:
        raise Unsayable(f"{place}.audio", "Sound of OpenAI's models is not known here.")
    for name, given in (
        (NAME, message.name),
        (ANNOTATIONS, message.annotations),
        (REASONING, message.reasoning_content),
    ):
        if given:
            ignored[name] = None
    text = text_of(message.content or "", f"{place}.content", ignored)
    if not message.refusal:
        return text
    return f"{text}{_BETWEEN_PARTS}{message.refusal}" if text else message.refusal


def text_of(
    content: str | Sequence[TextPart] | Sequence[AssistantPart] | Sequence[UserPart],
    place: str,
    ignored: dict[str, None],
) -> str:
    """A content as one text.

    Raises:
        Unsayable: a part of it is none.
    """
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for at, part in enumerate(content):
        match part:
            case TextPart():
                if part.prompt_cache_breakpoint is not None:
                    ignored[BREAKPOINT] = None
                texts.append(part.text)
            case RefusalPart():
                texts.append(part.refusal)
            case _:
                raise no_text(part, f"{place}[{at}]")
    return _BETWEEN_PARTS.join(texts)


def no_text(part: ImagePart | AudioPart | FilePart, place: str) -> Unsayable:
    """Why a part cannot be said to a model that reads texts only; `place` is the part's."""
    match part:
        case ImagePart():
            return Unsayable(f"{place}.image_url", "This model takes no images here.")
        case AudioPart():
            return Unsayable(f"{place}.input_audio", "This model takes no sound.")
        case FilePart():
            return Unsayable(f"{place}.file", "This model takes no files.")
