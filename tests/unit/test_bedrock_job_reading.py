"""`providers.aws.job_reading`, `job_troubles` and creations: what Bedrock says and is told."""

import json
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from batchway.domain.batch import RequestCounts
from batchway.domain.remote import Cause, EnqueuedLimit, JobOrder
from batchway.domain.status import BatchStatus
from batchway.providers.aws.job_reading import (
    BedrockJob,
    JobArn,
    counts_of,
    job_in,
    job_of,
    read_arn,
    remote_job,
)
from batchway.providers.aws.job_troubles import trouble_of
from batchway.providers.aws.jobs import Invoked, Terms, creation, is_result
from batchway.providers.aws.place import Place
from batchway.providers.aws.storage import S3

PLACE = Place(region="us-east-1", bucket="bucket-a")
ACCOUNT = "123456789012"
ARN = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:model-invocation-job/abc123def456"
TAG = "batchway-0123456789abcdef0123456789abcdef-0-1"
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
# As the API's reference shows it.
ENDED: dict[str, Any] = {
    "jobArn": ARN,
    "jobName": TAG,
    "modelId": MODEL,
    "clientRequestToken": TAG,
    "roleArn": f"arn:aws:iam::{ACCOUNT}:role/batch",
    "status": "Completed",
    "submitTime": "2026-09-02T20:06:30.153Z",
    "lastModifiedTime": "2026-09-02T20:08:01Z",
    "endTime": "2026-09-02T20:08:00.999Z",
    "jobExpirationTime": "2026-09-03T20:06:30Z",
    "timeoutDurationInHours": 24,
    "modelInvocationType": "InvokeModel",
    "inputDataConfig": {
        "s3InputDataConfig": {"s3Uri": f"s3://bucket-a/batchway/{TAG}/input.jsonl"}
    },
    "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://bucket-a/batchway/{TAG}/out/"}},
    "totalRecordCount": 5,
    "processedRecordCount": 5,
    "successRecordCount": 4,
    "errorRecordCount": 1,
}


def read(**changes: Any) -> BedrockJob:
    fields = {**ENDED, **changes}
    job = job_in(json.dumps({n: v for n, v in fields.items() if v is not None}).encode(), PLACE)
    assert job is not None
    return job


def test_a_job_that_has_ended() -> None:
    assert read() == BedrockJob(
        arn=JobArn(text=ARN, region="us-east-1", account=ACCOUNT, id="abc123def456"),
        title=TAG,
        model=MODEL,
        status=BatchStatus.COMPLETED,
        input=f"s3://bucket-a/batchway/{TAG}/input.jsonl",
        output=S3.at("bucket-a", f"batchway/{TAG}/out/abc123def456/"),
        created_at=1788379590,
        ended_at=1788379680,
        updated_at=1788379681,
        expires_at=1788465990,
        counts=RequestCounts(total=5, completed=4, failed=1),
    )


@pytest.mark.parametrize("uri", ["s3://bucket-a/x/out", "s3://bucket-a/x/out/"])
def test_results_are_in_a_directory_of_the_jobs_id(uri: str) -> None:
    job = read(outputDataConfig={"s3OutputDataConfig": {"s3Uri": uri}})
    assert job.output == S3.at("bucket-a", "x/out/abc123def456/")


@pytest.mark.parametrize(
    ("name", "yes"),
    [
        ("out/abc123def456/input.jsonl.out", True),
        ("out/abc123def456/input-00001.jsonl.out", True),
        ("out/abc123def456/manifest.json.out", False),
        ("out/abc123def456/.write_access_check_file.tmp", False),
    ],
)
def test_which_files_are_results(name: str, yes: bool) -> None:
    assert is_result(name) is yes


