"""The fake of AWS, driven by boto3 over the socket: model invocation jobs."""

import json
import re
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
    look,
    openai_line,
    output,
    record,
    rows_of,
    submit,
)

from batchway.simulator.aws import BedrockFake, process, running
from batchway.simulator.online import expected_text

CHAT = "/v1/chat/completions"
SMALL = {"min_records": 1}

# moto is started once in one worker, for every module that needs it.
pytestmark = pytest.mark.xdist_group("s3")


@pytest.fixture(scope="module")
def shared() -> Generator[BedrockFake]:
    with running() as fake:
        yield fake


@pytest.fixture
def fake(shared: BedrockFake) -> Generator[BedrockFake]:
    """The shared fake, which takes small jobs; dials that a test turned are turned back."""
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


def small(count: int) -> list[dict[str, Any]]:
    return [record(number) for number in range(count)]


def test_jobs_are_listed_newest_first_by_page_and_by_filter(bucket: str, fake: BedrockFake) -> None:
    stem = f"listed{next(_NUMBER)}"
    arns = [submit(fake, bucket, small(1), jobName=f"{stem}-{number}") for number in range(5)]
    for arn in arns:
        ended(fake, arn)
    bedrock = client("bedrock", fake)
    pages = bedrock.get_paginator("list_model_invocation_jobs")
    found = [
        page["invocationJobSummaries"]
        for page in pages.paginate(nameContains=stem, PaginationConfig={"PageSize": 2})
    ]
    assert [len(page) for page in found] == [2, 2, 1]
    assert [job["jobArn"] for page in found for job in page] == arns[::-1]
    for given, expected in (
        ({"sortBy": "CreationTime", "sortOrder": "Ascending"}, arns),
        ({"statusEquals": "Failed"}, []),
        ({"nameContains": f"{stem}-3"}, [arns[3]]),
        ({"submitTimeAfter": "2099-01-01T00:00:00Z"}, []),
        ({"submitTimeBefore": "2099-01-01T00:00:00Z", "statusEquals": "Completed"}, arns[::-1]),
    ):
        listed = bedrock.list_model_invocation_jobs(**{"nameContains": stem, **given})
        assert [job["jobArn"] for job in listed["invocationJobSummaries"]] == expected, given
    elsewhere = client("bedrock", fake, region="eu-west-1")
    assert elsewhere.list_model_invocation_jobs()["invocationJobSummaries"] == []


def test_a_job_that_is_stopped_keeps_the_rows_that_it_has_run(
    fake: BedrockFake, bucket: str
) -> None:
    fake.control(hold=["InProgress", "Stopping"])
    arn = submit(fake, bucket, small(10), **names(2))
    fake.eventually(lambda seen: seen["jobs"][-1]["done"] == 5)
    running_job = look(fake, arn)
    assert (running_job["status"], running_job["processedRecordCount"]) == ("InProgress", 5)
    bedrock = client("bedrock", fake)
    assert "jobArn" not in bedrock.stop_model_invocation_job(jobIdentifier=arn)
    assert look(fake, arn)["status"] == "Stopping"
    fake.control(hold=[])
    job = ended(fake, arn)
    assert (job["status"], job["processedRecordCount"]) == ("Stopped", 5)
    assert len(rows_of(fake, bucket)) == 5
    for late in ("ConflictException", "ValidationException"):
        fake.control(late_stop=late)
        with pytest.raises(getattr(bedrock.exceptions, late), match="status is Stopped"):
            bedrock.stop_model_invocation_job(jobIdentifier=arn)


def test_a_stop_that_comes_too_late(fake: BedrockFake, bucket: str) -> None:
    fake.control(hold=["InProgress"], cancel_race=True)
    arn = submit(fake, bucket, small(4), **names(3))
    fake.eventually(lambda seen: seen["jobs"][-1]["state"] == "InProgress")
    client("bedrock", fake).stop_model_invocation_job(jobIdentifier=arn)
    assert ended(fake, arn)["status"] == "Completed"
    assert len(rows_of(fake, bucket)) == 4


def test_fewer_records_than_the_quota_are_accepted_and_then_fail(
    fake: BedrockFake, bucket: str
) -> None:
    fake.control(min_records=100)
    arn = submit(fake, bucket, small(2), **names(4))
    job = ended(fake, arn)
    assert (job["status"], job["message"]) == (
        "Failed",
        f"Batch job {arn} contains less records (2) than the required minimum of: 100",
    )
    assert (job["totalRecordCount"], job["processedRecordCount"]) == (0, 0)
    assert output(fake, bucket) == {}


