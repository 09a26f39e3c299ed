"""The importer that reads a job's input before anything runs, and sinks the whole job for one line.

Owns its limits, none of which is documented: it loads lines into a table with one type a column.
Source: provider-protocols.md, section A.3 (OpenRouter's captures), BigQuery's rules for columns
(https://cloud.google.com/bigquery/docs/schemas, nested-repeated) where they explain them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from batchway.simulator.google.behaviour import Behaviour
from batchway.simulator.google.models import Language

_COLUMN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,299}")
_MEMBER: Final[Mapping[Language, str]] = {
    "gemini": "request",
    "embedding": "request",
    "claude": "request",
    "legacy": "content",
    "openai": "body",
}


@dataclass(slots=True, kw_only=True)
class Imported:
    """What was read: `keys` are all that any line's request had, in order of appearance."""

    lines: int = 0
    keys: list[str] = field(default_factory=list[str])
    problem: str | None = None


def lines_of(paths: Iterable[Path]) -> Iterator[bytes]:
    """The lines of the files that are not blank."""
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                if line.strip():
                    yield line


def imported(paths: list[Path], *, language: Language, behaviour: Behaviour) -> Imported:
    """Read all lines; `problem` says what sinks the job."""
    found = Imported()
    if sum(path.stat().st_size for path in paths) > behaviour.max_bytes:
        found.problem = f"The input is larger than {behaviour.max_bytes} bytes."
        return found
    if behaviour.discard:
        found.lines = sum(1 for _ in lines_of(paths))
        return found
    table = _Table(depth=behaviour.max_depth)
    keys: dict[str, None] = {}
    decoder = msgspec.json.Decoder()
    for line in lines_of(paths):
        found.lines += 1
        try:
            row: object = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found.problem = f"Line {found.lines} is not valid JSON."
            return found
        problem = _member(row, language)
        if problem is None and isinstance(row, dict):
            fields = cast("dict[str, Any]", row)
            request = fields.get("request")
            if isinstance(request, dict):
                keys.update(dict.fromkeys(cast("dict[str, Any]", request)))
            # Seen of Gemini's lines alone; partners' are documented to be taken as they are.
            if behaviour.enforce and language == "gemini":
                problem = table.add(fields)
        if problem is None and found.lines > behaviour.max_lines:
            problem = f"There are more than {behaviour.max_lines} lines"
        if problem is not None:
            found.problem = f"{problem} (line {found.lines})."
            return found
    if not found.lines:
        found.problem = "The input is empty."
    found.keys = list(keys)
    return found


def _member(row: object, language: Language) -> str | None:
    if not isinstance(row, dict):
        return "A line is not an object"
    member = _MEMBER[language]
    value = cast("dict[str, Any]", row).get(member)
    if not isinstance(value, str if language == "legacy" else dict):
        return f"A line has no `{member}`"
    return None


class _Table:
    """The types of all columns so far."""

    def __init__(self, *, depth: int) -> None:
        self._depth = depth
        self._kinds: dict[str, str] = {}
        self._schema: bytes | None = None

    def add(self, row: Mapping[str, Any]) -> str | None:
        """Take in a line; answers what is wrong with it."""
        return self._object(row, "", 0) or self._schemas(row)

    def _object(self, value: Mapping[str, Any], place: str, depth: int) -> str | None:
        if not value:
            return f"Unsupported empty struct at `{place}`"
        if depth > self._depth:
            return f"More than {self._depth} levels of nesting at `{place}`"
        if len({name.lower() for name in value}) < len(value):
            return f"Duplicate field at `{place}`: names are compared without their case"
        for name, item in value.items():
            if not _COLUMN.fullmatch(name):
                return f"Invalid field name {name!r} at `{place}`"
            lower = name.lower()
            problem = self._value(item, f"{place}.{lower}" if place else lower, depth)
            if problem is not None:
                return problem
        return None

    def _value(self, value: Any, place: str, depth: int) -> str | None:
        kind = _kind(value)
        known = self._kinds.setdefault(place, kind)
        if known != kind:
            if "null" not in (known, kind):
                return f"`{place}` is {known} in one line and {kind} in another"
            if "array" in (known, kind):
                return f"`{place}` is repeated and null in one line"
            if known == "null":
                self._kinds[place] = kind
        if kind == "object":
            return self._object(value, place, depth + 1)
        if kind == "null" and place.endswith((".enum", ".required")):
            return f"`{place}` is null"
        if kind == "array":
            for item in value:
                if item is None:
                    return f"`{place}` holds a null"
                if isinstance(item, list):
                    return f"`{place}` holds an array"
                problem = self._value(item, place + "[]", depth)
                if problem is not None:
                    return problem
        return None

    def _schemas(self, row: Mapping[str, Any]) -> str | None:
        request: Mapping[str, Any] = row.get("request") or {}
        config = request.get("generationConfig") or request.get("generation_config")
        if not isinstance(config, dict):
            return None
        settings = cast("dict[str, Any]", config)
        schema = settings.get("responseSchema") or settings.get("responseJsonSchema")
        if schema is None:
            return None
        written = msgspec.json.encode(schema, order="sorted")
        if self._schema is not None and self._schema != written:
            return "The lines have different response schemas"
        self._schema = written
        return None


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    return "null" if value is None else "scalar"
