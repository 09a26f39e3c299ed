"""Chat lines in Amazon Nova's own body: the tables, a schema of its pages, OpenAI's types."""

from typing import Any, Final

import pytest
from jsonschema import ValidationError
from tests.unit.dialects.cases import Case, check, parameters, table
from tests.unit.dialects.completions import given_by_openai, with_id
from tests.unit.dialects.nova_schema import sent_to_nova

from batchway.dialects.converse.dialect import NovaDialect
from batchway.dialects.converse.nova_parameters import CHAT
from batchway.dialects.requests.chat import ChatRequest
from batchway.ports.dialect import Dialect

_AT: Final = 1_700_000_000
_READABLE: Final = ("s3://bucket/",)
_PROFILE: Final = (
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
)
_DIALECTS: Final[dict[str, Dialect]] = {
    "micro": NovaDialect(model="amazon.nova-micro-v1:0"),
    "lite": NovaDialect(model="amazon.nova-lite-v1:0", readable=_READABLE),
    "2": NovaDialect(model="us.amazon.nova-2-lite-v1:0", readable=_READABLE),
    "omni": NovaDialect(model="us.amazon.nova-2-omni-v1:0"),
    "profile": NovaDialect(model=_PROFILE),
}
_TABLE: Final = [case for name in ("requests", "answers") for case in table(f"nova_{name}")]


@pytest.mark.parametrize("case", parameters(_TABLE))
def test_case(case: Case) -> None:
    dialect = _DIALECTS[case.dialect]
    check(with_id(case), dialect, sent=sent_to_nova, given=given_by_openai, at=_AT)


def test_the_tables_have_enough_cases_of_every_dialect() -> None:
    assert len(_TABLE) >= 75
    assert {case.dialect for case in _TABLE} == set(_DIALECTS)
    assert all(case.source.startswith("https://") for case in _TABLE)


def test_every_parameter_has_a_row() -> None:
    names = [row.name for row in CHAT.rows]
    assert len(names) == len(set(names))
    assert set(ChatRequest.__struct_fields__) <= set(names)
    assert all(row.note and row.source.startswith("https://") for row in CHAT.rows)


_RESULT: Final[dict[str, Any]] = {"toolUseId": "t", "content": []}
_REFERRING: Final[dict[str, Any]] = {
    "name": "n",
    "inputSchema": {"json": {"type": "object", "properties": {}, "$defs": {}}},
}
_RIGHT: Final[dict[str, Any]] = {
    "schemaVersion": "messages-v1",
    "messages": [{"role": "user", "content": [{"text": "x"}]}],
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"modelId": "m"},
        {"schemaVersion": "messages-v2"},
        {"additionalModelRequestFields": {}},
        {"inferenceConfig": {}},
        {"inferenceConfig": {"max_new_tokens": 5}},
        {"inferenceConfig": {"temperature": 1.5}},
        {"messages": [{"role": "assistant", "content": [{"text": "x"}]}]},
        {"messages": [{"role": "user", "content": [{"text": ""}]}]},
        {"messages": [{"role": "user", "content": [{"document": {}}]}]},
        {"messages": [{"role": "user", "content": [{"text": "x", "image": {}}]}]},
        {"messages": [{"role": "user", "content": [{"toolResult": _RESULT}]}]},
        {"toolConfig": {"tools": [{"toolSpec": _REFERRING}]}},
    ],
)
def test_the_check_of_requests_finds_what_is_wrong(wrong: dict[str, Any]) -> None:
    sent_to_nova(_RIGHT)
    with pytest.raises(ValidationError):
        sent_to_nova({**_RIGHT, **wrong})
