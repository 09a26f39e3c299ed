"""The simulator over real sockets: OpenAI's own SDK as oracle."""

import asyncio
import math
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import openai
import pytest
from tests.contract.simulated_server import (
    CHAT,
    ask,
    connect,
    fetch,
    raw,
    sdk,
    simulator,
    stats,
    until,
)

from batchway.simulator.online import (
    expected_embedding,
    expected_moderation,
    expected_text,
    prompt_digest,
    verify,
)

# The SDK as oracle.


async def test_chat() -> None:
    body = ask("How many clips?", n=2, max_completion_tokens=5)
    async with simulator() as origin, sdk(origin) as client:
        completion = await client.chat.completions.create(**body)
    assert verify(CHAT, body, completion.model_dump()) is None
    assert completion.choices[0].message.content == expected_text(CHAT, body)
    assert [choice.finish_reason for choice in completion.choices] == ["length", "length"]
    assert completion.id.startswith("chatcmpl-")
    assert str(completion._request_id).startswith("req_")


async def test_responses() -> None:
    whole: dict[str, Any] = {"model": "m", "input": "How many clips?", "instructions": "Be brief."}
    cut: dict[str, Any] = {
        "model": "m",
        "input": [{"role": "user", "content": "How?"}],
        "max_output_tokens": 16,
    }
    async with simulator() as origin, sdk(origin) as client:
        completed = await client.responses.create(**whole)
        incomplete = await client.responses.create(**cut)
    assert verify("/v1/responses", whole, completed.model_dump()) is None
    assert verify("/v1/responses", cut, incomplete.model_dump()) is None
    assert completed.output_text == expected_text("/v1/responses", whole)
    assert (completed.status, completed.incomplete_details) == ("completed", None)
    assert incomplete.status == "incomplete"
    assert incomplete.incomplete_details is not None
    assert incomplete.incomplete_details.reason == "max_output_tokens"


async def test_completions() -> None:
    body: dict[str, Any] = {"model": "m", "prompt": ["one", "two"], "n": 2}
    async with simulator() as origin, sdk(origin) as client:
        completion = await client.completions.create(**body)
    assert verify("/v1/completions", body, completion.model_dump()) is None
    assert [choice.index for choice in completion.choices] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("body", "texts", "tokens"),
    [
        # Without a format the SDK asks for base64 and unpacks it.
        ({"input": ["one", "two"]}, ["one", "two"], 2),
        ({"input": "one", "encoding_format": "float"}, ["one"], 1),
        ({"input": "one", "dimensions": 3}, ["one"], 1),
        ({"input": [[1, 2, 3], [4]]}, ["[1,2,3]", "[4]"], 4),
    ],
)
async def test_embeddings(body: dict[str, Any], texts: list[str], tokens: int) -> None:
    body = {"model": "m", **body}
    async with simulator() as origin, sdk(origin) as client:
        result = await client.embeddings.create(**body)
    assert verify("/v1/embeddings", body, result.model_dump()) is None
    assert result.usage.prompt_tokens == tokens
    size = body.get("dimensions", 8)
    assert [item.embedding for item in result.data] == [
        pytest.approx(expected_embedding(text, "m", size), abs=1e-6) for text in texts
    ]


async def test_moderations() -> None:
    body: dict[str, Any] = {"input": ["one", "two"]}
    async with simulator() as origin, sdk(origin) as client:
        result = await client.moderations.create(**body)
        parts = await client.moderations.create(input=[{"type": "text", "text": "one"}])
    assert verify("/v1/moderations", body, result.model_dump(by_alias=True)) is None
    assert result.model == "omni-moderation-latest"
    assert parts.results[0].flagged == expected_moderation("one")["flagged"]


async def test_models() -> None:
    async with simulator(models=["a", "b"]) as origin, sdk(origin) as client:
        assert [model.id async for model in client.models.list()] == ["a", "b"]
        assert (await client.models.retrieve("b")).id == "b"
        for missing in (
            client.models.retrieve("c"),
            client.completions.create(model="c", prompt="x"),
        ):
            with pytest.raises(openai.NotFoundError) as refused:
                await missing
            assert refused.value.code == "model_not_found"


