"""The fake of Google, driven by the vendors' own SDKs over the socket: jobs and models."""

import json
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors, types
from tests.contract.google_clients import (
    BUCKET,
    CLAUDE,
    GEMINI,
    claude,
    directory,
    ended,
    files,
    gen_ai,
    jsonl,
    line,
    lines,
    look,
    maas,
    rows_of,
    state_of,
    submit,
)

from batchway.simulator.google import running
from batchway.simulator.google.expected import belongs, digest_of, vectors_of
from batchway.simulator.online import expected_text, verify

CHAT = "/v1/chat/completions"


def openai_line(number: int) -> dict[str, Any]:
    """What a caller had written for `line(number)`."""
    return {
        "model": GEMINI,
        "messages": [{"role": "user", "content": f"Line {number}: é漢😀"}],
    }


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_batch_from_its_input_to_its_rows(version: str) -> None:
    with running() as fake:
        fake.put(f"gs://{BUCKET}/in.jsonl", jsonl(lines(5)))
        client = gen_ai(fake, version=version)
        job = client.batches.create(
            model=GEMINI,
            src=f"gs://{BUCKET}/in.jsonl",
            config=types.CreateBatchJobConfig(display_name="t-1", dest=f"gs://{BUCKET}/out/1/"),
        )
        assert job.name is not None
        assert job.name.startswith("projects/123456789012/locations/us-central1/batchPredictionJ")
        assert (state_of(job), job.display_name, job.completion_stats, job.output_info) == (
            "PENDING",
            "t-1",
            None,
            None,
        )
        done = ended(fake, job)
        assert state_of(done) == "SUCCEEDED"
        assert done.completion_stats is not None
        assert done.completion_stats.successful_count == 5
        assert directory(done).startswith(f"gs://{BUCKET}/out/1/prediction-model-20")
        assert list(files(fake, done)) == ["predictions.jsonl"]
        rows = rows_of(fake, done)
        assert [row["custom_id"] for row in rows] == [f"r{number:010}" for number in range(5)]
        for number, row in enumerate(rows):
            assert row["status"] == ""
            assert row["request"] == line(number)["request"]
            types.GenerateContentResponse.model_validate(row["response"])
            text = row["response"]["candidates"][0]["content"]["parts"][0]["text"]
            assert text == expected_text(CHAT, openai_line(number))
            assert belongs(openai_line(number), row["response"], model=GEMINI)
        paid = {f"r{number:010}": 1 for number in range(5)}
        assert fake.state.lines_by_id == paid
        assert fake.state.paid == {"0": paid}
        client.batches.delete(name=job.name)
        with pytest.raises(errors.ClientError, match="does not exist"):
            client.batches.get(name=job.name)
        assert [gone["id"] for gone in fake.state.deleted] == [job.name.rpartition("/")[2]]


def test_jobs_are_listed_newest_first_by_page_and_by_filter() -> None:
    with running() as fake:
        for number in range(5):
            ended(fake, submit(fake, lines(1), name=f"t-{number}"))
        client = gen_ai(fake)
        listed = client.batches.list(config={"page_size": 2})
        assert len(listed.page) == 2
        assert [job.display_name for job in listed] == ["t-4", "t-3", "t-2", "t-1", "t-0"]
        for text, names in (
            ('display_name="t-3"', ["t-3"]),
            ('displayName="t-3" AND state="JOB_STATE_SUCCEEDED"', ["t-3"]),
            ('display_name="t-3" AND state="JOB_STATE_FAILED"', []),
            ('display_name="t-1" OR display_name="t-0"', ["t-1", "t-0"]),
            ('NOT display_name:"t-*"', []),
            ('create_time>"2099-01-01T00:00:00Z"', []),
            ('display_name="\\"quoted\\""', []),
        ):
            found = client.batches.list(config={"filter": text})
            assert [job.display_name for job in found] == names, text
        elsewhere = gen_ai(fake, location="global")
        assert list(elsewhere.batches.list()) == []
        with pytest.raises(errors.ClientError, match="Invalid filter"):
            client.batches.list(config={"filter": "t-3"})


