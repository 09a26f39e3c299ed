"""Chat lines at Claude on Bedrock: its own table, and those of Claude elsewhere again."""

from typing import Any, Final

import msgspec
import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from tests.unit.dialects.cases import Case, check, parameters, table
from tests.unit.dialects.completions import given_by_openai
from tests.unit.dialects.strict_types import strict

from batchway.dialects.anthropic.dialect import BEDROCK, AnthropicDialect
from batchway.dialects.claude.models import MODELS, NEWER, traits_of

_AT: Final = 1_700_000_000
_ARN: Final = "arn:aws:bedrock:us-east-1:123456789012:"
_NAMES: Final = {
    "haiku 3": "anthropic.claude-3-haiku-20240307-v1:0:48k",
    "sonnet 3.5 v2": "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
    "sonnet 4.5": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "opus 4.5": "eu.anthropic.claude-opus-4-5-20251101-v1:0",
    "opus 4.6": "global.anthropic.claude-opus-4-6-v1",
    "arn": f"{_ARN}inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "application": f"{_ARN}application-inference-profile/a1b2c3d4e5f6",
    # Those of the tables of Claude elsewhere.
    "haiku 3.5": "us.anthropic.claude-3-5-haiku-20241022-v1:0",
    "haiku 4.5": "jp.anthropic.claude-haiku-4-5-20251001-v1:0",
    "haiku 5.5": "anthropic.claude-haiku-5-5",
    "sonnet 5.5": "apac.anthropic.claude-sonnet-5-5",
    "opus 4.8": "anthropic.claude-opus-4-8",
    "opus 5": "global.anthropic.claude-opus-5",
    "opus 5.5": "au.anthropic.claude-opus-5-5-v1:0",
}
_DIALECTS: Final = {
    name: AnthropicDialect(model=model, version=BEDROCK) for name, model in _NAMES.items()
}
_OWN: Final = table("anthropic_bedrock")
_SHARED: Final = [
    case
    for name in ("turns", "tools", "parameters", "answers")
    for case in table(f"anthropic_{name}")
    if case.dialect in _NAMES
]
_check: Final = strict(MessageCreateParamsNonStreaming)


def _sent(body: dict[str, Any]) -> None:
    """What the SDK's types say of a request, and what Bedrock adds and takes away."""
    request = dict(body)
    assert request.pop("anthropic_version") == BEDROCK
    assert not {"model", "stream"} & set(request)
    assert request.pop("anthropic_beta", ["effort-2025-11-24"]) == ["effort-2025-11-24"]
    for name in ("temperature", "top_p"):
        assert 0 <= request.pop(name, 0) <= 1
    _check({"model": "in the address", **request})


@pytest.mark.parametrize("case", parameters(_OWN))
def test_case(case: Case) -> None:
    check(case, _DIALECTS[case.dialect], sent=_sent, given=given_by_openai, at=_AT)


@pytest.mark.parametrize("case", parameters(_SHARED))
def test_case_of_claude_elsewhere(case: Case) -> None:
    """The same, but for the version, the beta of an effort and the model's name."""
    bodies = [_at_bedrock(body, case.dialect) for body in case.bodies]
    result = case.result
    if result is not None and case.answers[0].body.get("model", "") == "":
        result = {**result, "model": _NAMES[case.dialect]}
    case = msgspec.structs.replace(case, bodies=bodies, result=result)
    check(case, _DIALECTS[case.dialect], sent=_sent, given=given_by_openai, at=_AT)


def _at_bedrock(body: dict[str, Any], name: str) -> dict[str, Any]:
    beta = name == "opus 4.5" and "effort" in body.get("output_config", {})
    betas = {"anthropic_beta": ["effort-2025-11-24"]} if beta else {}
    return {**body, "anthropic_version": BEDROCK, **betas}


def test_the_tables_have_enough_cases_of_every_dialect() -> None:
    assert len(_OWN) >= 20
    assert len(_OWN) + len(_SHARED) >= 120
    assert {case.dialect for case in (*_OWN, *_SHARED)} == set(_DIALECTS)
    assert all(case.source.startswith("https://") for case in _OWN)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4"),
        ("eu.anthropic.claude-3-7-sonnet-20250219-v1:0", "claude-3-7-sonnet"),
        ("apac.anthropic.claude-3-5-sonnet-20240620-v1:0", "claude-3-5-sonnet"),
        ("anthropic.claude-3-sonnet-20240229-v1:0:200k", "claude-3-sonnet"),
        ("global.anthropic.claude-sonnet-4-6", "claude-sonnet-4-6"),
        ("au.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "claude-opus-4-1"),
        ("anthropic.claude-opus-5-5-v1:0", "claude-opus-5-5"),
        (f"{_ARN}foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5"),
    ],
)
def test_a_model_is_found_by_any_of_bedrocks_names(name: str, row: str) -> None:
    assert traits_of(name) is MODELS[row]


def test_a_provisioned_model_is_taken_for_a_newer_one() -> None:
    assert traits_of(f"{_ARN}provisioned-model/abc123def456") is NEWER
