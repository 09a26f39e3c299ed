"""The turns of a chat, as Claude's: instructions apart, user and assistant in turn.

    system, developer     `system`, joined by line breaks wherever they stood, as by Anthropic's
                          own endpoint in OpenAI's form; nothing but instructions: the user's turn
    user, assistant       turns; neighbours of one role become one
    tool calls, results   `tool_use` of the assistant's turn, `tool_result` of the user's
    function_call         the same, with ids made up by their places

Owns what becomes of messages; images and files are `media`'s. Sources:
https://platform.claude.com/docs/en/api/messages/create (turns, blocks),
https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls (results first),
https://platform.claude.com/docs/en/cli-sdks-libraries/libraries/openai-sdk (instructions).
"""

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from batchway.dialects.anthropic.media import document_block, image_block
from batchway.dialects.requests.arguments import arguments_in
from batchway.dialects.requests.chat import (
    AssistantMessage,
    AudioPart,
    CalledFunction,
    CustomToolCall,
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
from batchway.dialects.requests.places import (
    ANNOTATIONS,
    BREAKPOINT,
    DETAIL,
    HOISTED,
    NAME,
    REASONING,
)
from batchway.ports.dialect import Unfaithful

_EMPTY: Final = "Claude takes no empty message."
_LEGAL_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")


Block = dict[str, Any]


class Conversation(msgspec.Struct, gc=False):
    """A chat as Claude's turns.

    `ignored` are the names of what was left out; `called` the functions that were called in it;
    `unanswered` is whether it ends with what calls gave, `begun` whether in the assistant's turn.
    """

    system: str
    turns: list[Block]
    ignored: list[str]
    called: list[str]
    unanswered: bool
    begun: bool


def conversation(messages: Sequence[Message], *, urls: bool) -> Conversation | Unfaithful:
    """The turns of a chat. `urls`: whether the platform fetches addresses of images."""
    reader = _Reader(urls=urls)
    for index, message in enumerate(messages):
        wrong = reader.read(message, f"messages[{index}]")
        if wrong is not None:
            return wrong
    return reader.conversation()


class _Reader:
    """What has been read of a chat so far."""

    __slots__ = ("_called", "_ids", "_ignored", "_system", "_turns", "_urls")

    def __init__(self, *, urls: bool) -> None:
        self._urls = urls
        self._system: list[str] = []
        self._turns: list[Block] = []
        self._ignored: list[str] = []
        self._called: list[str] = []
        self._ids: dict[str, str] = {}  # of the calls without ids, by function: the last one's

    def conversation(self) -> Conversation | Unfaithful:
        """All of it."""
        system = "\n".join(self._system)
        turns = self._turns
        if not turns:
            if not system:
                return Unfaithful("messages", _EMPTY)
            turns, system = [{"role": "user", "content": system}], ""
        last = turns[-1]
        content = last["content"]
        begun = last["role"] == "assistant"
        if begun:
            # "final assistant content cannot end with trailing whitespace"
            if isinstance(content, str):
                last["content"] = content.rstrip()
            elif content[-1]["type"] == "text":
                content[-1]["text"] = content[-1]["text"].rstrip()
        return Conversation(
            system=system,
            turns=turns,
            ignored=self._ignored,
            called=self._called,
            unanswered=not isinstance(content, str) and content[0]["type"] == "tool_result",
            begun=begun,
        )

    def read(self, message: Message, place: str) -> Unfaithful | None:
        """One more message."""
        match message:
            case UserMessage():
                return self._user(message, place)
            case AssistantMessage():
                return self._assistant(message, place)
            case ToolMessage():
                result = self._result(_legal(message.tool_call_id), message.content)
                self._add("user", [result])
            case FunctionMessage():
                call = self._ids.get(message.name)
                if call is None:
                    return Unfaithful(f"{place}.name", "No message before it calls this function.")
                self._add("user", [self._result(call, message.content or "")])
            case _:
                self._instruct(message)
        return None

    def _instruct(self, message: SystemMessage | DeveloperMessage) -> None:
        self._ignore(NAME, message.name)
        texts = [text for text in self._texts(message.content) if text.strip()]
        if texts and self._turns:
            self._ignored.append(HOISTED)
        self._system += texts

    def _user(self, message: UserMessage, place: str) -> Unfaithful | None:
        self._ignore(NAME, message.name)
        content = message.content
        if isinstance(content, str):
            if not content.strip():
                return Unfaithful(f"{place}.content", _EMPTY)
            self._add("user", content)
            return None
        blocks: list[Block] = []
        for index, part in enumerate(content):
            block = self._part(part, f"{place}.content[{index}]")
            if isinstance(block, Unfaithful):
                return block
            if block is not None:
                blocks.append(block)
        if not blocks:
            return Unfaithful(f"{place}.content", _EMPTY)
        self._add("user", blocks)
        return None

    def _part(self, part: UserPart, place: str) -> Block | Unfaithful | None:
        self._ignore(BREAKPOINT, part.prompt_cache_breakpoint)
        match part:
            case TextPart():
                return _text(part.text) if part.text.strip() else None
            case ImagePart():
                if part.image_url.detail not in (None, "auto"):
                    self._ignored.append(DETAIL)
                return image_block(part, place, urls=self._urls)
            case FilePart():
                return document_block(part, place)
            case AudioPart():
                return Unfaithful(place, "Claude takes no audio.")

    def _assistant(self, message: AssistantMessage, place: str) -> Unfaithful | None:
        if message.audio is not None:
            return Unfaithful(f"{place}.audio", "Claude has no audio.")
        self._ignore(NAME, message.name)
        self._ignore(REASONING, message.reasoning_content)
        self._ignore(ANNOTATIONS, message.annotations)
        said = [text for text in self._said(message) if text.strip()]
        calls = self._calls(message, place)
        if isinstance(calls, Unfaithful):
            return calls
        if len(said) == 1 and not calls:
            self._add("assistant", said[0])
        elif said or calls:
            self._add("assistant", [*map(_text, said), *calls])
        else:
            return Unfaithful(f"{place}.content", _EMPTY)
        return None

    def _said(self, message: AssistantMessage) -> Iterator[str]:
        content = message.content
        if isinstance(content, str):
            yield content
        else:
            for part in content or ():
                if isinstance(part, RefusalPart):
                    yield part.refusal
                else:
                    self._ignore(BREAKPOINT, part.prompt_cache_breakpoint)
                    yield part.text
        if message.refusal:
            yield message.refusal

    def _calls(self, message: AssistantMessage, place: str) -> list[Block] | Unfaithful:
        blocks: list[Block] = []
        for index, call in enumerate(message.tool_calls or ()):
            at = f"{place}.tool_calls[{index}]"
            if isinstance(call, CustomToolCall):
                return Unfaithful(at, "Claude has no custom tools, only functions.")
            block = self._call(_legal(call.id), call.function, f"{at}.function")
            if isinstance(block, Unfaithful):
                return block
            blocks.append(block)
        if (function := message.function_call) is not None:
            made_up = self._ids[function.name] = f"call_{len(self._called)}"
            block = self._call(made_up, function, f"{place}.function_call")
            if isinstance(block, Unfaithful):
                return block
            blocks.append(block)
        return blocks

    def _call(self, id: str, function: CalledFunction, place: str) -> Block | Unfaithful:
        arguments = arguments_in(function.arguments)
        if isinstance(arguments, str):
            return Unfaithful(f"{place}.arguments", arguments)
        self._called.append(function.name)
        return {"type": "tool_use", "id": id, "name": function.name, "input": arguments}

    def _result(self, id: str, content: str | list[TextPart]) -> Block:
        result: Block = {"type": "tool_result", "tool_use_id": id}
        texts = [text for text in self._texts(content) if text.strip()]
        if isinstance(content, str) and texts:
            result["content"] = content
        elif texts:
            result["content"] = [_text(text) for text in texts]
        return result

    def _texts(self, content: str | list[TextPart]) -> list[str]:
        if isinstance(content, str):
            return [content]
        for part in content:
            self._ignore(BREAKPOINT, part.prompt_cache_breakpoint)
        return [part.text for part in content]

    def _ignore(self, name: str, value: object) -> None:
        if value is not None:
            self._ignored.append(name)

    def _add(self, role: str, content: str | list[Block]) -> None:
        """A turn, or more of the one before: platforms want the roles in turn."""
        turns = self._turns
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": content})
            return
        before = turns[-1]["content"]
        turns[-1]["content"] = _blocks(before) + _blocks(content)


def _blocks(content: str | list[Block]) -> list[Block]:
    return [_text(content)] if isinstance(content, str) else content


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _legal(id: str) -> str:
    """The id of a call as Claude takes one: other servers' have dots and colons in them."""
    if _LEGAL_ID.fullmatch(id):
        return id
    return f"call_{blake2b(id.encode(), digest_size=12).hexdigest()}"
