"""A client of TrueFoundry's gateway on Bedrock: its guide, and its documented call.

Guide: truefoundry.com/docs/ai-gateway/batch-predictions-with-truefoundry-llm-gateway (upload,
create, check the status, fetch; "minimum 100 records for AWS Bedrock"), with the headers of its
reference. Call: truefoundry.com/docs/api-reference/batch/get-batch; whole answers are compared with
the golden copy in `tests/contract/golden`. One server and one fake for all.
"""

import json
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import openai
import pytest
import requests
from openai.types import Batch
from tests.contract.truefoundry import check_fields, without_chance
from tests.journeys.bedrock import (
    BUCKET,
    CLAUDE,
    NOVA,
    ROLE,
    bedrock,
    made_with_awss_client,
    named,
    rows_of_nova,
)
from tests.journeys.conftest import running_servers
from tests.journeys.lines import CHAT, Line, chats, check, counts, ended, jsonl, results, submit
from tests.journeys.processes import Server, eventually

from batchway.simulator.aws import BedrockFake, running

pytestmark = pytest.mark.xdist_group("s3")

GOLDEN: Final = Path(__file__).parents[1] / "contract" / "golden" / "seed_call_bedrock.json"
KEY: Final = "sk-team-a-0123456789"
# What is documented for Bedrock, with values that fit the account.
HEADERS: Final = {
    "x-tfy-provider-name": "aws",
    "x-tfy-aws-s3-bucket": BUCKET,
    "x-tfy-aws-bedrock-model": CLAUDE,
    "x-tfy-provider-model": CLAUDE,
    "x-tfy-metadata": '{"team": "search"}',
}
NAMED: Final = {"x-tfy-provider-name": "aws"}
OF_THE_GUIDE: Final = {
    "x-tfy-provider-name": "aws-bare",  # has a role, and no bucket of its own
    "x-tfy-aws-s3-bucket": "your-s3-bucket",
    "x-tfy-aws-bedrock-model": CLAUDE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """AWS, and one Batchway in front of it."""

    fake: BedrockFake
    server: Server

    def client(self) -> openai.OpenAI:
        """TrueFoundry's client setup, with another base URL."""
        return openai.OpenAI(
            api_key=KEY, base_url=self.server.origin, default_headers=NAMED, max_retries=0
        )

    def get(self, path: str, headers: dict[str, str]) -> dict[str, Any]:
        """A plain call, as curl makes it."""
        sent = {"authorization": f"Bearer {KEY}", **headers}
        answer = requests.get(self.server.origin + path, headers=sent, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def theirs(self, name: str) -> str:
        """The ARN of a job of four records that was made with AWS's own client."""
        return made_with_awss_client(self.fake, name, rows_of_nova(name, 4), model=NOVA)[0]

    @contextmanager
    def as_it_was(self) -> Generator[None]:
        """Turn the dials back afterwards, and see that nothing of ours is left."""
        dials = self.fake.control()
        yield
        self.fake.control(**dials)
        assert [uri for uri in self.fake.objects() if uri.split("/")[3] == "batchway"] == []


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("gateway")
    with running() as fake, running_servers(folder) as servers:
        fake.make_bucket(BUCKET)
        fake.make_bucket("your-s3-bucket")
        server = servers(
            bedrock(fake, mode="native", bucket=BUCKET, role_arn=ROLE),
            bedrock(fake, "aws-bare", mode="auto", role_arn=ROLE),
            auth={"keys": [{"name": "a", "tenant": "a", "key": KEY, "passthrough": True}]},
        )
        yield World(fake=fake, server=server)


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    with shared.as_it_was():
        yield shared


# ----------------------------------------------------------------------------- the guide

_SYSTEM: Final = ("You are a helpful assistant.", "You are an unhelpful assistant.")
IMAGE: Final[Line] = {
    "custom_id": "request-3",
    "method": "POST",
    "url": CHAT,
    "body": {
        "model": "gpt-4-vision-preview",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What's in this image?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/image.jpg"}},
                ],
            }
        ],
        "max_tokens": 1000,
    },
}


