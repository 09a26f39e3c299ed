"""Jobs and files at AWS as a client of OpenAI's sees them: its own, others', other tenants'.

Jobs of others are made with AWS's own client, and read with OpenAI's by ARN and by `s3://` address.
One server and one fake for all.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import openai
import pytest
from openai.types import Batch
from tests.journeys.bedrock import (
    BUCKET,
    CLAUDE,
    NOVA,
    REGION,
    ROLE,
    bedrock,
    made_with_awss_client,
)
from tests.journeys.conftest import running_servers
from tests.journeys.lines import chats, check, counts, ended, jsonl, results, submit
from tests.journeys.processes import Server, eventually

from batchway.simulator.aws import BedrockFake, running

pytestmark = pytest.mark.xdist_group("s3")

LEAST: Final = 100
KEYS: Final = [
    {"name": "a", "tenant": "a", "key": "sk-team-a-0123456789", "passthrough": True},
    {"name": "b", "tenant": "b", "key": "sk-team-b-0123456789", "passthrough": True},
]
MESSAGES: Final = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Say it"}],
}
TEXT: Final = {"role": "user", "content": [{"text": "Say it"}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """AWS, and one Batchway in front of it."""

    fake: BedrockFake
    server: Server

    def client(self, team: str = "a") -> openai.OpenAI:
        """TrueFoundry's client setup, with another base URL."""
        return openai.OpenAI(
            api_key=f"sk-team-{team}-0123456789",
            base_url=self.server.origin,
            default_headers={"x-tfy-provider-name": "aws"},
            max_retries=0,
        )

    def theirs(
        self, name: str, rows: list[dict[str, Any]], model: str = CLAUDE, kind: str = "InvokeModel"
    ) -> tuple[str, str]:
        """The ARN of a job that was made with AWS's own client, and where its input is."""
        return made_with_awss_client(self.fake, name, rows, model=model, kind=kind)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("passthrough")
    with running(min_records=1) as fake, running_servers(folder) as servers:
        fake.make_bucket(BUCKET)
        entry = bedrock(fake, mode="native", bucket=BUCKET, role_arn=ROLE)
        yield World(fake=fake, server=servers(entry, auth={"keys": KEYS}))


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """The dials as they were afterwards, and nothing of ours left."""
    dials = shared.fake.control()
    yield shared
    shared.fake.control(**dials)
    assert [uri for uri in shared.fake.objects() if uri.split("/")[3] == "batchway"] == []


def _unknown(client: openai.OpenAI, file_id: str) -> None:
    """The file answers to none of the calls."""
    for act in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match="No such File object"):
            act(file_id)


def test_jobs_and_files_that_others_made_are_looked_up(world: World) -> None:
    client = world.client()
    rows = [{"recordId": f"mine/{n}", "modelInput": MESSAGES} for n in range(4)]
    arn, given = world.theirs("theirs", rows)

    last = ended(client, client.batches.retrieve(arn))

    assert (last.id, last.status, counts(last)) == (arn, "completed", (4, 4, 0))
    assert (last.endpoint, last.model) == ("/v1/chat/completions", CLAUDE)
    assert last.output_file_id is not None
    assert last.output_file_id.startswith(f"s3://{BUCKET}/theirs/out/{arn.rpartition('/')[2]}/")
    assert last.input_file_id == given
    for spelled in (last.output_file_id, quote(last.output_file_id, safe="")):
        assert client.files.retrieve(spelled).purpose == "batch_output"
        lines = [json.loads(each) for each in client.files.content(spelled).read().splitlines()]
        assert [each["custom_id"] for each in lines] == [f"mine/{n}" for n in range(4)]
        assert {each["response"]["body"]["object"] for each in lines} == {"chat.completion"}
    assert client.files.retrieve(given).purpose == "batch"
    assert client.files.content(quote(given, safe="")).read() == world.fake.read(given)
    with pytest.raises(openai.PermissionDeniedError, match="only deleted there"):
        client.files.delete(given)
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(arn)
    # Nothing of it is kept here.
    assert arn not in {batch.id for batch in client.batches.list()}
    for other in (
        arn.rpartition("/")[2],
        arn[:-1] + ("0" if arn[-1] != "0" else "1"),
        arn.replace(REGION, "eu-west-1"),
    ):
        with pytest.raises(openai.NotFoundError):
            client.batches.retrieve(other)
    _unknown(client, f"s3://{BUCKET}/theirs/none.jsonl")
    _unknown(client, f"s3://{BUCKET}/theirs/")