def test_a_job_that_is_cancelled_exports_the_rows_that_it_has_run() -> None:
    fates = [{"share": 0.5}]
    with running(hold=["RUNNING", "CANCELLING"], fates=fates) as fake:
        job = submit(fake, lines(10))
        fake.eventually(lambda seen: seen["jobs"][0]["done"] == 5)
        client = gen_ai(fake)
        assert job.name is not None
        with pytest.raises(errors.ClientError, match="cancel it first"):
            client.batches.delete(name=job.name)
        client.batches.cancel(name=job.name)
        assert state_of(look(fake, job)) == "CANCELLING"
        fake.control(hold=[])
        done = ended(fake, job)
        assert state_of(done) == "CANCELLED"
        assert done.error is not None
        assert done.error.code == 1
        assert len(rows_of(fake, done)) == 5
        assert fake.state.lines_by_id == {f"r{number:010}": 1 for number in range(5)}
        with pytest.raises(errors.ClientError) as caught:
            client.batches.cancel(name=job.name)
        assert (caught.value.code, caught.value.status) == (400, "FAILED_PRECONDITION")


def test_texts_and_their_usage() -> None:
    with running() as fake:
        client = gen_ai(fake)
        answer = client.models.generate_content(model=GEMINI, contents="Line 1: é漢😀")
        assert answer.text == expected_text(CHAT, openai_line(1))
        usage = answer.usage_metadata
        assert usage is not None
        assert usage.prompt_token_count is not None
        assert usage.candidates_token_count is not None
        assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
        assert fake.state.online_by_digest == {digest_of(openai_line(1), model=GEMINI): 1}


def test_tools_that_are_forced_and_values_that_a_schema_asks_for() -> None:
    weather = types.FunctionDeclaration(
        name="weather",
        parameters_json_schema={
            "type": "object",
            "properties": {"city": {"$ref": "#/$defs/City"}, "days": {"type": "integer"}},
            "required": ["city"],
            "$defs": {"City": {"type": "string", "enum": ["Rome", "Oslo"]}},
        },
    )
    forced = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
    with running() as fake:
        client = gen_ai(fake)
        answer = client.models.generate_content(
            model=GEMINI,
            contents="What is the weather?",
            config=types.GenerateContentConfig(
                tools=[types.Tool(function_declarations=[weather])],
                tool_config=types.ToolConfig(function_calling_config=forced),
            ),
        )
        assert answer.function_calls is not None
        (call,) = answer.function_calls
        assert call.name == "weather"
        assert call.args is not None
        assert call.args["city"] in ("Rome", "Oslo")
        assert isinstance(call.args["days"], int)
        held = client.models.generate_content(
            model=GEMINI,
            contents="Who?",
            config=types.GenerateContentConfig(
                response_mime_type="application/json",
                response_schema={
                    "type": "OBJECT",
                    "properties": {"who": {"type": "STRING"}, "ages": {"type": "ARRAY", "items": {
                        "type": "INTEGER", "minimum": 3, "maximum": 9}}},
                },
            ),
        )  # fmt: skip
        value = json.loads(held.text or "")
        asked = {"messages": [{"role": "user", "content": "Who?"}]}
        assert value["who"] == digest_of(asked, model=GEMINI)
        assert [3 <= age <= 9 for age in value["ages"]] == [True]


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        ("safety", "SAFETY"),
        ("recitation", "RECITATION"),
        ("malformed", "MALFORMED_FUNCTION_CALL"),
        ("empty", "STOP"),
    ],
)
def test_answers_that_are_none(mark: str, reason: str) -> None:
    with running() as fake:
        client = gen_ai(fake)
        answer = client.models.generate_content(model=GEMINI, contents=f"[[fake:{mark}]]")
        assert answer.candidates is not None
        assert answer.candidates[0].finish_reason == reason
        assert not answer.text
        blocked = client.models.generate_content(model=GEMINI, contents="[[fake:block]]")
        assert blocked.prompt_feedback is not None
        assert blocked.prompt_feedback.block_reason == "PROHIBITED_CONTENT"
        assert not blocked.candidates


