"""Schemas of lines as Gemini takes them, ready to be put into a body; kept, see `dialects.kept`.

    parameters_of    the parameters of a function: an object
    answer_of        the schema of an answer: anything

Owns which form a schema is written in, and what is refused of it. Names and descriptions of formats
and functions are no part of a schema: whoever writes the body adds them.
"""

from typing import Any, Final

import msgspec

from batchway.dialects.gemini.importer import columns, digest
from batchway.dialects.gemini.json_schemas import all_typed, as_json_schema
from batchway.dialects.gemini.schemas import joined, translate
from batchway.dialects.kept import Kept
from batchway.dialects.requests.schemas import read_schema
from batchway.dialects.unsayable import Unsayable
from batchway.ports.dialect import Unfaithful

# request > tools > functionDeclarations > parameters
_PARAMETERS_DEPTH: Final = 4
# request > generationConfig > responseSchema
_ANSWER_DEPTH: Final = 3
_UNTYPED: Final = (
    "Vertex AI's batch jobs take no schema of which a part has no type: its online API does."
)

_encode: Final = msgspec.json.Encoder().encode


class Translation(msgspec.Struct, frozen=True, gc=False):
    """A schema as `json`, empty where it asks for nothing; `why` says why it cannot be said.

    `subset` is whether it is one of the API's own schemas, else a JSON schema. `whole` is whether
    it lets through no more than the one given. `keys` are those of its root. `digest` is the same
    for schemas that may share a job.
    """

    json: bytes = b""
    subset: bool = True
    whole: bool = True
    keys: frozenset[str] = frozenset()
    digest: str = ""
    why: str = ""

    @property
    def size(self) -> int:
        """See `dialects.kept`."""
        return len(self.json) + sum(map(len, self.keys)) + len(self.why)


def _parameters(text: bytes, batch: bool) -> Translation:
    schema = read_schema(text)
    if isinstance(schema, Unfaithful):
        return Translation(why=schema.why)
    try:
        translated = joined(translate(schema))
        root = translated.schema
        # A function without parameters has no schema: an object without properties is refused.
        if root.keys().isdisjoint(("properties", "additionalProperties")):
            return Translation(whole=translated.whole)
        return _written(
            root,
            whole=translated.whole,
            digest=digest(_columns(root, depth=_PARAMETERS_DEPTH)) if batch else "",
        )
    except Unsayable as unsayable:
        return Translation(why=unsayable.why)


def _answer(text: bytes, batch: bool) -> Translation:
    schema = read_schema(text)
    if isinstance(schema, Unfaithful):
        return Translation(why=schema.why)
    try:
        translated = translate(schema, ordered=True)
        root = translated.schema
        if batch:
            _columns(root, depth=_ANSWER_DEPTH)
        return _written(root, whole=translated.whole, digest=digest(root) if batch else "")
    except Unsayable as unsayable:
        return Translation(why=unsayable.why)


def _columns(root: dict[str, Any], *, depth: int) -> dict[str, Any]:
    if not all_typed(root):
        raise Unsayable("", _UNTYPED)
    return columns(root, depth=depth)


def _written(root: dict[str, Any], *, whole: bool, digest: str) -> Translation:
    subset = all_typed(root)
    return Translation(
        json=_encode(root if subset else as_json_schema(root)),
        subset=subset,
        whole=whole,
        keys=frozenset(root),
        digest=digest,
    )


# Called with a schema's bytes and whether it is for a batch job.
parameters_of: Final = Kept(_parameters)
answer_of: Final = Kept(_answer)
