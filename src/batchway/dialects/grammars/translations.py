"""Schemas of lines as models are bound to them, ready for a body; kept, see `dialects.kept`.

    parameters_of    the input of a tool, which is an object; bound to it where it is strict
    answer_of        the schema of an answer, always bound to it

Names and descriptions of formats and functions are no part of a schema: whoever writes the body
adds them.
"""

from typing import Final

import msgspec

from batchway.dialects.grammars.closed import closed, problem_of
from batchway.dialects.kept import Kept
from batchway.dialects.requests.schemas import read_schema
from batchway.dialects.tolerant_json import object_or_none
from batchway.ports.dialect import Unfaithful

_encode: Final = msgspec.json.Encoder().encode


class Translation(msgspec.Struct, frozen=True, gc=False):
    """A schema as `json`; or `why` it cannot be said.

    `describable` is whether a description may be added to it.
    """

    json: bytes = b""
    describable: bool = True
    why: str = ""

    @property
    def size(self) -> int:
        """See `dialects.kept`."""
        return len(self.json) + len(self.why)


def _parameters(text: bytes, strict: bool) -> Translation:
    value = read_schema(text)
    if isinstance(value, Unfaithful):
        return Translation(why=value.why)
    schema = object_or_none(value)
    if schema is None:
        return Translation(why="It is no JSON schema.")
    if "type" not in schema:
        schema = {"type": "object", **schema}
    if strict:
        why = problem_of(schema)
        if why is not None:
            return Translation(why=f"{why} A strict function is bound to it.")
        schema = closed(schema)
    return Translation(json=_encode(schema))


def _answer(text: bytes, strict: bool) -> Translation:  # noqa: ARG001 - an answer has one variant
    value = read_schema(text)
    if isinstance(value, Unfaithful):
        return Translation(why=value.why)
    why = problem_of(value)
    if why is not None:
        return Translation(why=why)
    schema = closed(value)
    describable = schema.keys().isdisjoint(("description", "$ref"))
    return Translation(json=_encode(schema), describable=describable)


# Called with a schema's bytes and whether the model is bound to it.
parameters_of: Final = Kept(_parameters)
answer_of: Final = Kept(_answer)
