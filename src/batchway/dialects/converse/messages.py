"""The messages of a chat as turns, which user and assistant take in turn, the user first.

    system, developer   `system`, in their order; alone they are the user's turn
    user, assistant     turns; neighbours of one role become one
    tool calls          `toolUse` blocks of the assistant's turn
    tool, function      `toolResult` blocks of the next turn, which is the user's

The API refuses blank words, a chat that begins with the assistant, calls without results in the
next turn, a document without words beside it, and more than five documents in a turn. Sources:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/tool-use-inference-call.html. Pure.
"""

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import UNSET

from batchway.dialects.converse.media import Files
from batchway.dialects.converse.models import Traits
from batchway.dialects.converse.wire import Block, Message, Text, ToolResult, ToolUse
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
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
    UserPart,
)
from batchway.dialects.requests.chat import Message as ChatMessage
from batchway.dialects.requests.places import (
    ANNOTATIONS,
    BREAKPOINT,
    DETAIL,
    HOISTED,
    NAME,
    REASONING,
)
from batchway.dialects.unsayable import Unsayable

TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
ILLEGAL_NAME: Final = "Names of functions are up to 64 letters, digits, _ and - here."
_LEGAL_ID: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_EMPTY: Final = "An empty message is not taken here."
_MOST_DOCUMENTS: Final = 5


class Conversation(msgspec.Struct, gc=False):
    """A chat as turns.

    `called` is the place of the first call in it, empty without one; `unanswered` whether it ends
    with what calls gave, `begun` whether in the assistant's turn.
    """

    system: list[Text]
    turns: list[Message]
    called: str
    unanswered: bool
    begun: bool


