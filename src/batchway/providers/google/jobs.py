"""`ports.Jobs` of Vertex AI: batch prediction jobs, with their files in Cloud Storage.

    bring    gs://BUCKET/PREFIX/TAG/input.jsonl        found again by its bytes
    create   a job of the name TAG, results below gs://BUCKET/PREFIX/TAG/out-N
    find     the job of that name
    results  every object below the job's directory, in order
    clean    everything below gs://BUCKET/PREFIX/TAG/, and the job

Owns the order of calls and where a job's results are. Does not own calls (`job_calls`), files
(`buckets.job_files`), reading (`job_reading`), lines and rows (`framing`), or bodies (`dialects`).
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

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
from batchway.providers.buckets.job_files import JobFiles, Layout, folder_of, home_in
from batchway.providers.buckets.objects import Stored
from batchway.providers.google.job_calls import JobCalls
from batchway.providers.google.job_reading import VertexJob, remote_job
from batchway.providers.google.objects import GS
from batchway.providers.google.place import Place

_AS_IT_IS: Final = frozenset({BatchStatus.CANCELLING, BatchStatus.FINALIZING})


class VertexJobs:
    """An account's jobs of one kind of call. `model` is what jobs call the model.

    `draw` gives a word that it never gave before: no two jobs share a place for their results.
    """

    def __init__(
        self,
        *,
        calls: JobCalls,
        files: JobFiles,
        model: str,
        traits: NativeTraits,
        framing: Framing,
        dialect: Dialect,
        draw: Callable[[], str],
    ) -> None:
        self._calls = calls
        self._files = files
        self._model = model
        self._traits = traits
        self._framing = framing
        self._dialect = dialect
        self._draw = draw

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
        return await self._files.bring(order)

    async def create(self, order: JobOrder, reference: str) -> RemoteJob:
        """Create the job over it; see `ports.Jobs`."""
        folder = folder_of(await self._files.brought(reference))
        results = folder.named(f"{folder.name}out-{self._draw()}")
        request = {
            "displayName": order.tag,
            "model": self._model,
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [reference]}},
            "outputConfig": {
                "predictionsFormat": "jsonl",
                "gcsDestination": {"outputUriPrefix": results.uri},
            },
        }
        try:
            return remote_job(await self._calls.create(request))
        except RemoteError as error:
            raise _of_creation(error) from error

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
                count += not job.ended and (not job.model or job.model.endswith(self._model))
        return count

    async def clean(self, job: RemoteJob, *, tag: str) -> None:
        """Remove the job and its files; harmless twice."""
        failure: RemoteError | None = None
        try:
            await self._files.clean(job.reference, tag=tag)
        except RemoteError as error:
            failure = error
        if job.id:
            try:
                await self._calls.remove(job.id)
            except RemoteError as error:
                if error.trouble is not Trouble.NOT_FOUND:
                    failure = error
        if failure is not None:
            raise failure

    async def _shown(self, job: VertexJob) -> RemoteJob:
        """The job and, once it has ended, its results: also of one that failed or was cancelled."""
        found = await results_of(job, self._files) if job.ended else []
        return remote_job(job, [each.at.uri for each in found])


def layout_at(place: Place) -> Layout:
    """Where the jobs of a place have their files."""
    return Layout(
        names=GS,
        home=home_in(GS, place.bucket, place.prefix),
        region=place.region,
        unset="set `bucket`, or send the header x-tfy-vertex-storage-bucket-name",
    )


async def results_of(job: VertexJob, files: JobFiles) -> list[Stored]:
    """The files of a job's results, in order: those that there are, whatever their names.

    A job that ended before its directory is known may have written below its prefix all the same;
    where that prefix may be another job's too, it is not looked into.
    """
    at = job.output
    if at is None or not (job.named or job.title in at.name.split("/")):
        return []
    return await files.results_below(at.named(f"{at.name}/"))


async def stopped(calls: JobCalls, job_id: str) -> VertexJob:
    """Ask a job to stop, and see what it says then."""
    try:
        await calls.cancel(job_id)
    except RemoteError as error:
        if error.trouble is not Trouble.REFUSED:
            raise
        # FAILED_PRECONDITION, when there is nothing to stop.
        job = await calls.get(job_id)
        if not job.ended and job.status not in _AS_IT_IS:
            raise
        return job
    return await calls.get(job_id)


def _of_creation(error: RemoteError) -> RemoteError:
    """What a refusal of a creation means."""
    match error.trouble:
        case Trouble.BUSY if error.status == 429:
            return error.as_(Trouble.NO_ROOM)
        case Trouble.REFUSED if error.status == 409:
            # A conflict, perhaps with the job that this very request made.
            return error.as_(Trouble.UNCERTAIN)
        case Trouble.NOT_FOUND:
            # A project, a region or a model that is not there; the input is.
            return error.as_(Trouble.REFUSED)
        case _:
            return error