@pytest.mark.parametrize("outcome", ["PartiallyCompleted", "Expired", "Stopped", "Failed"])
def test_ends_that_leave_records_without_a_row(
    fake: BedrockFake, bucket: str, outcome: str
) -> None:
    fake.control(fates=[{"outcome": outcome, "share": 0.5}])
    job = ended(fake, submit(fake, bucket, small(4), **names(5)))
    assert (job["status"], job["totalRecordCount"], job["successRecordCount"]) == (outcome, 4, 2)
    assert [row["recordId"] for row in rows_of(fake, bucket)] == ["r0000000000", "r0000000001"]
    assert ("message" in job) == (outcome in ("Expired", "Failed"))


def test_a_job_expires_by_the_clock(fake: BedrockFake, bucket: str) -> None:
    fake.control(hold=["InProgress"])
    arn = submit(fake, bucket, small(4), timeoutDurationInHours=24, **names(6))
    fake.eventually(lambda seen: seen["jobs"][-1]["state"] == "InProgress")
    fake.control(advance=25 * 3600, hold=[])
    job = ended(fake, arn)
    assert job["status"] == "Expired"
    assert job["jobExpirationTime"] < job["endTime"]


def test_a_creation_is_repeated_by_its_token_and_the_job_is_not(
    fake: BedrockFake, bucket: str
) -> None:
    fake.put(f"s3://{bucket}/in/s0.jsonl", jsonl(small(1)))
    bedrock = client("bedrock", fake)
    mine = {"clientRequestToken": f"token{next(_NUMBER)}", **names(7)}
    fake.control(lose_create_answer=1)
    with pytest.raises(Exception, match="Connection was closed"):
        bedrock.create_model_invocation_job(**asked(bucket, **mine))
    first = bedrock.create_model_invocation_job(**asked(bucket, **mine))["jobArn"]
    assert bedrock.create_model_invocation_job(**asked(bucket, **mine))["jobArn"] == first
    assert [made["arn"] for made in fake.stats()["creates"] if made["name"] == mine["jobName"]] == [
        first
    ]
    with pytest.raises(bedrock.exceptions.ConflictException, match="client token"):
        bedrock.create_model_invocation_job(**asked(bucket, **{**mine, **names(8)}))
    with pytest.raises(bedrock.exceptions.ValidationException, match="name is currently in use"):
        bedrock.create_model_invocation_job(
            **asked(bucket, **{**mine, "clientRequestToken": "another"})
        )


def test_rows_in_every_disorder(fake: BedrockFake, bucket: str) -> None:
    fake.control(
        shuffle=True,
        shards=3,
        drop_rows=["r0000000001"],
        duplicate_rows=["r0000000002"],
        fail_rows={"429": ["r0000000003"]},
        empty_files=True,
    )
    job = ended(fake, submit(fake, bucket, small(9), **names(9)))
    assert (job["successRecordCount"], job["errorRecordCount"]) == (8, 1)
    assert set(output(fake, bucket)) == {
        "manifest.json.out",
        "s0-00000.jsonl.out",
        "s0-00001.jsonl.out",
        "s0-00002.jsonl.out",
        "s0-empty.jsonl.out",
    }
    rows = rows_of(fake, bucket)
    ids = [row["recordId"] for row in rows]
    assert sorted(ids) == sorted(
        [f"r{number:010}" for number in range(9) if number != 1] + ["r0000000002"]
    )
    assert ids != sorted(ids)
    failed = next(row for row in rows if "error" in row)
    assert failed == {
        "recordId": "r0000000003",
        "modelInput": body(3),
        "error": {
            "errorCode": 429,
            "errorMessage": "Too many requests, please wait before trying again.",
        },
    }


def test_a_torn_end_and_no_manifest(fake: BedrockFake, bucket: str) -> None:
    fake.control(torn_end=20, no_manifest=True)
    ended(fake, submit(fake, bucket, small(2), **names(10)))
    (data,) = output(fake, bucket).values()
    first, second = data.split(b"\n")
    assert json.loads(first)["recordId"] == "r0000000000"
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(second)


def test_a_folder_of_inputs_and_ids_that_the_service_gives(fake: BedrockFake, bucket: str) -> None:
    for number in range(2):
        fake.put(f"s3://{bucket}/in/s{number}.jsonl", jsonl([{"modelInput": body(number)}]))
    fake.put(f"s3://{bucket}/in/notes.txt", b"not a record")
    arn = client("bedrock", fake).create_model_invocation_job(
        **asked(
            bucket,
            inputDataConfig={"s3InputDataConfig": {"s3Uri": f"s3://{bucket}/in/"}},
            **names(11),
        )
    )["jobArn"]
    assert ended(fake, arn)["totalRecordCount"] == 2
    assert set(output(fake, bucket)) == {"s0.jsonl.out", "s1.jsonl.out", "manifest.json.out"}
    assert len({row["recordId"] for row in rows_of(fake, bucket)}) == 2