def guide(count: int, *, short: bool = False) -> list[Line]:
    """The guide's two requests of text, over and over; `short`: without method, url and model."""
    lines: list[Line] = []
    for n in range(count):
        body: dict[str, Any] = {
            "model": "gpt-3.5-turbo-0125",
            "messages": [
                {"role": "system", "content": _SYSTEM[n % 2]},
                {"role": "user", "content": "Hello world!" if n < 2 else f"Hello world {n}!"},
            ],
            "max_tokens": 1000,
        }
        line: Line = {"custom_id": f"request-{n + 1}", "method": "POST", "url": CHAT, "body": body}
        if short:
            del body["model"], line["method"], line["url"]
        lines.append(line)
    return lines


def _one_job_in_their_bucket(world: World, before: dict[str, Any], records: int) -> None:
    stats = world.fake.stats()
    (job,) = stats["jobs"][len(before["jobs"]) :]
    assert job["model"] == CLAUDE
    assert job["input"].startswith("s3://your-s3-bucket/")
    assert job["output"].startswith("s3://your-s3-bucket/")
    assert stats["lines"] - before["lines"] == records


@pytest.mark.parametrize("short", [False, True])
def test_the_guide_runs_unchanged(world: World, tmp_path: Path, *, short: bool) -> None:
    """Its statements in its order, the headers as defaults of the client."""
    before = world.fake.stats()
    given, asked = tmp_path / "request.jsonl", guide(120)
    given.write_bytes(jsonl(guide(120, short=short)))

    client = openai.OpenAI(api_key=KEY, base_url=world.server.origin, default_headers=OF_THE_GUIDE)
    file = client.files.create(file=given.open("rb"), purpose="batch")
    batch_job = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )

    def look() -> Batch | None:
        status = client.batches.retrieve(batch_job.id)
        assert status.status in {"validating", "in_progress", "finalizing", "completed"}, status
        return status if status.status == "completed" else None

    batch_status = eventually("the end", look)
    assert batch_status is not None
    assert batch_status.output_file_id is not None
    output = client.files.content(batch_status.output_file_id)
    answers = [json.loads(each) for each in output.content.decode("utf-8").splitlines()]

    assert [each["custom_id"] for each in answers] == [f"request-{n + 1}" for n in range(120)]
    assert {each["provider"] for each in answers} == {"aws-bare"}
    check(asked, results(client, batch_status), models=named(asked, CLAUDE))
    _one_job_in_their_bucket(world, before, 120)


def test_the_guide_by_hand(world: World) -> None:
    """The same over plain HTTP, the headers with each call, as its reference has it."""
    before, asked = world.fake.stats(), guide(100)
    headers = {"Authorization": f"Bearer {KEY}", **OF_THE_GUIDE}
    origin = world.server.origin
    with requests.Session() as http:
        http.headers.update(headers)
        upload = http.post(
            f"{origin}/files",
            data={"purpose": "batch"},
            files={"file": ("request.jsonl", jsonl(asked), "application/jsonl")},
        ).json()
        assert (upload["object"], upload["purpose"]) == ("file", "batch")
        made = http.post(
            f"{origin}/batches",
            json={
                "input_file_id": upload["id"],
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
            },
        ).json()
        check_fields(made)

        def look() -> dict[str, Any] | None:
            status: dict[str, Any] = http.get(f"{origin}/batches/{made['id']}").json()
            check_fields(status)
            return status if status["status"] == "completed" else None

        last = eventually("the end", look)
        assert last is not None
        content = http.get(f"{origin}/files/{last['output_file_id']}/content")
    answers = [json.loads(each) for each in content.text.splitlines()]
    assert [each["custom_id"] for each in answers] == [each["custom_id"] for each in asked]
    check(asked, results(world.client(), Batch.model_validate(last)), models=named(asked, CLAUDE))
    _one_job_in_their_bucket(world, before, 100)


