"""Vertex AI line by line: every model's dialect, routes across wires, and mistakes of a set-up."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.journeys.cli_harness import batchway
from tests.journeys.conftest import (
    NewServer,
    NewSimulator,
    configuration,
    provider,
    running_servers,
)
from tests.journeys.lines import (
    Line,
    chat,
    chats,
    check,
    completed,
    counts,
    ended,
    jsonl,
    line,
    results,
    submit,
)
from tests.journeys.processes import Server, eventually, run_batchway
from tests.journeys.vertex import BUCKET, CLAUDE, GEMINI, LLAMA, run_online, vertex

from batchway.simulator.google import GoogleFake, running

EMBEDDINGS, RESPONSES = "/v1/embeddings", "/v1/responses"


def _said(client: openai.OpenAI, batch_id: str, words: str) -> str:
    """What a batch says once it says these words."""

    def look() -> str:
        said = str(client.batches.retrieve(batch_id).to_dict()["status_details"] or "")
        return said if words in said else ""

    return eventually(words, look)


# ----------------------------------------------------------------------------- every dialect


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GoogleFake, Server]]:
    """A server over a fake that is well, unless a test dials it otherwise and back."""
    folder = tmp_path_factory.mktemp("vertex")
    with running() as fake, running_servers(folder) as servers:
        yield fake, servers(vertex(fake, folder))


def test_chat_of_every_publisher_in_one_file(google: tuple[GoogleFake, Server]) -> None:
    fake, server = google
    before = fake.stats()["tokens"]
    client = server.client()
    asked = [
        *chats(40, "gemini", model=GEMINI),
        *chats(40, "claude", model=f"vertex/{CLAUDE}"),
        *chats(40, "llama", model=LLAMA),
        *chats(5, "whole", model=f"publishers/google/models/{GEMINI}"),
    ]
    asked = [asked[at * 7 % len(asked)] for at in range(len(asked))]
    models = {
        each["custom_id"]: {"claude": CLAUDE, "llama": LLAMA}.get(
            each["custom_id"].partition("-")[0], GEMINI
        )
        for each in asked
    }
    last = completed(client, submit(client, asked), asked, models=models)
    stats = fake.stats()
    assert last.usage is not None
    assert last.usage.output_tokens > 0
    assert set(stats["online_by_digest"].values()) == {1}
    assert stats["jobs"] == []
    assert stats["tokens"] - before <= 2  # one for each event loop, and none for each line
    assert "ya29" not in server.process.output()


def test_embeddings_with_arrays(google: tuple[GoogleFake, Server]) -> None:
    client = google[1].client()
    models = [
        *("gemini-embedding-2", "gemini-embedding-001", "text-embedding-005"),
        "intfloat/multilingual-e5-small-maas",
    ]
    asked: list[Line] = []
    for n, model in enumerate(models):
        asked += [
            line(f"one-{n}", EMBEDDINGS, model=model, input=f"text {n}"),
            line(f"many-{n}", EMBEDDINGS, model=model, input=["a", "b", "c"]),
            line(
                f"packed-{n}",
                EMBEDDINGS,
                model=model,
                input=["d", "e"],
                encoding_format="base64",
            ),
        ]
    completed(
        client,
        submit(client, asked, endpoint=EMBEDDINGS),
        asked,
        models={each["custom_id"]: each["body"]["model"] for each in asked},
    )


def test_responses_over_every_chat(google: tuple[GoogleFake, Server]) -> None:
    client = google[1].client()
    asked = [
        line(f"{model}-{n}", RESPONSES, model=model, input=f"Say {model} {n}")
        for model in (GEMINI, CLAUDE, LLAMA)
        for n in range(5)
    ]
    last = ended(client, submit(client, asked, endpoint=RESPONSES))
    given = results(client, last)
    assert (last.status, counts(last)) == ("completed", (15, 15, 0))
    texts = set[str]()
    for each in given.output:
        body = each["response"]["body"]
        assert (body["object"], body["status"]) == ("response", "completed")
        assert each["custom_id"].startswith(body["model"])
        texts.add(body["output"][0]["content"][0]["text"])
    assert len(texts) == 15


def test_what_a_line_leaves_out_is_told_and_what_it_cannot_have_is_refused(
    google: tuple[GoogleFake, Server],
) -> None:
    client = google[1].client()
    asked = [chat("a", model=GEMINI, user="somebody", seed=1)]
    (row,) = results(client, ended(client, submit(client, asked))).output
    refused = ended(client, submit(client, [chat("b", model=GEMINI, logit_bias={"1": 2})]))
    warnings = row["response"]["body"]["batchway"]["warnings"]
    assert [warning["param"] for warning in warnings] == ["user"]
    assert (refused.status, refused.errors is None) == ("failed", False)
    assert refused.errors is not None
    (error,) = refused.errors.data or []
    assert (error.line, error.param) == (1, "body.logit_bias")


# ----------------------------------------------------------------------------- routes


def test_a_route_falls_back_across_wires(
    tmp_path: Path, new_simulator: NewSimulator, new_server: NewServer
) -> None:
    simulator = new_simulator()
    with running(no_such_model=["gemini-gone"]) as fake:
        server = new_server(
            vertex(fake, tmp_path),
            provider(simulator, "own"),
            routes=[
                {
                    "model": "smart",
                    "targets": [
                        {"provider": "vertex", "model": "gemini-gone"},
                        {"provider": "vertex", "model": CLAUDE, "fallback": True},
                        {"provider": "own", "model": "own-m", "fallback": True},
                    ],
                }
            ],
        )
        client = server.client()
        asked = [
            *chats(20, "claude", model="smart"),
            # Claude tells no probabilities, and takes one answer alone.
            *(chat(f"own-{n}", model="smart", logprobs=True) for n in range(5)),
        ]
        models = {
            each["custom_id"]: CLAUDE if each["custom_id"].startswith("claude") else "own-m"
            for each in asked
        }
        completed(client, submit(client, asked), asked, models=models)


# ----------------------------------------------------------------------------- auto


def test_auto_without_a_bucket_sends_lines(tmp_path: Path, new_server: NewServer) -> None:
    with running() as fake:
        client = new_server(vertex(fake, tmp_path, mode="auto")).client()
        asked = chats(5, model=GEMINI)
        last = completed(client, submit(client, asked), asked)
        (told,) = run_online(last)
        assert (told["lines"], "set `bucket`" in told["reason"]) == (5, True)
        assert fake.stats()["jobs"] == []
        # A batch that names a bucket has what a job needs.
        headers = {"x-tfy-provider-name": "vertex", "x-tfy-vertex-storage-bucket-name": BUCKET}
        completed(client, submit(client, asked, extra_headers=headers), asked)
        assert len(fake.stats()["creates"]) == 1


def test_auto_with_a_bucket_makes_jobs_and_sends_what_jobs_cannot_say(
    tmp_path: Path, new_server: NewServer
) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    seen = chat("seen", model=GEMINI)
    seen["body"]["messages"] = [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}
    ]
    with running() as fake:
        client = new_server(vertex(fake, tmp_path, mode="auto", bucket=BUCKET)).client()
        last = ended(client, submit(client, [*chats(5, model=GEMINI), seen]))
        given = results(client, last)
        stats = fake.stats()
        left = fake.objects()
    assert (last.status, counts(last)) == ("completed", (6, 6, 0)), given.errors
    assert (stats["lines"], stats["online"]) == (5, 1)
    (told,) = run_online(last)
    assert told["lines"] == 1
    assert "line 6 (body.messages[0].content[1].image_url.url)" in told["reason"]
    assert left == {}
    check(chats(5, model=GEMINI), _without(given, "seen"))


def _without(given: Any, custom_id: str) -> Any:
    given.output[:] = [each for each in given.output if each["custom_id"] != custom_id]
    return given


# ----------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("dials", "mended", "code", "advice"),
    [
        (
            {"api_disabled": True},
            {"api_disabled": False},
            "403 SERVICE_DISABLED",
            "enable the API aiplatform.googleapis.com in the project 'fake-project'",
        ),
        (
            {"billing_disabled": True},
            {"billing_disabled": False},
            "403 BILLING_DISABLED",
            "link a billing account that is in order to the project 'fake-project'",
        ),
        (
            {"denied": ["aiplatform.endpoints.predict"]},
            {"denied": []},
            "403 ",
            "give the account of these credentials the role Vertex AI User "
            "(roles/aiplatform.user) in the project 'fake-project'",
        ),
        (
            {"quota": ["online"]},
            {"quota": []},
            "429 RESOURCE_EXHAUSTED",
            "a quota of the project 'fake-project' in 'us-central1' is used up",
        ),
        (
            {"revoked": True},
            {"revoked": False},
            "401 ",
            "check `credentials_file`",
        ),
    ],
)
def test_a_mistake_of_the_set_up_is_told_and_waited_for(
    google: tuple[GoogleFake, Server],
    *,
    dials: dict[str, Any],
    mended: dict[str, Any],
    code: str,
    advice: str,
) -> None:
    fake, server = google
    client = server.client()
    asked = chats(8, code, model=GEMINI)
    fake.control(**dials)
    try:
        batch = submit(client, asked)
        said = _said(client, batch.id, advice)
    finally:
        fake.control(**mended)
    assert code in said
    completed(client, batch, asked)
    assert "PRIVATE KEY" not in server.process.output()


def test_a_model_that_is_not_there_is_told_with_where_to_look(
    tmp_path: Path, new_server: NewServer
) -> None:
    with running(no_such_model=["gemini-gone"]) as fake:
        client = new_server(vertex(fake, tmp_path, limits={"max_attempts": 2})).client()
        batch = submit(client, [*chats(20, model=GEMINI), chat("gone", model="gemini-gone")])
        said = _said(client, batch.id, "'gemini-gone'")
        client.batches.cancel(batch.id)
        ended(client, batch)
    where = "(`region`, or the header x-tfy-vertex-region)"
    assert f"offered in the region 'us-central1' {where}" in said


def test_a_model_that_nobody_knows_is_told_before_anything_is_sent(
    google: tuple[GoogleFake, Server],
) -> None:
    fake, server = google
    client = server.client()
    sent = fake.stats()["requests"].get("online", 0)
    asked = [
        chat("known", model=GEMINI),
        chat("unknown", model="no-such-thing"),
        chat("odd", model=f"{GEMINI}:x"),
    ]
    last = ended(client, submit(client, asked))
    assert last.errors is not None
    assert [(error.line, error.param, error.message) for error in last.errors.data or []] == [
        (
            2,
            "body.model",
            "No provider serves the model 'no-such-thing'. It is none that the provider 'vertex' "
            "knows on Vertex AI: check its name, or say what it speaks in the provider's `models`.",
        ),
        (
            3,
            "body.model",
            f"No provider serves the model '{GEMINI}:x'. The provider 'vertex' cannot run it: The "
            "name of the model cannot stand in an address.",
        ),
    ]
    assert fake.stats()["requests"].get("online", 0) == sent


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not json", "holds no JSON: it is no key file of Google's"),
        ('{"installed": {}}', "names an OAuth client, which cannot call by itself"),
        ('{"type": "service_account"}', "lacks client_email, private_key, token_uri"),
        (None, "cannot be read: no such file or directory"),
    ],
)
def test_a_key_file_that_is_none(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / "key.json").write_text(text)
    entry = {
        "name": "vertex",
        "type": "google-vertex",
        "project": "my-project",
        "credentials_file": "key.json",
    }
    (tmp_path / "batchway.yaml").write_text(json.dumps(configuration(entry)))
    done = run_batchway("serve", cwd=tmp_path)
    assert done.returncode == 1
    assert "The provider 'vertex' cannot be called" in done.stderr
    assert why in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("further", "dials", "advice"),
    [
        ({}, {"api_disabled": True}, "Enable the API aiplatform.googleapis.com in the project"),
        ({}, {"revoked": True}, "Check `credentials_file`"),
        ({}, {"no_such_model": [GEMINI]}, "Check the model's name, that it is offered in"),
        (
            {"mode": "native", "bucket": BUCKET},
            {"api_disabled": True},
            "To mend it: enable the API aiplatform.googleapis.com in the project",
        ),
        (
            {"mode": "native", "bucket": BUCKET},
            {"revoked": True},
            "No access token of Google for the provider 'vertex': the service account does not "
            "exist (any more).",
        ),
    ],
)
def test_a_run_ends_before_it_begins(
    tmp_path: Path, further: dict[str, Any], dials: dict[str, Any], advice: str
) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(50, model=GEMINI)))
    with running(**dials) as fake:
        entry = vertex(fake, tmp_path, **further)
        (tmp_path / "batchway.yaml").write_text(json.dumps({"providers": [entry]}))
        done = batchway("run", "in.jsonl", "-o", "out.jsonl", cwd=tmp_path)
        asked = fake.stats()["requests"]
    assert done.code == 1
    assert advice in done.err
    assert "Traceback" not in done.err
    assert asked.get("online", 0) <= 1
    assert asked.get("upload", 0) == 0
