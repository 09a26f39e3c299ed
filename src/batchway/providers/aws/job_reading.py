"""Reading what Bedrock says of a job: its state, what it counts, why it failed.

    Submitted, Validating, Scheduled    validating
    InProgress                          in_progress
    Completed, PartiallyCompleted       completed
    Failed                              failed
    Stopping, Stopped, Expired          cancelling, cancelled, expired

A job that is PartiallyCompleted had no time for the rest of its records: for its story it has
expired. Counts are there in newer answers alone; a manifest beside the results has them, too. Owns
ARNs of jobs and these words; which results there are, a listing tells (`jobs`). Pure.

Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_GetModelInvocationJob.html
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from batchway.dialects.tolerant_json import object_in, object_or_none
from batchway.domain.batch import BatchError, RequestCounts
from batchway.domain.remote import Cause, Failed, RemoteJob
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.domain.timestamps import unix_seconds
from batchway.providers.aws.discretion import discreet
from batchway.providers.aws.job_troubles import JobTrouble, trouble_of
from batchway.providers.aws.place import Place
from batchway.providers.aws.storage import S3
from batchway.providers.buckets.addresses import Address
from batchway.providers.http.secrets import without_secrets

_STATES: Final[Mapping[str, BatchStatus]] = {
    "Submitted": BatchStatus.VALIDATING,
    "Validating": BatchStatus.VALIDATING,
    "Scheduled": BatchStatus.VALIDATING,
    "InProgress": BatchStatus.IN_PROGRESS,
    "Completed": BatchStatus.COMPLETED,
    "PartiallyCompleted": BatchStatus.COMPLETED,
    "Failed": BatchStatus.FAILED,
    "Stopping": BatchStatus.CANCELLING,
    "Stopped": BatchStatus.CANCELLED,
    "Expired": BatchStatus.EXPIRED,
}
_PARTLY: Final = "PartiallyCompleted"
# Whatever else there may be has not ended.
UNFINISHED: Final = ("Submitted", "Validating", "Scheduled", "InProgress", "Stopping")
_ARN: Final = re.compile(
    r"arn:aws[a-z-]{0,20}:bedrock:([a-z0-9-]{1,25}):([0-9]{12}):model-invocation-job/([a-z0-9]{12})",
    re.ASCII,
)
_MOST_COUNTED: Final = 1 << 53
_MOST_NAME: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class JobArn:
    """`arn:aws:bedrock:REGION:ACCOUNT:model-invocation-job/ID`."""

    text: str
    region: str
    account: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BedrockJob:
    """A job as Bedrock shows it. Times are Unix seconds; what is not shown is left out.

    `output` is the directory of its results, with a slash at its end. `partly` is whether it had no
    time for all of its records.
    """

    arn: JobArn
    title: str
    model: str
    status: BatchStatus
    partly: bool = False
    converse: bool = False
    input: str | None = None
    output: Address | None = None
    created_at: int | None = None
    ended_at: int | None = None
    updated_at: int | None = None
    expires_at: int | None = None
    counts: RequestCounts | None = None
    error: BatchError | None = None
    trouble: JobTrouble | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in TERMINAL


def read_arn(text: str) -> JobArn | None:
    """The ARN of a job; `None` for anything else."""
    match = _ARN.fullmatch(text)
    if match is None:
        return None
    return JobArn(text=text, region=match[1], account=match[2], id=match[3])


def job_in(answer: bytes, place: Place, *, secrets: Collection[str] = ()) -> BedrockJob | None:
    """The job in an answer; `None` when there is none."""
    fields = object_in(answer)
    return None if fields is None else job_of(fields, place, secrets=secrets)


def job_of(
    fields: Mapping[str, Any], place: Place, *, secrets: Collection[str] = ()
) -> BedrockJob | None:
    """The job in an item of a list. A state that is not known counts as running."""
    arn = read_arn(_text(fields.get("jobArn")))
    if arn is None:
        return None
    word = _text(fields.get("status"))
    status = _STATES.get(word, BatchStatus.IN_PROGRESS)
    source = _fields(_fields(fields.get("inputDataConfig")).get("s3InputDataConfig"))
    target = _fields(_fields(fields.get("outputDataConfig")).get("s3OutputDataConfig"))
    folder = S3.read(_text(target.get("s3Uri")).rstrip("/") + "/")
    trouble, error = None, None
    if status is BatchStatus.FAILED:
        there = place if folder is None else replace(place, bucket=folder.bucket)
        trouble, error = _error(_text(fields.get("message")), there, secrets=secrets)
    return BedrockJob(
        arn=arn,
        title=_text(fields.get("jobName")),
        model=_text(fields.get("modelId"))[:_MOST_NAME],
        status=status,
        partly=word == _PARTLY,
        converse=fields.get("modelInvocationType") == "Converse",
        input=_text(source.get("s3Uri")) or None,
        output=None if folder is None else folder.named(f"{folder.name}{arn.id}/"),
        created_at=unix_seconds(fields.get("submitTime")),
        ended_at=unix_seconds(fields.get("endTime")),
        updated_at=unix_seconds(fields.get("lastModifiedTime")),
        expires_at=unix_seconds(fields.get("jobExpirationTime")),
        counts=counts_of(fields),
        error=error,
        trouble=trouble,
    )


def remote_job(job: BedrockJob, results: Collection[str] = ()) -> RemoteJob:
    """A job of ours, as its story needs it; `results` are its files."""
    ran = job.counts is not None and job.counts.completed + job.counts.failed > 0
    return RemoteJob(
        id=job.arn.text,
        status=BatchStatus.EXPIRED if job.partly else job.status,
        reference=job.input,
        references=tuple(results),
        created_at=job.created_at,
        # No time is told for it; a job that ran any record was taken in.
        in_progress_at=job.created_at if ran else None,
        counts=_to_be_had(job, results),
        errors=None if job.error is None else (job.error,),
        failure=_failure(job, ran=ran),
    )


def counts_of(fields: Mapping[str, Any]) -> RequestCounts | None:
    """Counts of records, of a job or of its manifest; `None` where there are none."""
    done, failed = _count(fields.get("successRecordCount")), _count(fields.get("errorRecordCount"))
    if done is None and failed is None:
        return None
    done, failed = done or 0, failed or 0
    total = max(_count(fields.get("totalRecordCount")) or 0, done + failed)
    return RequestCounts(total=total, completed=done, failed=failed)


def _to_be_had(job: BedrockJob, results: Collection[str]) -> RequestCounts | None:
    """The counts, as far as rows can be waited for by them."""
    if job.status is BatchStatus.FAILED and not results:
        return None  # what it has counted and not written is lost
    return job.counts


def _failure(job: BedrockJob, *, ran: bool) -> Failed | None:
    """Why a job failed. Nothing that was paid for is tried again before somebody has looked."""
    if job.status is not BatchStatus.FAILED:
        return None
    trouble = job.trouble
    if trouble is None or ran:
        return Failed(cause=Cause.REFUSED, error=job.error)
    if trouble.no_room or trouble.limit is not None:
        return Failed(cause=Cause.NO_ROOM, error=job.error, limit=trouble.limit)
    return Failed(cause=Cause.UNSEEN if trouble.unseen else Cause.REFUSED, error=job.error)


def _error(
    message: str, place: Place, *, secrets: Collection[str]
) -> tuple[JobTrouble, BatchError]:
    trouble = trouble_of(message, place)
    said = without_secrets(discreet(message, place.bucket), secrets)
    sentence = f"Bedrock let the job fail: {said}" if said else "Bedrock let the job fail."
    if trouble.advice:
        sentence = f"{sentence.rstrip('. ')}. To mend it: {trouble.advice}."
    return trouble, BatchError(code=trouble.code, message=sentence)


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_COUNTED else None


def _fields(value: object) -> dict[str, Any]:
    return object_or_none(value) or {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
