"""`ports.Dialect` of OpenAI's Responses API, over a dialect of its chat API.

    encode     Responses request -> chat request -> whatever the account speaks
    decode     whatever it answered -> chat completion -> Response

Every account that can chat takes `/v1/responses` lines this way. What has no equivalent in chat is
refused here; what the account's chat has not, its own dialect refuses, and the parameter is named
as the Responses request has it. Owns the order of the steps.
"""

from typing import Final

import msgspec

from batchway.dialects.answers.errors import error_body, type_of
from batchway.dialects.one_body import OneBody
from batchway.dialects.requests.responses import read_responses
from batchway.dialects.responses.answer import response
from batchway.dialects.responses.repeated import from_context, repeated, to_context
from batchway.dialects.responses.request import to_chat
from batchway.dialects.tolerant_json import UNREADABLE
from batchway.ports.dialect import Dialect, Encoded, Refused, Result, Size, Unfaithful

_NO_ANSWER: Final = 502
_NOT_A_COMPLETION: Final = "The provider's answer holds no message of the model."


class _Sized(msgspec.Struct, gc=False):
    max_output_tokens: int | None = None


_sized: Final = msgspec.json.Decoder(_Sized).decode
_encode: Final = msgspec.json.Encoder().encode


class ResponsesDialect(OneBody):
    """Responses bodies for one model of an account, whose chat bodies are `inner`'s."""

    __slots__ = ("_inner", "_model")

    def __init__(self, *, inner: Dialect, model: str) -> None:
        self._inner = inner
        self._model = model

    @property
    def faithful(self) -> bool:
        """It is not: much of the Responses API is OpenAI's own."""
        return False

    def encode(
        self,
        body: bytes,
        *,
        named: str,  # noqa: ARG002 - the port's: the chat request names the account's model
    ) -> Encoded | Unfaithful:
        """See `ports.Dialect`. Never raises."""
        request = read_responses(body)
        if isinstance(request, Unfaithful):
            return request
        chat = to_chat(request, model=self._model)
        if isinstance(chat, Unfaithful):
            return chat
        encoded = self._inner.encode(_encode(chat.body), named=self._model)
        if isinstance(encoded, Unfaithful):
            return Unfaithful(chat.param(encoded.param), encoded.why)
        kept = repeated(request, functions=chat.functions, warnings=chat.ignored)
        warnings = (*kept.warnings, *map(chat.param, encoded.warnings))
        return Encoded(encoded.bodies, to_context(kept, encoded.context), warnings, encoded.shape)

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        """See `ports.Dialect`. Refusals are the chat dialect's."""
        kept, inner = from_context(context)
        decoded = self._inner.decode(status, body, inner, at=at)
        if not isinstance(decoded, Result):
            return decoded
        said = response(decoded, kept, model=self._model, at=at)
        if said is None:
            return Refused(
                status=_NO_ANSWER,
                code="",
                kind=type_of(_NO_ANSWER),
                message=_NOT_A_COMPLETION,
                of_account=False,
                body=error_body(_NO_ANSWER, _NOT_A_COMPLETION),
            )
        return Result(said, decoded.usage)

    def measure(self, body: bytes) -> Size:
        """See `ports.Dialect`: a quarter of the bytes, and what may be generated."""
        prompt = len(body) // 4 + 1
        try:
            most = _sized(body).max_output_tokens
        except UNREADABLE:
            return Size(tokens=prompt)
        return Size(tokens=prompt + (most if most is not None and most > 0 else 0))
