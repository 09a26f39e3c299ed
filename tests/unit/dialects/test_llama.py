"""Chat lines at Llama over InvokeModel: the table, a schema of AWS's page, OpenAI's types."""

from typing import Any, Final

import pytest
from jsonschema import ValidationError
from tests.unit.dialects.cases import Case, check, parameters, table
from tests.unit.dialects.completions import given_by_openai, with_id
from tests.unit.dialects.invoked_schemas import sent_to_llama

from batchway.dialects.llama.dialect import LlamaDialect
from batchway.ports.dialect import Dialect

_AT: Final = 1_700_000_000
_PROFILE: Final = (
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
)
_DIALECTS: Final[dict[str, Dialect]] = {
    "3": LlamaDialect(model="meta.llama3-8b-instruct-v1:0"),
    "3.2": LlamaDialect(model="us.meta.llama3-2-11b-instruct-v1:0"),
    "3.3": LlamaDialect(model="us.meta.llama3-3-70b-instruct-v1:0"),
    "4": LlamaDialect(model="us.meta.llama4-scout-17b-instruct-v1:0"),
    "profile": LlamaDialect(model=_PROFILE),
}
_TABLE: Final = table("llama")


@pytest.mark.parametrize("case", parameters(_TABLE))
def test_case(case: Case) -> None:
    dialect = _DIALECTS[case.dialect]
    check(with_id(case), dialect, sent=sent_to_llama, given=given_by_openai, at=_AT)


def test_the_table_has_enough_cases_of_every_dialect() -> None:
    assert len(_TABLE) >= 60
    assert {case.dialect for case in _TABLE} == set(_DIALECTS)
    assert all(case.source.startswith("https://") for case in _TABLE)


_PROMPT: Final = (
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "m"},
        {"max_tokens": 5},
        {"max_gen_len": 0},
        {"temperature": 1.5},
        {"stop": ["x"]},
        {"prompt": ""},
    ],
)
def test_the_check_of_requests_finds_what_is_wrong(wrong: dict[str, Any]) -> None:
    sent_to_llama({"prompt": _PROMPT})
    with pytest.raises(ValidationError):
        sent_to_llama({"prompt": _PROMPT, **wrong})


@pytest.mark.parametrize("lost", ["<|begin_of_text|>", "<|eot_id|>", "\n\n"])
def test_the_check_of_prompts_finds_what_is_wrong(lost: str) -> None:
    with pytest.raises((AssertionError, StopIteration)):
        sent_to_llama({"prompt": _PROMPT.replace(lost, "", 1)})
