"""A value that satisfies a schema: what a model answers when it is held to one.

Owns the walk over OpenAPI's subset (Gemini's `Schema`) and JSON Schema. The first text of the value
is the digest of the prompt, where the schema leaves a text free.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

_DEPTH: Final = 12

Schema = Mapping[str, Any]


def instance(schema: Schema, *, text: str, number: int) -> Any:
    """A value; free texts are `text`, free numbers `number`."""
    root = schema
    definitions = {
        **cast("dict[str, Any]", root.get("definitions") or {}),
        **cast("dict[str, Any]", root.get("defs") or {}),
        **cast("dict[str, Any]", root.get("$defs") or {}),
    }
    return _Walk(root=root, definitions=definitions, text=text, number=number).value(schema, 0)


class _Walk:
    def __init__(
        self, *, root: Schema, definitions: Mapping[str, Any], text: str, number: int
    ) -> None:
        self._root = root
        self._definitions = definitions
        self._text = text
        self._number = number

    def value(self, schema: Schema, depth: int) -> Any:
        schema = self._followed(schema)
        if "const" in schema:
            return schema["const"]
        choices = schema.get("enum")
        if choices:
            fit = [choice for choice in choices if choice is not None]
            value = fit[self._number % len(fit)] if fit else None
            return self._converted(schema, value)
        for name in ("anyOf", "oneOf"):
            if schema.get(name):
                options = [self._followed(option) for option in schema[name]]
                real = [option for option in options if _kind(option) != "null"]
                # A recursive type ends where it may be nothing.
                if depth > _DEPTH and len(real) < len(options):
                    return None
                return self.value((real or options)[0], depth + 1)
        if schema.get("allOf"):
            whole: dict[str, Any] = {}
            for part in schema["allOf"]:
                whole.update(self._followed(part))
            return self.value(whole, depth + 1)
        return self._plain(schema, depth)

    def _plain(self, schema: Schema, depth: int) -> Any:
        match _kind(schema):
            case "object":
                properties: Mapping[str, Any] = schema.get("properties") or {}
                required = schema.get("required") or []
                wanted = [name for name in properties if depth <= _DEPTH or name in required]
                return {name: self.value(properties[name], depth + 1) for name in wanted}
            case "array":
                least = int(schema.get("minItems") or (1 if depth <= _DEPTH else 0))
                items: Schema = schema.get("items") or {"type": "string"}
                return [self.value(items, depth + 1) for _ in range(least)]
            case "integer":
                return int(self._within(schema))
            case "number":
                return self._within(schema)
            case "boolean":
                return self._number % 2 == 0
            case "null":
                return None
            case _:
                return self._string(schema)

    def _string(self, schema: Schema) -> str:
        known = {
            "date": "2026-11-28",
            "date-time": "2026-11-28T08:00:00Z",
            "time": "08:00:00Z",
            "uuid": "00000000-0000-4000-8000-000000000000",
            "email": "someone@example.com",
        }.get(str(schema.get("format", "")))
        if known is not None:
            return known
        text = self._text
        most, least = schema.get("maxLength"), schema.get("minLength")
        if most is not None:
            text = text[: int(most)]
        if least is not None:
            text = text.ljust(int(least), ".")
        return text

    def _within(self, schema: Schema) -> float | int:
        low, high = schema.get("minimum"), schema.get("maximum")
        value: float = self._number
        if low is not None:
            value = max(value, low)
        if high is not None:
            value = min(value, high)
        return value

    def _converted(self, schema: Schema, value: Any) -> Any:
        # Gemini's `enum` holds strings, whatever the type is.
        if _kind(schema) == "integer" and isinstance(value, str):
            return int(value)
        return value

    def _followed(self, schema: Schema) -> Schema:
        for _ in range(_DEPTH):
            reference = schema.get("$ref") or schema.get("ref")
            if not isinstance(reference, str):
                return schema
            if reference == "#":
                schema = self._root
            else:
                name = reference.rsplit("/", 1)[-1]
                schema = self._definitions.get(name, {"type": "string"})
        return schema


def _kind(schema: Schema) -> str:
    given = schema.get("type")
    if isinstance(given, list):
        kinds = [str(kind) for kind in cast("list[object]", given) if kind != "null"]
        given = kinds[0] if kinds else "null"
    if given is None:
        if "properties" in schema:
            return "object"
        return "array" if "items" in schema else "string"
    return str(given).lower()
