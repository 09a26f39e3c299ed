"""`ports.Dialect` of Bedrock's Converse, and of Amazon Nova's InvokeModel body, for chat lines.

    encode     `said`: messages, functions and parameters; what has no equivalent by name
    decode     a message as the one choice; Bedrock's errors in OpenAI's shape

The same body goes online and in jobs, but for tools, which jobs of Converse refuse record by
record. Owns how the two bodies are written, and what `context` holds: `!` for a request of the time
of `function_call`, `#` for one whose answer is the input of a call, and the names to warn of.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET

from batchway.dialects.answers.chat import Warned
from batchway.dialects.bedrock.error import no_answer, refused
from batchway.dialects.converse import nova_parameters
from batchway.dialects.converse.answer import Asked, NoAnswer, read_answer
from batchway.dialects.converse.models import Traits, nova_traits, traits_of
from batchway.dialects.converse.parameters import CHAT
from batchway.dialects.converse.said import Said, said_in
from batchway.dialects.converse.wire import ConverseRequest, InferenceConfig, NovaRequest
from batchway.dialects.one_body import OneBody
from batchway.dialects.requests.chat import read_chat
from batchway.dialects.requests.parameters import Parameters
from batchway.dialects.requests.size import size_of
from batchway.dialects.tolerant_json import object_in
from batchway.dialects.unsayable import Unsayable
from batchway.ports.dialect import Encoded, Refused, Result, Size, Unfaithful

_LEGACY: Final = b"!"
_BY_TOOL: Final = b"#"
_NO_MESSAGE: Final = "The provider's answer holds no message."

_encode: Final = msgspec.json.Encoder().encode


class _Chat(OneBody):
    """What the two dialects share: all but how a body is written."""

    __slots__ = ("_batch", "_model", "_readable", "_table", "_traits")

    def __init__(
        self,
        *,
        model: str,
        batch: bool,
        readable: Sequence[str],
        traits: Traits,
        table: Parameters,
    ) -> None:
        self._model = model
        self._batch = batch
        self._readable = tuple(readable)
        self._traits = traits
        self._table = table

    @property
    def faithful(self) -> bool:
        """It is not."""
        return False

    @abstractmethod
    def _written(self, said: Said) -> bytes:
        """The body."""

    def encode(
        self,
        body: bytes,
        *,
        named: str,  # noqa: ARG002 - the port's: no body names its model here
    ) -> Encoded | Unfaithful:
        """See `ports.Dialect`. Never raises."""
        request = read_chat(body)
        if isinstance(request, Unfaithful):
            return request
        known = self._table.check(request)
        if isinstance(known, Unfaithful):
            return known
        ignored = dict.fromkeys(known)
        try:
            said = said_in(
                request,
                self._traits,
                batch=self._batch,
                readable=self._readable,
                ignored=ignored,
            )
        except Unsayable as unsayable:
            return Unfaithful(unsayable.param, unsayable.why)
        flag = _BY_TOOL if said.by_tool else _LEGACY if request.functions else b""
        context = flag + ",".join(ignored).encode()
        return Encoded((self._written(said),), context=context, warnings=tuple(ignored))

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        """See `ports.Dialect`."""
        if not 200 <= status < 300:
            return refused(status, body)
        flag = context[:1] if context[:1] in (_LEGACY, _BY_TOOL) else b""
        names = context[len(flag) :].decode().split(",")
        asked = Asked(
            model=self._model,
            legacy=flag == _LEGACY,
            by_tool=flag == _BY_TOOL,
            at=at,
            warnings=[Warned(name, self._table.note(name)) for name in names if name],
        )
        read = read_answer(body, asked)
        if isinstance(read, Result):
            return read
        if isinstance(read, NoAnswer):
            return no_answer(read.message, code=read.code)
        return None if object_in(body) is None else no_answer(_NO_MESSAGE)

    def measure(self, body: bytes) -> Size:
        """See `ports.Dialect`."""
        return size_of(body)


class ConverseDialect(_Chat):
    """Chat lines for one model of Bedrock's, over Converse. `batch`: for jobs, which take no tools.

    `readable` are the addresses, such as `s3://bucket/prefix/`, below which lines may name objects.
    """

    __slots__ = ()

    def __init__(self, *, model: str, batch: bool, readable: Sequence[str] = ()) -> None:
        super().__init__(
            model=model, batch=batch, readable=readable, traits=traits_of(model), table=CHAT
        )

    def _written(self, said: Said) -> bytes:
        config = said.config
        additional = config.additional
        if config.reasoning is not UNSET:
            additional = {"reasoningConfig": config.reasoning}
        return _encode(
            ConverseRequest(
                messages=said.talk.turns,
                system=said.talk.system or UNSET,
                inference_config=UNSET if _nothing(config.inference) else config.inference,
                tool_config=said.tools,
                output_config=config.output,
                additional_model_request_fields=additional,
            )
        )


class NovaDialect(_Chat):
    """Chat lines for one Amazon Nova, in bodies of its own, online and in jobs the same.

    `readable` is as of `ConverseDialect`.
    """

    __slots__ = ()

    def __init__(self, *, model: str, readable: Sequence[str] = ()) -> None:
        super().__init__(
            model=model,
            batch=False,
            readable=readable,
            traits=nova_traits(model),
            table=nova_parameters.CHAT,
        )

    def _written(self, said: Said) -> bytes:
        inference = said.config.inference
        inference.reasoning_config = said.config.reasoning
        return _encode(
            NovaRequest(
                messages=said.talk.turns,
                system=said.talk.system or UNSET,
                inference_config=UNSET if _nothing(inference) else inference,
                tool_config=said.tools,
            )
        )


def _nothing(inference: InferenceConfig) -> bool:
    return inference == InferenceConfig()
