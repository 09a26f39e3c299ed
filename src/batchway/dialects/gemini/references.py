"""References and conjunctions within a JSON schema, written out where they stand.

    $ref, with keys beside it    what it leads to, joined with those keys
    allOf                        its schemas as one

A schema that is within itself has no end written out; one whose parts say different things under
one key is not guessed at. Both are refused. Pure.
Source: https://json-schema.org/draft/2020-12/json-schema-core (8.2.3, 10.2.1.1)
"""

from typing import Any, Final, cast

from batchway.dialects.unsayable import Unsayable

_Node = dict[str, Any]
_Refs = tuple[str, ...]

# Keys that say nothing of which values are valid.
ANNOTATIONS: Final = frozenset(
    [
        "$schema",
        "$id",
        "$anchor",
        "$comment",
        "$defs",
        "definitions",
        "title",
        "description",
        "default",
        "examples",
        "example",
        "deprecated",
        "readOnly",
        "writeOnly",
        "contentEncoding",
        "contentMediaType",
        "propertyOrdering",
        "nullable",
    ]
)
# What the values of keys are, where the translation relies on it.
_FORMS: Final = {
    "type": (str, list),
    "properties": dict,
    "required": list,
    "enum": list,
    "allOf": list,
    "anyOf": list,
    "oneOf": list,
    "items": (dict, bool, list),
    "prefixItems": list,
    "format": str,
    "pattern": str,
    "additionalProperties": (dict, bool),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), int),
    **dict.fromkeys(("minProperties", "maxProperties"), int),
    **dict.fromkeys(("minimum", "maximum"), (int, float)),
}


class References:
    """Those of one schema."""

    def __init__(self, root: object) -> None:
        self._root = root

    def flat(self, schema: object, refs: _Refs) -> tuple[_Node, _Refs]:
        """A schema without `$ref` and `allOf` of its own, and the references that led into it.

        Raises:
            Unsayable: there is no such schema.
        """
        if schema is True:
            return {}, refs
        if not isinstance(schema, dict):
            raise Unsayable("", "It is no JSON schema that a value could be valid against.")
        flat = self._formed(cast("_Node", schema))
        while "$ref" in flat:
            ref = flat["$ref"]
            if ref in refs:
                raise Unsayable("", "It contains itself, which Gemini's schemas cannot say.")
            refs = (*refs, ref)
            rest = {key: value for key, value in flat.items() if key != "$ref"}
            target = self._target(ref)
            if target is not True:
                if not isinstance(target, dict):
                    raise Unsayable("", "A reference in it leads to no schema.")
                rest = merged(self._formed(cast("_Node", target)), rest)
            flat = rest
        if "allOf" in flat:
            parts = cast("list[object]", flat["allOf"])
            flat = {key: value for key, value in flat.items() if key != "allOf"}
            for part in parts:
                other, refs = self.flat(part, refs)
                flat = merged(flat, other)
        return flat, refs

    def _formed(self, schema: _Node) -> _Node:
        """The schema, if the values of its keys are of the types that JSON schemas have."""
        for key, value in schema.items():
            form = _FORMS.get(key)
            if form is not None and not isinstance(value, form):
                raise Unsayable("", "A key in it has a value that JSON schemas do not have there.")
        return schema

    def _target(self, ref: object) -> object:
        if not isinstance(ref, str) or not ref.startswith("#"):
            raise Unsayable("", "A reference in it leads out of it.")
        found: object = self._root
        for step in ref[1:].split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            found = cast("_Node", found).get(key) if isinstance(found, dict) else None
            if found is None:
                raise Unsayable("", "A reference in it leads nowhere.")
        return found


def merged(one: _Node, other: _Node) -> _Node:
    """The schema of what is valid against both; annotations are those of `other`.

    Raises:
        Unsayable: they cannot be joined key by key.
    """
    both = dict(one)
    for key, value in other.items():
        if key not in both or both[key] == value or key in ANNOTATIONS:
            both[key] = value
        elif key == "properties":
            both[key] = _both_properties(both[key], value)
        elif key == "required":
            both[key] = [*both[key], *(name for name in value if name not in both[key])]
        elif key == "additionalProperties" and isinstance(value, bool):
            both[key] = both[key] if value else False
        elif key == "type" and {str(both[key]), str(value)} == {"number", "integer"}:
            both[key] = "integer"
        else:
            raise Unsayable("", "Schemas joined in it contradict each other, or nearly.")
    return both


def _both_properties(one: _Node, other: _Node) -> _Node:
    both = dict(one)
    for name, value in other.items():
        same = name not in both or both[name] == value
        both[name] = value if same else {"allOf": [both[name], value]}
    return both
