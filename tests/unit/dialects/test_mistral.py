"""Chat lines at Mistral's models over InvokeModel: tables, schemas, OpenAI's types."""

from typing import Any, Final

import msgspec
import pytest
from jsonschema import ValidationError
from tests.unit.dialects.cases import Case, check, parameters, table
from tests.unit.dialects.completions import given_by_openai, with_id
from tests.unit.dialects.invoked_schemas import sent_to_mistral

from batchway.dialects.mistral.chat_dialect import MistralChatDialect
from batchway.dialects.mistral.prompt_dialect import MistralPromptDialect
from batchway.ports.dialect import Dialect

_AT: Final = 1_700_000_000
_DIALECTS: Final[dict[str, Dialect]] = {
    "7b": MistralPromptDialect(model="mistral.mistral-7b-instruct-v0:2"),
    "mixtral": MistralPromptDialect(model="mistral.mixtral-8x7b-instruct-v0:1"),
    "small": MistralPromptDialect(model="mistral.mistral-small-2402-v1:0"),
    "large": MistralPromptDialect(model="mistral.mistral-large-2402-v1:0"),
    "2407": MistralChatDialect(model="mistral.mistral-large-2407-v1:0"),
    "pixtral": MistralChatDialect(model="us.mistral.pixtral-large-2502-v1:0"),
}
_TABLE: Final = [case for name in ("prompts", "chats") for case in table(f"mistral_{name}")]


@pytest.mark.parametrize("case", parameters(_TABLE))
def test_case(case: Case) -> None:
    if case.result is not None and case.result["id"] == "id":
        case = with_id(case)
    check(case, _DIALECTS[case.dialect], sent=sent_to_mistral, given=given_by_openai, at=_AT)


def test_the_tables_have_enough_cases_of_every_dialect() -> None:
    assert len(_TABLE) >= 60
    assert {case.dialect for case in _TABLE} == set(_DIALECTS)
    assert all(case.source.startswith("https://") for case in _TABLE)


def test_other_characters_of_ids_never_make_two_calls_one() -> None:
    given = ["call_1", "call_2", "a.b", "a:b", "abcDEF123", ""]
    calls = [
        {"id": each, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        for each in given
    ]
    results = [{"role": "tool", "tool_call_id": each, "content": each} for each in given]
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": calls}]
    line = {"messages": [*messages, *results]}
    encoded = _DIALECTS["2407"].encode(msgspec.json.encode(line), named="m")
    sent = msgspec.json.decode(encoded.bodies[0])["messages"]  # type: ignore[union-attr]
    ids = [call["id"] for call in sent[1]["tool_calls"]]
    assert len(set(ids)) == len(given)
    assert ids == [result["tool_call_id"] for result in sent[2:]]


_PROMPT: Final = "<s>[INST] A [/INST] B</s> [INST] C [/INST]"


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "m"},
        {"prompt": _PROMPT, "max_completion_tokens": 5},
        {"prompt": _PROMPT, "stop": "x"},
        {"messages": [{"role": "developer", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x", "name": "n"}]},
        {"messages": [{"role": "tool", "tool_call_id": "call_1", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x"}], "tool_choice": "required"},
        {"messages": [{"role": "user", "content": "x"}], "stop": ["x"]},
    ],
)
def test_the_check_of_requests_finds_what_is_wrong(wrong: dict[str, Any]) -> None:
    sent_to_mistral({"prompt": _PROMPT})
    sent_to_mistral({"messages": [{"role": "user", "content": "x"}]})
    with pytest.raises(ValidationError):
        sent_to_mistral(wrong)


@pytest.mark.parametrize("lost", ["<s>", " [/INST]", "</s>", "[INST] C [/INST]"])
def test_the_check_of_prompts_finds_what_is_wrong(lost: str) -> None:
    with pytest.raises(AssertionError):
        sent_to_mistral({"prompt": _PROMPT.replace(lost, "", 1)})
