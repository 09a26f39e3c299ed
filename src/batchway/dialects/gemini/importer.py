"""What the importer of Vertex AI's batch jobs takes: lines that become the rows of one table.

It reads a job's input into columns, one for each place of a body, and fails the whole job for one
line that does not fit. Of what is free in form (arguments of calls, schemas), this module owns:

    clean      the same without nulls and empty objects, and whole numbers as fractions; refused
               where no column can hold it
    places     what stands where, so that lines which disagree do not share a job
    columns    the same for a schema, whose properties are columns too

Observed in jobs that failed, not documented (the fake refuses the same); limits of names and of
nesting are BigQuery's: https://docs.cloud.google.com/bigquery/docs/nested-repeated. Pure.
"""

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final, cast

import msgspec

from batchway.dialects.unsayable import Unsayable

# Objects within objects, the request being the first.
_DEEPEST: Final = 15
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
# Texts that are read as numbers, truths or dates where all texts of a column are.
_OTHER: Final = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|true|false|\d{4}-\d{1,2}-\d{1,2}([ t].*)?", re.IGNORECASE
)

_encode: Final = msgspec.json.Encoder(order="deterministic").encode

Places = dict[str, str]


def clean(value: dict[str, Any], *, depth: int, param: str) -> dict[str, Any]:
    """An object as a column can hold it; perhaps empty, and then its key is to be left out.

    `depth` is that of `value` itself.

    Raises:
        Unsayable: at `param`, where no column can.
    """
    if depth > _DEEPEST:
        raise _too_deep(param)
    _check_names(value, param)
    result: dict[str, Any] = {}
    for name, each in value.items():
        cleaned = _cleaned(each, depth=depth, param=param)
        if cleaned is not None:
            result[name] = cleaned
    return result


def places(value: dict[str, Any], within: str) -> Iterator[tuple[str, str]]:
    """What stands at each place of a clean object: `s` a scalar, `a` an array, `o` an object."""
    for name, each in value.items():
        place = f"{within}.{name.lower()}"
        match each:
            case dict():
                yield place, "o"
                yield from places(cast("dict[str, Any]", each), place)
            case list():
                yield place, "a"
                for item in cast("list[object]", each):
                    if isinstance(item, dict):
                        yield f"{place}[]", "o"
                        yield from places(cast("dict[str, Any]", item), f"{place}[]")
                    else:
                        yield f"{place}[]", "s"
            case _:
                yield place, "s"


def add_places(found: Places, value: dict[str, Any], within: str, *, param: str) -> None:
    """Add what stands where in `value`. Raises `Unsayable` where the line disagrees with itself."""
    for place, kind in places(value, within):
        if found.setdefault(place, kind) != kind:
            raise _refused(param, "what stands in one place of it is no value in another call")


def digest(value: object) -> str:
    """A short name for a value: equal for equal ones, whatever the order of their keys."""
    return blake2b(_encode(value), digest_size=8).hexdigest()


def columns(schema: dict[str, Any], *, depth: int) -> dict[str, Any]:
    """The names of a schema's properties, all the way down: a column each.

    `schema` is one of `schemas`, without nulls and empty objects; `depth` is its own.

    Raises:
        Unsayable: no column can hold it. It names no place.
    """
    if depth > _DEEPEST:
        raise _too_deep("")
    values = schema.get("enum")
    if values is not None and all(_OTHER.fullmatch(value) for value in values):
        raise _refused("", "all values of an enum in it would be read as numbers or dates")
    found: dict[str, Any] = {}
    for key in ("items", "additionalProperties"):
        if key in schema:
            found[key] = columns(schema[key], depth=depth + 1)
    if "anyOf" in schema:
        found["anyOf"] = [columns(each, depth=depth + 1) for each in schema["anyOf"]]
    properties = schema.get("properties")
    if properties:
        _check_names(properties, "")
        found["properties"] = {
            name: columns(each, depth=depth + 2) for name, each in properties.items()
        }
    return found


def _cleaned(value: object, *, depth: int, param: str) -> object:
    """`None` for what is not to be written."""
    match value:
        case dict():
            return clean(cast("dict[str, Any]", value), depth=depth + 1, param=param) or None
        case list():
            items = [_item(each, depth=depth, param=param) for each in cast("list[object]", value)]
            if len({isinstance(item, dict) for item in items}) > 1:
                raise _refused(param, "an array in it holds objects beside other values")
            return items or None
        case int() if not isinstance(value, bool):
            return _number(value)
        case _:
            return value


def _number(value: int) -> object:
    """A whole number as a fraction: a column of the first would refuse a fraction further down.

    To Gemini they are one: numbers of a `google.protobuf.Struct` are doubles.
    """
    try:
        return float(value)
    except OverflowError:
        return value


def _item(value: object, *, depth: int, param: str) -> object:
    cleaned = None if isinstance(value, list) else _cleaned(value, depth=depth, param=param)
    if cleaned is None:
        raise _refused(param, "an array in it holds nulls, arrays or empty objects")
    return cleaned


def _check_names(value: dict[str, Any], param: str) -> None:
    for name in value:
        if _NAME.match(name) is None:
            raise _refused(param, "a name in it is more than letters, digits and underscores")
    if len(value) > 1 and len({name.lower() for name in value}) < len(value):
        raise _refused(param, "two of its names differ in nothing but capital letters")


def _too_deep(param: str) -> Unsayable:
    return _refused(param, f"it is nested deeper than the {_DEEPEST} levels that it takes")


def _refused(param: str, why: str) -> Unsayable:
    return Unsayable(param, f"Vertex AI's batch jobs cannot import it: {why}.")
