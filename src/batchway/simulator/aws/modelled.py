"""Whether a request has the form that AWS's own service model gives its operation.

Owns the walk over the shapes that botocore brings as data, and the words of a violation, which are
those of every AWS service. Blobs are Base64 here, as they are on the wire.
Source: botocore's service models of bedrock (2023-04-20) and bedrock-runtime (2023-09-30).
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, cast

from batchway.simulator.aws.refusals import Refused, invalid

Shape = Mapping[str, Any]


def checked(body: object, *, service: str, shape: str) -> dict[str, Any]:
    """The body, when it has the form of the shape.

    Raises:
        Refused: 400, with every violation.
    """
    if not isinstance(body, dict):
        raise Refused(
            400, "Unexpected token at the start of the body", name="SerializationException"
        )
    found = list(_Walk(_shapes(service)).value(body, shape, ""))
    if not found:
        return cast("dict[str, Any]", body)
    errors = "error" if len(found) == 1 else "errors"
    raise invalid(f"{len(found)} validation {errors} detected: " + "; ".join(found))


@cache
def _shapes(service: str) -> Mapping[str, Shape]:
    # Imported where it is used: it comes with moto, for development.
    from botocore.loaders import Loader  # noqa: PLC0415

    model = cast("dict[str, Any]", Loader().load_service_model(service, "service-2"))
    return cast("dict[str, Shape]", model["shapes"])


class _Walk:
    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._shapes = shapes

    def value(self, value: Any, name: str, place: str) -> Iterable[str]:
        shape = self._shapes[name]
        match shape["type"]:
            case "structure":
                yield from self._structure(value, shape, place)
            case "list":
                yield from self._list(value, shape, place)
            case "map":
                if not isinstance(value, dict):
                    yield _unlike(value, place, "an object")
                    return
                for key, each in cast("dict[str, Any]", value).items():
                    inner = f"{place}.{key}.member"
                    yield from self.value(each, shape["value"]["shape"], inner)
            case "string":
                yield from _string(value, shape, place)
            case "blob":
                yield from _blob(value, shape, place)
            case "boolean":
                if not isinstance(value, bool):
                    yield _unlike(value, place, "a boolean")
            case _:
                yield from _number(value, shape, place)

    def _structure(self, value: Any, shape: Shape, place: str) -> Iterable[str]:
        # A document is any JSON.
        if shape.get("document"):
            return
        if not isinstance(value, dict):
            yield _unlike(value, place, "an object")
            return
        fields = cast("dict[str, Any]", value)
        members: Mapping[str, Any] = shape["members"]
        here = [
            name
            for name, member in members.items()
            if member.get("location") not in ("uri", "querystring", "header")
        ]
        for name in shape.get("required", []):
            if name in here and fields.get(name) is None:
                inner = _joined(place, name)
                yield _bound("null", inner, "not be null").replace("'null'", "null")
        for name, each in fields.items():
            if name not in here:
                yield f"Unknown member '{name}' at '{place or 'body'}'"
            elif each is not None:
                yield from self.value(each, members[name]["shape"], _joined(place, name))
        if shape.get("union") and len(fields) != 1:
            yield f"Value at '{place}' failed to satisfy constraint: exactly one member must be set"

    def _list(self, value: Any, shape: Shape, place: str) -> Iterable[str]:
        if not isinstance(value, list):
            yield _unlike(value, place, "an array")
            return
        each = cast("list[Any]", value)
        yield from _length(len(each), shape, place)
        for index, one in enumerate(each, 1):
            yield from self.value(one, shape["member"]["shape"], f"{place}.{index}.member")


def _string(value: Any, shape: Shape, place: str) -> Iterable[str]:
    if not isinstance(value, str):
        yield _unlike(value, place, "a string")
        return
    shown = "***" if shape.get("sensitive") else value
    yield from _length(len(value), shape, place, shown=shown)
    if "enum" in shape and value not in shape["enum"]:
        values = ", ".join(shape["enum"])
        yield (
            f"Value '{shown}' at '{place}' failed to satisfy constraint: Member must satisfy enum "
            f"value set: [{values}]"
        )
    pattern = shape.get("pattern")
    if pattern is not None and not _compiled(pattern).fullmatch(value):
        yield (
            f"Value '{shown}' at '{place}' failed to satisfy constraint: Member must satisfy "
            f"regular expression pattern: {pattern}"
        )


def _blob(value: Any, shape: Shape, place: str) -> Iterable[str]:
    try:
        size = len(base64.b64decode(value, validate=True))
    except (TypeError, ValueError, binascii.Error):
        yield f"Value at '{place}' failed to satisfy constraint: Member must be Base64"
        return
    yield from _length(size, shape, place)


def _number(value: Any, shape: Shape, place: str) -> Iterable[str]:
    whole = shape["type"] in ("integer", "long")
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        yield _unlike(value, place, "an integer" if whole else "a number")
        return
    if "min" in shape and value < shape["min"]:
        yield _bound(str(value), place, f"have value greater than or equal to {shape['min']}")
    if "max" in shape and value > shape["max"]:
        yield _bound(str(value), place, f"have value less than or equal to {shape['max']}")


def _length(size: int, shape: Shape, place: str, shown: str = "***") -> Iterable[str]:
    if size < shape.get("min", 0):
        yield _bound(shown, place, f"have length greater than or equal to {shape['min']}")
    if size > shape.get("max", size):
        yield _bound(shown, place, f"have length less than or equal to {shape['max']}")


def _bound(shown: str, place: str, rule: str) -> str:
    return f"Value '{shown}' at '{place}' failed to satisfy constraint: Member must {rule}"


def _unlike(value: Any, place: str, kind: str) -> str:
    return f"Value at '{place}' is not {kind} but {type(value).__name__}"


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
