"""Batches as jobs of Vertex AI: OpenAI's SDK in front, Google's fake behind, nothing left there."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from openai.types import Batch
from tests.journeys.conftest import Configuration, NewServer
from tests.journeys.lines import (
    chat,
    chats,
    check,
    completed,
    counts,
    ended,
    line,
    results,
    submit,
)
from tests.journeys.processes import eventually
from tests.journeys.vertex import BUCKET, CLAUDE, GEMINI, named, nothing_is_left, run_online
from tests.journeys.vertex import vertex as provider

from batchway.simulator.google import GoogleFake, process, running

OPEN: Final = "openai/gpt-oss-120b-maas"
EMBEDDINGS: Final = "/v1/embeddings"
RESPONSES: Final = "/v1/responses"


def vertex(fake: GoogleFake, folder: Path, **further: Any) -> Configuration:
    """The fake as a provider in the mode `native`."""
    native = {"cancel_patience": 5, **further.pop("native", {})}
    return provider(fake, folder, native=native, **{"bucket": BUCKET, "mode": "native", **further})


@pytest.fixture
def fake() -> Iterator[GoogleFake]:
    with running(shuffle=True, duplicate_rows=0.1, shards=2, folder_markers=True) as google:
        yield google


# ----------------------------------------------------------------------------- every dialect


def test_one_file_becomes_several_jobs_and_one_result(
    fake: GoogleFake, new_server: NewServer, tmp_path: Path
) -> None:
    server = new_server(vertex(fake, tmp_path, native={"max_lines": 10}))
    client = server.client()
    asked = chats(25, model=GEMINI)

    batch = completed(client, submit(client, asked), asked, models=named(asked, GEMINI))

    assert len(fake.stats()["creates"]) == 3
    nothing_is_left(fake)
    assert batch.usage is not None
    assert batch.usage.total_tokens > 0
    assert "ya29." not in server.process.output()


@pytest.mark.parametrize("model", [CLAUDE, OPEN])
def test_models_of_other_publishers(
    fake: GoogleFake, new_server: NewServer, tmp_path: Path, model: str
) -> None:
    client = new_server(vertex(fake, tmp_path)).client()
    asked = chats(8, model=model)
    completed(client, submit(client, asked), asked, models=named(asked, model))
    assert len(fake.stats()["creates"]) == 1
    nothing_is_left(fake)


def test_several_models_in_one_file(
    fake: GoogleFake, new_server: NewServer, tmp_path: Path
) -> None:
    client = new_server(vertex(fake, tmp_path)).client()
    asked = [*chats(6, "gemini", model=GEMINI), *chats(6, "claude", model=CLAUDE)]
    models = {**named(asked[:6], GEMINI), **named(asked[6:], CLAUDE)}
    completed(client, submit(client, asked), asked, models=models)
    assert len(fake.stats()["creates"]) == 2
    nothing_is_left(fake)


@pytest.mark.parametrize("model", ["gemini-embedding-001", "text-embedding-005"])
def test_arrays_to_embed_are_taken_apart_and_put_together(
    fake: GoogleFake, new_server: NewServer, tmp_path: Path, model: str
) -> None:
    client = new_server(vertex(fake, tmp_path)).client()
    asked = [
        line(f"e-{n}", EMBEDDINGS, model=model, input=[f"text {n}.{m}" for m in range(n + 1)])
        for n in range(5)
    ]
    asked.append(line("e-text", EMBEDDINGS, model=model, input="alone"))
    completed(client, submit(client, asked, endpoint=EMBEDDINGS), asked, models=named(asked, model))
    assert fake.stats()["lines"] == 16
    nothing_is_left(fake)


def test_responses(fake: GoogleFake, new_server: NewServer, tmp_path: Path) -> None:
    client = new_server(vertex(fake, tmp_path)).client()
    asked = [line(f"r-{n}", RESPONSES, model=GEMINI, input=f"Say {n}") for n in range(4)]
    last = ended(client, submit(client, asked, endpoint=RESPONSES))
    assert (last.status, counts(last)) == ("completed", (4, 4, 0))
    output = results(client, last).output
    assert [each["custom_id"] for each in output] == [f"r-{n}" for n in range(4)]
    assert {each["response"]["body"]["object"] for each in output} == {"response"}
    nothing_is_left(fake)


# ----------------------------------------------------------------------------- odd lines


def _schema(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}


def test_an_odd_line_does_not_sink_its_job(
    fake: GoogleFake, new_server: NewServer, tmp_path: Path
) -> None:
    """Schemas of two kinds, tools with and without parameters, references, and what is too deep."""
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(20):
        deep = {
            "type": "object",
            "properties": {"a": deep},
            "required": ["a"],
            "additionalProperties": False,
        }
    person = {
        "type": "object",
        "properties": {"name": {"$ref": "#/$defs/name"}, "age": {"type": ["integer", "null"]}},
        "required": ["name", "age"],
        "additionalProperties": False,
        "$defs": {"name": {"type": "string"}},
    }
    plain = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    bare = {"type": "function", "function": {"name": "now"}}
    full = {"type": "function", "function": {"name": "find", "parameters": plain}}
    asked = [
        *chats(5, "plain", model=GEMINI),
        *(
            chat(f"person-{n}", model=GEMINI, response_format=_schema("person", person))
            for n in range(3)
        ),
        *(
            chat(f"city-{n}", model=GEMINI, response_format=_schema("city", plain))
            for n in range(3)
        ),
        *(chat(f"tool-{n}", model=GEMINI, tools=[bare, full]) for n in range(3)),
        chat("deep", model=GEMINI, response_format=_schema("deep", deep)),
    ]
    client = new_server(vertex(fake, tmp_path)).client()

    last = ended(client, submit(client, asked))

    given = results(client, last)
    assert last.status == "completed"
    assert set(given.output_ids) | set(given.error_ids) == {each["custom_id"] for each in asked}
    assert set(given.error_ids) <= {"deep"}
    stats = fake.stats()
    assert all(job["error"] is None for job in stats["deleted"])
    nothing_is_left(fake)


# ----------------------------------------------------------------------------- troubles


def test_a_lost_answer_to_a_creation_makes_one_job(
    fake: GoogleFake, new_server: NewServer, tmp_path: Path
) -> None:
    fake.trouble({"on": "create", "do": "lose", "times": 1})
    client = new_server(vertex(fake, tmp_path)).client()
    asked = chats(5, model=GEMINI)
    completed(client, submit(client, asked), asked, models=named(asked, GEMINI))
    assert len(fake.stats()["creates"]) == 1
    nothing_is_left(fake)


def test_rows_that_fail_and_rows_that_are_missing(new_server: NewServer, tmp_path: Path) -> None:
    fails = {"400": ["r0000000001"], "429": ["r0000000002"]}
    with running(fail_rows=fails, drop_rows=["r0000000003"]) as fake:
        client = new_server(vertex(fake, tmp_path)).client()
        asked = chats(5, model=GEMINI)
        last = ended(client, submit(client, asked))
        given = results(client, last)
        check(asked, given, models=named(asked, GEMINI))
        assert given.codes() == {"r-0001": 400, "r-0002": 429, "r-0003": "result_not_fetched"}


def test_auto_rescues_what_the_job_left(new_server: NewServer, tmp_path: Path) -> None:
    fails = {"400": ["r0000000001"], "429": ["r0000000002"]}
    with running(fail_rows=fails, fates=[{"outcome": "expired", "share": 0.5}]) as fake:
        client = new_server(vertex(fake, tmp_path, mode="auto")).client()
        asked = chats(40, model=GEMINI)
        last = ended(client, submit(client, asked))
        given = results(client, last)
        check(asked, given, models=named(asked, GEMINI))
        assert (last.status, given.codes()) == ("completed", {"r-0001": 400})
        assert fake.stats()["online"] >= 20
        (told,) = run_online(last)
        assert told["lines"] >= 20
        assert "expired before" in told["reason"]
        nothing_is_left(fake)


def test_an_import_that_fails_fails_the_batch_with_a_sentence(
    new_server: NewServer, tmp_path: Path
) -> None:
    with running(fates=[{"outcome": "failed", "share": 0.0, "code": 3}]) as fake:
        client = new_server(vertex(fake, tmp_path)).client()
        last = ended(client, submit(client, chats(5, model=GEMINI)))
        said = _said(client, last)
        assert "ran none of them" in said
        assert "Failed to import data" in said
        nothing_is_left(fake)


def _said(client: openai.OpenAI, batch: Any) -> str:
    """Why a batch, or all of its lines, came to nothing."""
    if batch.errors is not None and batch.errors.data:
        return "\n".join(error.message or "" for error in batch.errors.data)
    return json.dumps(results(client, batch).errors)


@pytest.mark.parametrize(
    ("dials", "further", "words"),
    [
        ({"no_such_model": [GEMINI]}, {}, ["does not exist", "'us-central1'", "Model Garden"]),
        ({}, {"region": "global"}, ["do not run at 'global'", "x-tfy-vertex-region"]),
        ({}, {"bucket": None}, ["set `bucket`", "x-tfy-vertex-storage-bucket-name"]),
        ({"no_such_bucket": [BUCKET]}, {}, [f"There is no bucket '{BUCKET}'"]),
        ({"bucket_region": "EUROPE-WEST4"}, {}, ["europe-west4", "us-central1"]),
        (
            {"bucket_denied": ["agent_read"]},
            {},
            ["@gcp-sa-aiplatform", "roles/storage.objectAdmin", f"'{BUCKET}'"],
        ),
        (
            {"bucket_denied": ["agent_write"]},
            {},
            ["@gcp-sa-aiplatform", "roles/storage.objectAdmin", f"'{BUCKET}'"],
        ),
    ],
)
def test_mistakes_that_fail_a_batch_say_what_to_do(
    new_server: NewServer,
    tmp_path: Path,
    *,
    dials: dict[str, Any],
    further: dict[str, Any],
    words: list[str],
) -> None:
    model = CLAUDE if further.get("region") else GEMINI
    with running(**dials) as fake:
        client = new_server(vertex(fake, tmp_path, **further)).client()
        last = ended(client, submit(client, chats(3, model=model)))
        said = _said(client, last)
        for word in words:
            assert word in said
        assert fake.objects() == {}


MENDABLE: Final[list[tuple[dict[str, Any], list[str]]]] = [
    (
        {"bucket_denied": ["caller_write"]},
        ["roles/storage.objectAdmin", "storage.objects.create", f"bucket '{BUCKET}'"],
    ),
    (
        {"bucket_denied": ["caller_read"]},
        ["roles/storage.objectAdmin", "storage.objects.get", f"bucket '{BUCKET}'"],
    ),
    ({"api_disabled": True}, ["enable the API aiplatform.googleapis.com"]),
    ({"billing_disabled": True}, ["link a billing account"]),
    (
        {"denied": ["aiplatform.batchPredictionJobs.create"]},
        ["roles/aiplatform.user", "aiplatform.batchPredictionJobs.create"],
    ),
    ({"revoked": True}, ["Check `credentials_file`"]),
    ({"quota": ["create"]}, ["429", "a quota of the project 'fake-project'"]),
]


def test_mistakes_that_can_be_mended_hold_a_batch_up_and_say_how(
    new_server: NewServer, tmp_path: Path
) -> None:
    """Each in a batch of its own, at the same time: seven waits would be a minute."""
    with ExitStack() as stack:
        fakes = [stack.enter_context(running(**dials)) for dials, _ in MENDABLE]
        client = new_server(
            *(vertex(fake, tmp_path, name=f"p{n}") for n, fake in enumerate(fakes))
        ).client()
        asked = chats(3, model=GEMINI)
        batches = [
            submit(client, asked, extra_headers={"x-tfy-provider-name": f"p{n}"})
            for n in range(len(fakes))
        ]

        def told(batch: Batch) -> str:
            return str(client.batches.retrieve(batch.id).to_dict()["status_details"] or "")

        for batch, (_, words) in zip(batches, MENDABLE, strict=True):
            said = eventually(f"what holds up {words}", lambda batch=batch: told(batch))
            assert [word for word in words if word not in said] == []
            assert "api_key" not in said  # there is none at Google
        for fake, (dials, _) in zip(fakes, MENDABLE, strict=True):
            fake.control(**{name: type(value)() for name, value in dials.items()})
        for fake, batch in zip(fakes, batches, strict=True):
            completed(client, batch, asked, models=named(asked, GEMINI))
            nothing_is_left(fake)


@pytest.mark.parametrize("races", [False, True])
def test_cancelling(new_server: NewServer, tmp_path: Path, races: bool) -> None:
    with running(hold=["RUNNING"], cancel_race=races) as fake:
        client = new_server(vertex(fake, tmp_path, mode="auto")).client()
        asked = chats(10, model=GEMINI)
        batch = submit(client, asked)
        fake.eventually(lambda stats: [j for j in stats["jobs"] if j["state"] == "RUNNING"])
        client.batches.cancel(batch.id)
        fake.eventually(lambda stats: stats["requests"].get("cancel"))
        fake.control(hold=[])
        last = ended(client, batch)
        assert last.status == "cancelled"
        given = results(client, last)
        check(asked, given, models=named(asked, GEMINI))
        assert set(given.codes().values()) <= {"batch_cancelled"}
        assert counts(last)[1] == (10 if races else 5)
        nothing_is_left(fake)


def test_a_window_that_ends_first(new_server: NewServer, tmp_path: Path) -> None:
    """The shortest window is a minute, so the deadline is moved while no server runs."""
    with running(hold=["RUNNING"]) as fake:
        server = new_server(vertex(fake, tmp_path))
        client = server.client()
        batch = submit(client, chats(4, model=GEMINI))
        fake.eventually(lambda stats: [j for j in stats["jobs"] if j["state"] == "RUNNING"])
        assert server.stop() == 0
        with sqlite3.connect(server.data / "batchway.db") as ledger:
            ledger.execute("UPDATE batches SET deadline = ?", (int(time.time()) + 4,))
        server.start()
        client = server.client()
        last = ended(client, batch)
        assert last.status == "expired"
        assert counts(last) == (4, 2, 0)  # what had been run is there
        assert set(results(client, last).codes().values()) == {"batch_expired"}
        nothing_is_left(fake)


def test_a_server_that_is_killed_pays_once(new_server: NewServer, tmp_path: Path) -> None:
    with process(hold=["RUNNING"]) as fake:
        server = new_server(vertex(fake, tmp_path, native={"max_lines": 10}))
        client = server.client()
        asked = chats(30, model=GEMINI)
        batch = submit(client, asked)
        fake.eventually(lambda stats: stats["creates"])
        server.process.kill()
        fake.control(hold=[])
        server.start()
        client = server.client()
        completed(client, batch, asked, models=named(asked, GEMINI))
        assert len(fake.stats()["creates"]) == 3
        nothing_is_left(fake)
