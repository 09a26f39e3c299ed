"""Reading what Vertex AI says of a job: its state, what it counts, why it failed.

    QUEUED, PENDING                     validating
    RUNNING, UPDATING, PAUSED           in_progress
    SUCCEEDED, PARTIALLY_SUCCEEDED      completed
    FAILED                              failed
    CANCELLING, CANCELLED, EXPIRED      the same words

Counts are strings, missing while nothing is known, and -1 for what will not be known. Rows that
failed leave their job SUCCEEDED. Owns names of jobs and these words; which results there are, a
listing tells (`jobs`). Pure.

Source: docs.cloud.google.com/vertex-ai/docs/reference/rest, v1/projects.locations.
batchPredictionJobs and v1/JobState; google/rpc/code.proto.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from batchway.dialects.tolerant_json import object_in, object_or_none
from batchway.domain.batch import BatchError, RequestCounts
from batchway.domain.remote import Cause, Failed, RemoteJob
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.domain.timestamps import unix_seconds
from batchway.providers.buckets.addresses import Address
from batchway.providers.google.discretion import discreet
from batchway.providers.google.objects import GS
from batchway.providers.http.secrets import without_secrets

_STATES: Final[Mapping[str, BatchStatus]] = {
    "UNSPECIFIED": BatchStatus.VALIDATING,
    "QUEUED": BatchStatus.VALIDATING,
    "PENDING": BatchStatus.VALIDATING,
    "RUNNING": BatchStatus.IN_PROGRESS,
    "UPDATING": BatchStatus.IN_PROGRESS,
    "PAUSED": BatchStatus.IN_PROGRESS,
    "SUCCEEDED": BatchStatus.COMPLETED,
    "PARTIALLY_SUCCEEDED": BatchStatus.COMPLETED,
    "FAILED": BatchStatus.FAILED,
    "CANCELLING": BatchStatus.CANCELLING,
    "CANCELLED": BatchStatus.CANCELLED,
    "EXPIRED": BatchStatus.EXPIRED,
}
_STATE: Final = "JOB_STATE_"
_NAME: Final = re.compile(
    r"projects/([a-z0-9][a-z0-9.:-]*)/locations/([a-z][a-z0-9-]*)/batchPredictionJobs/([0-9]{1,20})",
    re.ASCII,
)
_NUMBER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_MOST_COUNTED: Final = 1 << 53
_RESOURCE_EXHAUSTED: Final = 8
_AGENT: Final = "service-{number}@gcp-sa-aiplatform.iam.gserviceaccount.com"

# google.rpc.Code of a job's `error`: our code, and what it means. `{...}` is filled in.
MEANINGS: Final[Mapping[int, tuple[str, str]]] = {
    3: (
        "import_failed",
        "Vertex AI could not take in the lines of this job and ran none of them: one of them has "
        "a form that its importer does not read.",
    ),
    7: (
        "bucket_denied",
        "Vertex AI may not use the bucket '{bucket}'. Its service agent {agent} is who reads and "
        "writes there: give it the role Storage Object Admin (roles/storage.objectAdmin) on the "
        "bucket.",
    ),
    _RESOURCE_EXHAUSTED: ("resource_exhausted", "A quota of Vertex AI is used up."),
    9: (
        "bucket_unusable",
        "Vertex AI cannot use the bucket '{bucket}' for a job in '{location}': check that it "
        "exists, and that it is in the same region.",
    ),
    13: ("internal", "Vertex AI failed for a reason of its own."),
}
UNKNOWN: Final = ("job_failed", "Vertex AI let the job fail.")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobName:
    """`projects/P/locations/L/batchPredictionJobs/N`; `project` may be a number of Google's."""

    project: str
    location: str
    number: str

    def __str__(self) -> str:
        return (
            f"projects/{self.project}/locations/{self.location}/batchPredictionJobs/{self.number}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VertexJob:
    """A job as Vertex AI shows it. Times are Unix seconds; what is not shown is left out.

    `output` is what its results' names begin with: their directory once there is one, before that
    the prefix that it was created with, without a slash at its end. `named` is whether it is the
    directory. `left` is how many rows were not run, `None` where that is not known.
    """

    name: JobName
    title: str
    model: str
    status: BatchStatus
    input: str | None = None
    output: Address | None = None
    named: bool = False
    created_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    updated_at: int | None = None
    counts: RequestCounts | None = None
    left: int | None = None
    error_code: int | None = None
    error: BatchError | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in TERMINAL


def read_name(text: str) -> JobName | None:
    """The name of a job; `None` for anything else."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    return JobName(project=match[1], location=match[2], number=match[3])


def is_number(text: str) -> bool:
    """Whether it may be the number of a job."""
    return _NUMBER.fullmatch(text) is not None


def job_in(answer: bytes, *, secrets: Collection[str] = ()) -> VertexJob | None:
    """The job in an answer; `None` when there is none."""
    fields = object_in(answer)
    return None if fields is None else job_of(fields, secrets=secrets)


def job_of(fields: Mapping[str, Any], *, secrets: Collection[str] = ()) -> VertexJob | None:
    """The job in an item of a list. A state that is not known counts as running."""
    name = read_name(_text(fields.get("name")))
    if name is None:
        return None
    word = _text(fields.get("state")).removeprefix(_STATE)
    status = _STATES.get(word, BatchStatus.IN_PROGRESS)
    directory = _text(_fields(fields.get("outputInfo")).get("gcsOutputDirectory")).rstrip("/")
    destination = _fields(_fields(fields.get("outputConfig")).get("gcsDestination"))
    output = GS.read(directory or _text(destination.get("outputUriPrefix")).rstrip("/"))
    code, error = _error(fields, name=name, output=output, secrets=secrets)
    failed = status is BatchStatus.FAILED
    return VertexJob(
        name=name,
        title=_text(fields.get("displayName")),
        model=_text(fields.get("model")),
        status=status,
        input=_input(fields),
        output=output,
        named=bool(directory),
        created_at=unix_seconds(fields.get("createTime")),
        started_at=unix_seconds(fields.get("startTime")),
        ended_at=unix_seconds(fields.get("endTime")),
        updated_at=unix_seconds(fields.get("updateTime")),
        counts=_counts(_fields(fields.get("completionStats"))),
        left=_count(_fields(fields.get("completionStats")).get("incompleteCount")),
        error_code=code if failed else None,
        error=error if failed else None,
    )


def remote_job(job: VertexJob, results: Collection[str] = ()) -> RemoteJob:
    """A job of ours, as its story needs it; `results` are its files."""
    return RemoteJob(
        id=str(job.name),
        status=job.status,
        reference=job.input,
        references=tuple(results),
        created_at=job.created_at,
        in_progress_at=job.started_at,
        counts=_to_be_had(job, results),
        errors=None if job.error is None else (job.error,),
        failure=_failure(job),
    )


def _to_be_had(job: VertexJob, results: Collection[str]) -> RequestCounts | None:
    """The counts, as far as rows can be waited for by them; without a total that is not known."""
    counts = job.counts
    if counts is None or not job.ended:
        return counts
    if job.status is BatchStatus.FAILED and not results:
        return None  # what it has counted and not written is lost
    if job.status is BatchStatus.COMPLETED:
        return None if job.left else counts  # PARTIALLY_SUCCEEDED: the rest will not come
    return counts if job.left is not None else replace(counts, total=0)


def _failure(job: VertexJob) -> Failed | None:
    """Why a job failed. Nothing that was paid for is tried again before somebody has looked."""
    if job.status is not BatchStatus.FAILED:
        return None
    ran = job.counts is not None and job.counts.completed > 0
    full = job.error_code == _RESOURCE_EXHAUSTED and not ran
    return Failed(cause=Cause.NO_ROOM if full else Cause.REFUSED, error=job.error)


def _error(
    fields: Mapping[str, Any], *, name: JobName, output: Address | None, secrets: Collection[str]
) -> tuple[int | None, BatchError]:
    error = _fields(fields.get("error"))
    given = error.get("code")
    number = given if isinstance(given, int) and not isinstance(given, bool) else None
    code, meaning = MEANINGS.get(number or 0, UNKNOWN)
    sentence = meaning.format(
        bucket="" if output is None else output.bucket,
        location=name.location,
        agent=_AGENT.format(number=name.project),
    )
    words = discreet(_text(error.get("message")), None if output is None else output.bucket)
    said = without_secrets(words, secrets)
    if said:
        sentence += f" It says: {said}"
    return number, BatchError(code=code, message=sentence)


def _input(fields: Mapping[str, Any]) -> str | None:
    uris = _fields(_fields(fields.get("inputConfig")).get("gcsSource")).get("uris")
    first = cast("list[object]", uris)[0] if isinstance(uris, list) and uris else None
    return first if isinstance(first, str) and first else None


def _counts(stats: Mapping[str, Any]) -> RequestCounts | None:
    """Counts of rows."""
    done, failed = _count(stats.get("successfulCount")), _count(stats.get("failedCount"))
    left = _count(stats.get("incompleteCount"))
    if done is None and failed is None:
        return None
    total = (done or 0) + (failed or 0) + (left or 0)
    return RequestCounts(total=total, completed=done or 0, failed=failed or 0)


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_COUNTED else None


def _fields(value: object) -> dict[str, Any]:
    return object_or_none(value) or {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
