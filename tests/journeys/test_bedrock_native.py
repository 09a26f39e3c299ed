"""Batches as jobs of Bedrock: OpenAI's SDK in front, the fake of AWS behind, nothing left in S3."""

import sqlite3
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest
from tests.journeys.bedrock import BUCKET, CLAUDE, NOVA, ROLE, named, nothing_is_left
from tests.journeys.bedrock import bedrock as provider
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

from batchway.simulator.aws import BedrockFake, process, running

pytestmark = pytest.mark.xdist_group("s3")

RESPONSES: Final = "/v1/responses"
LEAST: Final = 100  # lines of a job
MAGISTRAL: Final = "mistral.magistral-small-2509"  # in jobs, too, a model of Converse's


def bedrock(fake: BedrockFake, **further: Any) -> Configuration:
    """The fake as a provider in the mode `native`, its bucket empty."""
    fake.make_bucket(BUCKET)
    native = {"cancel_patience": 5, **further.pop("native", {})}
    return provider(
        fake, native=native, **{"bucket": BUCKET, "role_arn": ROLE, "mode": "native", **further}
    )


@pytest.fixture
def fake() -> Iterator[BedrockFake]:
    with running(shuffle=True, duplicate_rows=0.1, shards=2) as aws:
        yield aws


# ----------------------------------------------------------------------------- lives


