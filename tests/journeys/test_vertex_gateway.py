"""A client of TrueFoundry's gateway on Vertex AI: its guide, and its documented call.

Guide: docs.truefoundry.com/docs/batch-predictions-with-truefoundry-llm-gateway ("Vertex AI Provider
Headers"; "When using Vertex AI, you can skip method, url and body.model fields").
Call: truefoundry.com/docs/api-reference/batch/get-batch; whole answers are compared with the golden
copy in `tests/contract/golden`, where those of other vendors are. One server and one fake for all.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import openai
import pytest
from openai.types import Batch
from tests.contract.truefoundry import check_fields, without_chance
from tests.journeys.lines import Line, chats, check, counts, ended, jsonl, line, results, submit
from tests.journeys.processes import eventually
from tests.journeys.vertex import BUCKET, GEMINI, plainly
from tests.journeys.vertex_world import World, opened

GOLDEN: Final = Path(__file__).parents[1] / "contract" / "golden" / "seed_call_vertex.json"
# What is documented for Vertex AI, with values that fit the account.
HEADERS: Final = {
    "x-tfy-provider-name": "google",
    "x-tfy-vertex-storage-bucket-name": BUCKET,
    "x-tfy-vertex-region": "us-central1",
    "x-tfy-provider-model": GEMINI,
    "x-tfy-metadata": '{"team": "search"}',
}
NAMED: Final = {"x-tfy-provider-name": "google"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("gateway")) as world:
        yield world


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    with shared.as_it_was():
        yield shared


# ----------------------------------------------------------------------------- the guide

GUIDE: Final = [
    line(
        "request-1",
        "/v1/chat/completions",
        model="gpt-3.5-turbo-0125",
        messages=[
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Hello world!"},
        ],
        max_tokens=1000,
    ),
    line(
        "request-2",
        "/v1/chat/completions",
        model="gpt-3.5-turbo-0125",
        messages=[
            {"role": "system", "content": "You are an unhelpful assistant."},
            {"role": "user", "content": "Hello world!"},
        ],
        max_tokens=1000,
    ),
    line(
        "request-3",
        "/v1/chat/completions",
        model="gpt-4-vision-preview",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What's in this image?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/image.jpg"}},
                ],
            }
        ],
        max_tokens=1000,
    ),
]


def _short(line: Line) -> Line:
    """Without what the guide lets out for Vertex AI."""
    body = {name: value for name, value in line["body"].items() if name != "model"}
    return {"custom_id": line["custom_id"], "body": body}


@pytest.mark.parametrize("short", [False, True])
def test_the_guide_runs_unchanged(world: World, tmp_path: Path, *, short: bool) -> None:
    """Its statements in its order; an image by its address, which no job takes, goes online."""
    before = world.fake.stats()
    world.fake.control(bucket_region={"your-bucket-name": "EUROPE-WEST4"})
    given = tmp_path / "request.jsonl"
    given.write_bytes(jsonl(map(_short, GUIDE) if short else GUIDE))

    client = openai.OpenAI(api_key="sk-team-a-0123456789", base_url=world.server.origin)
    extra_headers = {
        "x-tfy-provider-name": "google-auto",
        "x-tfy-vertex-storage-bucket-name": "your-bucket-name",
        "x-tfy-vertex-region": "europe-west4",
        "x-tfy-provider-model": "gemini-2-0-flash",
    }
    with given.open("rb") as opened:
        file = client.files.create(file=opened, purpose="batch", extra_headers=extra_headers)
    batch_job = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        extra_headers=extra_headers,
    )

    def look() -> Batch | None:
        status = client.batches.retrieve(batch_job.id, extra_headers=extra_headers)
        assert status.status in {"validating", "in_progress", "finalizing", "completed"}, status
        return status if status.status == "completed" else None

    batch_status = eventually("the end", look)
    assert batch_status is not None
    assert batch_status.output_file_id is not None
    output = client.files.content(batch_status.output_file_id, extra_headers=extra_headers)
    answers = [json.loads(each) for each in output.content.decode("utf-8").splitlines()]

    assert [each["custom_id"] for each in answers] == ["request-1", "request-2", "request-3"]
    models = dict.fromkeys([each["custom_id"] for each in GUIDE], "gemini-2-0-flash")
    check([plainly(each) for each in GUIDE], results(client, batch_status), models=models)
    stats = world.fake.stats()
    (job,) = stats["deleted"][len(before["deleted"]) :]
    assert (job["location"], job["sources"][0].split("/")[2]) == (
        "europe-west4",
        "your-bucket-name",
    )
    assert (stats["lines"] - before["lines"], stats["online"] - before["online"]) == (2, 1)


# ----------------------------------------------------------------------------- the documented call


def _plain(batch: dict[str, Any]) -> dict[str, Any]:
    """As `without_chance`, with Google's numbers and moments written as what they are."""
    plain = without_chance(batch)
    text = json.dumps(plain)
    text = re.sub(r"batchPredictionJobs/\d+", "batchPredictionJobs/N", text)
    text = re.sub(r"prediction-model-[0-9T:.Z-]+", "prediction-model-MOMENT", text)
    text = re.sub(r'"id": "\d+"', '"id": "N"', text)
    return json.loads(text)


