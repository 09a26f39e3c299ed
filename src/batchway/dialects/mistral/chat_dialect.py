"""`ports.Dialect` of Mistral's chat completions over InvokeModel, for chat lines.

    encode    {"messages", "tools", "tool_choice", "max_tokens", "temperature", "top_p"}
    decode    {"choices": [{"message": {"content", "tool_calls"}, "stop_reason"}], "usage"}

Mistral Large of 2407, and Pixtral Large, which sees images. Newer ones of Mistral's take OpenAI's
own form. Sources:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-large-2407.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-pixtral-large.html.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET

from batchway.dialects.answers.chat import (
    CalledFunction,
    Choice,
    Message,
    Spent,
    ToolCall,
    completion,
    count,
)
from batchway.dialects.bedrock.invoked import Asked, Invoked, id_of
from batchway.dialects.bedrock.limits import most_tokens, share
from batchway.dialects.mistral.chat_parameters import CHAT
from batchway.dialects.mistral.messages import messages_of
from batchway.dialects.mistral.tools import tools_of
from batchway.dialects.requests.chat import ChatRequest
from batchway.dialects.tolerant_json import read_by
from batchway.ports.dialect import Refused, Result

_FINISHES: Final[Mapping[str, str]] = {
    "stop": "stop",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
}


class _Function(msgspec.Struct, gc=False):
    name: str = ""
    arguments: Any = ""


class _Call(msgspec.Struct, gc=False):
    id: str = ""
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct, gc=False):
    message: _Message | None = None
    stop_reason: str | None = None
    finish_reason: str | None = None


class _Details(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class _Answer(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    id: str | None = None
    usage: _Usage | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Answer, strict=False).decode


class MistralChatDialect(Invoked):
    """Chat lines for one of Mistral's models that take messages."""

    __slots__ = ("_sees",)

    def __init__(self, *, model: str) -> None:
        super().__init__(model=model, table=CHAT)
        self._sees = "pixtral" in model.lower()

    def _written(
        self,
        request: ChatRequest,
        body: bytes,  # noqa: ARG002 - the base's: nothing is passed on as it is
        ignored: dict[str, None],
    ) -> bytes:
        fields: dict[str, Any] = {
            "messages": messages_of(request.messages, ignored, sees=self._sees),
            **tools_of(request, ignored),
        }
        written = {
            "max_tokens": most_tokens(request),
            "temperature": share(request.temperature, "temperature"),
            "top_p": share(request.top_p, "top_p"),
        }
        fields |= {name: value for name, value in written.items() if value is not None}
        return _encode(fields)

    def _read(self, body: bytes, asked: Asked) -> Result | Refused | None:
        answer = read_by(_decode, body)
        choice = answer.choices[0] if answer and answer.choices else None
        if answer is None or choice is None or choice.message is None:
            return None
        calls = [
            ToolCall(call.id, CalledFunction(call.function.name, _text(call.function.arguments)))
            for call in choice.message.tool_calls or ()
            if call.function is not None
        ]
        reason = choice.stop_reason or choice.finish_reason or ""
        message = Message(
            content=choice.message.content or (None if calls else ""),
            tool_calls=calls or UNSET,
        )
        usage = answer.usage or _Usage()
        details = usage.prompt_tokens_details or _Details()
        return completion(
            id=answer.id or id_of(body),
            created=asked.at,
            model=asked.model,
            choices=[Choice(0, message, _FINISHES.get(reason, "tool_calls" if calls else "stop"))],
            spent=Spent(
                inputs=count(usage.prompt_tokens),
                outputs=count(usage.completion_tokens),
                cached=count(details.cached_tokens),
            ),
            warnings=asked.warnings,
        )


def _text(arguments: Any) -> str:
    """Arguments as JSON in a text, which some models of Mistral's give as an object."""
    return arguments if isinstance(arguments, str) else _encode(arguments).decode()
