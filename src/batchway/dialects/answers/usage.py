"""The usage of an answer whose tokens are counted beside its body. Pure.

It is written into OpenAI's body too: what a line's body says of its tokens is what is counted.
"""

from typing import Any, Final

import msgspec

from batchway.domain.batch import Usage
from batchway.ports.dialect import Result

_NAMES: Final = {
    b'"response"': ("input_tokens", "output_tokens"),
    b'"list"': ("prompt_tokens",),  # of embeddings, which are all input
}
_NAMES_OF_CHAT: Final = ("prompt_tokens", "completion_tokens")

_read: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_usage: Final = msgspec.json.Decoder(dict[str, Any] | None).decode
_encode: Final = msgspec.json.Encoder().encode


def with_usage(result: Result, usage: Usage) -> Result:
    """A result of a dialect, which holds no usage, with that one. All but its usage stays."""
    fields = _read(result.body)
    names = _NAMES.get(bytes(fields.get("object", b"")), _NAMES_OF_CHAT)
    counts = dict(zip(names, (usage.input_tokens, usage.output_tokens), strict=False))
    said = _read_usage(fields.get("usage", b"null")) or {}
    said |= {**counts, "total_tokens": sum(counts.values())}
    fields["usage"] = msgspec.Raw(_encode(said))
    outputs = usage.output_tokens if len(names) > 1 else 0
    return Result(_encode(fields), Usage(input_tokens=usage.input_tokens, output_tokens=outputs))