@pytest.mark.parametrize(
    ("state", "shown", "told"),
    [
        ("Submitted", BatchStatus.VALIDATING, BatchStatus.VALIDATING),
        ("Validating", BatchStatus.VALIDATING, BatchStatus.VALIDATING),
        ("Scheduled", BatchStatus.VALIDATING, BatchStatus.VALIDATING),
        ("InProgress", BatchStatus.IN_PROGRESS, BatchStatus.IN_PROGRESS),
        ("Completed", BatchStatus.COMPLETED, BatchStatus.COMPLETED),
        # For whoever asks it is completed; lines without a row had no time.
        ("PartiallyCompleted", BatchStatus.COMPLETED, BatchStatus.EXPIRED),
        ("Failed", BatchStatus.FAILED, BatchStatus.FAILED),
        ("Stopping", BatchStatus.CANCELLING, BatchStatus.CANCELLING),
        ("Stopped", BatchStatus.CANCELLED, BatchStatus.CANCELLED),
        ("Expired", BatchStatus.EXPIRED, BatchStatus.EXPIRED),
        ("OfTomorrow", BatchStatus.IN_PROGRESS, BatchStatus.IN_PROGRESS),
        (None, BatchStatus.IN_PROGRESS, BatchStatus.IN_PROGRESS),
    ],
)
def test_states(state: str | None, shown: BatchStatus, told: BatchStatus) -> None:
    job = read(status=state)
    assert (job.status, remote_job(job).status) == (shown, told)


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({}, None),
        ({"totalRecordCount": 9}, None),
        ({"successRecordCount": 4}, (4, 4, 0)),
        ({"totalRecordCount": 9, "successRecordCount": 4, "errorRecordCount": 1}, (9, 4, 1)),
        ({"totalRecordCount": 0, "successRecordCount": 4}, (4, 4, 0)),
        ({"successRecordCount": "4"}, None),
        ({"successRecordCount": True}, None),
        ({"successRecordCount": -1, "errorRecordCount": 2}, (2, 0, 2)),
    ],
)
def test_counts(fields: dict[str, Any], counts: tuple[int, int, int] | None) -> None:
    found = counts_of(fields)
    assert (found and (found.total, found.completed, found.failed)) == counts


def test_a_job_that_failed_and_wrote_nothing_has_no_rows_to_wait_for() -> None:
    job = read(status="Failed", message="Internal error.")
    assert remote_job(job).counts is None
    assert remote_job(job, ["s3://b/a.jsonl.out"]).counts == job.counts
    assert remote_job(job).in_progress_at is not None
    idle = read(status="Failed", message="x", successRecordCount=0, errorRecordCount=0)
    assert remote_job(idle).in_progress_at is None


@pytest.mark.parametrize(
    ("message", "code", "cause", "words"),
    [
        (
            f"Batch job {ARN} contains less records (2) than the required minimum of: 100",
            "too_few_records",
            Cause.REFUSED,
            ["(2)", "`mode: managed`"],
        ),
        (
            f"Batch job {ARN} contains more records (70000) than the allowed maximum of: 50000",
            "too_large",
            Cause.NO_ROOM,
            ["native.max_lines"],
        ),
        (
            "The file s3://bucket-a/x/input.jsonl is larger than the allowed maximum of: 1 bytes",
            "too_large",
            Cause.NO_ROOM,
            ["native.max_bytes"],
        ),
        (
            "The number of concurrent jobs exceeds the quota.",
            "no_room",
            Cause.NO_ROOM,
            [],
        ),
        (
            "Could not validate GetObject permissions to access S3 bucket: bucket-a at key x",
            "bucket_denied",
            Cause.REFUSED,
            ["allow the role `role_arn`", "'bucket-a'"],
        ),
        (
            "Could not validate ListBucket permissions for S3URI s3://bucket-a/x/",
            "bucket_denied",
            Cause.REFUSED,
            ["check that it is in 'us-east-1'"],
        ),
        (
            "The bucket bucket-a is in the Region eu-west-1.",
            "bucket_in_another_region",
            Cause.REFUSED,
            ["name a bucket in 'us-east-1'"],
        ),
        ("The S3 bucket bucket-a does not exist.", "no_such_bucket", Cause.REFUSED, ["create"]),
        ("There are no objects at s3://bucket-a/x/input.jsonl", "no_input", Cause.UNSEEN, []),
        (
            "Could not assume provided IAM role. Please provide valid IAM role.",
            "role_not_assumed",
            Cause.REFUSED,
            ["trust policy", "bedrock.amazonaws.com"],
        ),
        (
            "Customer doesn't have permissions to invokeModel",
            "role_denied",
            Cause.REFUSED,
            ["`role_arn` bedrock:InvokeModel"],
        ),
        ("The subnet subnet-1 does not exist.", "network_unusable", Cause.REFUSED, ["`vpc`"]),
        ("Internal error.", "job_failed", Cause.REFUSED, ["Internal error"]),
        (None, "job_failed", Cause.REFUSED, ["Bedrock let the job fail."]),
    ],
)
def test_why_a_job_failed(message: str | None, code: str, cause: Cause, words: list[str]) -> None:
    told = remote_job(
        read(status="Failed", message=message, successRecordCount=0, errorRecordCount=0)
    )
    assert told.errors is not None
    assert told.failure is not None
    assert (told.errors[0].code, told.failure.cause) == (code, cause)
    assert [word for word in words if word not in told.errors[0].message] == []
    assert ACCOUNT not in told.errors[0].message
    assert "s3://bucket-a/x" not in told.errors[0].message


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        ("contains more records (7) than the allowed maximum of: 5", EnqueuedLimit(requests=5)),
        ("contains more records than the maximum number: 50,000.", EnqueuedLimit(requests=50_000)),
        ("The file is larger than the allowed maximum of: 1 bytes", EnqueuedLimit()),
        ("Internal error.", None),
    ],
)
def test_what_a_job_may_have(message: str, limit: EnqueuedLimit | None) -> None:
    assert trouble_of(message, PLACE).limit == limit


