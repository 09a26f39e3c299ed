"""Batches on llama.cpp's server: every line gets its own answer, and the engine may die meanwhile.

A prompt's tokens are its bytes, so `usage` tells whose answer a result is.
"""

import json
from typing import Any, Final

import openai
import pytest
from openai.types import Batch
from tests.engines.conftest import Llama
from tests.journeys.conftest import NewServer
from tests.journeys.lines import CHAT, ENDED, Line, chat, line, submit
from tests.journeys.processes import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_CONTEXT: Final = 512


def _provider(engine: Llama) -> dict[str, Any]:
    return {"name": "llama", "type": "openai-compatible", "base_url": engine.base_url}


def _run(client: openai.OpenAI, lines: list[Line], endpoint: str, *, within: float = 60) -> Batch:
    batch = submit(client, lines, endpoint=endpoint)
    return _end(client, batch.id, within=within)


def _end(client: openai.OpenAI, batch_id: str, *, within: float) -> Batch:
    eventually(
        f"{batch_id} ends",
        lambda: client.batches.retrieve(batch_id).status in ENDED,
        within=within,
    )
    return client.batches.retrieve(batch_id)


def _records(client: openai.OpenAI, file_id: str | None) -> dict[str, dict[str, Any]]:
    if file_id is None:
        return {}
    found = [json.loads(text) for text in client.files.content(file_id).read().splitlines()]
    return {record["custom_id"]: record["response"] for record in found}


def _prompts(count: int) -> dict[str, str]:
    """Prompts by id, no two of the same length."""
    return {f"r-{number:03}": "x" * (number + 1) for number in range(count)}


def _costs(
    client: openai.OpenAI, file_id: str | None, field: str = "prompt_tokens"
) -> dict[str, int]:
    """What each line's prompt cost beyond the shortest."""
    answers = _records(client, file_id)
    tokens = {name: answer["body"]["usage"][field] for name, answer in answers.items()}
    least = min(tokens.values())
    return {name: count - least for name, count in tokens.items()}


def _body(endpoint: str, text: str) -> dict[str, Any]:
    match endpoint:
        case "/v1/responses":
            return {"input": text, "max_output_tokens": 8}
        case "/v1/completions":
            return {"prompt": text, "max_tokens": 8}
        case _:
            return {"messages": [{"role": "user", "content": text}], "max_tokens": 8}


@pytest.mark.parametrize(
    ("endpoint", "field"),
    [
        (CHAT, "prompt_tokens"),
        ("/v1/completions", "prompt_tokens"),
        ("/v1/responses", "input_tokens"),
    ],
)
def test_every_line_gets_its_own_answer(
    llama: Llama, new_server: NewServer, endpoint: str, field: str
) -> None:
    client = new_server(_provider(llama)).client()
    lines = [
        line(name, endpoint, model="random", **_body(endpoint, text))
        for name, text in _prompts(200).items()
    ]
    batch = _run(client, lines, endpoint)
    assert (batch.status, batch.error_file_id) == ("completed", None)
    expected = {name: len(text) - 1 for name, text in _prompts(200).items()}
    assert _costs(client, batch.output_file_id, field) == expected


def test_embeddings(embedder: Llama, new_server: NewServer) -> None:
    client = new_server(_provider(embedder)).client()
    lines = [
        line(name, "/v1/embeddings", model="random", input=text)
        for name, text in _prompts(100).items()
    ]
    batch = _run(client, lines, "/v1/embeddings")
    assert (batch.status, batch.error_file_id) == ("completed", None)
    expected = {name: len(text) - 1 for name, text in _prompts(100).items()}
    assert _costs(client, batch.output_file_id) == expected


def test_an_engine_that_dies_and_comes_back_loses_no_line(
    llama: Llama, new_server: NewServer
) -> None:
    client = new_server(_provider(llama)).client()
    lines = [
        chat(name, text, model="random", max_tokens=64) for name, text in _prompts(300).items()
    ]
    batch = submit(client, lines)
    eventually(
        "some lines are done",
        lambda: (counts := client.batches.retrieve(batch.id).request_counts) and counts.completed,
    )
    llama.kill()
    eventually(
        "the batch says why it waits",
        lambda: "llama" in (client.batches.retrieve(batch.id).status_details or ""),  # type: ignore[attr-defined] - an extension of ours
    )
    llama.start()
    ended = _end(client, batch.id, within=90)
    assert (ended.status, ended.error_file_id) == ("completed", None)
    expected = {name: len(text) - 1 for name, text in _prompts(300).items()}
    assert _costs(client, ended.output_file_id) == expected


def test_a_prompt_over_the_context_is_that_lines_error(llama: Llama, new_server: NewServer) -> None:
    client = new_server(_provider(llama)).client()
    lines = [
        chat("long", "x" * 4 * _CONTEXT, model="random", max_tokens=8),
        *(chat(name, text, model="random", max_tokens=8) for name, text in _prompts(20).items()),
    ]
    batch = _run(client, lines, CHAT)
    refused = _records(client, batch.error_file_id)
    assert {name: answer["status_code"] for name, answer in refused.items()} == {"long": 400}
    assert "exceeds the available context size" in refused["long"]["body"]["error"]["message"]
    assert _records(client, batch.output_file_id).keys() == _prompts(20).keys()


def test_what_the_engine_never_does_ends_at_once(llama: Llama, new_server: NewServer) -> None:
    """It answers 501 to every line: a refusal, and no reason to wait for better times."""
    client = new_server(_provider(llama)).client()
    lines = [
        line(name, "/v1/embeddings", model="random", input=text)
        for name, text in _prompts(20).items()
    ]
    batch = _run(client, lines, "/v1/embeddings", within=30)
    refused = _records(client, batch.error_file_id)
    assert {name: answer["status_code"] for name, answer in refused.items()} == dict.fromkeys(
        _prompts(20), 501
    )
