"""The `input` of a Responses request as the messages of a chat.

    message                  a message of its role
    function_call            one of the `tool_calls` of the model's turn that it belongs to
    function_call_output     a message of role `tool`
    reasoning                nothing, with a warning

Owns which items make one message, and remembers which item each message is of (`Origin`), so that
what is said about the chat can be said about the input (`places`). Everything else of a request is
`request`'s. Pure.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from batchway.dialects.requests.chat import RefusalPart
from batchway.dialects.requests.responses import (
    FunctionCall,
    FunctionCallOutput,
    InputFile,
    InputImage,
    InputText,
    Message,
    OutputText,
    Part,
    ReasoningItem,
    Unread,
    read_item,
)
from batchway.dialects.responses.parameters import why_not
from batchway.ports.dialect import Unfaithful

_ONLY_TEXT: Final = "In chat, messages of this role hold text only."
_REQUIRED: Final = "It is required."
_ONE_FILE: Final = "A file is given once."
_ONLY_ASSISTANT: Final = "In chat, only the assistant refuses."


class Origin(msgspec.Struct, gc=False):
    """Where a message comes from: the place that it is of, the place of its content, its calls'.

    `addressed` are the parts of its content that are files by an address.
    """

    place: str
    content: str
    calls: list[str] = []
    addressed: list[int] = []


class Conversation(msgspec.Struct, gc=False):
    """A chat's messages, as JSON; the origin of each; the parameters that were left out."""

    messages: list[dict[str, Any]] = []
    origins: list[Origin] = []
    ignored: list[str] = []

    def say(self, role: str, content: str, place: str) -> None:
        """Add a message of words."""
        self.messages.append({"role": role, "content": content})
        self.origins.append(Origin(place, place))

    def ignore(self, name: str) -> None:
        """Note a parameter that is left out."""
        if name not in self.ignored:
            self.ignored.append(name)

    def add(self, items: Sequence[msgspec.Raw]) -> Unfaithful | None:
        """Add the items of an input; or why one of them cannot be said in a chat."""
        for index, raw in enumerate(items):
            place = f"input[{index}]"
            item = read_item(raw, place)
            if isinstance(item, Message):
                wrong = self._message(item, place)
            elif isinstance(item, FunctionCall):
                wrong = self._call(item, place)
            elif isinstance(item, FunctionCallOutput):
                wrong = self._output(item, place)
            elif isinstance(item, ReasoningItem):
                self.ignore("input[].type: reasoning")
                continue
            elif isinstance(item, Unread):
                wrong = Unfaithful(f"{place}.type", why_not(f"input[].type: {item.kind}"))
            else:
                wrong = item
            if wrong is not None:
                return wrong
        return None

    def _message(self, item: Message, place: str) -> Unfaithful | None:
        role, content = item.role, item.content
        if item.phase is not None:
            self.ignore("input[].phase")
        said = (
            content if isinstance(content, str) else self._parts(content, role, f"{place}.content")
        )
        if isinstance(said, Unfaithful):
            return said
        turn = self._turn() if role == "assistant" else None
        if turn is not None and "tool_calls" in turn:
            # Its calls came first. Results have to follow them in a chat, so it stays one message.
            before = turn["content"]
            turn["content"] = said if before is None else [*_listed(before), *_listed(said)]
            self.origins[-1].content = f"{place}.content"
        else:
            self.messages.append({"role": role, "content": said})
            origin = Origin(place, f"{place}.content", addressed=_addressed(content))
            self.origins.append(origin)
        return None

    def _call(self, item: FunctionCall, place: str) -> Unfaithful | None:
        if item.namespace is not None:
            return Unfaithful(f"{place}.namespace", why_not("input[].namespace"))
        if item.asynchronous:
            return Unfaithful(f"{place}.async", why_not("input[].async"))
        if item.caller is not None and item.caller.type != "direct":
            return Unfaithful(f"{place}.caller", why_not("input[].caller"))
        turn = self._turn()
        if turn is None:
            self.messages.append(turn := dict[str, Any](role="assistant", content=None))
            self.origins.append(Origin(place, place))
        turn.setdefault("tool_calls", []).append(
            {
                "id": item.call_id,
                "type": "function",
                "function": {"name": item.name, "arguments": item.arguments},
            }
        )
        self.origins[-1].calls.append(place)
        return None

    def _output(self, item: FunctionCallOutput, place: str) -> Unfaithful | None:
        if item.call_id is None:
            return Unfaithful(f"{place}.call_id", _REQUIRED)
        if item.namespace is not None:
            return Unfaithful(f"{place}.namespace", why_not("input[].namespace"))
        if item.caller is not None and item.caller.type != "direct":
            return Unfaithful(f"{place}.caller", why_not("input[].caller"))
        output = item.output
        said = output if isinstance(output, str) else self._parts(output, "tool", f"{place}.output")
        if isinstance(said, Unfaithful):
            return said
        self.messages.append({"role": "tool", "tool_call_id": item.call_id, "content": said})
        self.origins.append(Origin(place, f"{place}.output"))
        return None

    def _turn(self) -> dict[str, Any] | None:
        """The model's turn that stands last, if the next item of the model belongs to it."""
        last = self.messages[-1] if self.messages else None
        return last if last is not None and last["role"] == "assistant" else None

    def _parts(
        self, parts: Sequence[Part], role: str, place: str
    ) -> str | list[dict[str, Any]] | Unfaithful:
        """The parts of a message, one for one: a text alone as a string. Or why they cannot be."""
        said: list[dict[str, Any]] = []
        for index, part in enumerate(parts):
            one = self._part(part, role, f"{place}[{index}]")
            if isinstance(one, Unfaithful):
                return one
            said.append(one)
        if len(said) == 1 and said[0].keys() == {"type", "text"}:
            return said[0]["text"]
        return said

    def _part(self, part: Part, role: str, place: str) -> dict[str, Any] | Unfaithful:
        if isinstance(part, InputText):
            return _cached({"type": "text", "text": part.text}, part.prompt_cache_breakpoint)
        if isinstance(part, OutputText):
            if part.annotations:
                self.ignore("input[].content[].annotations")
            if part.logprobs:
                self.ignore("input[].content[].logprobs")
            return {"type": "text", "text": part.text}
        if isinstance(part, RefusalPart):
            if role != "assistant":
                return Unfaithful(f"{place}.type", _ONLY_ASSISTANT)
            return {"type": "refusal", "refusal": part.refusal}
        if role == "tool":
            return Unfaithful(f"{place}.type", why_not("input[].output[].type"))
        if role != "user":
            return Unfaithful(f"{place}.type", _ONLY_TEXT)
        if isinstance(part, InputImage):
            return _image(part, place)
        if isinstance(part, InputFile):
            if part.detail not in (None, "auto"):
                self.ignore("input[].content[].detail: of a file")
            return _file(part, place)
        sound = part.input_audio
        return {
            "type": "input_audio",
            "input_audio": {"data": sound.data, "format": sound.format},
        }


