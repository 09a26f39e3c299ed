"""JSON read as protocol buffers read it: names and types, all violations at once.

Owns the words of what is refused; what there is to know is `messages`. A body that passes has its
names in camelCase.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, cast

from batchway.simulator.google.messages import ENUMS, MESSAGES
from batchway.simulator.google.refusals import Refused

_SNAKE: Final = re.compile("_([a-z0-9])")
_CAMEL: Final = re.compile("([A-Z])")
_SCALARS: Final[Mapping[str, tuple[str, tuple[type, ...]]]] = {
    "s": ("TYPE_STRING", (str,)),
    "b": ("TYPE_BOOL", (bool,)),
    "f": ("TYPE_FLOAT", (int, float)),
    "i": ("TYPE_INT32", (int,)),
}


def read(message: str, body: object) -> dict[str, Any]:
    """The body with its names in camelCase and without nulls.

    Raises:
        Refused: 400, with every unknown name and wrong value.
    """
    violations: list[tuple[str, str]] = []
    value = _message(message, body, "", violations)
    if violations:
        raise Refused(
            400,
            "\n".join(text for _, text in violations),
            details=[
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [
                        {"field": place, "description": text} if place else {"description": text}
                        for place, text in violations
                    ],
                }
            ],
        )
    return value


@cache
def _snake(name: str) -> str:
    return _CAMEL.sub(lambda hit: "_" + hit[1].lower(), name)


def _message(
    message: str, body: object, place: str, violations: list[tuple[str, str]]
) -> dict[str, Any]:
    if not isinstance(body, dict):
        text = f"Invalid value at '{place}'" if place else "Invalid JSON payload received."
        violations.append((place, f"{text} (type.googleapis.com/google.cloud.{message})"))
        return {}
    fields = MESSAGES[message]
    found: dict[str, Any] = {}
    for name, value in cast("dict[str, object]", body).items():
        known = name if name in fields else _SNAKE.sub(lambda hit: hit[1].upper(), name)
        kind = fields.get(known)
        if kind is None:
            where = f" at '{place}'" if place else ""
            violations.append(
                (
                    place,
                    f'Invalid JSON payload received. Unknown name "{name}"{where}: '
                    "Cannot find field.",
                )
            )
            continue
        if value is None:
            continue
        snake = _snake(known)
        found[known] = _value(kind, value, f"{place}.{snake}" if place else snake, violations)
    return found


def _value(kind: str, value: object, place: str, violations: list[tuple[str, str]]) -> Any:
    if kind == "s" and isinstance(value, str):
        return value
    if kind.startswith("*"):
        if not isinstance(value, list):
            # A single message where an array belongs is taken for the array of it.
            return [_value(kind[1:], value, f"{place}[0]", violations)]
        return [
            _value(kind[1:], item, f"{place}[{index}]", violations)
            for index, item in enumerate(cast("list[object]", value))
        ]
    if kind == "any":
        return value
    if kind == "struct" or kind.startswith("map:"):
        if not isinstance(value, dict):
            return _wrong(value, "type.googleapis.com/google.protobuf.Struct", place, violations)
        if kind == "struct":
            return value
        return {
            name: _value(kind[4:], item, f"{place}[{index}].value", violations)
            for index, (name, item) in enumerate(cast("dict[str, object]", value).items())
        }
    if kind in MESSAGES:
        return _message(kind, value, place, violations)
    return _scalar(kind, value, place, violations)


def _scalar(kind: str, value: object, place: str, violations: list[tuple[str, str]]) -> Any:
    if kind.startswith("E:"):
        if not isinstance(value, str) or value.upper() not in ENUMS[kind[2:]]:
            name = f"type.googleapis.com/google.cloud.aiplatform.v1.{kind[2:]}"
            return _wrong(value, name, place, violations)
        return value.upper()
    if kind == "bytes":
        try:
            if not isinstance(value, str):
                return _wrong(value, "TYPE_BYTES", place, violations)
            # Both alphabets are read, with padding or without.
            base64.b64decode(value.translate(_URL) + "=" * (-len(value) % 4), validate=True)
        except (ValueError, binascii.Error):
            violations.append(
                (place, f"Invalid value at '{place}' (TYPE_BYTES), Base64 decoding failed")
            )
        return value
    if kind == "i" and isinstance(value, str) and re.fullmatch("-?[0-9]+", value):
        return int(value)
    if kind == "i" and isinstance(value, float) and value.is_integer():
        return int(value)
    name, types = _SCALARS[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and kind != "b"):
        return _wrong(value, name, place, violations)
    return value


def _wrong(value: object, kind: str, place: str, violations: list[tuple[str, str]]) -> Any:
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    violations.append((place, f"Invalid value at '{place}' ({kind}), {shown[:100]}"))
    return value


_URL: Final = str.maketrans("-_", "+/")
