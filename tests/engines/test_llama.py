"""Batches on llama.cpp's server: every line gets its own answer, and the engine may die meanwhile.

A prompt's tokens are its bytes, so `usage` tells whose answer a result is.
"""

from collections.abc import Sequence
from typing import Any, Final

import openai
import pytest
from tests.engines.conftest import Llama
from tests.journeys.conftest import NewServer
from tests.journeys.lines import CHAT, Line, chat, counts, ended, line, reached, results, submit
from tests.journeys.processes import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_CONTEXT: Final = 512


def _client(new_server: NewServer, engine: Llama) -> openai.OpenAI:
    provider = {"name": "llama", "type": "openai-compatible", "base_url": engine.base_url}
    return new_server(provider).client()


def _prompts(count: int) -> dict[str, str]:
    """Prompts by id, each a token longer than the one before."""
    return {f"r-{number:03}": "x" * (number + 1) for number in range(count)}


def _body(endpoint: str, text: str) -> dict[str, Any]:
    match endpoint:
        case "/v1/responses":
            return {"input": text, "max_output_tokens": 8}
        case "/v1/completions":
            return {"prompt": text, "max_tokens": 8}
        case "/v1/embeddings":
            return {"input": text}
        case _:
            return {"messages": [{"role": "user", "content": text}], "max_tokens": 8}


def _lines(endpoint: str, prompts: dict[str, str]) -> list[Line]:
    return [
        line(name, endpoint, model="random", **_body(endpoint, text))
        for name, text in prompts.items()
    ]


def _costs(output: Sequence[Line]) -> dict[str, int]:
    """What each line's prompt cost in tokens, less what every prompt costs."""
    usages = {each["custom_id"]: each["response"]["body"]["usage"] for each in output}
    tokens = {
        name: usage.get("prompt_tokens", usage.get("input_tokens"))
        for name, usage in usages.items()
    }
    shortest = min(tokens.values()) - 1
    return {name: count - shortest for name, count in tokens.items()}


def _own(prompts: dict[str, str]) -> dict[str, int]:
    return {name: len(text) for name, text in prompts.items()}


@pytest.mark.parametrize("endpoint", [CHAT, "/v1/completions", "/v1/responses"])
def test_every_line_gets_its_own_answer(llama: Llama, new_server: NewServer, endpoint: str) -> None:
    client = _client(new_server, llama)
    prompts = _prompts(200)
    batch = ended(client, submit(client, _lines(endpoint, prompts), endpoint=endpoint))
    assert (batch.status, counts(batch)) == ("completed", (200, 200, 0))
    assert _costs(results(client, batch).output) == _own(prompts)


def test_embeddings(embedder: Llama, new_server: NewServer) -> None:
    client = _client(new_server, embedder)
    prompts = _prompts(100)
    lines = _lines("/v1/embeddings", prompts)
    batch = ended(client, submit(client, lines, endpoint="/v1/embeddings"))
    assert (batch.status, counts(batch)) == ("completed", (100, 100, 0))
    assert _costs(results(client, batch).output) == _own(prompts)


def test_an_engine_that_dies_and_comes_back_loses_no_line(
    llama: Llama, new_server: NewServer
) -> None:
    client = _client(new_server, llama)
    prompts = _prompts(300)
    batch = submit(
        client, [chat(name, text, model="random", max_tokens=64) for name, text in prompts.items()]
    )
    reached(client, batch, completed=1)
    llama.kill()
    eventually(
        "the batch says which provider it waits for",
        lambda: "'llama'" in str(client.batches.retrieve(batch.id).to_dict()["status_details"]),
    )
    llama.start()
    batch = ended(client, batch)
    assert (batch.status, counts(batch)) == ("completed", (300, 300, 0))
    assert _costs(results(client, batch).output) == _own(prompts)


def test_a_prompt_over_the_context_is_that_lines_error(llama: Llama, new_server: NewServer) -> None:
    client = _client(new_server, llama)
    prompts = _prompts(20)
    lines = [chat("long", "x" * 4 * _CONTEXT, model="random"), *_lines(CHAT, prompts)]
    batch = ended(client, submit(client, lines))
    given = results(client, batch)
    assert given.codes() == {"long": 400}
    message = given.errors[0]["response"]["body"]["error"]["message"]
    assert "exceeds the available context size" in message
    assert _costs(given.output) == _own(prompts)


def test_what_the_engine_never_does_is_refused_at_once(llama: Llama, new_server: NewServer) -> None:
    """It answers 501 to every line: no reason to wait for better times."""
    client = _client(new_server, llama)
    prompts = _prompts(20)
    lines = _lines("/v1/embeddings", prompts)
    batch = ended(client, submit(client, lines, endpoint="/v1/embeddings"), within=30)
    assert results(client, batch).codes() == dict.fromkeys(prompts, 501)
