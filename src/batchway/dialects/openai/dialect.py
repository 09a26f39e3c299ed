"""`ports.Dialect` of OpenAI's API and of everything that speaks it.

    encode     the body with the upstream's model spliced in; as it is where it names that already
    decode     an answer as it came, in one line; what an error says (`error`)

Every OpenAI body can be said in it, as one request. Owns which of the readings beside it is used
when; does not own them (`body`, `answer`, `error`).
"""

from typing import Final

from batchway.dialects.one_body import OneBody
from batchway.dialects.openai.answer import error_body, read_result
from batchway.dialects.openai.body import (
    count_inputs,
    estimate_tokens,
    with_model,
    without_stream,
)
from batchway.dialects.openai.error import read_error
from batchway.domain.endpoint import Endpoint
from batchway.ports.dialect import Encoded, Refused, Result, Size

# Served by some as a stream unless the body says otherwise. Elsewhere no stream is the default.
_STREAMED_BY_DEFAULT: Final = Endpoint.RESPONSES
_NO_CREDIT: Final = 402
_NO_MODEL: Final = frozenset({"model_not_found", "DeploymentNotFound", "invalid_model"})


class OpenAIDialect(OneBody):
    """Bodies of one endpoint for one upstream model."""

    __slots__ = ("_counts_inputs", "_may_stream", "_model")

    def __init__(self, *, endpoint: str, model: str) -> None:
        self._model = model
        self._may_stream = endpoint == _STREAMED_BY_DEFAULT
        self._counts_inputs = endpoint == Endpoint.EMBEDDINGS

    @property
    def faithful(self) -> bool:
        """It is."""
        return True

    def encode(self, body: bytes, *, named: str) -> Encoded:
        """See `ports.Dialect`. Raises `ValueError` unless the body is an object."""
        if named != self._model:
            body = with_model(body, self._model)
        if self._may_stream:
            body = without_stream(body)
        return Encoded((body,))

    def decode(
        self,
        status: int,
        body: bytes,
        context: bytes,  # noqa: ARG002 - the port's: an answer says all there is to know
        *,
        at: int = 0,  # noqa: ARG002
    ) -> Result | Refused | None:
        """See `ports.Dialect`."""
        if 200 <= status < 300:
            read = read_result(body)
            if read is None or isinstance(read, Result):
                return read
            status = read.status
        said = read_error(body)
        of_account = said.of_account
        return Refused(
            status=status,
            code=said.code,
            kind=said.kind or said.status,
            message=said.message,
            of_account=of_account,
            body=error_body(status, body),
            no_credit=status == _NO_CREDIT or (of_account and said.no_credit),
            of_model=said.word in _NO_MODEL,
        )

    def measure(self, body: bytes) -> Size:
        """See `ports.Dialect`."""
        inputs = count_inputs(body) if self._counts_inputs else 1
        return Size(tokens=estimate_tokens(body), inputs=inputs)