async def test_azure() -> None:
    body = ask("How many clips?")
    key = {"api-key": "secret"}
    deployed = "/openai/deployments/deployed/chat/completions"
    async with (
        simulator(api_key="secret") as origin,
        openai.AsyncAzureOpenAI(
            azure_endpoint=origin, api_key="secret", api_version="2025-04-01-preview"
        ) as client,
    ):
        chat = await client.chat.completions.create(
            model="deployed", messages=[{"role": "user", "content": "How many clips?"}]
        )
        vectors = await client.embeddings.create(model="deployed", input="one")
        response = await client.responses.create(model="deployed", input="one")
        status, _, unversioned = await fetch(origin, deployed, body, headers=key)
        _, _, latest = await fetch(origin, "/openai/v1/chat/completions", body, headers=key)
    assert verify(CHAT, body, chat.model_dump(), model="deployed") is None
    assert vectors.model == response.model == "deployed"
    assert status == 404
    assert unversioned == {"error": {"code": "404", "message": "Resource not found"}}
    assert verify(CHAT, body, latest) is None


@pytest.mark.parametrize(
    ("marker", "error", "code"),
    [
        ("[[400]]", openai.BadRequestError, "context_length_exceeded"),
        ("[[401]]", openai.AuthenticationError, "invalid_api_key"),
        ("[[403]]", openai.PermissionDeniedError, "unsupported_country_region_territory"),
        ("[[404]]", openai.NotFoundError, "model_not_found"),
        ("[[408]]", openai.APIStatusError, None),
        ("[[409]]", openai.ConflictError, None),
        ("[[422]]", openai.UnprocessableEntityError, None),
        ("[[429]]", openai.RateLimitError, "rate_limit_exceeded"),
        ("[[500]]", openai.InternalServerError, None),
        ("[[503]]", openai.InternalServerError, "service_unavailable"),
        ("[[html]]", openai.InternalServerError, None),
        ("[[reset]]", openai.APIConnectionError, None),
        ("[[truncate]]", openai.APIConnectionError, None),
    ],
)
async def test_scripted_failures(
    marker: str, error: type[openai.APIError], code: str | None
) -> None:
    async with simulator() as origin, sdk(origin) as client:
        with pytest.raises(error) as failed:
            await client.chat.completions.create(**ask(f"Fail: {marker}"))
        assert failed.value.code == code
        report = await until(origin, in_flight=0)
    assert report["answered"] == 0
    assert [*report["faults"], *report["by_status"]][0] == marker.strip("[]")


async def test_a_script_for_two_attempts_is_over_at_the_third() -> None:
    body = ask("Twice [[429*2]]")
    async with simulator(retry_after=0.001) as origin, sdk(origin, retries=2) as client:
        completion = await client.chat.completions.create(**body)
        assert verify(CHAT, body, completion.model_dump()) is None
        assert (await stats(origin))["by_status"] == {"200": 1, "429": 2}


def error(
    message: str, param: str | None = None, code: str | None = None
) -> dict[str, dict[str, str | None]]:
    """OpenAI's envelope for a bad request."""
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "answer"),
    [
        ("/chat/completions", {"messages": []}, 400, error("you must provide a model parameter")),
        ("/v1/images", {"model": "m"}, 404, error("Invalid URL (POST /v1/images)")),
        (
            CHAT,
            None,
            405,
            error(
                f"Not allowed to GET on {CHAT}. (HINT: Perhaps you meant to use a different HTTP "
                "method?)",
                None,
                "method_not_supported",
            ),
        ),
    ],
)
async def test_bad_requests(path: str, body: Any, status: int, answer: Any) -> None:
    async with simulator() as origin:
        got, _, content = await fetch(origin, path, body)
    assert (got, content) == (status, answer)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, None),
        ({"Authorization": "Bearer wrong"}, 401, "invalid_api_key"),
        ({"api-key": "wrong"}, 401, "invalid_api_key"),
        ({"Authorization": "Bearer secret"}, 200, None),
        ({"api-key": "secret"}, 200, None),
    ],
)
async def test_keys(headers: dict[str, str], status: int, code: str | None) -> None:
    async with simulator(api_key="secret") as origin:
        got, _, content = await fetch(origin, CHAT, ask("hi"), headers=headers)
        health, _, _ = await fetch(origin, "/healthz")
    assert (got, content.get("error", {}).get("code"), health) == (status, code, 200)