def test_what_was_paid_for_is_not_tried_again_for_want_of_room() -> None:
    told = remote_job(read(status="Failed", message="too many requests"))
    assert told.failure is not None
    assert told.failure.cause is Cause.REFUSED


def test_a_key_is_named_where_there_is_one() -> None:
    place = Place(region="us-east-1", bucket="bucket-a", kms_key="alias/k")
    assert "kms:Decrypt" in trouble_of("Access denied to S3 bucket", place).advice
    assert "kms:" not in trouble_of("Access denied to S3 bucket", PLACE).advice


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc123def456",
        ARN + "0",
        ARN[:-1],
        ARN.upper(),
        ARN.replace(ACCOUNT, "1"),
        ARN.replace("model-invocation-job", "model-customization-job"),
        f" {ARN}",
        f"{ARN}/stop",
    ],
)
def test_what_is_no_arn_of_a_job(text: str) -> None:
    assert read_arn(text) is None


def test_arns_of_other_partitions() -> None:
    found = read_arn(ARN.replace("arn:aws:", "arn:aws-us-gov:"))
    assert found is not None
    assert found.region == "us-east-1"


# ----------------------------------------------------------------------------- creation

INVOKED = Invoked(model=f"us.{MODEL}", base=MODEL, converse=False)
SOURCE = S3.at("bucket-a", f"batchway/{TAG}/input.jsonl")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/batch"


def created(window: int = 86_400, place: Place = PLACE, **terms: Any) -> dict[str, Any]:
    return creation(
        JobOrder(tag=TAG, window=window),
        source=SOURCE,
        place=place,
        role=ROLE,
        invoked=INVOKED,
        terms=Terms(**terms),
    )


@pytest.mark.parametrize(
    ("window", "set_", "hours"),
    [
        (60, None, 24),
        (86_400, None, 24),
        (86_401, None, 25),
        (7 * 86_400, None, 168),
        (30 * 86_400, None, 168),
        (86_400, 72, 72),
    ],
)
def test_a_job_has_the_hours_of_its_batch(window: int, set_: int | None, hours: int) -> None:
    assert created(window, hours=set_)["timeoutDurationInHours"] == hours


def test_the_same_order_is_the_same_request() -> None:
    assert created() == created()
    assert created()["clientRequestToken"] == created()["jobName"] == TAG


@pytest.mark.parametrize(
    "request_",
    [
        created(),
        created(
            place=Place(
                region="us-east-1",
                bucket="bucket-a",
                bucket_owner=ACCOUNT,
                kms_key=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/01234567-0123-0123-0123-0123456789ab",
            ),
            subnets=("subnet-1",),
            security_groups=("sg-1",),
            tags={"team": "blue"},
            hours=168,
        ),
    ],
)
def test_aws_takes_the_request(request_: dict[str, Any]) -> None:
    model = Session().get_service_model("bedrock").operation_model("CreateModelInvocationJob")
    report = ParamValidator().validate(request_, model.input_shape)
    assert report.generate_report() == ""


# ----------------------------------------------------------------------------- properties

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    fields=st.fixed_dictionaries(
        {}, optional={name: _json for name in (*ENDED, "message") if name != "jobArn"}
    )
)
def test_odd_jobs_never_raise(fields: dict[str, Any]) -> None:
    job = job_of({"jobArn": ARN, **fields}, PLACE)
    assert job is not None
    assert remote_job(job).id == ARN


@given(text=st.text(max_size=200))
def test_odd_messages_never_raise(text: str) -> None:
    assert trouble_of(text, PLACE).code
