"""Files and jobs on Vertex AI as a client of OpenAI's sees them: its own, others', other tenants'.

Jobs of others are made with Google's own client, and read with OpenAI's by name, by number and by
`gs://` address. One server and one fake for all.
"""

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import openai
import pytest
from openai.types import Batch
from tests.journeys.lines import (
    Line,
    chat,
    chats,
    check,
    counts,
    ended,
    jsonl,
    results,
    submit,
)
from tests.journeys.processes import eventually
from tests.journeys.vertex import BUCKET, CLAUDE, GEMINI, made_with_googles_client
from tests.journeys.vertex_world import World, opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("passthrough")) as world:
        yield world


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    with shared.as_it_was():
        yield shared


# ----------------------------------------------------------------------------- files


def test_files_of_ours_are_listed_shown_read_and_deleted(world: World) -> None:
    client, other = world.client(), world.client("b")
    asked = chats(3, model=GEMINI)
    last = ended(client, submit(client, asked))
    assert last.output_file_id is not None
    purposes = {last.input_file_id: "batch", last.output_file_id: "batch_output"}

    listed = {file.id: file.purpose for file in client.files.list()}

    assert purposes.items() <= listed.items()
    assert [each for each in listed if not each.startswith("file-")] == []
    for file_id, purpose in purposes.items():
        shown, content = client.files.retrieve(file_id), client.files.content(file_id).content
        assert (shown.purpose, shown.bytes) == (purpose, len(content))
        _unknown(other, file_id)
        assert client.files.delete(file_id).deleted
        _unknown(client, file_id)
    assert not purposes.keys() & {file.id for file in client.files.list()}
    assert not purposes.keys() & {file.id for file in other.files.list()}


def _unknown(client: openai.OpenAI, file_id: str) -> None:
    """The file answers to none of the calls."""
    for act in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match="No such File object"):
            act(file_id)


def test_jobs_and_files_that_others_made_are_looked_up(world: World) -> None:
    """Made with Google's own client; read with OpenAI's, by name, number and `gs://` address."""
    client = world.client()
    name, given = world.theirs("theirs", lines=4)

    last = ended(client, client.batches.retrieve(name))
    by_number = client.batches.retrieve(name.rpartition("/")[2])

    assert (last.id, last.status, counts(last)) == (name, "completed", (4, 4, 0))
    assert by_number.output_file_id == last.output_file_id
    assert last.output_file_id is not None
    assert last.output_file_id.startswith(f"gs://{BUCKET}/theirs/out/prediction-")
    for spelled in (last.output_file_id, quote(last.output_file_id, safe="")):
        assert client.files.retrieve(spelled).purpose == "batch_output"
        lines = client.files.content(spelled).read().splitlines()
        bodies = [json.loads(each)["response"]["body"] for each in lines]
        assert {body["object"] for body in bodies} == {"chat.completion"}
        assert len({body["id"] for body in bodies}) == 4
    assert client.files.retrieve(given).purpose == "batch"
    sent = client.files.content(quote(given, safe="")).read()
    assert sent == world.fake.read(given)
    with pytest.raises(openai.PermissionDeniedError, match="only deleted there"):
        client.files.delete(given)
    assert given in world.fake.objects()
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(name)
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("1234567890")
    _unknown(client, f"gs://{BUCKET}/theirs/none.jsonl")
    # Nothing of it is kept here.
    assert name not in {batch.id for batch in client.batches.list()}


CLAUDES: Final = {
    "anthropic_version": "vertex-2023-10-16",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Say it"}],
}


@pytest.mark.parametrize(
    ("model", "endpoint", "row", "object"),
    [
        (
            f"publishers/anthropic/models/{CLAUDE}",
            "/v1/chat/completions",
            {"custom_id": "one", "request": CLAUDES},
            "chat.completion",
        ),
        (
            "publishers/meta/models/llama-3.3-70b-instruct-maas",
            "/v1/chat/completions",
            chat("one", model="meta/llama-3.3-70b-instruct-maas"),
            "chat.completion",
        ),
        (
            "gemini-embedding-001",
            "/v1/embeddings",
            {"key": "one", "request": {"content": {"parts": [{"text": "Embed it"}]}}},
            "list",
        ),
        ("text-embedding-005", "/v1/embeddings", {"content": "Embed it"}, "list"),
    ],
)
def test_what_others_ran_is_read_in_the_language_of_its_model(
    world: World, model: str, endpoint: str, row: Line, object: str
) -> None:
    given = f"gs://{BUCKET}/languages/input.jsonl"
    world.fake.put(given, jsonl([row]))
    client = world.client()
    name = made_with_googles_client(world.fake, given, f"gs://{BUCKET}/languages/out", model=model)
    last = ended(client, client.batches.retrieve(name))
    assert (last.status, last.endpoint, counts(last)) == ("completed", endpoint, (1, 1, 0))
    assert last.model == model.rpartition("/")[2]
    (answer,) = results(client, last).output
    assert answer["custom_id"] == ("" if "content" in row else "one")
    assert answer["response"]["status_code"] == 200
    assert answer["response"]["body"]["object"] == object


