"""Hand-checked cases of a dialect, as data: what a line becomes, and what its answers become.

    - name: a text
      source: https://...                the vendor's page that says so
      dialect: batch                     which of the table's dialects; the test makes them
      line: {model: m, input: a}         the body of the line
      bodies: [{...}]                    the requests; or `unfaithful: {param: ..., why: ...}`
      warnings: [user]                   what is left out
      answers: [{body: {...}}]           an answer to each request; `status` is 200 unless it says
      result: {...}                      OpenAI's body; or `refused: {status: 400, code: ..., ...}`

Everything is compared whole: a key that is not in the table is a failure. Owns the form and the
comparing; what vendors' types say of the bodies is asked in the tests.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml

from batchway.ports.dialect import Dialect, Encoded, Refused, Result, Unfaithful

_TABLES: Final = Path(__file__).parent


class Problem(msgspec.Struct, forbid_unknown_fields=True):
    """Which parameter cannot be said, and what part of the reason says so."""

    param: str
    why: str


class Answered(msgspec.Struct, forbid_unknown_fields=True):
    """An answer: a JSON value, or `text` for what is none."""

    status: int = 200
    body: Any = None
    text: str | None = None

    @property
    def data(self) -> bytes:
        """Its bytes."""
        return msgspec.json.encode(self.body) if self.text is None else self.text.encode()


class Refusal(msgspec.Struct, forbid_unknown_fields=True):
    """What a refusal is read as; `message` is a part of it."""

    status: int
    code: str = ""
    kind: str = ""
    message: str = ""
    of_account: bool = False
    no_credit: bool = False
    of_model: bool = False


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """One row of a table."""

    name: str
    source: str
    line: Any
    dialect: str = ""
    bodies: list[Any] = []
    warnings: list[str] = []
    shape: list[tuple[str, str]] = []
    unfaithful: Problem | None = None
    answers: list[Answered] = []
    result: Any = None
    refused: Refusal | None = None
    nothing: bool = False
    usage: dict[str, int] = {}


def table(name: str) -> list[Case]:
    """The cases of `<name>.yaml`, whose names are all different."""
    # The loader in C is ten times as fast, and every worker reads every table.
    text = (_TABLES / f"{name}.yaml").read_text()
    rows = msgspec.convert(yaml.load(text, Loader=yaml.CSafeLoader), list[Case])
    names = [row.name for row in rows]
    assert len(names) == len(set(names)), "two cases have one name"
    return rows


def parameters(rows: Sequence[Case]) -> list[Any]:
    """The same, for `pytest.mark.parametrize`."""
    return [pytest.param(row, id=row.name) for row in rows]


def check(
    case: Case,
    dialect: Dialect,
    *,
    sent: Callable[[Any], object],
    given: Callable[[Any], object],
    at: int = 0,
) -> None:
    """Run a case. `sent` and `given` are asked of every request and every result of it: they raise
    for what the vendor's, and OpenAI's, types do not have.
    """
    line = msgspec.json.encode(case.line)
    encoded = dialect.encode(line, named="whatever")
    if case.unfaithful is not None:
        assert isinstance(encoded, Unfaithful)
        assert encoded.param == case.unfaithful.param
        assert case.unfaithful.why in encoded.why
        assert is_sentence(encoded.why)
        return
    assert isinstance(encoded, Encoded)
    assert [msgspec.json.decode(body) for body in encoded.bodies] == case.bodies
    assert not any(b"\n" in body for body in encoded.bodies)
    assert list(encoded.warnings) == case.warnings
    assert list(encoded.shape) == case.shape
    for body in case.bodies:
        sent(body)
    if not case.answers:
        return
    assert len(case.answers) == len(case.bodies), "an answer for each request"
    read = [
        dialect.decode(answer.status, answer.data, encoded.context, at=at)
        for answer in case.answers
    ]
    failed = next((each for each in read if not isinstance(each, Result)), None)
    if case.nothing or case.refused is not None:
        _refused_as(case, failed)
        return
    assert failed is None
    results = [each for each in read if isinstance(each, Result)]
    result = results[0] if len(results) == 1 else dialect.join(results, encoded.context)
    assert msgspec.json.decode(result.body) == case.result
    assert b"\n" not in result.body
    assert {name: spent for name, spent in asdict(result.usage).items() if spent} == case.usage
    given(msgspec.json.decode(result.body))


def is_sentence(why: str) -> bool:
    """Whether it is one: it stands after a colon at the end of a text for people."""
    return why[:1].isupper() and why.endswith(".")


def _refused_as(case: Case, read: Refused | Result | None) -> None:
    if case.refused is None:
        assert read is None
        return
    assert isinstance(read, Refused)
    message, expected = case.refused.message, msgspec.structs.asdict(case.refused)
    told = {name: getattr(read, name) for name in expected}
    assert message in told["message"]
    assert {**told, "message": ""} == {**expected, "message": ""}
    error = msgspec.json.decode(read.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert message in error["message"]
