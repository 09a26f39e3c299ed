"""Batches as jobs of Bedrock: OpenAI's SDK in front, the fake of AWS behind, nothing left in S3.

One server with several providers over one fake, whose dials each test turns for itself. Only a
window that ends, and a server that is killed, need their own.
"""

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import openai
import pytest
from tests.journeys.bedrock import (
    BUCKET,
    CLAUDE,
    LLAMA,
    NOVA,
    ROLE,
    bedrock,
    named,
    nothing_is_left,
)
from tests.journeys.conftest import Configuration, NewServer, running_servers
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
from tests.journeys.processes import Server

from batchway.simulator.aws import BedrockFake, process, running

pytestmark = pytest.mark.xdist_group("s3")

EMBEDDINGS, RESPONSES = "/v1/embeddings", "/v1/responses"
LEAST: Final = 100  # lines of a job
GPT_OSS: Final = "openai.gpt-oss-20b-1:0"
TITAN: Final = "amazon.titan-embed-text-v2:0"
JAMBA: Final = "ai21.jamba-1-5-mini-v1:0"  # said to speak Converse in jobs, too
TERMS: Final[Configuration] = {
    "tags": {"team": "blue"},
    "vpc": {"subnets": ["subnet-1"], "security_groups": ["sg-1"]},
    "kms_key": "alias/batches",
    "bucket_owner": "123456789012",
    "prefix": "deep/er",
}


def provider(fake: BedrockFake, name: str = "aws", **further: Any) -> Configuration:
    """The fake as a provider in the mode `native`, whose jobs have 110 lines."""
    native = {"cancel_patience": 5, "max_lines": 110}
    own = {"bucket": BUCKET, "role_arn": ROLE, "mode": "native", "models": {JAMBA: "converse"}}
    return bedrock(fake, name, **{**own, **further}, native=native)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """AWS, and one Batchway in front of it."""

    fake: BedrockFake
    server: Server
    bearer: str

    def client(self, name: str = "aws") -> openai.OpenAI:
        """A client of one of the providers: `aws`, `auto`, `terms`, `no-bucket`, `keyed`."""
        return openai.OpenAI(
            api_key="-",
            base_url=self.server.base_url,
            default_headers={"x-tfy-provider-name": name},
            max_retries=0,
        )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("native")
    with (
        running(shuffle=True, duplicate_rows=0.1, shards=2) as fake,
        running_servers(folder) as servers,
    ):
        fake.make_bucket(BUCKET)
        bearer = fake.bearer()
        keys = {"access_key_id": fake.keys.id, "secret_access_key": fake.keys.secret}
        server = servers(
            provider(fake),
            provider(fake, "auto", mode="auto"),
            provider(fake, "terms", **TERMS),
            provider(fake, "no-bucket", mode="auto", bucket=None),
            provider(fake, "keyed", api_key=bearer, **keys),
        )
        yield World(fake=fake, server=server, bearer=bearer)
        output = server.process.output()
        assert bearer not in output
        assert fake.keys.secret not in output


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """The fake as it was afterwards, with nothing left and nothing run twice."""
    dials = shared.fake.control()
    yield shared
    shared.fake.control(**dials)
    nothing_is_left(shared.fake)


def jobs_since(world: World, before: int) -> list[dict[str, Any]]:
    """The jobs that came after so many."""
    return world.fake.stats()["jobs"][before:]


# ----------------------------------------------------------------------------- lives


