"""`ports.Jobs` of AWS Bedrock: model invocation jobs, with their files in S3.

    bring    s3://BUCKET/PREFIX/TAG/input.jsonl        found again by its bytes
    create   a job of the name TAG, results below s3://BUCKET/PREFIX/TAG/out/
    find     the job of that name
    results  every `.jsonl.out` in the job's directory there, in order
    clean    everything below s3://BUCKET/PREFIX/TAG/; the job stays, since AWS removes none

A creation is told apart by the tag, too (`clientRequestToken`): made again, it answers with the job
that there is. Owns the order of calls and where a job's results are. Does not own calls
(`job_calls`), files (`buckets.job_files`), reading (`job_reading`), lines and rows (`framing`), or
bodies (`dialects`).
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Final

from batchway.dialects.tolerant_json import object_in
from batchway.domain.batch import RequestCounts
from batchway.domain.remote import (
    JobInput,
    JobOrder,
    NativeTraits,
    Reading,
    RemoteError,
    RemoteJob,
    Trouble,
)
from batchway.domain.status import BatchStatus
from batchway.ports import Dialect, Framing
from batchway.providers.aws.job_calls import JobCalls
from batchway.providers.aws.job_reading import BedrockJob, counts_of, remote_job
from batchway.providers.aws.place import Place
from batchway.providers.aws.storage import S3
from batchway.providers.buckets.addresses import Address
from batchway.providers.buckets.job_files import JobFiles, Layout, folder_of, home_in
from batchway.providers.buckets.objects import Stored

_HOUR: Final = 3_600
_LEAST_HOURS, _MOST_HOURS = 24, 168
_MANIFEST: Final = "manifest.json.out"
_MOST_MANIFEST: Final = 64 << 10
_ROWS: Final = ".jsonl.out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How an account's jobs run; see its settings. `role` is an ARN, `None` where none is set."""

    role: str | None = None
    hours: int | None = None
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoked:
    """What a job runs: the model as jobs name it, and whether its bodies are Converse's.

    `base` is the id of the foundation model that it is, as far as the name tells.
    """

    model: str
    base: str
    converse: bool


class BedrockJobs:
    """An account's jobs of one kind of call."""

    def __init__(
        self,
        *,
        calls: JobCalls,
        files: JobFiles,
        invoked: Invoked,
        terms: Terms,
        traits: NativeTraits,
        framing: Framing,
        dialect: Dialect,
    ) -> None:
        self._calls = calls
        self._files = files
        self._invoked = invoked
        self._terms = terms
        self._traits = traits
        self._framing = framing
        self._dialect = dialect

    @property
    def traits(self) -> NativeTraits:
        """What the batch API takes."""
        return self._traits

    @property
    def framing(self) -> Framing:
        """The envelopes of lines and rows."""
        return self._framing

    @property
    def dialect(self) -> Dialect:
        """Their bodies."""
        return self._dialect

    async def bring(self, order: JobInput) -> str:
        """The input at the provider; see `ports.Jobs`."""
        self._role()
        return await self._files.bring(order)

    async def create(self, order: JobOrder, reference: str) -> RemoteJob:
        """Create the job over it; see `ports.Jobs`. Made again, it is the same job."""
        request = creation(
            order,
            source=await self._files.brought(reference),
            place=self._calls.place,
            role=self._role(),
            invoked=self._invoked,
            terms=self._terms,
        )
        arn = await self._calls.create(request, model=self._invoked.base)
        return RemoteJob(id=arn.text, status=BatchStatus.VALIDATING, reference=reference)

    async def find(self, tag: str, *, since: int, reference: str | None = None) -> RemoteJob | None:
        """The job created under `tag`; see `ports.Jobs`."""
        del reference  # jobs have a name of ours
        found = await self._calls.find(tag, since=since)
        return None if found is None else await self._shown(found)

    async def fetch(self, job_id: str) -> RemoteJob:
        """The job as it is now."""
        return await self._shown(await self._calls.get(job_id))

    async def cancel(self, job_id: str) -> RemoteJob:
        """Ask the job to stop; one that has ended is answered as it is."""
        return await self._shown(await stopped(self._calls, job_id))

    def results(self, job: RemoteJob, reading: Reading) -> AsyncGenerator[bytes]:
        """Rows of one file after the other; see `ports.Jobs`."""
        return self._files.rows(job.references, reading)

    async def unfinished(self) -> int:
        """How many jobs are listed as not finished that may be of the model."""
        count = 0
        async with aclosing(self._calls.unfinished()) as jobs:
            async for job in jobs:
                # Named by an id and shown by an ARN, perhaps.
                count += not job.model or job.model.endswith(self._invoked.model)
        return count

    async def clean(self, job: RemoteJob, *, tag: str) -> None:
        """Remove the job's files; harmless twice."""
        await self._files.clean(job.reference, tag=tag)

    async def _shown(self, job: BedrockJob) -> RemoteJob:
        """The job and, once it has ended, its results: also of one that failed or was stopped."""
        job, found = await with_results(job, self._files)
        return remote_job(job, [each.at.uri for each in found])

    def _role(self) -> str:
        if self._terms.role is None:
            raise RemoteError(
                Trouble.REFUSED,
                f"The provider '{self._files.provider}' has no role for its jobs: set `role_arn` "
                "to the ARN of one that Bedrock may assume, and that may read and write the "
                "bucket.",
                code="no_role",
            )
        return self._terms.role


