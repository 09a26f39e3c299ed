"""`ports.Dialect` of Llama's own body over InvokeModel, for chat lines.

    encode    {"prompt", "max_gen_len", "temperature", "top_p"}
    decode    {"generation", "prompt_token_count", "generation_token_count", "stop_reason"}

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from batchway.dialects.answers.chat import Choice, Message, Spent, completion, count
from batchway.dialects.bedrock.invoked import Asked, Invoked, id_of
from batchway.dialects.bedrock.limits import most_tokens, share
from batchway.dialects.bedrock.turns import turns_of
from batchway.dialects.llama.parameters import CHAT
from batchway.dialects.llama.template import prompt_of, template_of
from batchway.dialects.requests.chat import ChatRequest
from batchway.dialects.tolerant_json import read_by
from batchway.ports.dialect import Refused, Result

# What a line gets that names no limit: the most that the page lets every model write. Left out, the
# answer would end after 512.
_MOST: Final = 2_048
_FINISHES: Final[Mapping[str, str]] = {"stop": "stop", "length": "length"}


class _Request(msgspec.Struct, omit_defaults=True, gc=False):
    prompt: str
    max_gen_len: int
    temperature: float | None = None
    top_p: float | None = None


class _Answer(msgspec.Struct, gc=False):
    generation: str | None = None
    prompt_token_count: int | None = None
    generation_token_count: int | None = None
    stop_reason: str | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Answer, strict=False).decode


class LlamaDialect(Invoked):
    """Chat lines for one Llama."""

    __slots__ = ("_template",)

    def __init__(self, *, model: str) -> None:
        super().__init__(model=model, table=CHAT)
        self._template = template_of(model)

    def _written(
        self,
        request: ChatRequest,
        body: bytes,  # noqa: ARG002 - the base's: nothing is passed on as it is
        ignored: dict[str, None],
    ) -> bytes:
        turns = turns_of(request.messages, ignored)
        return _encode(
            _Request(
                prompt=prompt_of(turns, self._template),
                max_gen_len=most_tokens(request) or _MOST,
                temperature=share(request.temperature, "temperature"),
                top_p=share(request.top_p, "top_p"),
            )
        )

    def _read(self, body: bytes, asked: Asked) -> Result | Refused | None:
        answer = read_by(_decode, body)
        if answer is None or answer.generation is None:
            return None
        finish = _FINISHES.get(answer.stop_reason or "", "stop")
        return completion(
            id=id_of(body),
            created=asked.at,
            model=asked.model,
            choices=[Choice(0, Message(content=answer.generation), finish)],
            spent=Spent(
                inputs=count(answer.prompt_token_count),
                outputs=count(answer.generation_token_count),
            ),
            warnings=asked.warnings,
        )
