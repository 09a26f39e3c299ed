"""JSON schemas as Vertex AI's `Schema`, the subset of OpenAPI 3.0 that Gemini is held to.

    $ref, allOf        written out where they stand; a schema within itself cannot be
    anyOf, oneOf       anyOf, as the only key of its node: the API refuses keys beside it
    type: [..., null]  anyOf of the types, and `nullable`
    const, enum        enum of texts; of whole numbers a range; none of anything else
    additionalProperties   a schema; `false` says no more than that the model keeps to its schema

What the subset has no word for loosens the schema, and `whole` is false: the caller warns. What
would change it is refused. Annotations for people ($id, examples, ...) are dropped. A part that may
be of any type has none here, which the API refuses: see `json_schemas`.
Source: https://docs.cloud.google.com/vertex-ai/docs/reference/rest/v1/Schema, and for `anyOf`
https://github.com/googleapis/python-genai/issues/625. Pure.
"""

import sys
from typing import Any, Final, cast

import msgspec

from batchway.dialects.gemini.references import ANNOTATIONS, References, merged
from batchway.dialects.unsayable import Unsayable

_DEEPEST: Final = 48
_MOST_NODES: Final = 4_000

_Node = dict[str, Any]
_Refs = tuple[str, ...]

_TYPES: Final = {
    "string": "STRING",
    "number": "NUMBER",
    "integer": "INTEGER",
    "boolean": "BOOLEAN",
    "array": "ARRAY",
    "object": "OBJECT",
}
# Of each type, the keys that the subset has as they are.
_SAME: Final = {
    "string": ("pattern", "minLength", "maxLength"),
    "number": ("minimum", "maximum"),
    "integer": ("minimum", "maximum"),
    "boolean": (),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_FORMATS: Final = {
    "string": ("date-time",),
    "number": ("float", "double"),
    "integer": ("int32", "int64"),
}
_READ: Final = ANNOTATIONS | {
    "type",
    "format",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "exclusiveMinimum",
    "exclusiveMaximum",
    *(key for keys in _SAME.values() for key in keys),
}
# Most schemas are of one type and list no values: those are not asked for more.
_ONE_TYPE: Final = tuple(_TYPES)
_MORE_THAN_ONE: Final = frozenset({"anyOf", "oneOf", "enum", "const"})
# What a key tells of the type where there is none.
_TELLING: Final = (
    ("object", ("properties", "required", "additionalProperties", "minProperties")),
    ("array", ("items", "prefixItems", "minItems", "maxItems")),
    ("string", ("pattern", "minLength", "maxLength")),
    ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)


class Translated(msgspec.Struct, frozen=True):
    """A schema in the subset. `whole` is whether it lets through no more than the one given."""

    schema: _Node
    whole: bool


def translate(schema: object, *, ordered: bool = False) -> Translated:
    """`schema` in the subset. `ordered` writes the order of properties down, for answers.

    Raises:
        Unsayable: it is none, refers to itself, or is too large written out. It names no place.
    """
    translation = _Translation(schema, ordered)
    return Translated(translation.node(schema, (), 0), translation.whole)


def joined(parameters: Translated) -> Translated:
    """Parameters of a function, which are one object here: of a union, what its options share.

    They may say different things of what is required, and then nothing is that not all of them do.

    Raises:
        Unsayable: they are no object, or options of a union differ in more. It names no place.
    """
    root = parameters.schema
    if not is_typed(root):
        return parameters
    options: list[_Node] = root.get("anyOf", [root])
    if any(option["type"] != "OBJECT" for option in options):
        raise Unsayable("", "It is no object, as the parameters of a function are.")
    rests = [{key: each for key, each in option.items() if key != "required"} for option in options]
    if any(rest != rests[0] for rest in rests):
        raise Unsayable("", "Gemini takes no union for the parameters of a function.")
    if len(options) == 1:
        return parameters
    names = [set(option.get("required", ())) for option in options]
    required = [name for name in rests[0].get("properties", {}) if all(name in of for of in names)]
    whole = parameters.whole and all(len(of) == len(required) for of in names)
    return Translated(rests[0] | ({"required": required} if required else {}), whole)


class _Translation:
    def __init__(self, root: object, ordered: bool) -> None:
        self.whole = True
        self._references = References(root)
        self._ordered = ordered
        self._nodes = 0

    def node(self, schema: object, refs: _Refs, depth: int) -> _Node:
        """A schema in the subset; never an empty object."""
        self._nodes += 1
        if self._nodes > _MOST_NODES or depth > _DEEPEST:
            raise Unsayable("", "It is too large or too deep with its references written out.")
        flat, refs = self._references.flat(schema, refs)
        if flat.get("type") in _ONE_TYPE and flat.keys().isdisjoint(_MORE_THAN_ONE):
            return self._single(flat, None, refs, depth)
        values = self._values(flat)
        union = self._options(flat, values, refs)
        if union is None:
            return self._single(flat, values, refs, depth)
        options, nullable = union
        if not options and not nullable:
            raise Unsayable("", "It lists no value that is of its type.")
        written = [self.node(option, within, depth + 1) for option, within in options]
        # A union within a union is one union, and null in it makes all of it nullable.
        every = [each for option in written for each in option.get("anyOf", (option,))]
        rest = [option for option in every if option.get("type") != "NULL"]
        if not rest:
            return {"type": "NULL"}
        if not all("type" in option for option in rest):
            return self._anything(flat)
        if nullable or len(rest) < len(every):
            for option in rest:
                option["nullable"] = True
        return rest[0] if len(rest) == 1 else {"anyOf": rest}

    # ------------------------------------------------------------------------- unions

    def _options(
        self, flat: _Node, values: list[object] | None, refs: _Refs
    ) -> tuple[list[tuple[_Node, _Refs]], bool] | None:
        """The schemas of which one is to hold, and whether null is one; `None` for no union.

        Each comes with the references that led into it.
        """
        options: list[tuple[_Node, _Refs]] | None = None
        types = flat.get("type")
        key = "anyOf" if flat.get("anyOf") else "oneOf"
        if flat.get(key):
            base = {name: value for name, value in flat.items() if name != key}
            options = []
            for option in cast("list[object]", flat[key]):
                other, within = self._references.flat(option, refs)
                options.append((merged(base, other), within))
        elif isinstance(types, list):
            each_type = [{**flat, "type": each} for each in cast("list[object]", types)]
            options = [(each, refs) for each in each_type if self._values(each) != []]
        elif values is not None and types is None:
            kinds = dict.fromkeys(_kind(value) for value in values)
            if len(kinds) > 1 or "null" in kinds:
                rest = {name: value for name, value in flat.items() if name != "const"}
                options = [
                    ({**rest, "enum": [each for each in values if _kind(each) == kind]}, refs)
                    for kind in kinds
                ]
        elif types == "null":
            return [], True
        if options is None:
            return None
        rest_of_them = [each for each in options if not _is_null(each[0])]
        return rest_of_them, len(rest_of_them) < len(options)

    def _values(self, flat: _Node) -> list[object] | None:
        """The values that it lists, of those that its type has."""
        if "const" in flat:
            values = [flat["const"]]
        elif flat.get("enum"):
            values = cast("list[object]", flat["enum"])
        else:
            return None
        kind = flat.get("type")
        if isinstance(kind, str):
            kinds = ("integer", "number") if kind == "number" else (kind,)
            values = [value for value in values if _kind(value) in kinds]
        return values

    # ------------------------------------------------------------------------- one type

    def _single(self, flat: _Node, values: list[object] | None, refs: _Refs, depth: int) -> _Node:
        if values == []:
            raise Unsayable("", "It lists no value that is of its type.")
        kind = flat.get("type") or (_told(flat) if values is None else _kind(values[0]))
        if not flat.keys() <= _READ:
            self.whole = False
        if kind is None:
            return self._anything(flat)
        if not isinstance(kind, str) or kind not in _TYPES:
            raise Unsayable("", "It names a type that JSON schemas do not have.")
        node: _Node = {"type": _TYPES[kind]}
        self._describe(flat, node)
        node.update({key: flat[key] for key in _SAME[kind] if key in flat})
        if flat.get("format") in _FORMATS.get(kind, ()):
            node["format"] = flat["format"]
        elif "format" in flat:
            self.whole = False
        if values is not None:
            self._enumerate(kind, values, node)
        match kind:
            case "object":
                self._object(flat, node, refs, depth)
            case "array":
                self._array(flat, node, refs, depth)
            case "number" | "integer":
                self._bounds(kind, flat, node)
            case _:
                pass  # the keys above are all there are
        return node

    def _anything(self, flat: _Node) -> _Node:
        """Without a type everything is valid, null too. The subset has no word for that."""
        node: _Node = {"nullable": True}
        self._describe(flat, node)
        return node

    def _describe(self, flat: _Node, node: _Node) -> None:
        for key in ("title", "description"):
            text = flat.get(key)
            if isinstance(text, str) and text:
                node[key] = text
        default = flat.get("default")
        if isinstance(default, str | int | float):
            node["default"] = default
        if flat.get("nullable") is True:
            node["nullable"] = True

    def _object(self, flat: _Node, node: _Node, refs: _Refs, depth: int) -> None:
        properties = cast("_Node", flat.get("properties") or {})
        if properties:
            node["properties"] = {
                name: self.node(each, refs, depth + 1) for name, each in properties.items()
            }
            if self._ordered and len(properties) > 1:
                node["propertyOrdering"] = list(properties)
        required = cast("list[object]", flat.get("required") or [])
        listed = [name for name in required if isinstance(name, str) and name in properties]
        if len(listed) < len(required):
            self.whole = False
        if listed:
            node["required"] = listed
        more = flat.get("additionalProperties")
        if isinstance(more, dict) and more:
            values = self.node(cast("_Node", more), refs, depth + 1)
            if is_typed(values):
                node["additionalProperties"] = values

    def _array(self, flat: _Node, node: _Node, refs: _Refs, depth: int) -> None:
        items, prefix = flat.get("items"), flat.get("prefixItems")
        if isinstance(items, list):
            prefix, items = cast("list[object]", items), flat.get("additionalItems")
        if prefix:
            # A tuple: which of them stands where is lost.
            self.whole = False
            options = list(cast("list[object]", prefix))
            if isinstance(items, dict):
                options.append(cast("_Node", items))
            elif items is False:
                node.setdefault("maxItems", len(options))
            items = {"anyOf": options}
        node["items"] = self.node(True if items in (None, False) else items, refs, depth + 1)

    def _bounds(self, kind: str, flat: _Node, node: _Node) -> None:
        for key, bound, step in (
            ("exclusiveMinimum", "minimum", 1),
            ("exclusiveMaximum", "maximum", -1),
        ):
            limit = flat.get(key)
            if isinstance(limit, bool) or not isinstance(limit, int | float):
                # A truth: so older drafts say that the bound itself is out.
                self.whole = self.whole and not limit
                continue
            if kind == "integer" and isinstance(limit, int):
                limit += step
            else:
                self.whole = False
            given = node.get(bound, limit)
            node[bound] = max(given, limit) if step > 0 else min(given, limit)
        for bound in ("minimum", "maximum"):
            # Doubles on the wire: said so, lest a job's table makes a column of whole numbers.
            if isinstance(node.get(bound), int):
                node[bound] = _double(node[bound])

    def _enumerate(self, kind: str, values: list[object], node: _Node) -> None:
        if kind == "string" and all(isinstance(value, str) and value for value in values):
            node["enum"] = values
            return
        if kind in ("integer", "number"):
            numbers = [value for value in values if isinstance(value, int | float)]
            if len(numbers) == len(values):
                low, high = min(numbers), max(numbers)
                node["minimum"], node["maximum"] = low, high
                if low == high or (kind == "integer" and len(set(numbers)) == high - low + 1):
                    return
        if kind == "boolean" and len(values) == 2:
            return
        self.whole = False


def is_typed(node: _Node) -> bool:
    """Whether a schema in the subset says of which type, or types, a value is to be."""
    return "type" in node or "anyOf" in node


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return sys.float_info.max if value > 0 else -sys.float_info.max


def _is_null(option: _Node) -> bool:
    if option.get("type") == "null":
        return True
    return "type" not in option and (
        ("const" in option and option["const"] is None) or option.get("enum") == [None]
    )


def _told(flat: _Node) -> str | None:
    """The type that the keys of a schema tell."""
    return next((kind for kind, keys in _TELLING if any(key in flat for key in keys)), None)


def _kind(value: object) -> str:
    """The type of a JSON value, as schemas call it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"
