"""Whether a body of InvokeModel has the names and types that its vendor's page gives it.

Owns the reading of tables, and the words of what is refused: those of a JSON Schema validator,
which Bedrock passes on. A table says a field as `name=type`, with `!` after the name of a required
one.
Types: `s` string, `b` boolean, `i` integer, `f` number, `any`, `struct` an object; `i:1:2048` with
bounds; `(a|b)` one of words; `*` before it an array; any other word another table.
Sources: the messages in public captures ("Malformed input request: #: extraneous key [x] is not
permitted, please reformat your input and try again."), the pages named beside the tables.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from batchway.simulator.aws.refusals import Refused, invalid

Table = Mapping[str, str]
_END: Final = ", please reformat your input and try again."
_KINDS: Final[Mapping[str, tuple[str, tuple[type, ...]]]] = {
    "s": ("String", (str,)),
    "b": ("Boolean", (bool,)),
    "i": ("Integer", (int,)),
    "f": ("Number", (int, float)),
    "struct": ("JSONObject", (dict,)),
}


def table(text: str) -> Table:
    """A table from its text."""
    return dict(pair.split("=", 1) for pair in text.split())


def checked(body: object, name: str, tables: Mapping[str, Table]) -> dict[str, Any]:
    """The body, when it has the form of the table.

    Raises:
        Refused: 400, with the violation, or with how many there are.
    """
    found = list(_object(body, name, tables, "#"))
    if not found:
        return cast("dict[str, Any]", body)
    raise malformed(found[0] if len(found) == 1 else f"{len(found)} schema violations found")


def malformed(what: str) -> Refused:
    """A body of the wrong form."""
    return invalid(f"Malformed input request: {what}{_END}")


def _object(body: object, name: str, tables: Mapping[str, Table], place: str) -> Iterable[str]:
    if not isinstance(body, dict):
        yield f"{place}: expected type: JSONObject, found: {_kind(body)}"
        return
    fields = cast("dict[str, Any]", body)
    known = {field.rstrip("!"): (field, kind) for field, kind in tables[name].items()}
    for field, (written, _) in known.items():
        if written.endswith("!") and field not in fields:
            yield f"{place}: required key [{field}] not found"
    for field, value in fields.items():
        if field not in known:
            yield f"{place}: extraneous key [{field}] is not permitted"
        else:
            yield from _value(value, known[field][1], tables, f"{place}/{field}")


def _value(value: Any, kind: str, tables: Mapping[str, Table], place: str) -> Iterable[str]:
    if kind == "any":
        return
    if kind.startswith("*"):
        if not isinstance(value, list):
            yield f"{place}: expected type: JSONArray, found: {_kind(value)}"
            return
        for index, each in enumerate(cast("list[Any]", value)):
            yield from _value(each, kind[1:], tables, f"{place}/{index}")
        return
    if kind.startswith("("):
        if value not in kind.strip("()").split("|"):
            yield f"{place}: {value} is not a valid enum value"
        return
    scalar, _, bounds = kind.partition(":")
    if scalar in tables:
        yield from _object(value, scalar, tables, place)
        return
    word, types = _KINDS[scalar]
    if not isinstance(value, types) or (isinstance(value, bool) and scalar != "b"):
        yield f"{place}: expected type: {word}, found: {_kind(value)}"
        return
    if bounds and isinstance(value, int | float):
        low, high = (float(bound) for bound in bounds.split(":"))
        if value < low:
            yield f"{place}: {value} is not greater or equal to {re.sub('[.]0$', '', str(low))}"
        if value > high:
            yield f"{place}: {value} is not less or equal to {re.sub('[.]0$', '', str(high))}"


def _kind(value: object) -> str:
    match value:
        case bool():
            return "Boolean"
        case int():
            return "Integer"
        case float():
            return "BigDecimal"
        case str():
            return "String"
        case list():
            return "JSONArray"
        case None:
            return "Null"
        case _:
            return "JSONObject"
