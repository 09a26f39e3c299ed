"""Tokens that AWS counts in headers alone: in the usage of a result, and in its body."""

import json
from typing import Any

import msgspec
import pytest
from tests.unit.dispatch_world import FakeAnswer

from batchway.dialects.answers.chat import Choice, Message, Spent, completion
from batchway.dialects.answers.embeddings import embeddings, joined
from batchway.domain.batch import Usage
from batchway.ports import Result
from batchway.providers.aws.advice import Called
from batchway.providers.aws.notes import AwsNotes
from batchway.providers.aws.place import Place
from batchway.providers.aws.signing import BearerKey

NOTES = AwsNotes(
    called=Called(place=Place(region="us-east-1"), model="m"),
    authorization=BearerKey(provider="p", api_key="k"),
)


def counted(read: Result, inputs: str | None, outputs: str | None) -> Result:
    headers = {"x-amzn-bedrock-input-token-count": inputs}
    headers["x-amzn-bedrock-output-token-count"] = outputs
    given = {name: value for name, value in headers.items() if value is not None}
    return NOTES.counted(FakeAnswer(200, b"{}", given), read)


def chat() -> Result:
    choices = [Choice(0, Message(content="\u00e9 \\u0000"), "stop")]
    return completion(id="1", created=2, model="m", choices=choices, spent=Spent())


def vectors() -> Result:
    written = [msgspec.Raw(b"[0.10, 1e-7]")]
    return embeddings(written, model="m", tokens=0, base64=False)


def _bare(kind: str, usage: Any = ...) -> Result:
    fields = {"object": kind, "x": [1, {"y": None}]} | ({} if usage is ... else {"usage": usage})
    return Result(json.dumps(fields).encode(), Usage())


CHAT = {"prompt_tokens": 14, "completion_tokens": 36, "total_tokens": 50}
DETAILS = {
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
RESPONSE = {"input_tokens": 14, "output_tokens": 36, "total_tokens": 50}


@pytest.mark.parametrize(
    ("read", "usage", "outputs"),
    [
        (chat(), CHAT | DETAILS, 36),
        (vectors(), {"prompt_tokens": 14, "total_tokens": 14}, 0),
        (_bare("response", None), RESPONSE, 36),
        (_bare("chat.completion"), CHAT, 36),
    ],
)
def test_what_headers_count_is_the_usage_of_the_body_too(
    read: Result, usage: dict[str, Any], outputs: int
) -> None:
    result = counted(read, "14", "36")
    assert result.usage == Usage(input_tokens=14, output_tokens=outputs)
    assert json.loads(result.body) == {**json.loads(read.body), "usage": usage}
    assert b"\n" not in result.body


def test_vectors_stay_as_they_were_written_and_parts_add_up() -> None:
    one = counted(vectors(), "3", "0")
    assert b"[0.10, 1e-7]" in one.body
    both = joined([one, counted(vectors(), "4", None)])
    assert both.usage == Usage(input_tokens=7)
    assert json.loads(both.body)["usage"] == {"prompt_tokens": 7, "total_tokens": 7}


@pytest.mark.parametrize("odd", [None, "", "0", "-3", "1.5", "many", "\u00b2", "9" * 30])
def test_what_is_no_count_counts_nothing(odd: str | None) -> None:
    read = chat()
    assert counted(read, odd, odd) is read