@pytest.mark.parametrize(
    ("model", "kind", "body"),
    [
        (NOVA, "InvokeModel", {"schemaVersion": "messages-v1", "messages": [TEXT]}),
        (NOVA, "Converse", {"messages": [TEXT]}),
        (CLAUDE, "Converse", {"messages": [TEXT]}),
    ],
)
def test_what_others_ran_is_read_in_the_language_of_its_job(
    world: World, model: str, kind: str, body: dict[str, Any]
) -> None:
    world.fake.control(shards=2)
    rows = [{"recordId": "one", "modelInput": body}, {"modelInput": {"messages": 7}}]
    name = f"language-{kind}-{model.rsplit('.', maxsplit=1)[-1].split(':', maxsplit=1)[0]}"
    client = world.client()
    arn, _ = world.theirs(name, rows, model=model, kind=kind)
    last = ended(client, client.batches.retrieve(arn))
    assert (last.status, counts(last)) == ("completed", (2, 1, 1))
    assert last.output_file_id is not None
    assert last.output_file_id.endswith("/")
    answer, error = results(client, last).output
    assert answer["custom_id"] == "one"
    assert answer["response"]["body"]["object"] == "chat.completion"
    assert (error["response"]["status_code"], error["response"]["body"]["error"]["code"]) == (
        400,
        "ValidationException",
    )


def test_a_job_that_others_made_is_cancelled(world: World) -> None:
    world.fake.control(hold=["InProgress", "Stopping"])
    client = world.client()
    rows = [{"recordId": str(n), "modelInput": MESSAGES} for n in range(4)]
    arn, _ = world.theirs("cancelled", rows)
    eventually("half is run", lambda: counts(client.batches.retrieve(arn)) == (4, 2, 0))
    assert client.batches.cancel(arn).status == "cancelling"
    world.fake.control(hold=[])
    last = ended(client, client.batches.retrieve(arn))
    assert (last.status, counts(last)) == ("cancelled", (4, 2, 0))
    assert len(results(client, last).output) == 2


@pytest.mark.parametrize("encoded", [False, True])
def test_an_input_file_that_lies_in_a_bucket_is_run(world: World, *, encoded: bool) -> None:
    client = world.client()
    given = f"s3://{BUCKET}/inputs/lines of ours.jsonl"
    asked = chats(LEAST, f"there-{encoded}", model=CLAUDE)
    world.fake.put(given, jsonl(asked))
    named = quote(given, safe="") if encoded else given
    batch = client.batches.create(
        input_file_id=named, endpoint="/v1/chat/completions", completion_window="24h"
    )
    last = ended(client, batch)
    assert (last.status, last.input_file_id) == ("completed", named)
    check(asked, results(client, last))
    assert world.fake.read(given) == jsonl(asked)


def _jobs_of(batch: Batch, stats: dict[str, Any]) -> list[dict[str, Any]]:
    """Its jobs."""
    tag = f"batchway-{batch.id.removeprefix('batch_')}-"
    return [job for job in stats["jobs"] if job["name"].startswith(tag)]


def test_what_another_tenant_made_is_unknown(world: World) -> None:
    world.fake.control(hold=["InProgress"])
    ours, other = world.client("a"), world.client("b")
    batch = submit(ours, chats(LEAST, "tenants", model=CLAUDE))
    world.fake.eventually(lambda stats: _jobs_of(batch, stats))
    (job,) = _jobs_of(batch, world.fake.stats())
    arn, given = job["arn"], job["input"]
    assert ours.batches.retrieve(arn).status in {"validating", "in_progress"}
    for act in (other.batches.retrieve, other.batches.cancel):
        with pytest.raises(openai.NotFoundError, match="No batch found with id"):
            act(arn)
    assert ours.files.retrieve(given).purpose == "batch"
    folder = given.rpartition("/")[0]
    for asked in (given, quote(given, safe=""), f"{folder}/", f"{folder}/out/{job['id']}/"):
        _unknown(other, asked)
    _unknown(other, batch.input_file_id)
    with pytest.raises(openai.NotFoundError):
        other.batches.create(
            input_file_id=given, endpoint="/v1/chat/completions", completion_window="24h"
        )
    world.fake.control(hold=[])
    assert ended(ours, batch).status == "completed"
