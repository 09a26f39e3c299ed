"""JSON schemas as structured outputs take them: Claude's, and those of Bedrock's other models.

    objects      closed (`additionalProperties: false`)
    unions       `oneOf` and lists of types as `anyOf`
    definitions  `$defs`, also where they were called `definitions`
    the rest     what grammars have no word for (`minimum`, `pattern`, ...) goes into descriptions

The same as `transform_schema` of Anthropic's SDK does, which fails on lists of types, keeps one of
`anyOf` and `allOf`, and closes objects whose keys are free: what cannot be kept is refused here. So
are recursive schemas, as by the API. Source:
https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations,
https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html (the same subset)
"""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, cast

_FORMATS: Final = frozenset(
    "date-time time date duration email hostname uri ipv4 ipv6 uuid".split()  # noqa: SIM905 - a table
)
# The keywords that say something of one type only.
_OF_TYPE: Final[Mapping[str, tuple[str, ...]]] = {
    "object": ("properties", "additionalProperties", "required"),
    "array": ("items", "minItems"),
    "string": ("format",),
    "integer": (),
    "number": (),
    "boolean": (),
    "null": (),
}
_COMBINING: Final = ("anyOf", "oneOf", "allOf")
# They name the schema or its language, and bind no value.
_MEANINGLESS: Final = ("$schema", "$id", "$comment")
_DEEPEST: Final = 64


def problem_of(schema: object) -> str | None:
    """Why no model can be bound to a schema; `None` where `closed` keeps its meaning."""
    links: dict[str, set[str]] = {}
    why = _problem(schema, links, owner="#", depth=0)
    if why is not None or not links:
        return why
    try:
        TopologicalSorter(links).prepare()
    except CycleError:
        return "The schema refers to itself, and no model can be bound to a recursive one."
    return None


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema as models take it. It is one without a `problem_of`."""
    rest = {key: value for key, value in schema.items() if key not in _MEANINGLESS}
    out: dict[str, Any] = {}
    definitions = {**rest.pop("definitions", {}), **rest.pop("$defs", {})}
    if definitions:
        out["$defs"] = {name: closed(each) for name, each in definitions.items()}
    if "$ref" in rest:
        return {**out, "$ref": _target(rest["$ref"])}
    types = _types(rest.pop("type", None))
    literal = _take_literals(rest, out)
    combined = next((name for name in _COMBINING if name in rest), None)
    if combined is not None:
        name = "allOf" if combined == "allOf" else "anyOf"
        out[name] = [closed(each) for each in rest.pop(combined)]
    elif not literal and len(types) > 1:
        out["anyOf"] = [closed(_only(rest, each)) for each in types]
        for word in {word for each in types for word in _OF_TYPE[each]}:
            rest.pop(word, None)
    elif not literal:
        out["type"] = types[0]
    for word in ("description", "title"):
        if (said := rest.pop(word, None)) is not None:
            out[word] = said
    if len(types) == 1 and not literal:
        _take_of_type(types[0], rest, out)
    if rest:
        left = "{" + ", ".join(f"{key}: {value}" for key, value in rest.items()) + "}"
        said = out.get("description")
        out["description"] = left if said is None else f"{said}\n\n{left}"
    return out


def _take_literals(rest: dict[str, Any], out: dict[str, Any]) -> bool:
    words = _literals(rest)
    for word in words:
        out[word] = rest.pop(word)
    return bool(words)


def _literals(schema: Mapping[str, Any]) -> list[str]:
    """Of `enum` and `const`, those that models take: strings, numbers, booleans and null."""
    values = schema.get("enum")
    words: list[str] = []
    if isinstance(values, list) and values and all(map(_plain, cast("list[object]", values))):
        words.append("enum")
    if "const" in schema and _plain(schema["const"]):
        words.append("const")
    return words


def _take_of_type(kind: str, rest: dict[str, Any], out: dict[str, Any]) -> None:
    if kind == "object":
        properties = rest.pop("properties", {})
        out["properties"] = {name: closed(each) for name, each in properties.items()}
        out["additionalProperties"] = False
        rest.pop("additionalProperties", None)
        if (required := rest.pop("required", None)) is not None:
            out["required"] = required
    elif kind == "array":
        if (items := rest.pop("items", None)) is not None:
            out["items"] = closed(items)
        if rest.get("minItems") in (0, 1):
            out["minItems"] = rest.pop("minItems")
    elif kind == "string" and rest.get("format") in _FORMATS:
        out["format"] = rest.pop("format")


def _only(schema: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Of a schema of several types, what it says of one."""
    return {"type": kind} | {word: schema[word] for word in _OF_TYPE[kind] if word in schema}


def _types(value: object) -> list[str]:
    return cast("list[str]", value if isinstance(value, list) else [] if value is None else [value])


def _target(reference: str) -> str:
    return reference.replace("#/definitions/", "#/$defs/", 1)


def _plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _problem(schema: object, links: dict[str, set[str]], *, owner: str, depth: int) -> str | None:
    """What is wrong with a schema; `links` gets which definition (`owner`) refers to which."""
    if not isinstance(schema, dict):
        return "A part of the schema is no JSON object."
    if depth > _DEEPEST:
        return f"The schema is nested more than {_DEEPEST} levels deep."
    fields = cast("dict[str, Any]", schema)
    why = _own_problem(fields)
    if why is not None:
        return why
    if isinstance(reference := fields.get("$ref"), str):
        links.setdefault(owner, set()).add(_target(reference))
    for name, part in _parts(fields):
        inner = f"#/$defs/{name}" if name else owner
        why = _problem(part, links, owner=inner, depth=depth + 1)
        if why is not None:
            return why
    return None


def _own_problem(fields: dict[str, Any]) -> str | None:
    """What is wrong with a part of a schema, its own parts left aside."""
    for word in ("$defs", "definitions", "properties"):
        if not isinstance(fields.get(word, {}), dict):
            return f"The schema's `{word}` is no JSON object."
    for word in _COMBINING:
        if not isinstance(fields.get(word, []), list):
            return f"The schema's `{word}` is no list."
    reference = fields.get("$ref")
    if reference is not None:
        local = isinstance(reference, str) and reference.startswith("#")
        return None if local else "The schema refers to another document."
    combining = [word for word in _COMBINING if word in fields]
    if len(combining) > 1:
        return f"The schema has `{combining[0]}` beside `{combining[1]}`, and models take one."
    types = _types(fields.get("type"))
    if any(
        not isinstance(each, str) or each not in _OF_TYPE for each in cast("list[object]", types)
    ):
        return "The schema has a type that JSON schema does not have."
    if not (types or combining or _literals(fields)):
        return "A part of the schema has no type, and the model has to be told each."
    free = fields.get("additionalProperties") not in (None, False)
    if free and not fields.get("properties"):
        return "The schema has an object with any keys, and the model has to be told each."
    return None


def _parts(fields: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """The schemas within a schema, those that are definitions with their names."""
    for word in ("$defs", "definitions"):
        yield from fields.get(word, {}).items()
    if "$ref" in fields:
        return
    for word in _COMBINING:
        yield from (("", each) for each in fields.get(word, ()))
    yield from (("", each) for each in fields.get("properties", {}).values())
    if fields.get("items") is not None:
        yield "", fields["items"]