def _every_way(world: World, *ids: str) -> dict[str, Any]:
    """The one answer to every spelling, with each documented header, and with all of them."""
    paths = [f"{prefix}/batches/{each}" for prefix in ("", "/v1") for each in ids]
    sent = [NAMED, HEADERS, *({**NAMED, name: text} for name, text in HEADERS.items())]
    seen = [world.get(path, headers) for path in paths for headers in sent]
    for batch in seen:
        check_fields(batch)
        assert batch == {**seen[0], "id": batch["id"]}
    return seen[0]


def _golden(name: str) -> dict[str, Any]:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))[name]


def test_the_answer_for_a_batch_of_ours_is_the_golden_one(world: World) -> None:
    world.fake.control(hold=["RUNNING"])
    client = world.client()
    batch = submit(client, chats(3, model=GEMINI), metadata={"made": "here"}, extra_headers=HEADERS)
    world.fake.eventually(lambda stats: [job for job in stats["jobs"] if job["state"] == "RUNNING"])
    eventually("one line is run", lambda: counts(client.batches.retrieve(batch.id)) == (3, 1, 0))
    seen = {"in_progress": _every_way(world, batch.id)}
    world.fake.control(hold=[])
    ended(client, batch)
    seen["completed"] = _every_way(world, batch.id)
    assert {status: _plain(shown) for status, shown in seen.items()} == _golden("ours")
    # Remembered with the batch: a call without any header has the same answer.
    assert world.get(f"/batches/{batch.id}", {}) == seen["completed"]


def _of_theirs(world: World, name: str) -> dict[str, Any]:
    number = name.rpartition("/")[2]
    by_name = _every_way(world, quote(name, safe=""))
    by_number = _every_way(world, number)
    assert (by_name["id"], by_number["id"]) == (name, number)
    assert by_number == {**by_name, "id": number}
    return _plain(by_name)


def test_the_answer_for_a_job_of_others_is_the_golden_one(world: World) -> None:
    fake = world.fake
    fake.control(hold=["PENDING", "RUNNING"])
    name, _ = world.theirs("golden")
    seen: dict[str, Any] = {"validating": _of_theirs(world, name)}
    fake.control(hold=["RUNNING"])
    client = world.client()
    eventually("one line is run", lambda: counts(client.batches.retrieve(name)) == (3, 1, 0))
    seen["in_progress"] = _of_theirs(world, name)
    fake.control(hold=[])
    ended(client, client.batches.retrieve(name))
    seen["completed"] = _of_theirs(world, name)
    for outcome in ("failed", "cancelled", "expired"):
        fake.control(fates=[{"outcome": outcome, "share": 0.5, "code": 13}])
        name, _ = world.theirs(f"golden-{outcome}")
        ended(client, client.batches.retrieve(name))
        seen[outcome] = _of_theirs(world, name)
    assert seen == _golden("theirs")
