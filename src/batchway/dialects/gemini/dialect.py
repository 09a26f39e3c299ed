"""`ports.Dialect` of Gemini's `generateContent`, online and in Vertex AI's batch jobs.

    encode     messages, functions and parameters as one body; what has no equivalent by name
    decode     candidates as choices; Google's errors in OpenAI's shape

The same body goes both ways; in batch what its importer cannot take is left out or refused, and
`Encoded.shape` says what stands where. Owns which of the readings beside it is used when, and what
`context` holds: `!` for a request of the time of `function_call`, and the names to warn of.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET

from batchway.dialects.answers.chat import Warned
from batchway.dialects.gemini.answer import Asked, NoAnswer, read_answer
from batchway.dialects.gemini.config import config_of
from batchway.dialects.gemini.contents import Contents
from batchway.dialects.gemini.error import no_answer, refused
from batchway.dialects.gemini.functions import functions_of
from batchway.dialects.gemini.importer import Places
from batchway.dialects.gemini.models import traits_of
from batchway.dialects.gemini.parameters import CHAT
from batchway.dialects.gemini.wire import Request
from batchway.dialects.one_body import OneBody
from batchway.dialects.requests.chat import ChatRequest, read_chat
from batchway.dialects.requests.size import size_of
from batchway.dialects.tolerant_json import object_in
from batchway.dialects.unsayable import Unsayable
from batchway.ports.dialect import Encoded, Refused, Result, Size, Unfaithful

_LEGACY: Final = b"!"

_encode: Final = msgspec.json.Encoder().encode


class GeminiDialect(OneBody):
    """Chat lines for one model of Gemini's. `batch`: for the importer of batch jobs.

    `readable` are the addresses, such as `gs://bucket/prefix/`, below which lines may name objects
    of Cloud Storage.
    """

    __slots__ = ("_batch", "_model", "_readable", "_traits")

    def __init__(self, *, model: str, batch: bool, readable: Sequence[str] = ()) -> None:
        self._model = model
        self._batch = batch
        self._readable = tuple(readable)
        self._traits = traits_of(model)

    @property
    def faithful(self) -> bool:
        """It is not."""
        return False

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
        ignored = CHAT.check(request)
        if isinstance(ignored, Unfaithful):
            return ignored
        try:
            return self._encoded(request, dict.fromkeys(ignored))
        except Unsayable as unsayable:
            return Unfaithful(unsayable.param, unsayable.why)

    def _encoded(self, request: ChatRequest, ignored: dict[str, None]) -> Encoded:
        traits, batch = self._traits, self._batch
        places: Places = {}
        turns, instructions = Contents(
            signs_calls=traits.signs_calls,
            batch=batch,
            readable=self._readable,
            ignored=ignored,
            places=places,
        ).read(request.messages)
        tools, tool_config = functions_of(request, batch=batch, ignored=ignored, places=places)
        config = config_of(request, traits=traits, batch=batch, ignored=ignored, places=places)
        written = Request(
            contents=turns,
            system_instruction=UNSET if instructions is None else instructions,
            tools=tools,
            tool_config=tool_config,
            generation_config=UNSET if config is None else config,
        )
        context = ",".join(ignored).encode()
        return Encoded(
            (_encode(written),),
            context=_LEGACY + context if request.functions else context,
            warnings=tuple(ignored),
            shape=tuple(sorted(places.items())),
        )

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        """See `ports.Dialect`."""
        if not 200 <= status < 300:
            return refused(status, body)
        legacy = context[:1] == _LEGACY
        names = context[1:] if legacy else context
        warnings = [Warned(name, CHAT.note(name)) for name in names.decode().split(",") if name]
        read = read_answer(body, Asked(self._model, legacy, at, warnings))
        if isinstance(read, Result):
            return read
        if isinstance(read, NoAnswer):
            return no_answer(read.message, code=read.code)
        return None if object_in(body) is None else refused(status, body)

    def measure(self, body: bytes) -> Size:
        """See `ports.Dialect`."""
        return size_of(body)
