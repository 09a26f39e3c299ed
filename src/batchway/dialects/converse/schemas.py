"""JSON schemas as Amazon Nova takes them for the input of a tool; kept, see `dialects.kept`.

At its root Nova knows `type`, `properties` and `required` and no other word: references are written
out, what names the schema or its language is left out, and what else would bind a value is refused
by name. Below the root nothing changes. Source:
https://docs.aws.amazon.com/nova/latest/userguide/prompting-tool-troubleshooting.html
"""

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from batchway.dialects.grammars.translations import Translation
from batchway.dialects.kept import Kept
from batchway.dialects.requests.schemas import read_schema
from batchway.dialects.tolerant_json import object_or_none
from batchway.dialects.unsayable import Unsayable
from batchway.ports.dialect import Unfaithful

_ROOT: Final = ("type", "properties", "required")
# They name a schema or its language, or say what is so anyway.
_MEANINGLESS: Final = frozenset(
    ("$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "strict")
)
# Below these stand schemas by any name, and values of any form: no words of a schema.
_NAMING: Final = frozenset(("properties", "patternProperties", "dependentSchemas"))
_VALUES: Final = frozenset(("const", "enum", "default", "example", "examples"))
_DEFINING: Final = frozenset(("$defs", "definitions"))
_DEEPEST: Final = 64
_MOST_VALUES: Final = 20_000  # of a schema with its references written out

_encode: Final = msgspec.json.Encoder().encode


def _input(text: bytes, strict: bool) -> Translation:  # noqa: ARG001 - Nova is bound to all alike
    schema = read_schema(text)
    if isinstance(schema, Unfaithful):
        return Translation(why=schema.why)
    fields = object_or_none(schema)
    if fields is None:
        return Translation(why="It is no JSON schema.")
    try:
        return Translation(json=_encode(_root(fields)))
    except Unsayable as unsayable:
        return Translation(why=unsayable.why)


def _root(schema: dict[str, Any]) -> dict[str, Any]:
    written = cast("dict[str, Any]", _Writer(schema).written(schema))
    if written.get("type", "object") != "object":
        raise Unsayable("", "This model takes the schema of an object only.")
    for word, value in written.items():
        if word in _ROOT or word in _MEANINGLESS:
            continue
        if word == "additionalProperties" and isinstance(value, bool):
            continue  # bound to its words, the model makes up no other keys
        raise Unsayable("", f"At a schema's root this model knows {', '.join(_ROOT)} only.")
    properties = written.get("properties", {})
    if not isinstance(properties, dict):
        raise Unsayable("", "The schema's `properties` is no JSON object.")
    root: dict[str, Any] = {"type": "object", "properties": properties}
    if written.get("required"):
        root["required"] = written["required"]
    return root


class _Writer:
    """Writes a schema's local references out."""

    __slots__ = ("_definitions", "_left")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._left = _MOST_VALUES
        self._definitions: dict[str, object] = {}
        for word in ("definitions", "$defs"):
            for name, each in (object_or_none(schema.get(word)) or {}).items():
                self._definitions[f"#/{word}/{name}"] = each

    def written(self, value: object, *, depth: int = 0, within: tuple[str, ...] = ()) -> object:
        """The value without references. `within` are those that it stands in.

        Raises:
            Unsayable: it refers to itself, or to what is not there, or is too large then.
        """
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise Unsayable("", "The schema is too large or too deep with its references.")
        if isinstance(value, list):
            items = cast("list[object]", value)
            return [self.written(each, depth=depth + 1, within=within) for each in items]
        fields = object_or_none(value)
        if fields is None:
            return value
        reference = fields.get("$ref")
        if isinstance(reference, str):
            return self._target(reference, fields, depth, within)
        return self._members(fields, depth, within)

    def _members(
        self, fields: Mapping[str, Any], depth: int, within: tuple[str, ...]
    ) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for word, each in fields.items():
            if word in _DEFINING:
                continue
            named = object_or_none(each) if word in _NAMING else None
            if named is not None:
                members[word] = {
                    name: self.written(schema, depth=depth + 1, within=within)
                    for name, schema in named.items()
                }
            elif word in _VALUES:
                members[word] = each
            else:
                members[word] = self.written(each, depth=depth + 1, within=within)
        return members

    def _target(
        self, reference: str, fields: Mapping[str, Any], depth: int, within: tuple[str, ...]
    ) -> object:
        if reference in within:
            raise Unsayable("", "The schema refers to itself, which this model does not take.")
        if reference not in self._definitions:
            raise Unsayable("", "The schema refers to what is not in it.")
        target = self.written(
            self._definitions[reference], depth=depth + 1, within=(*within, reference)
        )
        beside = self._members(
            {word: each for word, each in fields.items() if word != "$ref"}, depth, within
        )
        if not beside:
            return target
        return {**(object_or_none(target) or {}), **beside}


# Called with a schema's bytes, and whether it is strict, which changes nothing.
nova_input: Final = Kept(_input)
