"""What Google's fake sinks a whole job for, as its importer does: limits that no page names."""

from typing import Any

import pytest
from tests.contract.google_clients import ended, line, lines, rows_of, state_of, submit

from batchway.simulator.google import running

SCHEMA: dict[str, Any] = {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}


def deep(levels: int) -> dict[str, Any]:
    """An object of so many levels."""
    value: dict[str, Any] = {"a": 1}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def held(schema: dict[str, Any]) -> dict[str, Any]:
    """What is laid over a request to hold its answer to a schema."""
    return {"generationConfig": {"responseMimeType": "application/json", "responseSchema": schema}}


def called(**args: Any) -> dict[str, Any]:
    """What is laid over a request so that it has a call with these arguments."""
    return {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": args}]}]}


SUNK: dict[str, tuple[list[dict[str, Any]] | bytes, str]] = {
    "nesting": ([line(0, **called(**deep(13)))], "levels of nesting"),
    "a key with a dollar": ([line(0, **called(**{"$ref": "x"}))], "Invalid field name '$ref'"),
    "a key with a space": ([line(0, **called(**{"a b": 1}))], "Invalid field name 'a b'"),
    "names of another case": ([line(0, **called(a=1, A=2))], "Duplicate field"),
    "two types under names of another case": (
        [line(0, **called(Name="x")), line(1, **called(name=["x"]))],
        "is scalar in one line and array in another",
    ),
    "an empty struct": ([line(0, tools=[{"googleSearch": {}}])], "Unsupported empty struct"),
    "a null in an array": ([line(0, **called(enum=["a", None]))], "holds a null"),
    "a null enum": ([line(0, **called(enum=None))], "enum` is null"),
    "an array in an array": ([line(0, **called(default=[[1]]))], "holds an array"),
    "two types of a key": (
        [line(0, **called(type="string")), line(1, **called(type=["string", "null"]))],
        "is scalar in one line and array in another",
    ),
    "null and array": (
        [line(0, **called(type=None)), line(1, **called(type=["string"]))],
        "repeated and null",
    ),
    "two response schemas": (
        [line(0, **held(SCHEMA)), line(1, **held({"type": "STRING"}))],
        "different response schemas",
    ),
    "no JSON": (b'{"request": \n', "Line 1 is not valid JSON"),
    "no request": ([{"contents": []}], "A line has no `request`"),
    "nothing": (b"\n\n", "The input is empty"),
}


@pytest.mark.parametrize("case", list(SUNK))
def test_a_line_that_sinks_its_whole_job(case: str) -> None:
    rows, words = SUNK[case]
    with running() as fake:
        done = ended(fake, submit(fake, rows))
        assert state_of(done) == "FAILED"
        assert done.error is not None
        assert done.error.code == 3
        assert done.error.message is not None
        assert done.error.message.startswith("Failed to import data.")
        assert words in done.error.message
        assert done.output_info is None
        assert fake.state.lines_by_id == {}


def test_what_the_importer_lets_through() -> None:
    rows = [
        line(0, **called(**deep(12))),
        line(1, **held(SCHEMA)),
        line(2, **held(SCHEMA)),
        line(3, systemInstruction={"parts": [{"text": "x"}]}),
    ]
    with running() as fake:
        done = ended(fake, submit(fake, rows))
        assert state_of(done) == "SUCCEEDED"
        assert len(rows_of(fake, done)) == 4


def test_more_lines_or_bytes_than_there_may_be() -> None:
    for dials in ({"max_lines": 2}, {"max_bytes": 200}):
        with running(**dials) as fake:
            done = ended(fake, submit(fake, lines(3)))
            assert done.error is not None
            assert done.error.code == 3
