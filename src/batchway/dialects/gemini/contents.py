"""The messages of a chat as Gemini's turns.

    system, developer   systemInstruction, in their order; alone they are the user's turn
    user                a turn of the user; several in a row are one
    assistant           a turn of the model, its calls after its words
    tool, function      one turn of the user for all results of a turn's calls, in the calls' order

Gemini refuses a history whose results do not follow their calls, one for one, as OpenAI does.
A history of OpenAI's has no thought signatures: where the model wants one, each turn's first call
carries the value that the vendor documents for calls it did not make itself.
Sources: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference,
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/thought-signatures. Pure.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET

from batchway.dialects.gemini.importer import Places, add_places, clean
from batchway.dialects.gemini.media import addressed, enclosed, sound
from batchway.dialects.gemini.wire import Content, FunctionCall, FunctionResponse, Part
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
from batchway.dialects.unsayable import Unsayable

SIGNATURE: Final = "skip_thought_signature_validator"

_ARGUMENTS: Final = "contents[].parts[].functionCall.args"
# request > contents > parts > functionCall > args
_DEPTH: Final = 5


class Contents:
    """Turns, built message by message. Adds to `ignored`, and to `places` for a batch job."""

    __slots__ = (
        "_batch",
        "_called",
        "_caller",
        "_ignored",
        "_instructions",
        "_open",
        "_places",
        "_readable",
        "_results",
        "_signs",
        "_turns",
    )

    def __init__(
        self,
        *,
        signs_calls: bool,
        batch: bool,
        readable: Sequence[str],
        ignored: dict[str, None],
        places: Places,
    ) -> None:
        self._signs = signs_calls
        self._batch = batch
        self._readable = readable
        self._ignored = ignored
        self._places = places
        self._instructions: list[Part] = []
        self._turns: list[Content] = []
        self._open = False  # whether the last turn takes more parts
        self._caller = 0  # the message whose calls wait for results
        self._called: dict[str, str] = {}  # their ids, and the functions' names
        self._results: dict[str, Part] = {}

    def read(self, messages: Sequence[Message]) -> tuple[list[Content], Content | None]:
        """The turns and the instructions of a chat.

        Raises:
            Unsayable: a message has no equivalent, or stands where it cannot.
        """
        for index, message in enumerate(messages):
            self._add(index, message)
        if self._called:
            raise self._unanswered()
        turns, instructions = self._turns, self._instructions
        if turns:
            return turns, Content(instructions) if instructions else None
        if not instructions:
            raise Unsayable("messages", "There is no message.")
        return [Content(instructions, "user")], None

    def _add(self, index: int, message: Message) -> None:
        if self._called and not isinstance(message, ToolMessage | FunctionMessage):
            raise self._unanswered()
        match message:
            case UserMessage():
                self._named(message.name)
                self._user(index, message.content)
            case SystemMessage() | DeveloperMessage():
                self._named(message.name)
                if self._turns:
                    self._ignored["messages[].role"] = None
                self._instructions += self._texts(message.content)
            case AssistantMessage():
                self._named(message.name)
                self._assistant(index, message)
            case ToolMessage():
                self._result(
                    f"messages[{index}].tool_call_id",
                    message.tool_call_id,
                    "".join(self._strings(message.content)),
                )
            case FunctionMessage():
                self._result(f"messages[{index}].name", message.name, message.content or "")

    # ------------------------------------------------------------------------------- turns

    def _user(self, index: int, content: str | list[UserPart]) -> None:
        if isinstance(content, str):
            parts = [Part(content)]
        else:
            every = [
                self._part(f"messages[{index}].content[{number}]", part)
                for number, part in enumerate(content)
            ]
            # An empty text beside other parts is refused there, and says nothing.
            parts = [part for part in every if part.text != ""] or every[:1]
        if not parts:
            raise Unsayable(f"messages[{index}].content", "It is empty.")
        self._append("user", parts)

    def _assistant(self, index: int, message: AssistantMessage) -> None:
        if message.audio is not None:
            raise Unsayable(f"messages[{index}].audio", "Gemini knows no audio of OpenAI's models.")
        if message.annotations:
            self._ignored["messages[].annotations"] = None
        if message.reasoning_content:
            self._ignored["messages[].reasoning_content"] = None
        parts = self._texts(message.content or "")
        if message.refusal:
            parts.append(Part(message.refusal))
        calls = self._calls(index, message)
        if calls and self._signs:
            calls[0].thought_signature = SIGNATURE
        parts += calls
        if not parts:
            raise Unsayable(f"messages[{index}].content", "A turn of the model cannot be empty.")
        self._append("model", parts)

    def _append(self, role: str, parts: list[Part]) -> None:
        turns = self._turns
        if self._open and turns[-1].role == role:
            turns[-1].parts += parts
        else:
            turns.append(Content(parts, role))
            self._open = True

    # ------------------------------------------------------------------------------- calls

    def _calls(self, index: int, message: AssistantMessage) -> list[Part]:
        parts: list[Part] = []
        self._caller = index
        for number, call in enumerate(message.tool_calls or ()):
            place = f"messages[{index}].tool_calls[{number}]"
            if isinstance(call, CustomToolCall):
                raise Unsayable(place, "Gemini has no tools whose input is free text.")
            if call.id in self._called:
                raise Unsayable(f"{place}.id", "Another call of the same message has it.")
            self._called[call.id] = call.function.name
            parts.append(self._call(f"{place}.function", call.function))
        if message.function_call is not None:
            if parts:
                raise Unsayable(
                    f"messages[{index}].function_call", "It stands beside calls of tools."
                )
            self._called[message.function_call.name] = message.function_call.name
            parts.append(self._call(f"messages[{index}].function_call", message.function_call))
        return parts

    def _call(self, place: str, called: CalledFunction) -> Part:
        param = f"{place}.arguments"
        arguments = arguments_in(called.arguments)
        if isinstance(arguments, str):
            raise Unsayable(param, arguments)
        if self._batch:
            arguments = clean(arguments, depth=_DEPTH, param=param)
            add_places(self._places, arguments, _ARGUMENTS, param=param)
        # Without arguments it is left out: an empty object is no column.
        return Part(function_call=FunctionCall(called.name, arguments or UNSET))

    def _result(self, place: str, call: str, text: str) -> None:
        name = self._called.get(call)
        if name is None:
            raise Unsayable(place, "No call in the message before it has this id or name.")
        if call in self._results:
            raise Unsayable(place, "The call has its result already.")
        self._results[call] = Part(function_response=FunctionResponse(name, {"output": text}))
        if len(self._results) == len(self._called):
            parts = [self._results[each] for each in self._called]
            self._turns.append(Content(parts, "user"))
            self._called, self._results, self._open = {}, {}, False

    def _unanswered(self) -> Unsayable:
        return Unsayable(
            f"messages[{self._caller}].tool_calls",
            "Not every call in it is followed by its result.",
        )

    # ------------------------------------------------------------------------------- parts

    def _part(self, place: str, part: UserPart) -> Part:
        if part.prompt_cache_breakpoint is not None:
            self._ignored["messages[].content[].prompt_cache_breakpoint"] = None
        match part:
            case TextPart():
                return Part(part.text)
            case ImagePart():
                if part.image_url.detail not in (None, "auto"):
                    self._ignored["messages[].content[].image_url.detail"] = None
                return addressed(
                    part.image_url.url,
                    place=f"{place}.image_url.url",
                    batch=self._batch,
                    default="image/jpeg",
                    readable=self._readable,
                )
            case AudioPart():
                audio = part.input_audio
                return sound(audio.data, audio.format, place=f"{place}.input_audio")
            case FilePart():
                return self._file(f"{place}.file", part)

    def _file(self, place: str, part: FilePart) -> Part:
        file = part.file
        if file.filename:
            self._ignored["messages[].content[].file.filename"] = None
        if file.file_data:
            return enclosed(
                file.file_data,
                file.filename,
                place=f"{place}.file_data",
                batch=self._batch,
                readable=self._readable,
            )
        if file.file_id and file.file_id.startswith("gs://"):
            return addressed(
                file.file_id,
                place=f"{place}.file_id",
                batch=self._batch,
                default="",
                readable=self._readable,
            )
        raise Unsayable(
            f"{place}.file_id" if file.file_id else place,
            "Files are read from data URLs and gs addresses only.",
        )

    def _texts(self, content: str | Sequence[TextPart | RefusalPart]) -> list[Part]:
        return [Part(text) for text in self._strings(content) if text]

    def _strings(self, content: str | Sequence[TextPart | RefusalPart]) -> list[str]:
        if isinstance(content, str):
            return [content]
        texts: list[str] = []
        for part in content:
            if isinstance(part, RefusalPart):
                texts.append(part.refusal)
                continue
            if part.prompt_cache_breakpoint is not None:
                self._ignored["messages[].content[].prompt_cache_breakpoint"] = None
            texts.append(part.text)
        return texts

    def _named(self, name: str | None) -> None:
        if name is not None:
            self._ignored["messages[].name"] = None