def test_one_file_becomes_several_jobs_and_one_result(
    fake: BedrockFake, new_server: NewServer
) -> None:
    server = new_server(
        bedrock(
            fake,
            native={"max_lines": 110},
            tags={"team": "blue"},
            vpc={"subnets": ["subnet-1"], "security_groups": ["sg-1"]},
            kms_key="alias/batches",
            bucket_owner="123456789012",
            prefix="deep/er",
        )
    )
    client = server.client()
    asked = chats(320, model=CLAUDE)

    batch = completed(client, submit(client, asked), asked, models=named(asked, CLAUDE))

    stats = fake.stats()
    assert len(stats["creates"]) == 3
    nothing_is_left(fake)
    assert batch.usage is not None
    assert batch.usage.total_tokens > 0
    assert fake.keys.secret not in server.process.output()
    request = stats["jobs"][0]["request"]
    name = request["jobName"]
    assert request == {
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


def test_several_models_in_one_file(fake: BedrockFake, new_server: NewServer) -> None:
    client = new_server(bedrock(fake)).client()
    asked = [
        each
        for model in (CLAUDE, NOVA, MAGISTRAL)
        for each in chats(LEAST, model.split(".")[1][:4], model=model)
    ]
    models = {each["custom_id"]: each["body"]["model"] for each in asked}
    completed(client, submit(client, asked), asked, models=models)
    made = {job["model"]: job["request"]["modelInvocationType"] for job in fake.stats()["jobs"]}
    assert made == {CLAUDE: "InvokeModel", NOVA: "InvokeModel", MAGISTRAL: "Converse"}
    nothing_is_left(fake)


def test_responses(fake: BedrockFake, new_server: NewServer) -> None:
    client = new_server(bedrock(fake)).client()
    asked = [line(f"r-{n:03}", RESPONSES, model=CLAUDE, input=f"Say {n}") for n in range(LEAST)]
    last = ended(client, submit(client, asked, endpoint=RESPONSES))
    assert (last.status, counts(last)) == ("completed", (LEAST, LEAST, 0))
    output = results(client, last).output
    assert [each["custom_id"] for each in output] == [each["custom_id"] for each in asked]
    assert {each["response"]["body"]["object"] for each in output} == {"response"}
    nothing_is_left(fake)


def test_the_bucket_and_the_model_of_a_batch(fake: BedrockFake, new_server: NewServer) -> None:
    client = new_server(bedrock(fake, bucket=None, mode="auto")).client()
    fake.make_bucket("bucket-of-theirs")
    asked = chats(LEAST, model="gpt-4o-mini")
    headers = {
        "x-tfy-provider-name": "aws",
        "x-tfy-aws-s3-bucket": "bucket-of-theirs",
        "x-tfy-aws-bedrock-model": CLAUDE,
    }
    batch = submit(client, asked, extra_headers=headers)
    completed(client, batch, asked, models=named(asked, CLAUDE))
    (job,) = fake.stats()["jobs"]
    assert job["input"].startswith("s3://bucket-of-theirs/batchway/batchway-")
    nothing_is_left(fake)


def test_an_api_key_makes_jobs_and_access_keys_bring_the_files(new_server: NewServer) -> None:
    with running() as fake:
        key = fake.bearer()
        own = {"access_key_id": fake.keys.id, "secret_access_key": fake.keys.secret}
        server = new_server(bedrock(fake, api_key=key, **own))
        client = server.client()
        asked = chats(LEAST, model=CLAUDE)
        completed(client, submit(client, asked), asked, models=named(asked, CLAUDE))
        nothing_is_left(fake)
        assert key not in server.process.output()


# ----------------------------------------------------------------------------- too few lines


def test_few_lines_run_online_in_auto_and_fail_at_once_in_native(new_server: NewServer) -> None:
    with running() as fake:
        server = new_server(
            bedrock(fake, name="auto", mode="auto"), bedrock(fake, name="native", mode="native")
        )
        client = server.client()
        asked = chats(LEAST - 1, model=CLAUDE)
        batch = submit(client, asked, extra_headers={"x-tfy-provider-name": "auto"})
        completed(client, batch, asked, models=named(asked, CLAUDE))
        assert fake.stats()["online"] == LEAST - 1

        last = ended(client, submit(client, asked, extra_headers={"x-tfy-provider-name": "native"}))
        assert last.status == "failed"
        assert last.errors is not None
        (error,) = last.errors.data or []
        assert "100" in (error.message or "")
        assert fake.stats()["creates"] == []


# ----------------------------------------------------------------------------- troubles


@pytest.mark.parametrize(
    ("dials", "creations"),
    [
        ({"lose_create_answer": 2}, 1),
        ({"list_lag": 3_600.0, "lose_create_answer": 1}, 1),  # the token finds it
        ({"throttle_polls": 8}, 1),
        ({"max_jobs": 1}, 2),
        ({"session_seconds": 3_600.0, "clock_skew": 200.0}, 1),
        ({"page_size": 1, "shards": 4}, 1),
    ],
    ids=lambda given: "+".join(given) if isinstance(given, dict) else None,
)
def test_what_passes_makes_no_second_job(
    new_server: NewServer, dials: dict[str, Any], creations: int
) -> None:
    with running(**dials) as fake:
        client = new_server(bedrock(fake, native={"max_lines": 110})).client()
        asked = chats(LEAST * creations, model=CLAUDE)
        completed(client, submit(client, asked), asked, models=named(asked, CLAUDE))
        assert len(fake.stats()["jobs"]) == creations
        nothing_is_left(fake)


def test_auto_rescues_what_the_job_left(new_server: NewServer) -> None:
    fails = {"400": ["r0000000001"], "429": ["r0000000002"]}
    with running(fail_rows=fails, fates=[{"outcome": "Expired", "share": 0.5}]) as fake:
        client = new_server(bedrock(fake, mode="auto")).client()
        asked = chats(LEAST, model=CLAUDE)
        last = ended(client, submit(client, asked))
        given = results(client, last)
        check(asked, given, models=named(asked, CLAUDE))
        assert (last.status, given.codes()) == ("completed", {"r-0001": 400})
        assert fake.stats()["online"] >= LEAST // 2
        nothing_is_left(fake)


def test_tools_go_into_jobs_of_models_that_take_them_there(
    fake: BedrockFake, new_server: NewServer
) -> None:
    client = new_server(bedrock(fake)).client()
    tools = [{"type": "function", "function": {"name": "now"}}]
    asked = [chat(f"tool-{n:03}", model=CLAUDE, tools=tools) for n in range(LEAST)]
    last = ended(client, submit(client, asked))
    assert (last.status, counts(last)) == ("completed", (LEAST, LEAST, 0))
    nothing_is_left(fake)

    asked = chats(LEAST + 1, model=MAGISTRAL)
    asked[7]["body"]["tools"] = tools
    last = ended(client, submit(client, asked))
    given = results(client, last)
    assert (last.status, given.error_ids) == ("completed", [asked[7]["custom_id"]])
    assert "tools" in given.errors[0]["error"]["message"]
    nothing_is_left(fake)


# ----------------------------------------------------------------------------- ends before the end


@pytest.mark.parametrize("races", [False, True])
@pytest.mark.parametrize("late_stop", ["ConflictException", "ValidationException"])
def test_cancelling(new_server: NewServer, races: bool, late_stop: str) -> None:
    with running(hold=["InProgress"], cancel_race=races, late_stop=late_stop) as fake:
        client = new_server(bedrock(fake, mode="auto")).client()
        asked = chats(LEAST, model=CLAUDE)
        batch = submit(client, asked)
        fake.eventually(lambda stats: [j for j in stats["jobs"] if j["state"] == "InProgress"])
        client.batches.cancel(batch.id)
        fake.eventually(lambda stats: stats["requests"].get("stop"))
        fake.control(hold=[])
        last = ended(client, batch)
        assert last.status == "cancelled"
        given = results(client, last)
        check(asked, given, models=named(asked, CLAUDE))
        assert set(given.codes().values()) <= {"batch_cancelled"}
        assert counts(last)[1] == (LEAST if races else LEAST // 2)
        nothing_is_left(fake)


def test_a_window_that_ends_first(new_server: NewServer) -> None:
    """The shortest window is a minute, so the deadline is moved while no server runs."""
    with running(hold=["InProgress"]) as fake:
        server = new_server(bedrock(fake))
        client = server.client()
        batch = submit(client, chats(LEAST, model=CLAUDE))
        fake.eventually(lambda stats: [j for j in stats["jobs"] if j["state"] == "InProgress"])
        assert server.stop() == 0
        with sqlite3.connect(server.data / "batchway.db") as ledger:
            ledger.execute("UPDATE batches SET deadline = ?", (int(time.time()) + 4,))
        server.start()
        client = server.client()
        last = ended(client, batch)
        assert last.status == "expired"
        assert counts(last) == (LEAST, LEAST // 2, 0)  # what had been run is there
        assert set(results(client, last).codes().values()) == {"batch_expired"}
        nothing_is_left(fake)


def test_a_server_that_is_killed_pays_once(new_server: NewServer) -> None:
    with process(hold=["InProgress"]) as fake:
        server = new_server(bedrock(fake, native={"max_lines": 110}))
        client = server.client()
        asked = chats(320, model=CLAUDE)
        batch = submit(client, asked)
        fake.eventually(lambda stats: stats["creates"])
        server.process.kill()
        fake.control(hold=[])
        server.start()
        client = server.client()
        completed(client, batch, asked, models=named(asked, CLAUDE))
        assert len(fake.stats()["creates"]) == 3
        nothing_is_left(fake)
