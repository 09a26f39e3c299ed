"""How large a chat line is, for dialects whose bodies are not OpenAI's. Pure."""

from typing import Final

import msgspec

from batchway.ports.dialect import Size


class _Sized(msgspec.Struct, gc=False):
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None


_decode: Final = msgspec.json.Decoder(_Sized).decode


def size_of(body: bytes) -> Size:
    """A guess at the tokens of a line: a quarter of its bytes, and what it lets be generated.

    Never raises. Only used to spread requests over a minute; what answers report corrects it.
    """
    prompt = len(body) // 4 + 1
    try:
        sizes = _decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return Size(prompt)
    answer = sizes.max_completion_tokens or sizes.max_tokens or sizes.max_output_tokens or 0
    return Size(prompt + max(answer, 0) * max(sizes.n or 1, 1))