class Turns:
    """Turns, built message by message. Adds to `ignored`."""

    __slots__ = (
        "_called",
        "_caller",
        "_documents",
        "_files",
        "_first_call",
        "_ignored",
        "_made_up",
        "_system",
        "_traits",
        "_turns",
        "_waiting",
    )

    def __init__(
        self, traits: Traits, *, readable: Sequence[str], ignored: dict[str, None]
    ) -> None:
        self._traits = traits
        self._ignored = ignored
        self._files = Files(traits, readable=readable, ignored=ignored)
        self._system: list[Text] = []
        self._turns: list[Message] = []
        self._documents: list[tuple[int, str]] = []  # which turn has one, and its place
        self._first_call = ""
        self._made_up = 0  # how many ids
        self._caller = ""  # the place of the calls that wait for results
        self._called: dict[str, str] = {}  # their ids or functions, and the ids of the calls there
        self._waiting: set[str] = set()  # those without a result

    def read(self, messages: Sequence[ChatMessage]) -> Conversation:
        """The turns of a chat.

        Raises:
            Unsayable: a message has no equivalent, or stands where it cannot.
        """
        for index, message in enumerate(messages):
            self._add(index, message)
        if self._waiting:
            raise self._unanswered()
        turns, system = self._turns, self._system
        if not turns:
            if not system:
                raise Unsayable("messages", _EMPTY)
            turns, system = [Message("user", [Block(each.text) for each in system])], []
        self._check_documents(turns)
        last = turns[-1]
        begun = last.role == "assistant"
        if begun and isinstance(text := last.content[-1].text, str):
            last.content[-1].text = text.rstrip()  # or the models that go on with it refuse it
        return Conversation(
            system=system,
            turns=turns,
            called=self._first_call,
            unanswered=last.content[0].tool_result is not UNSET,
            begun=begun,
        )

    def _add(self, index: int, message: ChatMessage) -> None:
        if self._waiting and not isinstance(message, ToolMessage | FunctionMessage):
            raise self._unanswered()
        match message:
            case UserMessage():
                self._note(NAME, message.name)
                self._user(index, message.content)
            case SystemMessage() | DeveloperMessage():
                self._note(NAME, message.name)
                self._instruct(index, message.content)
            case AssistantMessage():
                self._note(NAME, message.name)
                self._assistant(index, message)
            case ToolMessage():
                place = f"messages[{index}].tool_call_id"
                self._result(place, message.tool_call_id, list(self._texts(message.content)))
            case FunctionMessage():
                place = f"messages[{index}].name"
                self._result(place, message.name, [message.content or ""])

    # ------------------------------------------------------------------------------- turns

    def _instruct(self, index: int, content: str | list[TextPart]) -> None:
        texts = [Text(text) for text in self._texts(content) if text.strip()]
        if not texts:
            return
        if not self._traits.system:
            raise Unsayable(
                f"messages[{index}].role",
                "This model takes no instructions: say them in the user's message.",
            )
        if self._turns:
            self._ignored[HOISTED] = None
        self._system += texts

    def _user(self, index: int, content: str | list[UserPart]) -> None:
        place = f"messages[{index}].content"
        if isinstance(content, str):
            blocks = [Block(content)] if content.strip() else []
        else:
            every = [self._part(f"{place}[{n}]", part) for n, part in enumerate(content)]
            blocks = [block for block in every if block is not None]
        if not blocks:
            raise Unsayable(place, _EMPTY)
        self._append("user", blocks, place=place)

    def _assistant(self, index: int, message: AssistantMessage) -> None:
        place = f"messages[{index}]"
        if message.audio is not None:
            raise Unsayable(f"{place}.audio", "Sound of OpenAI's models is not known here.")
        self._note(ANNOTATIONS, message.annotations)
        self._note(REASONING, message.reasoning_content)
        texts = [*self._texts(message.content or ""), message.refusal or ""]
        blocks = [Block(text) for text in texts if text.strip()]
        blocks += self._calls(index, message)
        if not blocks:
            raise Unsayable(f"{place}.content", _EMPTY)
        if not self._turns:
            raise Unsayable(f"{place}.role", "A chat begins with the user's turn here.")
        self._append("assistant", blocks, place=place)

    def _append(self, role: str, blocks: list[Block], *, place: str) -> None:
        """A turn, or more of the one before: the roles stand in turn."""
        turns = self._turns
        if not turns or turns[-1].role != role:
            turns.append(Message(role, blocks))
            return
        last = turns[-1].content
        after_results = last[0].tool_result is not UNSET and blocks[0].tool_result is UNSET
        if after_results and not self._traits.mixes:
            raise Unsayable(
                place, "This model answers the results of calls before the user speaks again."
            )
        last += blocks

    # ------------------------------------------------------------------------------- calls

    def _calls(self, index: int, message: AssistantMessage) -> list[Block]:
        blocks: list[Block] = []
        if message.tool_calls:
            self._caller, self._called = f"messages[{index}].tool_calls", {}
        for number, call in enumerate(message.tool_calls or ()):
            place = f"messages[{index}].tool_calls[{number}]"
            if isinstance(call, CustomToolCall):
                raise Unsayable(place, "There are no custom tools here, only functions.")
            if call.id in self._called:
                raise Unsayable(f"{place}.id", "Another call of the same message has it.")
            blocks.append(self._call(f"{place}.function", call.function, call.id, _legal(call.id)))
        if (function := message.function_call) is not None:
            place = f"messages[{index}].function_call"
            if blocks:
                raise Unsayable(place, "It stands beside calls of tools.")
            made_up = f"call_{self._made_up}"
            self._made_up += 1
            self._caller, self._called = place, {}
            blocks.append(self._call(place, function, function.name, made_up))
        return blocks

    def _call(self, place: str, function: CalledFunction, name: str, id: str) -> Block:
        arguments = arguments_in(function.arguments)
        if isinstance(arguments, str):
            raise Unsayable(f"{place}.arguments", arguments)
        if TOOL_NAME.fullmatch(function.name) is None:
            raise Unsayable(f"{place}.name", ILLEGAL_NAME)
        self._first_call = self._first_call or place
        self._called[name] = id
        self._waiting.add(name)
        return Block(tool_use=ToolUse(id, function.name, arguments))

    def _result(self, place: str, call: str, texts: list[str]) -> None:
        known = self._called.get(call)
        if known is None:
            raise Unsayable(place, "No call in the message before it has this id or name.")
        if call not in self._waiting:
            raise Unsayable(place, "The call has its result already.")
        self._waiting.remove(call)
        result = ToolResult(known, [Text(text) for text in texts if text.strip()])
        self._append("user", [Block(tool_result=result)], place=place)

    def _unanswered(self) -> Unsayable:
        return Unsayable(self._caller, "Not every call in it is followed by its result.")

    # ------------------------------------------------------------------------------- parts

    def _part(self, place: str, part: UserPart) -> Block | None:
        self._note(BREAKPOINT, part.prompt_cache_breakpoint)
        match part:
            case TextPart():
                return Block(part.text) if part.text.strip() else None
            case ImagePart():
                if part.image_url.detail not in (None, "auto"):
                    self._ignored[DETAIL] = None
                return self._files.image(part.image_url.url, place=f"{place}.image_url.url")
            case AudioPart():
                return self._files.sound(part.input_audio, place=f"{place}.input_audio")
            case FilePart():
                block = self._files.file(part.file, place=f"{place}.file")
                if block.document is not UNSET:
                    self._documents.append((self._turn(), place))
                return block

    def _turn(self) -> int:
        """Which turn a part of a user's message will stand in."""
        turns = self._turns
        return len(turns) - 1 if turns and turns[-1].role == "user" else len(turns)

    def _check_documents(self, turns: list[Message]) -> None:
        count: dict[int, int] = {}
        for turn, place in self._documents:
            if all(block.text is UNSET for block in turns[turn].content):
                raise Unsayable(place, "A file needs words beside it in the same turn.")
            count[turn] = count.get(turn, 0) + 1
            if count[turn] > _MOST_DOCUMENTS:
                raise Unsayable(place, f"A turn takes {_MOST_DOCUMENTS} files at most.")

    def _texts(self, content: str | Sequence[TextPart | RefusalPart]) -> Iterator[str]:
        if isinstance(content, str):
            yield content
            return
        for part in content:
            if isinstance(part, RefusalPart):
                yield part.refusal
            else:
                self._note(BREAKPOINT, part.prompt_cache_breakpoint)
                yield part.text

    def _note(self, name: str, value: object) -> None:
        if value is not None:
            self._ignored[name] = None


def _legal(id: str) -> str:
    """The id of a call as the API takes one."""
    if _LEGAL_ID.fullmatch(id):
        return id
    return f"call_{blake2b(id.encode(), digest_size=12).hexdigest()}"
