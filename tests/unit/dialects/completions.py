"""Completions of answers that name none of their own: by OpenAI's types, and by their bytes."""

from hashlib import blake2b
from typing import Any, Literal, get_args

import msgspec
from openai.types.chat import ChatCompletion
from tests.unit.dialects.cases import Case


def given_by_openai(body: dict[str, Any]) -> None:
    """What OpenAI's types say of a completion, and what is added to it."""
    read = ChatCompletion.model_validate(body)
    assert set(read.model_extra or ()) <= {"batchway"}
    (choice,) = read.choices
    assert set(choice.message.model_extra or ()) <= {"reasoning_content"}
    assert choice.finish_reason in get_args(
        Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
    )


def with_id(case: Case) -> Case:
    """The case with the id that is made of its answer's bytes."""
    if case.result is None:
        return case
    (answer,) = case.answers
    assert case.result["id"] == "id"
    digest = blake2b(answer.data, digest_size=12).hexdigest()
    return msgspec.structs.replace(case, result={**case.result, "id": f"chatcmpl-{digest}"})