def test_one_file_becomes_several_jobs_and_one_result(world: World) -> None:
    client, before = world.client("terms"), len(world.fake.stats()["jobs"])
    asked = chats(320, "terms", model=CLAUDE)

    batch = completed(client, submit(client, asked), asked, models=named(asked, CLAUDE))

    assert batch.usage is not None
    assert batch.usage.total_tokens > 0
    made = jobs_since(world, before)
    assert len(made) == 3
    name = made[0]["request"]["jobName"]
    assert made[0]["request"] == {
        "jobName": name,
        "clientRequestToken": name,
        "roleArn": ROLE,
        "modelId": CLAUDE,
        "modelInvocationType": "InvokeModel",
        "timeoutDurationInHours": 24,
        "inputDataConfig": {
            "s3InputDataConfig": {
                "s3InputFormat": "JSONL",
                "s3Uri": f"s3://{BUCKET}/deep/er/{name}/input.jsonl",
                "s3BucketOwner": "123456789012",
            }
        },
        "outputDataConfig": {
            "s3OutputDataConfig": {
                "s3Uri": f"s3://{BUCKET}/deep/er/{name}/out/",
                "s3EncryptionKeyId": "alias/batches",
                "s3BucketOwner": "123456789012",
            }
        },
        "vpcConfig": {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
        "tags": [{"key": "team", "value": "blue"}],
    }


def test_several_models_in_one_file(world: World) -> None:
    client, before = world.client(), len(world.fake.stats()["jobs"])
    asked = [
        each
        for model in (CLAUDE, NOVA, LLAMA, GPT_OSS, JAMBA)
        for each in chats(LEAST, model.removeprefix("us.").split(".")[0], model=model)
    ]
    models = {each["custom_id"]: each["body"]["model"] for each in asked}
    completed(client, submit(client, asked), asked, models=models)
    made = jobs_since(world, before)
    kinds = {job["model"]: job["request"]["modelInvocationType"] for job in made}
    assert kinds.pop(JAMBA) == "Converse"
    assert set(kinds.values()) == {"InvokeModel"}
    assert len(kinds) == 4


def test_arrays_to_embed_are_taken_apart_and_put_together(world: World) -> None:
    """What a job must have at least are its records, of which a line here is several."""
    client, before = world.client("terms"), world.fake.stats()
    asked = [
        line(f"e-{n:02}", EMBEDDINGS, model=TITAN, input=[f"{n}.{m}" for m in range(n % 7 + 1)])
        for n in range(27)
    ]
    batch = submit(client, asked, endpoint=EMBEDDINGS)
    completed(client, batch, asked, models=named(asked, TITAN))
    stats = world.fake.stats()
    assert (len(jobs_since(world, len(before["jobs"]))), stats["lines"] - before["lines"]) == (
        1,
        105,
    )


def test_responses(world: World) -> None:
    client = world.client()
    asked = [line(f"r-{n:03}", RESPONSES, model=CLAUDE, input=f"Answer {n}") for n in range(LEAST)]
    last = ended(client, submit(client, asked, endpoint=RESPONSES))
    assert (last.status, counts(last)) == ("completed", (LEAST, LEAST, 0))
    output = results(client, last).output
    assert [each["custom_id"] for each in output] == [each["custom_id"] for each in asked]
    assert {each["response"]["body"]["object"] for each in output} == {"response"}


def test_the_bucket_and_the_model_of_a_batch(world: World) -> None:
    client, before = world.client("no-bucket"), len(world.fake.stats()["jobs"])
    world.fake.make_bucket("bucket-of-theirs")
    asked = chats(LEAST, "theirs", model="gpt-4o-mini")
    headers = {"x-tfy-aws-s3-bucket": "bucket-of-theirs", "x-tfy-aws-bedrock-model": CLAUDE}
    batch = submit(client, asked, extra_headers=headers)
    completed(client, batch, asked, models=named(asked, CLAUDE))
    (job,) = jobs_since(world, before)
    assert job["input"].startswith("s3://bucket-of-theirs/batchway/batchway-")


def test_an_api_key_makes_jobs_and_access_keys_bring_the_files(world: World) -> None:
    client, before = world.client("keyed"), len(world.fake.stats()["jobs"])
    asked = chats(LEAST, "keyed", model=CLAUDE)
    completed(client, submit(client, asked), asked, models=named(asked, CLAUDE))
    assert len(jobs_since(world, before)) == 1


def test_tools_go_into_jobs_of_models_that_take_them_there(world: World) -> None:
    client = world.client()
    tools = [{"type": "function", "function": {"name": "now"}}]
    asked = [chat(f"tool-{n:03}", model=CLAUDE, tools=tools) for n in range(LEAST)]
    last = ended(client, submit(client, asked))
    assert (last.status, counts(last)) == ("completed", (LEAST, LEAST, 0))

    asked = chats(LEAST + 1, "tools", model=JAMBA)
    asked[7]["body"]["tools"] = tools
    last = ended(client, submit(client, asked))
    given = results(client, last)
    assert (last.status, given.error_ids) == ("completed", [asked[7]["custom_id"]])
    assert "tools" in given.errors[0]["error"]["message"]


def test_few_lines_run_online_in_auto_and_fail_at_once_in_native(world: World) -> None:
    before = world.fake.stats()
    asked = chats(LEAST - 1, "few", model=CLAUDE)
    auto, native = world.client("auto"), world.client()
    completed(auto, submit(auto, asked), asked, models=named(asked, CLAUDE))

    last = ended(native, submit(native, asked))

    assert last.errors is not None
    (error,) = last.errors.data or []
    assert (last.status, error.code) == ("failed", "too_few_requests")
    assert "100" in (error.message or "")
    stats = world.fake.stats()
    assert (stats["online"] - before["online"], len(stats["jobs"])) == (
        LEAST - 1,
        len(before["jobs"]),
    )


# ----------------------------------------------------------------------------- troubles


@pytest.mark.parametrize(
    ("dials", "creations"),
    [
        ({"lose_create_answer": 2}, 1),
        ({"list_lag": 3_600.0, "lose_create_answer": 1}, 1),  # the token finds it
        ({"throttle_polls": 8}, 1),
        ({"max_jobs": 1}, 2),
        ({"max_records": 100}, 2),  # a job that has more is cut
        ({"clock_skew": 200.0, "page_size": 1, "shards": 4}, 1),
        ({"read_lag": 0.5, "poll_delay": 0.3}, 1),
    ],
    ids=lambda given: "+".join(given) if isinstance(given, dict) else None,
)
def test_what_passes_makes_no_second_job(
    world: World, dials: dict[str, Any], creations: int
) -> None:
    client, before = world.client(), len(world.fake.stats()["jobs"])
    world.fake.control(**dials)
    asked = chats(LEAST * creations, "+".join(dials), model=CLAUDE)
    completed(client, submit(client, asked), asked, models=named(asked, CLAUDE))
    made = jobs_since(world, before)
    assert len([job for job in made if job["state"] != "Failed"]) == creations


def test_auto_rescues_what_the_job_left(world: World) -> None:
    client, before = world.client("auto"), world.fake.stats()["online"]
    world.fake.control(
        fail_rows={"400": ["r0000000001"], "429": ["r0000000002"]},
        fates=[{"outcome": "Expired", "share": 0.5}],
        shuffle=False,
    )
    asked = chats(LEAST, "rescued", model=CLAUDE)
    last = ended(client, submit(client, asked))
    given = results(client, last)
    check(asked, given, models=named(asked, CLAUDE))
    assert (last.status, given.codes()) == ("completed", {"rescued-0001": 400})
    assert world.fake.stats()["online"] - before == LEAST // 2 + 1


# ----------------------------------------------------------------------------- ends before the end


@pytest.mark.parametrize(
    ("races", "late_stop"), [(False, "ValidationException"), (True, "ConflictException")]
)
def test_cancelling(world: World, races: bool, late_stop: str) -> None:
    fake, client = world.fake, world.client("auto")
    stops = fake.stats()["requests"].get("stop", 0)
    fake.control(hold=["InProgress"], cancel_race=races, late_stop=late_stop)
    asked = chats(LEAST, f"cancel-{races}", model=CLAUDE)
    batch = submit(client, asked)
    fake.eventually(lambda stats: [j for j in stats["jobs"] if j["state"] == "InProgress"])
    client.batches.cancel(batch.id)
    fake.eventually(lambda stats: stats["requests"].get("stop", 0) > stops)
    fake.control(hold=[])
    last = ended(client, batch)
    assert last.status == "cancelled"
    given = results(client, last)
    check(asked, given, models=named(asked, CLAUDE))
    assert set(given.codes().values()) <= {"batch_cancelled"}
    assert counts(last)[1] == (LEAST if races else LEAST // 2)


def test_a_window_that_ends_first_and_a_server_that_is_killed(new_server: NewServer) -> None:
    """The shortest window is a minute, so the deadline is moved while no server runs."""
    with process(hold=["InProgress"]) as fake:
        fake.make_bucket(BUCKET)
        server = new_server(provider(fake))
        client = server.client()
        asked = chats(320, model=CLAUDE)
        killed = submit(client, asked)
        expired = submit(client, chats(LEAST, "late", model=CLAUDE))
        fake.eventually(lambda stats: len(stats["creates"]) == 4 and _runs(stats, 100))
        server.process.kill()
        with sqlite3.connect(server.data / "batchway.db") as ledger:
            deadline = (int(time.time()) + 2, expired.id)
            ledger.execute("UPDATE batches SET deadline = ? WHERE id = ?", deadline)
        server.start()
        client = server.client()
        last = ended(client, expired)
        assert last.status == "expired"
        assert counts(last) == (LEAST, LEAST // 2, 0)  # what had been run is there
        assert set(results(client, last).codes().values()) == {"batch_expired"}
        fake.control(hold=[])
        completed(client, killed, asked, models=named(asked, CLAUDE))
        assert len(fake.stats()["creates"]) == 4
        nothing_is_left(fake)


def _runs(stats: dict[str, Any], lines: int) -> bool:
    """Whether a job of so many lines runs."""
    return any(job["lines"] == lines and job["state"] == "InProgress" for job in stats["jobs"])