# Limits and queues.


async def test_requests_per_minute() -> None:
    async with simulator(requests_per_minute=2) as origin, sdk(origin) as client:
        raw_answer = await client.chat.completions.with_raw_response.create(**ask("one"))
        await client.chat.completions.create(**ask("two"))
        with pytest.raises(openai.RateLimitError) as refused:
            await client.chat.completions.create(**ask("three"))
    assert raw_answer.headers["x-ratelimit-limit-requests"] == "2"
    assert raw_answer.headers["x-ratelimit-remaining-requests"] == "1"
    headers = refused.value.response.headers
    assert 20_000 < int(headers["retry-after-ms"]) <= 30_000
    assert int(headers["retry-after"]) == math.ceil(int(headers["retry-after-ms"]) / 1000)
    assert (refused.value.type, refused.value.code) == ("requests", "rate_limit_exceeded")
    assert "on requests per min (RPM): Limit 2, Used 2, Requested 1." in refused.value.message


async def test_tokens_per_minute() -> None:
    async with simulator(tokens_per_minute=100) as origin, sdk(origin) as client:
        with pytest.raises(openai.RateLimitError, match="Request too large for m") as refused:
            await client.chat.completions.create(**ask("long " * 200))
        assert "retry-after" not in refused.value.response.headers
        results = await asyncio.gather(
            *(client.chat.completions.create(**ask(f"{index}")) for index in range(20)),
            return_exceptions=True,
        )
    refusals = [result for result in results if isinstance(result, BaseException)]
    assert 0 < len(refusals) < 20
    for refusal in refusals:
        assert isinstance(refusal, openai.RateLimitError)
        assert "on tokens per min (TPM): Limit 100, Used " in refusal.message


async def test_max_concurrency_refuses_what_capacity_would_queue() -> None:
    async with simulator(max_concurrency=1) as origin:
        _, stuck = await connect(origin)
        stuck.write(raw(ask("[[hang]]")))
        await until(origin, in_flight=1)
        assert (await fetch(origin, CHAT, ask("x")))[0] == 429
        stuck.close()


async def test_beyond_capacity_requests_queue() -> None:
    loop = asyncio.get_running_loop()
    async with simulator(capacity=2, latency=0.05) as origin:
        started = loop.time()
        answers = await asyncio.gather(*(fetch(origin, CHAT, ask("x")) for _ in range(6)))
    assert [status for status, _, _ in answers] == [200] * 6
    assert loop.time() - started >= 0.15


async def test_latency_grows_with_the_output() -> None:
    loop = asyncio.get_running_loop()
    async with simulator(latency_per_token=0.01) as origin:
        started = loop.time()
        await fetch(origin, CHAT, ask("x", max_tokens=8))
        assert loop.time() - started >= 0.08


async def test_who_hangs_up_gives_back_the_slot() -> None:
    async with simulator(capacity=1) as origin:
        clients = [await connect(origin) for _ in range(2)]
        for _, writer in clients:
            writer.write(raw(ask("[[hang]]")))
        await until(origin, working=1, queued=1)
        for _, writer in clients:
            writer.close()
        assert (await fetch(origin, CHAT, ask("x")))[0] == 200
        report = await until(origin, in_flight=0)
    assert (report["abandoned"], report["answered"], report["working"]) == (2, 1, 0)


# Control.