def test_records_of_converse_take_no_tools(fake: BedrockFake, bucket: str) -> None:
    plain = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    spec = {"name": "f", "inputSchema": {"json": {"type": "object"}}}
    given = [
        record(0, plain),
        record(1, {**plain, "toolConfig": {"tools": [{"toolSpec": spec}]}}),
    ]
    job = ended(fake, submit(fake, bucket, given, modelInvocationType="Converse", **names(12)))
    assert (job["status"], job["modelInvocationType"]) == ("Completed", "Converse")
    good, bad = rows_of(fake, bucket)
    assert good["modelOutput"]["stopReason"] == "end_turn"
    assert bad["error"]["errorCode"] == 400
    assert "toolConfig" in bad["error"]["errorMessage"]


def test_a_profile_comes_back_as_its_arn(fake: BedrockFake, bucket: str) -> None:
    job = look(fake, submit(fake, bucket, small(1), modelId=f"us.{CLAUDE}", **names(22)))
    assert job["modelId"] == f"arn:aws:bedrock:{REGION}:123456789012:inference-profile/us.{CLAUDE}"


def test_a_record_that_its_model_refuses_fails_alone(fake: BedrockFake, bucket: str) -> None:
    given = [record(0), record(1, {**body(1), "max_tokens": None}), record(2, {"inputText": "x"})]
    job = ended(fake, submit(fake, bucket, given, **names(13)))
    assert (job["status"], job["errorRecordCount"]) == ("Completed", 2)
    errors = [row["error"]["errorMessage"] for row in rows_of(fake, bucket) if "error" in row]
    assert errors == ["max_tokens: Field required", "anthropic_version: Field required"]


@pytest.mark.parametrize(
    ("dials", "records", "words"),
    [
        ({"bucket_denied": ["role_read"]}, 1, "Could not validate GetObject permissions"),
        ({"bucket_denied": ["role_write"]}, 1, "Could not validate PutObject permissions"),
        ({"role_invokes": False}, 1, "Customer doesn't have permissions to invokeModel"),
        ({"max_records": 2}, 3, r"contains more records \(3\) than the allowed maximum"),
        ({"max_bytes": 10}, 1, "is larger than the allowed maximum"),
        ({"old_record_ids": True}, 0, "not an 11 character alphanumeric"),
        ({}, 0, "is not a record"),
    ],
)
def test_what_a_job_fails_with(
    fake: BedrockFake, bucket: str, dials: dict[str, Any], records: int, words: str
) -> None:
    fake.control(**dials)
    given = small(records) or [{"recordId": "no-such-form", "modelInput": {}}]
    if not dials:
        given = [{"recordId": "r0000000001"}]
    job = ended(fake, submit(fake, bucket, given, **names(14)))
    assert job["status"] == "Failed"
    assert re.search(words, job["message"])


def test_buckets_that_a_job_cannot_use(fake: BedrockFake, bucket: str) -> None:
    far = fake.make_bucket(f"aws-far-{next(_NUMBER)}", region="eu-west-1")
    for name in (far, "aws-nowhere"):
        made = client("bedrock", fake).create_model_invocation_job(**asked(name, **names(15)))
        assert ended(fake, made["jobArn"])["message"] == (
            f"Could not validate ListBucket permissions for S3URI s3://{name}/in/s0.jsonl"
        )
    empty = client("bedrock", fake).create_model_invocation_job(**asked(bucket, **names(16)))
    assert "There is no object at" in ended(fake, empty["jobArn"])["message"]