def test_the_few_lines_of_the_guide_run_online(world: World) -> None:
    """Its file has three: too few for AWS. The image by its address is told before all."""
    before = world.fake.stats()
    client = openai.OpenAI(api_key=KEY, base_url=world.server.origin, default_headers=OF_THE_GUIDE)
    last = ended(client, submit(client, guide(2)))
    check(guide(2), results(client, last), models=named(guide(2), CLAUDE))
    (told,) = (last.model_extra or {})["run_online"]
    assert (told["lines"], "no fewer than 100 requests" in told["reason"]) == (2, True)

    refused = ended(client, submit(client, [*guide(2), IMAGE]))
    assert (refused.status, refused.errors is None) == ("failed", False)
    assert refused.errors is not None
    (error,) = refused.errors.data or []
    assert (error.line, error.param) == (3, "body.messages[0].content[1].image_url.url")
    after = world.fake.stats()
    assert len(after["jobs"]) == len(before["jobs"])
    assert after["requests"]["online"] - before["requests"].get("online", 0) == 2


# ----------------------------------------------------------------------------- the documented call


def _plain(batch: dict[str, Any]) -> dict[str, Any]:
    """As `without_chance`, with the ids of AWS's jobs written as what they are."""
    text = json.dumps(without_chance(batch))
    text = re.sub(r"model-invocation-job/[0-9a-z]{12}", "model-invocation-job/ID", text)
    return json.loads(re.sub(r"/out/[0-9a-z]{12}/", "/out/ID/", text))


def _every_way(world: World, *ids: str) -> dict[str, Any]:
    """The one answer to every spelling, with each documented header, and with all of them."""
    paths = [f"{prefix}/batches/{each}" for prefix in ("", "/v1") for each in ids]
    sent = [NAMED, HEADERS, *({**NAMED, name: text} for name, text in HEADERS.items())]
    seen = [world.get(path, headers) for path in paths for headers in sent]
    for batch in seen:
        check_fields(batch)
        assert batch == seen[0]
    return seen[0]


def _golden(name: str) -> dict[str, Any]:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))[name]


def test_the_answer_for_a_batch_of_ours_is_the_golden_one(world: World) -> None:
    world.fake.control(hold=["InProgress"])
    client = world.client()
    asked = chats(100, model=CLAUDE)
    batch = submit(client, asked, metadata={"made": "here"}, extra_headers=HEADERS)
    eventually("half is run", lambda: counts(client.batches.retrieve(batch.id)) == (100, 50, 0))
    seen = {"in_progress": _every_way(world, batch.id)}
    world.fake.control(hold=[])
    ended(client, batch)
    seen["completed"] = _every_way(world, batch.id)
    assert {status: _plain(shown) for status, shown in seen.items()} == _golden("ours")
    # Remembered with the batch: a call without any header has the same answer.
    assert world.get(f"/batches/{batch.id}", {}) == seen["completed"]


def test_the_answer_for_a_job_of_others_is_the_golden_one(world: World) -> None:
    fake, client = world.fake, world.client()

    def shown(arn: str) -> dict[str, Any]:
        found = _every_way(world, quote(arn, safe=""))
        assert found["id"] == arn
        return _plain(found)

    fake.control(hold=["Submitted", "InProgress"], min_records=1)
    arn = world.theirs("golden")
    seen: dict[str, Any] = {"validating": shown(arn)}
    fake.control(hold=["InProgress"])
    eventually("half is run", lambda: counts(client.batches.retrieve(arn)) == (4, 2, 0))
    seen["in_progress"] = shown(arn)
    fake.control(hold=[])
    ended(client, client.batches.retrieve(arn))
    seen["completed"] = shown(arn)
    for outcome in ("PartiallyCompleted", "Failed", "Stopped", "Expired"):
        fake.control(fates=[{"outcome": outcome, "share": 0.5}])
        arn = world.theirs(f"golden-{outcome}")
        ended(client, client.batches.retrieve(arn))
        seen[outcome] = shown(arn)
    assert seen == _golden("theirs")