def test_logprobs_candidates_and_thoughts() -> None:
    with running() as fake:
        client = gen_ai(fake)
        answer = client.models.generate_content(
            model=GEMINI,
            contents="Hello",
            config=types.GenerateContentConfig(
                candidate_count=2,
                response_logprobs=True,
                logprobs=3,
                max_output_tokens=4,
                thinking_config=types.ThinkingConfig(thinking_budget=100, include_thoughts=True),
            ),
        )
        assert answer.candidates is not None
        assert [found.finish_reason for found in answer.candidates] == ["MAX_TOKENS"] * 2
        result = answer.candidates[0].logprobs_result
        assert result is not None
        assert result.top_candidates is not None
        assert len(result.top_candidates[0].candidates or []) == 3
        usage = answer.usage_metadata
        assert usage is not None
        assert (usage.thoughts_token_count, usage.candidates_token_count) == (32, 8)
        content = answer.candidates[0].content
        assert content is not None
        assert [part.thought for part in content.parts or []] == [True, None]


def test_embeddings_of_the_newer_models() -> None:
    with running() as fake:
        client = gen_ai(fake)
        config = types.EmbedContentConfig(output_dimensionality=4, task_type="RETRIEVAL_QUERY")
        for texts in (["one"], ["one", "two"]):
            answer = client.models.embed_content(
                model="gemini-embedding-001", contents=list(texts), config=config
            )
            assert answer.embeddings is not None
            got = [found.values for found in answer.embeddings]
            assert got == vectors_of(texts, model="gemini-embedding-001", dimensions=4)
        rows: list[dict[str, Any]] = [
            {
                "key": "r0000000000",
                "request": {"content": {"parts": [{"text": "one"}]}, "output_dimensionality": 4},
            },
            {"key": "r0000000001", "request": {"content": {"parts": [{"text": ""}]}}},
        ]
        done = ended(fake, submit(fake, rows, model="gemini-embedding-001"))
        good, bad = rows_of(fake, done)
        vectors = vectors_of(["one"], model="gemini-embedding-001", dimensions=4)
        assert good["response"]["embedding"]["values"] == vectors[0]
        assert (good["key"], good["status"], bad["key"]) == ("r0000000000", "", "r0000000001")
        assert bad["status"].startswith('Bad Request: {"error": {"code": 400')


def test_embeddings_of_the_older_models() -> None:
    model = "text-embedding-005"
    with running() as fake:
        client = gen_ai(fake)
        answer = client.models.embed_content(
            model=model,
            contents=["one", "two"],
            config=types.EmbedContentConfig(output_dimensionality=4),
        )
        assert answer.embeddings is not None
        got = [found.values for found in answer.embeddings]
        assert got == vectors_of(["one", "two"], model=model, dimensions=4)
        assert answer.embeddings[0].statistics is not None
        assert answer.embeddings[0].statistics.token_count == 1
        rows = [{"content": "one", "batchway_line": "r0000000000"}]
        done = ended(fake, submit(fake, rows, model=model))
        assert list(files(fake, done)) == ["000000000000.jsonl"]
        (row,) = rows_of(fake, done)
        assert row["instance"] == rows[0]
        (prediction,) = row["predictions"]
        assert (
            prediction["embeddings"]["values"] == vectors_of(["one"], model=model, dimensions=8)[0]
        )
        assert fake.state.lines_by_id == {"r0000000000": 1}


