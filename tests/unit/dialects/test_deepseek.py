"""Chat lines at DeepSeek-R1 over InvokeModel: the table, a schema of AWS's page, OpenAI's types."""

from typing import Final

import pytest
from tests.unit.dialects.cases import Case, check, parameters, table
from tests.unit.dialects.completions import given_by_openai, with_id
from tests.unit.dialects.invoked_schemas import sent_to_r1

from batchway.dialects.deepseek.dialect import DeepSeekDialect

_AT: Final = 1_700_000_000
_DIALECT: Final = DeepSeekDialect(model="us.deepseek.r1-v1:0")
_TABLE: Final = table("deepseek")


@pytest.mark.parametrize("case", parameters(_TABLE))
def test_case(case: Case) -> None:
    check(with_id(case), _DIALECT, sent=sent_to_r1, given=given_by_openai, at=_AT)


def test_the_table_has_enough_cases() -> None:
    assert len(_TABLE) >= 20
    assert all(case.source.startswith("https://") for case in _TABLE)


_PROMPT: Final = "<｜begin▁of▁sentence｜>S<｜User｜>A<｜Assistant｜><think>\n"


@pytest.mark.parametrize("lost", ["<｜begin▁of▁sentence｜>", "<｜Assistant｜>", "<think>\n"])
def test_the_check_of_prompts_finds_what_is_wrong(lost: str) -> None:
    sent_to_r1({"prompt": _PROMPT})
    with pytest.raises(AssertionError):
        sent_to_r1({"prompt": _PROMPT.replace(lost, "", 1)})