def _addressed(content: str | Sequence[Part]) -> list[int]:
    if isinstance(content, str):
        return []
    return [
        index
        for index, part in enumerate(content)
        if isinstance(part, InputFile) and part.file_url is not None
    ]


def _listed(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _image(part: InputImage, place: str) -> dict[str, Any] | Unfaithful:
    if part.file_id is not None:
        return Unfaithful(f"{place}.file_id", why_not("input[].content[].file_id"))
    if part.image_url is None:
        return Unfaithful(f"{place}.image_url", _REQUIRED)
    image = {"url": part.image_url}
    if part.detail not in (None, "auto"):
        image["detail"] = part.detail
    return _cached({"type": "image_url", "image_url": image}, part.prompt_cache_breakpoint)


def _file(part: InputFile, place: str) -> dict[str, Any] | Unfaithful:
    """A file. Chat has no place for an address but that of the data: dialects judge what it is."""
    data = part.file_data
    if part.file_url is not None:
        if data is not None or part.file_id is not None:
            return Unfaithful(f"{place}.file_url", _ONE_FILE)
        data = part.file_url
    if data is None and part.file_id is None:
        return Unfaithful(f"{place}.file_data", _REQUIRED)
    fields = {"file_data": data, "file_id": part.file_id, "filename": part.filename}
    file = {name: value for name, value in fields.items() if value is not None}
    return _cached({"type": "file", "file": file}, part.prompt_cache_breakpoint)


def _cached(part: dict[str, Any], breakpoint: object) -> dict[str, Any]:
    if breakpoint is not None:
        part["prompt_cache_breakpoint"] = breakpoint
    return part