async def test_the_ledger_counts_what_was_paid_for() -> None:
    async with simulator(record=True) as origin:
        for content in ("one", "one", "two", "[[500]]"):
            await fetch(origin, CHAT, ask(content))
        with pytest.raises(UnicodeDecodeError):
            await fetch(origin, CHAT, ask("[[garbage]]"))
        report = await stats(origin)
        _, _, emptied = await fetch(origin, "/_simulator/reset", {})
    assert report.pop("tokens")["total"] > 0
    assert report == {
        "requests": 5,
        "answered": 3,
        "abandoned": 0,
        "in_flight": 0,
        "max_in_flight": 1,
        "working": 0,
        "queued": 0,
        "by_status": {"200": 4, "500": 1},
        "faults": {"garbage": 1},
        "requests_by_digest": {
            prompt_digest(CHAT, ask("one")): 2,
            prompt_digest(CHAT, ask("two")): 1,
        },
    }
    assert (emptied["requests"], emptied["requests_by_digest"]) == (0, {})


async def test_dials_turn_while_it_runs() -> None:
    async with simulator(api_key="secret", requests_per_minute=5) as origin:
        headers = {"api-key": "secret"}
        status, answered, _ = await fetch(origin, CHAT, ask("x"), headers=headers)
        assert (status, answered["x-ratelimit-remaining-requests"]) == (200, "4")
        _, _, dials = await fetch(origin, "/_simulator/settings", {"error_rate": 1})
        assert (dials["error_rate"], "api_key" in dials) == (1, False)
        status, answered, _ = await fetch(origin, CHAT, ask("x"), headers=headers)
        # Another dial's turn refills nothing.
        assert (status in (500, 503), answered["x-ratelimit-remaining-requests"]) == (True, "3")
        refused, _, content = await fetch(origin, "/_simulator/settings", {"error_rate": 2})
        assert (refused, content) == (
            400,
            error("error_rate: Input should be less than or equal to 1"),
        )
        assert (await fetch(origin, "/_simulator/settings"))[2] == dials


async def test_more_capacity_admits_the_queue() -> None:
    async with simulator(capacity=1) as origin:
        _, stuck = await connect(origin)
        stuck.write(raw(ask("[[hang]]")))
        await until(origin, working=1)
        waiting = asyncio.create_task(fetch(origin, CHAT, ask("x")))
        await until(origin, queued=1)
        await fetch(origin, "/_simulator/settings", {"capacity": 2})
        assert (await waiting)[0] == 200
        stuck.close()


# The process.


@asynccontextmanager
async def process(*flags: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "batchway.simulator.online",
        *flags,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            running.kill()
        await running.wait()


async def test_as_a_process_it_prints_its_url_and_misbehaves_as_well() -> None:
    async with process("--port", "0", "--models", "m", "--record") as running:
        assert running.stdout is not None
        origin = (await running.stdout.readline()).decode().strip().removesuffix("/v1")
        assert verify(CHAT, ask("x"), (await fetch(origin, CHAT, ask("x")))[2]) is None
        # On uvloop, which has its own ways to close a socket.
        reader, writer = await connect(origin)
        writer.write(raw(ask("[[reset]]")))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        with pytest.raises(aiohttp.ClientPayloadError):
            await fetch(origin, CHAT, ask("[[truncate]]"))
        assert (await stats(origin))["faults"] == {"reset": 1, "truncate": 1}


async def test_a_wrong_flag_is_named() -> None:
    async with process("--error-rate", "3", "--latency", "soon") as running:
        _, complaint = await running.communicate()
        assert running.returncode == 2
        assert b"latency: latency 'soon' is not one of" in complaint
        assert b"error_rate: Input should be less than or equal to 1" in complaint


async def test_an_engine_says_how_many_requests_run_and_wait() -> None:
    async with simulator(engine="h200-256") as origin, aiohttp.ClientSession() as client:
        asked = [asyncio.create_task(fetch(origin, CHAT, ask(f"{n}"))) for n in range(400)]
        async with asyncio.timeout(60):
            while True:
                async with client.get(f"{origin}/metrics") as response:
                    text = await response.text()
                said = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
                if float(said['vllm:num_requests_waiting{model_name="h200-256"}']) > 0:
                    break
        assert said['vllm:num_requests_running{model_name="h200-256"}'] == "256.0"
        assert [status for status, _, _ in await asyncio.gather(*asked)] == [200] * 400
    async with simulator() as origin:
        assert (await fetch(origin, "/metrics"))[0] == 404