def test_a_number_is_looked_up_in_the_region_that_a_header_names(world: World) -> None:
    given = f"gs://{BUCKET}/elsewhere/input.jsonl"
    world.fake.control(bucket_region="EU")
    world.fake.put(given, jsonl([{"request": {"contents": [{"parts": [{"text": "Say it"}]}]}}]))
    name = made_with_googles_client(
        world.fake, given, f"gs://{BUCKET}/elsewhere/out", location="europe-west4"
    )
    client, number = world.client(), name.rpartition("/")[2]
    last = ended(client, client.batches.retrieve(name))  # a name says where it is
    there = {"x-tfy-vertex-region": "europe-west4"}
    found = client.batches.retrieve(number, extra_headers=there)
    assert (found.id, found.output_file_id) == (number, last.output_file_id)
    assert found.output_file_id is not None
    content = client.files.content(found.output_file_id, extra_headers=there).text
    assert json.loads(content)["response"]["body"]["object"] == "chat.completion"
    with pytest.raises(openai.NotFoundError, match="No batch found with id"):
        client.batches.retrieve(number)


def test_a_job_that_others_made_is_cancelled(world: World) -> None:
    world.fake.control(hold=["RUNNING", "CANCELLING"])
    client = world.client()
    name, _ = world.theirs("cancelled")
    eventually("one line is run", lambda: counts(client.batches.retrieve(name)) == (3, 1, 0))
    assert client.batches.cancel(name).status == "cancelling"
    world.fake.control(hold=[])
    last = ended(client, client.batches.retrieve(name))
    assert (last.status, counts(last)) == ("cancelled", (3, 1, 0))
    assert len(results(client, last).output) == 1
    assert client.batches.cancel(name.rpartition("/")[2]).status == "cancelled"


@pytest.mark.parametrize("encoded", [False, True])
def test_an_input_file_that_lies_in_a_bucket_is_run(world: World, *, encoded: bool) -> None:
    client = world.client()
    given = f"gs://{BUCKET}/inputs/lines of ours.jsonl"
    asked = chats(3, "there", model=GEMINI)
    world.fake.put(given, jsonl(asked))
    named = quote(given, safe="") if encoded else given
    batch = client.batches.create(
        input_file_id=named, endpoint="/v1/chat/completions", completion_window="24h"
    )
    last = ended(client, batch)
    assert (last.status, last.input_file_id) == ("completed", named)
    check(asked, results(client, last))
    assert world.fake.read(given) == jsonl(asked)
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        client.batches.create(
            input_file_id=f"gs://{BUCKET}/inputs/none.jsonl",
            endpoint="/v1/chat/completions",
            completion_window="24h",
        )


@pytest.mark.parametrize(
    ("dials", "ids"),
    [
        # What looks like a number comes back as one: docs of the importer's BigQuery tables.
        ({"coerce_ids": True}, {"7", "42", "b-1"}),
        ({"coerce_ids": False}, {"7", "000042", "b-1"}),
        ({"no_custom_id": True}, {""}),
    ],
)
def test_ids_of_lines_that_others_wrote(world: World, dials: dict[str, Any], ids: set[str]) -> None:
    world.fake.control(shards=2, folder_markers=True, empty_files=True, last_newline=False, **dials)
    given = f"gs://{BUCKET}/ids/input.jsonl"
    rows = [
        {"custom_id": own, "request": {"contents": [{"role": "user", "parts": [{"text": own}]}]}}
        for own in ("7", "000042", "b-1")
    ]
    world.fake.put(given, jsonl(rows))
    client = world.client()
    name = made_with_googles_client(world.fake, given, f"gs://{BUCKET}/ids/out")
    last = ended(client, client.batches.retrieve(name))
    found = results(client, last).output
    assert len(found) == 3
    assert {each["custom_id"] for each in found} == ids
    assert {each["response"]["status_code"] for each in found} == {200}


# ----------------------------------------------------------------------------- tenants


def _jobs_of(batch: Batch, stats: dict[str, Any]) -> list[dict[str, Any]]:
    """Its jobs that are there."""
    tag = f"batchway-{batch.id.removeprefix('batch_')}-"
    return [job for job in stats["jobs"] if job["display_name"].startswith(tag)]


def test_what_another_tenant_made_is_unknown(world: World) -> None:
    world.fake.control(hold=["RUNNING"])
    ours, other = world.client("a"), world.client("b")
    batch = submit(ours, chats(3, model=GEMINI))
    world.fake.eventually(lambda stats: _jobs_of(batch, stats))
    (job,) = _jobs_of(batch, world.fake.stats())
    (given,) = [uri for uri in world.fake.objects() if job["display_name"] in uri]
    for asked in (job["name"], job["id"]):
        assert ours.batches.retrieve(asked).status in {"validating", "in_progress"}
        for act in (other.batches.retrieve, other.batches.cancel):
            with pytest.raises(openai.NotFoundError, match="No batch found with id"):
                act(asked)
    assert ours.files.retrieve(given).purpose == "batch"
    for asked in (given, quote(given, safe=""), f"{given.rpartition('/')[0]}/"):
        _unknown(other, asked)
    _unknown(other, batch.input_file_id)
    with pytest.raises(openai.NotFoundError):
        other.batches.create(
            input_file_id=given, endpoint="/v1/chat/completions", completion_window="24h"
        )
    world.fake.control(hold=[])
    assert ended(ours, batch).status == "completed"