def creation(
    order: JobOrder, *, source: Address, place: Place, role: str, invoked: Invoked, terms: Terms
) -> dict[str, Any]:
    """The request that creates a job over an input: the same for the same order.

    A tag is of one try: `clientRequestToken` and the name can be it as it is.
    """
    folder = folder_of(source)
    owner = {} if place.bucket_owner is None else {"s3BucketOwner": place.bucket_owner}
    key = {} if place.kms_key is None else {"s3EncryptionKeyId": place.kms_key}
    results = folder.named(f"{folder.name}out/").uri
    request: dict[str, Any] = {
        "jobName": order.tag,
        "clientRequestToken": order.tag,
        "roleArn": role,
        "modelId": invoked.model,
        "modelInvocationType": "Converse" if invoked.converse else "InvokeModel",
        "timeoutDurationInHours": _hours(order, terms),
        "inputDataConfig": {
            "s3InputDataConfig": {"s3InputFormat": "JSONL", "s3Uri": source.uri, **owner}
        },
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": results, **key, **owner}},
    }
    if terms.subnets:
        request["vpcConfig"] = {
            "subnetIds": list(terms.subnets),
            "securityGroupIds": list(terms.security_groups),
        }
    if terms.tags:
        request["tags"] = [{"key": key, "value": value} for key, value in terms.tags.items()]
    return request


def layout_at(place: Place) -> Layout:
    """Where the jobs of a place have their files."""
    return Layout(
        names=S3,
        home=home_in(S3, place.bucket, place.prefix),
        region=place.region,
        unset="set `bucket`, or send the header x-tfy-aws-s3-bucket",
        is_result=is_result,
    )


def is_result(name: str) -> bool:
    """Whether a file holds rows: the manifest beside them holds none."""
    return name.endswith(_ROWS)


async def with_results(job: BedrockJob, files: JobFiles) -> tuple[BedrockJob, list[Stored]]:
    """A job, counted by its manifest where it does not tell, and its results once it has ended."""
    if not job.ended or job.output is None:
        return job, []
    found = await files.results_below(job.output)
    if found and job.counts is None:
        job = replace(job, counts=await _counted(job.output, files))
    return job, found


async def _counted(output: Address, files: JobFiles) -> RequestCounts | None:
    """What the manifest beside results counts; `None` where there is none."""
    at = output.named(output.name + _MANIFEST)
    stored = await files.objects.stat(at)
    if stored is None or stored.size > _MOST_MANIFEST:
        return None
    data = b"".join([piece async for piece in files.transfer.read(at)])
    return counts_of(object_in(data) or {})


async def stopped(calls: JobCalls, job_id: str) -> BedrockJob:
    """Ask a job to stop, and see what it says then."""
    try:
        await calls.stop(job_id)
    except RemoteError as error:
        if error.trouble is not Trouble.REFUSED:
            raise
        # A conflict, when there is nothing to stop (any more).
        job = await calls.get(job_id)
        if not job.ended and job.status is not BatchStatus.CANCELLING:
            raise
        return job
    return await calls.get(job_id)


def _hours(order: JobOrder, terms: Terms) -> int:
    """Hours that a job may take: those of the batch's window, within what Bedrock takes."""
    hours = -(-order.window // _HOUR) if terms.hours is None else terms.hours
    return min(max(hours, _LEAST_HOURS), _MOST_HOURS)
