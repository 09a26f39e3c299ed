"""`providers.google.job_reading`: what Vertex AI says of a job."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchway.domain.batch import RequestCounts
from batchway.domain.remote import Cause
from batchway.domain.status import BatchStatus
from batchway.providers.buckets.addresses import Address
from batchway.providers.google.buckets import reaches
from batchway.providers.google.job_reading import (
    JobName,
    VertexJob,
    is_number,
    job_in,
    job_of,
    read_name,
    remote_job,
)
from batchway.providers.google.objects import GS

NAME = "projects/123456789012/locations/us-central1/batchPredictionJobs/3814889423749775360"
TAG = "batchway-0123456789abcdef0123456789abcdef-0-1"
PREFIX = f"gs://bucket-a/batchway/{TAG}/out-1"
DIRECTORY = f"{PREFIX}/prediction-model-2026-09-02T20:06:30.166279Z"
# As the API's reference shows it, with the values of a capture (provider-protocols.md, A.1).
ENDED: dict[str, Any] = {
    "name": NAME,
    "displayName": TAG,
    "model": "publishers/google/models/gemini-2.5-flash",
    "modelVersionId": "1",
    "inputConfig": {
        "instancesFormat": "jsonl",
        "gcsSource": {"uris": [f"gs://bucket-a/batchway/{TAG}/input.jsonl"]},
    },
    "outputConfig": {
        "predictionsFormat": "jsonl",
        "gcsDestination": {"outputUriPrefix": PREFIX},
    },
    "outputInfo": {"gcsOutputDirectory": DIRECTORY},
    "state": "JOB_STATE_SUCCEEDED",
    "completionStats": {"successfulCount": "4", "failedCount": "1"},
    "createTime": "2026-09-02T20:06:30.153782Z",
    "startTime": "2026-09-02T20:07:00Z",
    "endTime": "2026-09-02T20:08:00.999999999Z",
    "updateTime": "2026-09-02T20:08:01Z",
}


def read(**changes: Any) -> VertexJob:
    fields = {**ENDED, **changes}
    job = job_in(json.dumps({name: value for name, value in fields.items() if value}).encode())
    assert job is not None
    return job


def test_a_job_that_has_ended() -> None:
    assert read() == VertexJob(
        name=JobName(project="123456789012", location="us-central1", number="3814889423749775360"),
        title=TAG,
        model="publishers/google/models/gemini-2.5-flash",
        status=BatchStatus.COMPLETED,
        input=f"gs://bucket-a/batchway/{TAG}/input.jsonl",
        output=GS.read(DIRECTORY),
        named=True,
        created_at=1788379590,
        started_at=1788379620,
        ended_at=1788379680,
        updated_at=1788379681,
        counts=RequestCounts(total=5, completed=4, failed=1),
    )
    assert str(read().name) == NAME


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("JOB_STATE_UNSPECIFIED", BatchStatus.VALIDATING),
        ("JOB_STATE_QUEUED", BatchStatus.VALIDATING),
        ("JOB_STATE_PENDING", BatchStatus.VALIDATING),
        ("JOB_STATE_RUNNING", BatchStatus.IN_PROGRESS),
        ("JOB_STATE_UPDATING", BatchStatus.IN_PROGRESS),
        ("JOB_STATE_PAUSED", BatchStatus.IN_PROGRESS),
        ("JOB_STATE_SUCCEEDED", BatchStatus.COMPLETED),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", BatchStatus.COMPLETED),
        ("JOB_STATE_FAILED", BatchStatus.FAILED),
        ("JOB_STATE_CANCELLING", BatchStatus.CANCELLING),
        ("JOB_STATE_CANCELLED", BatchStatus.CANCELLED),
        ("JOB_STATE_EXPIRED", BatchStatus.EXPIRED),
        ("JOB_STATE_OF_TOMORROW", BatchStatus.IN_PROGRESS),
        (None, BatchStatus.IN_PROGRESS),
    ],
)
def test_states(state: str | None, status: BatchStatus) -> None:
    assert read(state=state).status is status


@pytest.mark.parametrize(
    ("state", "stats", "counts"),
    [
        ("RUNNING", None, None),
        ("RUNNING", {}, None),
        ("RUNNING", {"incompleteCount": "-1"}, None),
        ("RUNNING", {"successfulCount": "4"}, (4, 4, 0)),
        ("RUNNING", {"successfulCount": "4", "incompleteCount": "-1"}, (4, 4, 0)),
        ("RUNNING", {"successfulCount": "4", "incompleteCount": "6"}, (10, 4, 0)),
        ("RUNNING", {"failedCount": 2, "incompleteCount": 8}, (10, 0, 2)),
        ("CANCELLED", {"successfulCount": "4", "failedCount": "1"}, (5, 4, 1)),
        ("RUNNING", {"successfulCount": "many"}, None),
        ("RUNNING", {"successfulCount": True}, None),
        ("RUNNING", {"successfulCount": "9" * 5_000}, None),
    ],
)
def test_counts(state: str, stats: object, counts: tuple[int, int, int] | None) -> None:
    found = read(state=f"JOB_STATE_{state}", completionStats=stats).counts
    assert (found and (found.total, found.completed, found.failed)) == counts


@pytest.mark.parametrize(
    ("state", "stats", "counts"),
    [
        ("RUNNING", {"successfulCount": "4", "incompleteCount": "6"}, (10, 4, 0)),
        ("SUCCEEDED", {"successfulCount": "4", "failedCount": "1"}, (5, 4, 1)),
        ("EXPIRED", {"successfulCount": "4", "incompleteCount": "6"}, (10, 4, 0)),
        # How many rows a job had is not known where it does not say what it left.
        ("EXPIRED", {"successfulCount": "4"}, (0, 4, 0)),
        ("CANCELLED", {"successfulCount": "4", "incompleteCount": "-1"}, (0, 4, 0)),
        # What will not come is not waited for.
        ("PARTIALLY_SUCCEEDED", {"successfulCount": "4", "incompleteCount": "6"}, None),
        ("PARTIALLY_SUCCEEDED", {"successfulCount": "4"}, (4, 4, 0)),
        ("FAILED", {"successfulCount": "4", "incompleteCount": "6"}, (10, 4, 0)),
    ],
)
def test_counts_by_which_rows_are_waited_for(
    state: str, stats: object, counts: tuple[int, int, int] | None
) -> None:
    job = read(state=f"JOB_STATE_{state}", completionStats=stats)
    found = remote_job(job, ["gs://b/rows"]).counts
    assert (found and (found.total, found.completed, found.failed)) == counts


def test_counts_of_a_job_that_failed_and_wrote_nothing() -> None:
    job = read(state="JOB_STATE_FAILED", completionStats={"successfulCount": "4"})
    assert remote_job(job).counts is None


AGENT = "service-123456789012@gcp-sa-aiplatform.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("code", "name", "words", "cause"),
    [
        (3, "import_failed", ["ran none of them", "Vendor's words"], Cause.REFUSED),
        (7, "bucket_denied", [AGENT, "bucket-a", "roles/storage.objectAdmin"], Cause.REFUSED),
        (8, "resource_exhausted", ["quota"], Cause.NO_ROOM),
        (9, "bucket_unusable", ["bucket-a", "us-central1", "same region"], Cause.REFUSED),
        (13, "internal", ["reason of its own"], Cause.REFUSED),
        (99, "job_failed", ["Vendor's words"], Cause.REFUSED),
        (None, "job_failed", ["Vendor's words"], Cause.REFUSED),
    ],
)
def test_why_a_job_failed(code: int | None, name: str, words: list[str], cause: Cause) -> None:
    job = read(
        state="JOB_STATE_FAILED",
        completionStats=None,
        error={"code": code, "message": "Vendor's words sk-secret."},
    )
    shown = remote_job(job)
    assert shown.errors is not None
    assert shown.failure is not None
    assert (shown.failure.cause, shown.failure.error) == (cause, shown.errors[0])
    assert shown.errors[0].code == name
    for word in words:
        assert word in shown.errors[0].message


def test_a_quota_that_ends_a_job_which_ran_is_not_paid_for_again() -> None:
    job = read(state="JOB_STATE_FAILED", error={"code": 8, "message": "m"})
    failure = remote_job(job).failure
    assert failure is not None
    assert failure.cause is Cause.REFUSED


def test_an_error_of_a_job_that_did_not_fail_is_none() -> None:
    job = read(state="JOB_STATE_CANCELLED", error={"code": 1, "message": "CANCELED"})
    assert (job.error, remote_job(job).errors, remote_job(job).failure) == (None, None, None)


def test_credentials_are_cut_out() -> None:
    job = job_of(
        {**ENDED, "state": "JOB_STATE_FAILED", "error": {"code": 3, "message": "Bad ya29.token"}},
        secrets=["ya29.token"],
    )
    assert job is not None
    assert job.error is not None
    assert job.error.message.endswith("It says: Bad ***")


def test_before_there_is_a_directory_the_prefix_is_where_results_may_be() -> None:
    job = read(outputInfo=None)
    assert (job.output, job.named) == (GS.read(PREFIX), False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"name": 3}',
        b'{"name": "projects/p/locations/l/endpoints/3"}',
        b'{"name": "projects/../locations/l/batchPredictionJobs/3"}',
    ],
)
def test_what_is_no_job(body: bytes) -> None:
    assert job_in(body) is None


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("gs://b-1.x_y/a b/ü.jsonl", Address(scheme="gs", bucket="b-1.x_y", name="a b/ü.jsonl")),
        ("gs://bucket/folder/", Address(scheme="gs", bucket="bucket", name="folder/")),
        ("gs://bucket", None),
        ("gs://bucket/", None),
        ("gs://UPPER/x", None),
        ("gs://b/../x", None),
        ("s3://bucket/x", None),
        ("file-123", None),
        ("gs://bucket/" + "x" * 2_000, None),
    ],
)
def test_addresses(uri: str, found: Address | None) -> None:
    assert GS.read(uri) == found
    assert found is None or found.uri == uri


def test_names() -> None:
    assert read_name(NAME) is not None
    assert read_name(NAME + "/x") is None
    assert is_number("3814889423749775360")
    assert not is_number("batch_1")


@pytest.mark.parametrize(
    ("location", "region", "well"),
    [
        ("us-central1", "us-central1", True),
        ("us-central1", "europe-west4", False),
        ("us", "us-central1", True),
        ("us", "europe-west4", False),
        ("eu", "europe-west4", True),
        ("asia", "asia-northeast1", True),
        ("nam4", "us-east1", True),
        ("nam4", "us-west1", False),
        ("us-central1", "global", True),
        ("us-central1", "us", True),
        ("nam99", "us-central1", True),
    ],
)
def test_where_a_bucket_reaches(location: str, region: str, well: bool) -> None:
    assert reaches(location, region) is well


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    fields=st.fixed_dictionaries({}, optional=dict.fromkeys((*ENDED, "error"), _json)),
    inner=_json,
)
def test_odd_jobs_never_raise(fields: dict[str, Any], inner: object) -> None:
    for odd in (
        {**fields, "name": NAME},
        {**ENDED, "state": "JOB_STATE_FAILED", "error": {"code": inner, "message": inner}},
        {**ENDED, "completionStats": {"successfulCount": inner, "incompleteCount": inner}},
        {**ENDED, "inputConfig": {"gcsSource": {"uris": inner}}},
        {**ENDED, "createTime": inner},
    ):
        job = job_of(odd)
        assert job is not None
        remote_job(job)
