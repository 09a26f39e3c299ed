"""`ports.Dialect` for one family of InvokeModel bodies: all but how its bodies and answers are.

    encode    the request is read, its table of parameters asked, and the family writes a body
    decode    the family reads an answer; what is none, or an error of Bedrock's, is read here

No body names its model, which is in the address or in the job. `context` holds the names of what
was left out of a line.
"""

from abc import abstractmethod
from hashlib import blake2b

import msgspec

from batchway.dialects.answers.chat import Warned
from batchway.dialects.bedrock.error import no_answer, refused
from batchway.dialects.one_body import OneBody
from batchway.dialects.requests.chat import ChatRequest, read_chat
from batchway.dialects.requests.parameters import Parameters
from batchway.dialects.requests.size import size_of
from batchway.dialects.tolerant_json import object_in
from batchway.dialects.unsayable import Unsayable
from batchway.ports.dialect import Encoded, Refused, Result, Size, Unfaithful

_NO_MESSAGE = "The provider's answer holds no message."


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What is known of a line when its answer comes. `at` is in Unix seconds."""

    model: str
    at: int
    warnings: list[Warned]


class Invoked(OneBody):
    """Chat lines for one model, in bodies of the family that extends it."""

    __slots__ = ("_model", "_table")

    def __init__(self, *, model: str, table: Parameters) -> None:
        self._model = model
        self._table = table

    @property
    def faithful(self) -> bool:
        """It is not."""
        return False

    @abstractmethod
    def _written(self, request: ChatRequest, body: bytes, ignored: dict[str, None]) -> bytes:
        """The body, one line of JSON. `body` is the line's; names of what is left out are added.

        Raises:
            Unsayable: a part of the request cannot be said to the model.
        """

    @abstractmethod
    def _read(self, body: bytes, asked: Asked) -> Result | Refused | None:
        """The completion that the body of a 2xx is; `None` if it has not the family's form.

        Never raises.
        """

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
            written = self._written(request, body, ignored)
        except Unsayable as unsayable:
            return Unfaithful(unsayable.param, unsayable.why)
        return Encoded((written,), ",".join(ignored).encode(), tuple(ignored))

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        """See `ports.Dialect`."""
        if not 200 <= status < 300:
            return refused(status, body)
        names = context.decode().split(",")
        warnings = [Warned(name, self._table.note(name)) for name in names if name]
        read = self._read(body, Asked(self._model, at, warnings))
        if read is not None:
            return read
        return None if object_in(body) is None else no_answer(_NO_MESSAGE)

    def measure(self, body: bytes) -> Size:
        """See `ports.Dialect`."""
        return size_of(body)


def id_of(body: bytes) -> str:
    """The id of an answer that has none: the same bytes have the same."""
    return blake2b(body, digest_size=12).hexdigest()
