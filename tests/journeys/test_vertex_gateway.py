"""A client of TrueFoundry's gateway on Vertex AI: its guide, its documented call, and tenants.

Guide: docs.truefoundry.com/docs/batch-predictions-with-truefoundry-llm-gateway ("Vertex AI Provider
Headers"; "When using Vertex AI, you can skip method, url and body.model fields").
Call: truefoundry.com/docs/api-reference/batch/get-batch; whole answers are compared with the golden
copy in `tests/contract/golden`, where those of other vendors are. One server and one fake for all.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from urllib.request import Request, urlopen

import openai
import pytest
from openai.types import Batch
from tests.contract.truefoundry import check_fields, without_chance
from tests.journeys.conftest import running_servers
from tests.journeys.lines import (
    Line,
    chats,
    check,
    counts,
    ended,
    jsonl,
    line,
    results,
    submit,
)
from tests.journeys.processes import Server, eventually
from tests.journeys.vertex import (
    BUCKET,
    GEMINI,
    made_with_googles_client,
    plainly,
    vertex,
)

from batchway.simulator.google import GoogleFake, running

GOLDEN: Final = Path(__file__).parents[1] / "contract" / "golden" / "seed_call_vertex.json"
KEYS: Final = [
    {"name": "a", "tenant": "a", "key": "sk-team-a-0123456789", "passthrough": True},
    {"name": "b", "tenant": "b", "key": "sk-team-b-0123456789", "passthrough": True},
]
# What is documented for Vertex AI, with values that fit the account.
HEADERS: Final = {
    "x-tfy-provider-name": "google",
    "x-tfy-vertex-storage-bucket-name": BUCKET,
    "x-tfy-vertex-region": "us-central1",
    "x-tfy-provider-model": GEMINI,
    "x-tfy-metadata": '{"team": "search"}',
}
NAMED: Final = {"x-tfy-provider-name": "google"}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Google, and one Batchway in front of it: `google` runs jobs, `google-auto` has no bucket."""

    fake: GoogleFake
    server: Server

    def client(self, team: str = "a", provider: str = "google") -> openai.OpenAI:
        """TrueFoundry's client setup, with another base URL."""
        return openai.OpenAI(
            api_key=f"sk-team-{team}-0123456789",
            base_url=self.server.origin,
            default_headers={"x-tfy-provider-name": provider},
            max_retries=0,
        )

    def get(self, path: str, headers: dict[str, str]) -> dict[str, Any]:
        """A plain call, as curl makes it."""
        request = Request(
            self.server.origin + path,
            headers={"authorization": "Bearer sk-team-a-0123456789", **headers},
        )
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def theirs(self, name: str, lines: int = 3) -> tuple[str, str]:
        """A job that was made with Google's own client, and where its input is."""
        given = f"gs://{BUCKET}/{name}/input.jsonl"
        rows = [
            {"request": {"contents": [{"role": "user", "parts": [{"text": f"Say {name} {n}"}]}]}}
            for n in range(lines)
        ]
        self.fake.put(given, jsonl(rows))
        return made_with_googles_client(self.fake, given, f"gs://{BUCKET}/{name}/out"), given


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("gateway")
    with running() as fake, running_servers(folder) as servers:
        server = servers(
            vertex(fake, folder, "google", mode="native", bucket=BUCKET),
            vertex(fake, folder, "google-auto", mode="auto"),
            auth={"keys": KEYS},
        )
        yield World(fake=fake, server=server)


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """The fake as it was, afterwards."""
    dials = shared.fake.control()
    yield shared
    shared.fake.control(**dials)
    for uri in shared.fake.objects():
        assert uri.split("/")[3] != "batchway", "something of ours is left"


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
    eventually("it runs", lambda: client.batches.retrieve(batch.id).status == "in_progress")
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
    states = {"PENDING": "validating", "RUNNING": "in_progress"}
    fake.control(hold=["PENDING", "RUNNING"])
    name, _ = world.theirs("golden")
    seen: dict[str, Any] = {"validating": _of_theirs(world, name)}
    fake.control(hold=["RUNNING"])
    client = world.client()
    eventually("it runs", lambda: client.batches.retrieve(name).status == states["RUNNING"])
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


def test_a_job_that_others_made_is_cancelled(world: World) -> None:
    world.fake.control(hold=["RUNNING", "CANCELLING"])
    client = world.client()
    name, _ = world.theirs("cancelled")
    eventually("it runs", lambda: client.batches.retrieve(name).status == "in_progress")
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
