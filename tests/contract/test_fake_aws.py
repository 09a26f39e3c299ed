"""The fake of AWS, driven by boto3 over the socket: model invocation jobs."""

import json
from collections.abc import Generator
from typing import Any

import pytest
from tests.contract.aws_clients import (
    CLAUDE,
    REGION,
    asked,
    body,
    client,
    ended,
    jsonl,
    openai_line,
    output,
    record,
    rows_of,
)

from batchway.simulator.aws import BedrockFake, running
from batchway.simulator.online import expected_text

CHAT = "/v1/chat/completions"
SMALL = {"min_records": 1}


@pytest.fixture(scope="module")
def shared() -> Generator[BedrockFake]:
    with running() as fake:
        yield fake


@pytest.fixture
def fake(shared: BedrockFake) -> Generator[BedrockFake]:
    """The shared fake, well-behaved but for small jobs; dials that a test turned are turned back."""
    before = shared.control(**SMALL)
    yield shared
    shared.control(**before)


_NUMBER = iter(range(1_000))


@pytest.fixture
def bucket(fake: BedrockFake) -> str:
    return fake.make_bucket(f"aws-jobs-{next(_NUMBER)}")


def names(number: int) -> dict[str, Any]:
    return {"jobName": f"job-{number}-{next(_NUMBER)}"}


def test_a_job_from_its_input_to_its_rows(fake: BedrockFake, bucket: str) -> None:
    client("s3", fake).put_object(
        Bucket=bucket, Key="in/s0.jsonl", Body=jsonl(record(number) for number in range(5))
    )
    bedrock = client("bedrock", fake)
    name = names(1)["jobName"]
    arn = bedrock.create_model_invocation_job(**asked(bucket, jobName=name))["jobArn"]
    assert arn.startswith(f"arn:aws:bedrock:{REGION}:123456789012:model-invocation-job/")
    job = ended(fake, arn)
    assert (job["status"], job["jobName"], job["modelId"]) == ("Completed", name, CLAUDE)
    counts = {
        "totalRecordCount": 5,
        "processedRecordCount": 5,
        "successRecordCount": 5,
        "errorRecordCount": 0,
    }
    assert {field: job[field] for field in counts} == counts
    found = output(fake, bucket)
    assert set(found) == {"s0.jsonl.out", "manifest.json.out"}
    manifest = json.loads(found["manifest.json.out"])
    assert {field: manifest[field] for field in counts} == counts
    assert manifest["outputTokenCount"] > 0
    rows = rows_of(fake, bucket)
    assert [row["recordId"] for row in rows] == [f"r{number:010}" for number in range(5)]
    for number, row in enumerate(rows):
        assert row["modelInput"] == body(number)
        assert row["modelOutput"]["content"][0]["text"] == expected_text(
            CHAT, openai_line(number), model=CLAUDE
        )
    mine = next(each for each in fake.stats()["jobs"] if each["arn"] == arn)
    assert fake.stats()["paid"][str(mine["number"])] == {f"r{n:010}": 1 for n in range(5)}
