"""Chat lines at open models on Bedrock: the table, OpenAI's types, and which bytes are kept."""

import json
from typing import Any, Final, get_args

import pytest
from openai.types.chat import ChatCompletion
from pydantic import ValidationError
from tests.unit.dialects.cases import Case, check, parameters, table
from tests.unit.dialects.completions import with_id
from tests.unit.dialects.family_invoked import sent_to_open_models

from batchway.dialects.openai.open_dialect import OpenModelDialect
from batchway.dialects.openai.open_models import traits_of
from batchway.ports.dialect import Encoded, Result

_AT: Final = 1_700_000_000
_DIALECTS: Final = {
    "gpt-oss": OpenModelDialect(model="openai.gpt-oss-120b-1:0"),
    "qwen": OpenModelDialect(model="qwen.qwen3-32b-v1:0"),
    "vl": OpenModelDialect(model="qwen.qwen3-vl-235b-a22b"),
    "deepseek": OpenModelDialect(model="us.deepseek.v3-v1:0"),
    "minimax": OpenModelDialect(model="minimax.minimax-m2"),
    "kimi": OpenModelDialect(model="moonshot.kimi-k2-thinking"),
    "glm": OpenModelDialect(model="zai.glm-4.7"),
    "gemma": OpenModelDialect(model="google.gemma-3-27b-it"),
    "nemotron": OpenModelDialect(model="nvidia.nemotron-nano-9b-v2"),
    "newest": OpenModelDialect(model="mistral.mistral-large-3-675b-instruct"),
}
_TABLE: Final = table("open_models")
_FINISHES: Final = get_args(ChatCompletion.model_fields["choices"].annotation)[0].model_fields[
    "finish_reason"
]


def _given(body: dict[str, Any]) -> None:
    read = ChatCompletion.model_validate(body)
    assert set(read.model_extra or ()) <= {"batchway"}
    for choice in read.choices:
        assert set(choice.message.model_extra or ()) <= {"reasoning_content"}
        assert choice.finish_reason in get_args(_FINISHES.annotation)


@pytest.mark.parametrize("case", parameters(_TABLE))
def test_case(case: Case) -> None:
    if case.result is not None and case.result["id"] == "id":
        case = with_id(case)
    check(case, _DIALECTS[case.dialect], sent=sent_to_open_models, given=_given, at=_AT)


def test_the_table_has_enough_cases_of_every_dialect() -> None:
    assert len(_TABLE) >= 60
    assert {case.dialect for case in _TABLE} == set(_DIALECTS)
    assert all(case.source.startswith("https://") for case in _TABLE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_token": 5},
        {"messages": [{"role": "user", "content": "x", "reasoning_content": "y"}]},
        {"tool_choice": "any"},
        {"reasoning_effort": "huge"},
    ],
)
def test_the_check_of_requests_finds_what_is_wrong(wrong: dict[str, Any]) -> None:
    right = {"messages": [{"role": "user", "content": "x"}]}
    sent_to_open_models(right)
    with pytest.raises(ValidationError):
        sent_to_open_models({**right, **wrong})


def test_values_keep_their_bytes() -> None:
    """However a line spells its numbers and letters, and whatever order its members have."""
    messages = rb'[ {"content":"\u00e9 \/ 1", "role" : "user"} ]'
    line = (
        b'{"temperature":1.0, "messages":' + messages + b',"top_p":1E0,"mod\\u0065l":"m","seed":0}'
    )
    encoded = _DIALECTS["qwen"].encode(line, named="m")
    assert isinstance(encoded, Encoded)
    assert encoded.bodies == (
        b'{"temperature":1.0,"messages":' + messages + b',"top_p":1E0,"seed":0}',
    )


def test_answers_keep_their_bytes() -> None:
    usage = rb'{"prompt_tokens": 1, "completion_tokens":2, "x":1.50}'
    choices = rb'[ {"index":0, "message": {"role":"assistant","content":"\u00e9\/"}} ]'
    answer = b'{"choices":' + choices + b', "id":"chatcmpl-1", "model":"x","usage":' + usage + b"}"
    read = _DIALECTS["qwen"].decode(200, answer, b"", at=_AT)
    assert isinstance(read, Result)
    assert b'"choices":' + choices in read.body
    assert b'"usage":' + usage in read.body
    assert json.loads(read.body)["model"] == "qwen.qwen3-32b-v1:0"


@pytest.mark.parametrize(
    ("model", "sees", "efforts"),
    [
        ("openai.gpt-oss-20b-1:0", False, True),
        ("openai.gpt-oss-safeguard-120b", False, True),
        ("openai.gpt-5.6", True, True),
        ("us.qwen.qwen3-vl-235b-a22b", True, False),
        ("qwen.qwen3-coder-next", False, False),
        ("deepseek.v3.2", False, False),
        ("moonshotai.kimi-k2.5", True, False),
        ("zai.glm-5", False, False),
        ("zai.glm-4.6v", True, False),
        ("nvidia.nemotron-nano-12b-v2", True, False),
        ("arn:aws:bedrock:us-east-1:1:imported-model/abc", True, False),
    ],
)
def test_models_are_found_by_their_names(model: str, sees: bool, efforts: bool) -> None:
    found = traits_of(model)
    assert (found.sees, found.efforts) == (sees, efforts)
    assert found.source.startswith("https://")
