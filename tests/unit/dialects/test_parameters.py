"""Tables of parameters: none of OpenAI's is forgotten, and each row says what it has to.

Which parameters there are is asked of the official SDK's types, so that a release of it with one
more fails here.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import msgspec
import pytest
from openai.types import embedding_create_params
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params

from batchway import dialects
from batchway.dialects.requests.chat import ChatRequest
from batchway.dialects.requests.embeddings import EmbeddingsRequest
from batchway.dialects.requests.parameters import Handling, Parameter, Parameters
from batchway.dialects.requests.responses import ResponsesRequest

SDK: Final[dict[str, Any]] = {
    "CHAT": completion_create_params.CompletionCreateParamsNonStreaming,
    "EMBEDDINGS": embedding_create_params.EmbeddingCreateParams,
    "RESPONSES": response_create_params.ResponseCreateParamsNonStreaming,
}
READ: Final[dict[str, type[msgspec.Struct]]] = {
    "CHAT": ChatRequest,
    "EMBEDDINGS": EmbeddingsRequest,
    "RESPONSES": ResponsesRequest,
}
PAGE: Final = Path(__file__).parents[3] / "docs" / "reference" / "parameters.md"
PLACE: Final = re.compile(r"[a-z_]+(\[\])?(\.[a-z_]+(\[\])?)*")


def _tables() -> Iterator[tuple[str, str, Parameters]]:
    for found in pkgutil.walk_packages(dialects.__path__, f"{dialects.__name__}."):
        if found.name.endswith("parameters"):
            for name, held in vars(importlib.import_module(found.name)).items():
                if isinstance(held, Parameters):
                    yield found.name.removeprefix("batchway.dialects."), name, held


TABLES: Final = [pytest.param(name, rows, id=f"{of}-{name}") for of, name, rows in _tables()]
ROWS: Final = [
    pytest.param(name, row, id=f"{of}-{name}-{row.name}")
    for of, name, rows in _tables()
    for row in rows.rows
]


def test_there_are_tables() -> None:
    """Or the discovery is broken, and every test below looks at nothing."""
    assert {name for _, name, _ in _tables()} == set(SDK)


@pytest.mark.parametrize("name", SDK)
def test_every_parameter_of_the_sdk_is_read(name: str) -> None:
    assert set(READ[name].__struct_fields__) == set(get_type_hints(SDK[name]))


@pytest.mark.parametrize(("name", "rows"), TABLES)
def test_every_parameter_of_the_sdk_has_a_row(name: str, rows: Parameters) -> None:
    known = {row.name for row in rows.rows}
    assert set(get_type_hints(SDK[name])) - known == set()
    # And those that `Parameters.check` would ask a request for are there to be asked for.
    whole = {each for each in known if "." not in each and "[" not in each}
    assert whole - set(READ[name].__struct_fields__) == set()


@pytest.mark.parametrize(("name", "rows"), TABLES)
def test_no_parameter_has_two_rows(name: str, rows: Parameters) -> None:
    assert name in SDK
    names = [row.name for row in rows.rows]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_a_row_says_what_becomes_of_a_parameter_and_where_that_is_known_from(
    name: str, row: Parameter
) -> None:
    place, _, kind = row.name.partition(": ")  # `tools[].type: mcp`, one of several kinds
    assert PLACE.fullmatch(place), row.name
    assert kind == kind.strip()
    assert row.note.strip(), row.name
    if row.handling is not Handling.MAPPED:
        assert row.source.startswith("https://"), row.name
    if row.idle:
        assert row.handling is not Handling.MAPPED, "what is mapped has no value to drop"
    # A nested place begins with a parameter that OpenAI has.
    assert re.split(r"[.\[]", place)[0] in get_type_hints(SDK[name])


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_the_reference_has_the_row(name: str, row: Parameter) -> None:
    text = " ".join(row.note.split()).replace("|", "\\|")
    becomes = "not promised" if row.promise else row.handling.value
    assert f"| `{row.name}` | {becomes} | {text} |" in PAGE.read_text(encoding="utf-8")


# ----------------------------------------------------------------------------- nested places


def _structs(kind: Any) -> list[type[msgspec.Struct]]:
    """The structs that a place may hold."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [each for part in get_args(kind) for each in _structs(part)]


def _dicts(kind: Any) -> list[Any]:
    """The `TypedDict`s that a place may hold."""
    if hasattr(kind, "__required_keys__"):
        return [kind]
    return [each for part in get_args(kind) for each in _dicts(part)]


def _texts(kind: Any) -> set[str]:
    """The texts that a type has by name."""
    own = {part for part in get_args(kind) if isinstance(part, str)}
    return own.union(*(_texts(part) for part in get_args(kind) if not isinstance(part, str)))


def _tag(kind: Any) -> set[str]:
    """Which values its `type` or `role` may have; empty where it has none."""
    hints = get_type_hints(kind)
    return set[str]().union(*(_texts(hints[name]) for name in ("role", "type") if name in hints))


def _missed(struct: type[msgspec.Struct], typed: Any, place: str, seen: set[Any]) -> Iterator[str]:
    """Places that the SDK's type has and the struct does not."""
    hints, read = get_type_hints(typed), get_type_hints(struct)
    tag_field = struct.__struct_config__.tag_field
    for name, hint in hints.items():
        if name == tag_field:
            continue
        if name not in read:
            yield f"{place}.{name}".lstrip(".")
            continue
        structs = _structs(read[name])
        for inner in _dicts(hint) if structs else ():
            tags = _tag(inner)
            matching = [
                each
                for each in structs
                if each.__struct_config__.tag is None or each.__struct_config__.tag in tags
            ]
            for each in matching:
                if (each, inner) not in seen:
                    seen.add((each, inner))
                    yield from _missed(each, inner, f"{place}.{name}", seen)
            if not matching:
                yield f"{place}.{name}: {'/'.join(sorted(tags))}".lstrip(".")


def test_every_nested_parameter_of_chat_is_read() -> None:
    seen: set[Any] = set()
    assert sorted(_missed(ChatRequest, SDK["CHAT"], "", seen)) == []
    assert len(seen) > 20  # or nothing was compared
