"""An embeddings line at Google: its texts, and what of it has to be known when vectors come back.

    body --read_line--> Line(texts, wanted) --Wanted.context--> b"base64,256,20/8,user"

The context is empty for a line that asks for nothing but a vector. Pure.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from batchway.dialects.gemini.embeddings_parameters import EMBEDDINGS, EmbeddingModel
from batchway.dialects.requests.embeddings import read_embeddings, texts_of
from batchway.ports.dialect import Size, Unfaithful

# OpenAI's, of the texts of one request.
_MOST_TEXTS: Final = 2_048
# Google's, of one request of the `predict` method: texts, and their tokens together. A text has
# never more tokens than bytes. (get-text-embeddings, "API limits", 2026-11)
_MOST_INSTANCES: Final = 250
_MOST_TOKENS: Final = 20_000
_BASE64: Final = "base64"


class Wanted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the vectors of a line have to be.

    `texts` are those of each request of the line but the last, which has `rest` of them. `warnings`
    are names of parameters that are left out.
    """

    base64: bool = False
    dimensions: int | None = None
    texts: int = 1
    rest: int = 1
    warnings: tuple[str, ...] = ()

    @property
    def context(self) -> bytes:
        """The same in some tens of bytes."""
        if self == _PLAIN:
            return b""
        several = f"{self.texts}/{self.rest}" if self.texts > 1 else ""
        form = _BASE64 if self.base64 else ""
        return ",".join((form, str(self.dimensions or ""), several, *self.warnings)).encode()


_PLAIN: Final = Wanted()


def wanted_from(context: bytes) -> Wanted:
    """What was wanted, from its `context`."""
    if not context:
        return _PLAIN
    form, dimensions, several, *warnings = context.decode().split(",")
    texts, _, rest = several.partition("/")
    return Wanted(
        base64=form == _BASE64,
        dimensions=int(dimensions) if dimensions else None,
        texts=int(texts or 1),
        rest=int(rest or 1),
        warnings=tuple(warnings),
    )


class Line(msgspec.Struct, frozen=True, gc=False):
    """A line's texts, at least one, and what their vectors have to be if each goes alone."""

    texts: list[str]
    wanted: Wanted


def read_line(body: bytes, limits: EmbeddingModel | None) -> Line | Unfaithful:
    """What a line asks of a model; or the first parameter that cannot be said there."""
    request = read_embeddings(body)
    if isinstance(request, Unfaithful):
        return request
    ignored = EMBEDDINGS.check(request)
    if isinstance(ignored, Unfaithful):
        return ignored
    texts = texts_of(request)
    if isinstance(texts, Unfaithful):
        return texts
    if len(texts) > _MOST_TEXTS:
        return Unfaithful(
            "input", f"OpenAI's API takes at most {_MOST_TEXTS:,} texts in a request."
        )
    if not all(texts):
        place = "input" if isinstance(request.input, str) else f"input[{texts.index('')}]"
        return Unfaithful(place, "It is an empty text, which cannot be embedded.")
    dimensions = request.dimensions
    if dimensions is not None:
        if dimensions < 1:
            return Unfaithful("dimensions", "It must be at least 1.")
        if limits is not None and dimensions > limits.numbers:
            why = f"Vectors of {limits.prefix}* models have at most {limits.numbers:,} numbers."
            return Unfaithful("dimensions", why)
    return Line(texts, Wanted(base64=request.base64, dimensions=dimensions, warnings=ignored))


def measured(body: bytes) -> Size:
    """The size of a line; a guess at its tokens is a quarter of its bytes. Never raises."""
    request = read_embeddings(body)
    inputs = 1
    if not isinstance(request, Unfaithful) and isinstance(request.input, list):
        inputs = len(request.input)
    return Size(tokens=len(body) // 4 + 1, inputs=max(1, inputs))


def texts_a_request(texts: Sequence[str], *, line_bytes: int) -> int:
    """How many of them go into each request of the `predict` method, in their order."""
    most = min(len(texts), _MOST_INSTANCES)
    if line_bytes <= _MOST_TOKENS:
        return most
    sizes = [len(text) if text.isascii() else len(text.encode()) for text in texts]
    while most > 1 and any(
        sum(sizes[start : start + most]) > _MOST_TOKENS for start in range(0, len(sizes), most)
    ):
        most = (most + 1) // 2
    return most