@pytest.mark.parametrize(
    ("further", "dials", "words"),
    [
        ({"jobName": "under_score"}, {}, "Value 'under_score' at 'jobName' failed to satisfy"),
        ({"modelId": "acme.unknown-v1:0"}, {}, "The provided model identifier is invalid"),
        (
            {"modelId": "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijk1"},
            {},
            "at 'modelId' failed to satisfy constraint",
        ),
        (
            {},
            {"not_in_batches": [CLAUDE]},
            f"Batch inference is not supported for model {CLAUDE} in region us-east-1",
        ),
        ({}, {"untrusted_role": True}, "Could not assume provided IAM role"),
        (
            {"modelId": "amazon.titan-embed-text-v2:0", "modelInvocationType": "Converse"},
            {},
            "This action doesn't support the model that you provided",
        ),
    ],
)
def test_creations_that_are_not_valid(
    fake: BedrockFake, bucket: str, further: dict[str, Any], dials: dict[str, Any], words: str
) -> None:
    fake.control(**dials)
    bedrock = client("bedrock", fake)
    with pytest.raises(bedrock.exceptions.ValidationException, match=re.escape(words)):
        bedrock.create_model_invocation_job(**asked(bucket, **{**names(17), **further}))


def test_only_so_many_jobs_of_a_model(fake: BedrockFake, bucket: str) -> None:
    fake.control(hold=["Submitted"], max_jobs=1)
    arn = submit(fake, bucket, small(1), **names(18))
    bedrock = client("bedrock", fake)
    with pytest.raises(bedrock.exceptions.ServiceQuotaExceededException):
        bedrock.create_model_invocation_job(**asked(bucket, **names(19)))
    fake.control(hold=[])
    ended(fake, arn)


def test_looks_and_calls_that_are_throttled(fake: BedrockFake, bucket: str) -> None:
    arn = submit(fake, bucket, small(1), **names(20))
    ended(fake, arn)
    fake.control(throttle_polls=1, throttle_calls=1)
    bedrock, runtime = client("bedrock", fake), client("bedrock-runtime", fake)
    with pytest.raises(bedrock.exceptions.ThrottlingException) as caught:
        bedrock.get_model_invocation_job(jobIdentifier=arn)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert look(fake, arn)["status"] == "Completed"
    with pytest.raises(runtime.exceptions.ThrottlingException):
        runtime.invoke_model(modelId=CLAUDE, body=json.dumps(body(1)))
    runtime.invoke_model(modelId=CLAUDE, body=json.dumps(body(1)))


def test_a_poll_that_is_behind_and_a_list_that_is(fake: BedrockFake, bucket: str) -> None:
    fake.control(list_lag=60.0, poll_delay=60.0, read_lag=60.0)
    name = names(21)["jobName"]
    arn = submit(fake, bucket, small(1), jobName=name)
    fake.eventually(lambda seen: seen["jobs"][-1]["state"] == "Completed")
    bedrock = client("bedrock", fake)
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        look(fake, arn)
    fake.control(read_lag=0.0)
    assert look(fake, arn)["status"] == "InProgress"
    assert bedrock.list_model_invocation_jobs(nameContains=name)["invocationJobSummaries"] == []
    fake.control(advance=61)
    assert look(fake, arn)["status"] == "Completed"
    listed = bedrock.list_model_invocation_jobs(nameContains=name)["invocationJobSummaries"]
    assert [job["jobArn"] for job in listed] == [arn]


@pytest.mark.parametrize(("form", "during"), [("zero", (4, 0)), ("absent", (None, None))])
def test_counts_that_come_late_or_not_at_all(
    fake: BedrockFake, bucket: str, form: str, during: tuple[Any, Any]
) -> None:
    fake.control(hold=["InProgress"], counts=form)
    arn = submit(fake, bucket, small(4), **names(23))
    fake.eventually(lambda seen: seen["jobs"][-1]["done"] == 2)
    job = look(fake, arn)
    assert (job.get("totalRecordCount"), job.get("processedRecordCount")) == during
    fake.control(hold=[])
    after = ended(fake, arn)
    assert after.get("successRecordCount") == (4 if form == "zero" else None)


def test_rows_without_ids_and_rows_that_are_not_worked_out(fake: BedrockFake, bucket: str) -> None:
    fake.control(no_record_ids=True, discard=True, discard_bytes=5)
    ended(fake, submit(fake, bucket, small(2), **names(24)))
    rows = rows_of(fake, bucket)
    assert [set(row) for row in rows] == [{"modelInput", "modelOutput"}] * 2
    assert [row["modelOutput"]["content"][0]["text"] for row in rows] == ["xxxxx"] * 2


def test_a_fake_in_a_process_of_its_own() -> None:
    """Without a bucket: what it would cost there is moto's start."""
    with process(min_records=1, bearer_keys=["known"]) as fake:
        assert fake.control()["bearer_keys"] == ["known"]
        bedrock = client("bedrock", fake)
        assert bedrock.list_model_invocation_jobs()["invocationJobSummaries"] == []
        assert fake.s3_url.startswith("http://127.0.0.1:")
        assert fake.s3_url != fake.url
