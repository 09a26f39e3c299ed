"""`ports.Dialect` of DeepSeek-R1's own body over InvokeModel, for chat lines.

    encode    {"prompt", "max_tokens", "temperature", "top_p", "stop"}
    decode    {"choices": [{"text", "stop_reason"}]}

The prompt ends where the model begins to think, so an answer is thoughts, `</think>`, and what is
said. Texts that hold what has the form of a token of the prompt are refused by name: they could
speak in another role. Sources:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-deepseek.html,
https://huggingface.co/deepseek-ai/DeepSeek-R1 (chat_template in tokenizer_config.json).
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET

from batchway.dialects.answers.chat import Choice, Message, Spent, completion
from batchway.dialects.bedrock.invoked import Asked, Invoked, id_of
from batchway.dialects.bedrock.limits import most_tokens, share, stops
from batchway.dialects.bedrock.turns import SYSTEM, USER, Turn, turns_of
from batchway.dialects.deepseek.parameters import CHAT
from batchway.dialects.requests.chat import ChatRequest
from batchway.dialects.requests.places import HOISTED
from batchway.dialects.tolerant_json import read_by
from batchway.dialects.unsayable import Unsayable
from batchway.ports.dialect import Refused, Result

_BEGIN: Final = "<｜begin▁of▁sentence｜>"
_USER: Final = "<｜User｜>"
_ASSISTANT: Final = "<｜Assistant｜>"
_END: Final = "<｜end▁of▁sentence｜>"
_THINK: Final = "<think>"
_THOUGHT: Final = "</think>"
_TOKEN: Final = re.compile(r"<｜[^｜<>]{1,64}｜>")
_MOST_STOPS: Final = 10
# Thoughts count. AWS advises no more, as answers get worse beyond it; the model takes 32,768.
_MOST: Final = 8_192


class _Request(msgspec.Struct, omit_defaults=True, gc=False):
    prompt: str
    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    stop: list[str] | None = None


class _Choice(msgspec.Struct, gc=False):
    text: str | None = None
    stop_reason: str | None = None


class _Answer(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Answer).decode


class DeepSeekDialect(Invoked):
    """Chat lines for DeepSeek-R1."""

    __slots__ = ()

    def __init__(self, *, model: str) -> None:
        super().__init__(model=model, table=CHAT)

    def _written(
        self,
        request: ChatRequest,
        body: bytes,  # noqa: ARG002 - the base's: nothing is passed on as it is
        ignored: dict[str, None],
    ) -> bytes:
        return _encode(
            _Request(
                prompt=_prompt(turns_of(request.messages, ignored), ignored),
                max_tokens=most_tokens(request) or _MOST,
                temperature=share(request.temperature, "temperature"),
                top_p=share(request.top_p, "top_p"),
                stop=stops(request.stop, _MOST_STOPS),
            )
        )

    def _read(self, body: bytes, asked: Asked) -> Result | Refused | None:
        answer = read_by(_decode, body)
        choice = answer.choices[0] if answer and answer.choices else None
        if choice is None or choice.text is None:
            return None
        finish = "length" if choice.stop_reason == "length" else "stop"
        thought, text = _divided(choice.text, cut=finish == "length")
        message = Message(content=text, reasoning_content=thought or UNSET)
        return completion(
            id=id_of(body),
            created=asked.at,
            model=asked.model,
            choices=[Choice(0, message, finish)],
            spent=Spent(),
            warnings=asked.warnings,
        )


def _prompt(turns: Sequence[Turn], ignored: dict[str, None]) -> str:
    """The prompt: instructions, then turns in their order."""
    system: list[str] = []
    pieces: list[str] = []
    for turn in turns:
        if "<｜" in turn.text and _TOKEN.search(turn.text):
            why = "It holds what has the form of a token of the model's prompt."
            raise Unsayable(turn.place, why)
        if turn.role == SYSTEM:
            if pieces:
                ignored[HOISTED] = None
            system.append(turn.text)
        elif turn.role == USER:
            pieces += (_USER, turn.text)
        else:
            pieces += (_ASSISTANT, turn.text, _END)
    if pieces and pieces[-1] == _END:
        raise Unsayable("messages", "The last is the assistant's, where this model needs a user's.")
    return "".join([_BEGIN, "\n\n".join(system), *pieces, _ASSISTANT, _THINK, "\n"])


def _divided(text: str, *, cut: bool) -> tuple[str, str]:
    """Thoughts and words. A text that was cut before its thoughts ended has no words."""
    thought, ended, words = text.partition(_THOUGHT)
    if ended or cut:
        return thought.strip().removeprefix(_THINK).strip(), words.lstrip("\n")
    return "", text
