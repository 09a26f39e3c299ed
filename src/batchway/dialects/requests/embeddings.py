"""OpenAI's embeddings request as typed values. Pure."""

from typing import Final, TypeVar

import msgspec

from batchway.dialects.requests.problems import problem
from batchway.dialects.tolerant_json import UNREADABLE
from batchway.ports.dialect import Unfaithful


class EmbeddingsRequest(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The body of an embeddings line. `None` is a parameter that is not given, or null.

    Lists of numbers are tokens: of one text, or of several.
    """

    input: str | list[str | int | list[int]]
    model: str | None = None
    dimensions: int | None = None
    encoding_format: str | None = None
    user: str | None = None

    @property
    def base64(self) -> bool:
        """Whether vectors are wanted as base64 of little-endian floats of 32 bits."""
        return self.encoding_format == "base64"


class TypedEmbeddingsRequest(EmbeddingsRequest, gc=False):
    """The same where models embed a text otherwise for another use: `input_type` says which.

    It is none of OpenAI's: clients send it as `extra_body`.
    """

    input_type: str | None = None


_Request = TypeVar("_Request", bound=EmbeddingsRequest)
_plain: Final = msgspec.json.Decoder(EmbeddingsRequest)
_typed: Final = msgspec.json.Decoder(TypedEmbeddingsRequest)


def read_embeddings(body: bytes) -> EmbeddingsRequest | Unfaithful:
    """The request that a line's body is; or its first parameter that is not as OpenAI takes it."""
    return _read(_plain, body)


def read_typed_embeddings(body: bytes) -> TypedEmbeddingsRequest | Unfaithful:
    """The same, with its `input_type`."""
    return _read(_typed, body)


def _read(decoder: msgspec.json.Decoder[_Request], body: bytes) -> _Request | Unfaithful:
    try:
        request = decoder.decode(body)
    except UNREADABLE as error:
        return problem(error)
    if request.encoding_format not in (None, "float", "base64"):
        return Unfaithful("encoding_format", "OpenAI's API takes float or base64 here.")
    return request


def texts_of(request: EmbeddingsRequest) -> list[str] | Unfaithful:
    """The texts to embed, at least one; tokens mean nothing to a model that is not OpenAI's."""
    given = request.input
    texts = [given] if isinstance(given, str) else [text for text in given if type(text) is str]
    if not texts and not given:
        return Unfaithful("input", "It is empty.")
    if isinstance(given, list) and len(texts) != len(given):
        return Unfaithful("input", "It holds tokens of OpenAI's models: send the text instead.")
    return texts
