"""What of an embeddings line has to be known when its vectors come back.

    Wanted --context--> b"base64,256,20/8,user" --wanted_from--> Wanted

The context is empty for a line that asks for nothing but a vector. Pure.
"""

from typing import Final

import msgspec

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

    def of(self, texts: int, *, most: int) -> "Wanted":
        """The same of so many texts, of which a request has at most `most`."""
        each = min(texts, most)
        return msgspec.structs.replace(self, texts=each, rest=texts % each or each)


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