def test_claude_by_anthropics_own_client() -> None:
    with running() as fake:
        client = claude(fake)
        answer = client.messages.create(
            model=CLAUDE,
            max_tokens=100,
            system="Be brief.",
            messages=[{"role": "user", "content": "Hello"}],
        )
        asked = {
            "model": CLAUDE,
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hello"},
            ],
        }
        assert answer.content[0].type == "text"
        assert answer.content[0].text == expected_text(CHAT, asked)
        assert answer.stop_reason == "end_turn"
        called = client.messages.create(
            model=CLAUDE,
            max_tokens=100,
            messages=[{"role": "user", "content": "The weather?"}],
            tools=[{"name": "weather", "input_schema": {
                "type": "object", "properties": {"city": {"type": "string"}}}}],
            tool_choice={"type": "any"},
        )  # fmt: skip
        assert called.content[0].type == "tool_use"
        assert (called.content[0].name, called.stop_reason) == ("weather", "tool_use")
        refused = anthropic.BadRequestError
        with pytest.raises(refused, match="temperature: Extra inputs are not permitted"):
            client.messages.create(
                model=CLAUDE,
                max_tokens=10,
                messages=[{"role": "user", "content": "Hello"}],
                extra_body={"temperature": 1.0},
            )
        with pytest.raises(refused, match=r"range: 0\.\.1"):
            client.messages.create(
                model=CLAUDE,
                max_tokens=10,
                messages=[{"role": "user", "content": "Hello"}],
                extra_body={"temperature": 1.5, "anthropic_version": "vertex-2023-10-16"},
            )
        with pytest.raises(refused, match="must contain non-whitespace"):
            client.messages.create(
                model=CLAUDE,
                max_tokens=10,
                messages=[{"role": "user", "content": "Hello"}],
                extra_body={"stop_sequences": [""], "anthropic_version": "vertex-2023-10-16"},
            )


def test_a_batch_of_claudes_lines() -> None:
    def asked(**change: Any) -> dict[str, Any]:
        return {
            "anthropic_version": "vertex-2023-10-16",
            "max_tokens": 50,
            "messages": [{"role": "user", "content": "Hello"}],
            **change,
        }

    rows = [
        {"custom_id": "r0000000000", "request": asked()},
        {"custom_id": "r0000000001", "request": asked(model=CLAUDE)},
        {"custom_id": "r0000000002", "request": asked(anthropic_version=None)},
    ]
    path = f"publishers/anthropic/models/{CLAUDE}"
    with running() as fake:
        done = ended(fake, submit(fake, rows, model=path))
        good, named, unversioned = rows_of(fake, done)
        anthropic.types.Message.model_validate(good["response"])
        assert "request" not in good
        assert "model: Extra inputs are not permitted" in named["status"]
        assert "anthropic_version: Field required" in unversioned["status"]
        with pytest.raises(errors.ClientError, match="does not support batch prediction"):
            submit(fake, rows, model=path, location="global")


def test_models_that_speak_openais_language() -> None:
    name = "meta/llama-3.3-70b-instruct-maas"
    body = {**openai_line(1), "model": name}
    with running() as fake:
        answer = maas(fake).chat.completions.create(
            model=name, messages=[{"role": "user", "content": "Line 1: é漢😀"}]
        )
        assert verify(CHAT, body, answer.model_dump()) is None
        rows = [{"custom_id": "r0000000001", "method": "POST", "url": CHAT, "body": body}]
        model = "publishers/meta/models/llama-3.3-70b-instruct-maas"
        (row,) = rows_of(fake, ended(fake, submit(fake, rows, model=model)))
        assert row["custom_id"] == "r0000000001"
        assert verify(CHAT, body, row["response"]["body"]) is None
        fake.control(no_such_model=["llama-3.3-70b-instruct-maas"])
        with pytest.raises(openai.NotFoundError):
            maas(fake).chat.completions.create(
                model=name, messages=[{"role": "user", "content": "x"}]
            )
