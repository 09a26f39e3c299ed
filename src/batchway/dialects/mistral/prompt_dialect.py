"""`ports.Dialect` of Mistral's text completions over InvokeModel, for chat lines.

    encode    {"prompt": "<s>[INST] ... [/INST] ...</s> [INST] ... [/INST]", "max_tokens", ...}
    decode    {"outputs": [{"text", "stop_reason"}]}; no counts of tokens

Mistral 7B, Mixtral, Small and Large of 2402. They know two roles: instructions are the user's
words, where they stand, and neighbours of one role are one turn. Texts that hold what the model
takes for the template's marks are refused by name: a user could speak as the assistant with them.
Sources:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-text-completion.html,
https://github.com/mistralai/mistral-common (InstructTokenizerV1: system prompts).
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from batchway.dialects.answers.chat import Choice, Message, Spent, completion
from batchway.dialects.bedrock.invoked import Asked, Invoked, id_of
from batchway.dialects.bedrock.limits import most_tokens, share, stops
from batchway.dialects.bedrock.turns import ASSISTANT, Turn, turns_of
from batchway.dialects.mistral.prompt_parameters import CHAT
from batchway.dialects.requests.chat import ChatRequest
from batchway.dialects.tolerant_json import read_by
from batchway.dialects.unsayable import Unsayable
from batchway.ports.dialect import Refused, Result

_MARK: Final = re.compile(r"\[/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|</?s>")
_FORGED: Final = "It holds a mark of the model's prompt, such as [INST] or </s>."
_BETWEEN: Final = "\n\n"
_MOST_STOPS: Final = 10
# What a line gets that names no limit: all that the page lets the model write. Left out, answers of
# Mistral 7B and Mixtral would end after 512.
_MOST: Final = 8_192
_MOST_OF_MIXTRAL: Final = 4_096


class _Request(msgspec.Struct, omit_defaults=True, gc=False):
    prompt: str
    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    stop: list[str] | None = None


class _Output(msgspec.Struct, gc=False):
    text: str | None = None
    stop_reason: str | None = None


class _Answer(msgspec.Struct, gc=False):
    outputs: list[_Output] | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Answer).decode


class MistralPromptDialect(Invoked):
    """Chat lines for one of Mistral's models that take a prompt."""

    __slots__ = ("_most",)

    def __init__(self, *, model: str) -> None:
        super().__init__(model=model, table=CHAT)
        self._most = _MOST_OF_MIXTRAL if "mixtral" in model.lower() else _MOST

    def _written(
        self,
        request: ChatRequest,
        body: bytes,  # noqa: ARG002 - the base's: nothing is passed on as it is
        ignored: dict[str, None],
    ) -> bytes:
        return _encode(
            _Request(
                prompt=_prompt(turns_of(request.messages, ignored)),
                max_tokens=most_tokens(request) or self._most,
                temperature=share(request.temperature, "temperature"),
                top_p=share(request.top_p, "top_p"),
                stop=stops(request.stop, _MOST_STOPS),
            )
        )

    def _read(self, body: bytes, asked: Asked) -> Result | Refused | None:
        answer = read_by(_decode, body)
        output = answer.outputs[0] if answer and answer.outputs else None
        if output is None or output.text is None:
            return None
        # The space that stands between `[/INST]` and what the assistant says is of the template.
        message = Message(content=output.text.removeprefix(" "))
        finish = "length" if output.stop_reason == "length" else "stop"
        return completion(
            id=id_of(body),
            created=asked.at,
            model=asked.model,
            choices=[Choice(0, message, finish)],
            spent=Spent(),
            warnings=asked.warnings,
        )


def _prompt(turns: Sequence[Turn]) -> str:
    """The prompt.

    Raises:
        Unsayable: a text would be read as a part of the template, or the turns are not a user's and
            an assistant's in turn.
    """
    merged: list[tuple[bool, list[str]]] = []
    for turn in turns:
        if _MARK.search(turn.text):
            raise Unsayable(turn.place, _FORGED)
        spoken = turn.role == ASSISTANT
        if merged and merged[-1][0] == spoken:
            merged[-1][1].append(turn.text)
        elif spoken and not merged:
            raise Unsayable("messages[0].role", "With this model a chat begins with the user.")
        else:
            merged.append((spoken, [turn.text]))
    if merged[-1][0]:
        raise Unsayable("messages", "The last is the assistant's, where this model needs a user's.")
    return "<s>" + " ".join(
        f"{_BETWEEN.join(texts)}</s>" if spoken else f"[INST] {_BETWEEN.join(texts)} [/INST]"
        for spoken, texts in merged
    )
