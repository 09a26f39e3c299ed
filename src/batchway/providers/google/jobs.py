"""`ports.Jobs` of Vertex AI: batch prediction jobs, with their files in Cloud Storage.

    bring    gs://BUCKET/PREFIX/TAG/input.jsonl        found again by its bytes
    create   a job of the name TAG, results below gs://BUCKET/PREFIX/TAG/out-N
    find     the job of that name
    results  every object below the job's directory, in order
    clean    everything below gs://BUCKET/PREFIX/TAG/, and the job

Owns the order of calls and which objects are a job's. Does not own calls (`job_calls`, `objects`,
`storage`), reading (`job_reading`), lines and rows (`framing`), or bodies (`dialects`).
"""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
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
from batchway.providers.google.buckets import Buckets
from batchway.providers.google.job_calls import JobCalls
from batchway.providers.google.job_reading import VertexJob, remote_job
from batchway.providers.google.objects import GsPath, Objects, Stored, read_uri
from batchway.providers.google.storage import CloudStorage
from batchway.providers.http import trouble as remote_trouble

INPUT: Final = "input.jsonl"
_PROBE: Final = "out-probe"
_DIGITS: Final = re.compile(r"([0-9]+)")
_AS_IT_IS: Final = frozenset({BatchStatus.CANCELLING, BatchStatus.FINALIZING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where files of jobs lie, and what brings and reads them."""

    objects: Objects
    storage: CloudStorage
    buckets: Buckets


class VertexJobs:
    """An account's jobs of one kind of call. `model` is what jobs call the model.

    `draw` gives a word that it never gave before: no two jobs share a place for their results.
    """

    def __init__(
        self,
        *,
        calls: JobCalls,
        files: Files,
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
        folder = self._folder(order.tag)
        to = GsPath(bucket=folder.bucket, name=folder.name + INPUT)
        probe = GsPath(bucket=folder.bucket, name=folder.name + _PROBE)
        storage = self._files.storage
        try:
            if order.since is not None:
                await self._files.objects.remove(probe)  # of a try that was cut off
                if await storage.holds(to, order.path, size=order.size):
                    return to.uri
            await self._files.buckets.check(
                probe,
                region=self._calls.place.region,
                objects=self._files.objects,
                storage=storage,
            )
            await storage.send(order.path, to=to, size=order.size)
        except RemoteError as error:
            raise remote_trouble.before_creation(error, gone=Trouble.REFUSED) from error
        return to.uri

    async def create(self, order: JobOrder, reference: str) -> RemoteJob:
        """Create the job over it; see `ports.Jobs`."""
        source = read_uri(reference)
        if source is None:
            raise RemoteError(Trouble.NOT_FOUND, "The input of the job is at no address of ours.")
        try:
            # A job over an input that is not there is taken, and fails much later.
            stored = await self._files.objects.stat(source)
        except RemoteError as error:
            raise remote_trouble.before_creation(error, gone=Trouble.NOT_FOUND) from error
        if stored is None:
            raise RemoteError(
                Trouble.NOT_FOUND, f"The input of the job is not in '{source.bucket}' any more."
            )
        results = source.name.removesuffix(INPUT) + f"out-{self._draw()}"
        request = {
            "displayName": order.tag,
            "model": self._model,
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [reference]}},
            "outputConfig": {
                "predictionsFormat": "jsonl",
                "gcsDestination": {
                    "outputUriPrefix": GsPath(bucket=source.bucket, name=results).uri
                },
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

    async def results(self, job: RemoteJob, reading: Reading) -> AsyncGenerator[bytes]:
        """Rows of one file after the other, a line break between two; see `ports.Jobs`."""
        another = False  # whether one before was read to its end, here and now
        for uri in job.references:
            mark = reading.mark(uri)
            if mark.finished:
                continue
            at = read_uri(uri)
            if at is None:
                raise RemoteError(Trouble.NOT_FOUND, "A file of results has no address.")
            if another:
                yield b"\n"  # the last row of a file may end without one
            another = True
            async with aclosing(self._files.storage.read(at, mark)) as pieces:
                async for piece in pieces:
                    yield piece

    async def unfinished(self) -> int:
        """How many jobs are listed as not finished that may be of the model."""
        count = 0
        async with aclosing(self._calls.unfinished()) as jobs:
            async for job in jobs:
                count += not job.ended and (not job.model or job.model.endswith(self._model))
        return count

    async def clean(self, job: RemoteJob, *, tag: str) -> None:
        """Remove the job and its files; harmless twice."""
        source = read_uri(job.reference or "")
        ours = source is not None and source.name.endswith(f"/{tag}/{INPUT}")
        # A bucket or a prefix that was configured when the job was made.
        folder = (
            GsPath(bucket=source.bucket, name=source.name.removesuffix(INPUT))
            if source is not None and ours
            else self._folder(tag)
        )
        failure: RemoteError | None = None
        try:
            await self._files.objects.remove_below(folder)
        except RemoteError as error:
            if error.trouble is not Trouble.NOT_FOUND:
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
        found = await results_of(job, self._files.objects) if job.ended else []
        return remote_job(job, [each.at.uri for each in found])

    def _folder(self, tag: str) -> GsPath:
        place = self._calls.place
        if place.bucket is None:
            raise RemoteError(
                Trouble.REFUSED,
                f"The provider '{self._calls.provider}' has no bucket for the files of its jobs: "
                "set `bucket`, or send the header x-tfy-vertex-storage-bucket-name.",
                code="no_bucket",
            )
        prefix = place.prefix.strip("/")
        return GsPath(bucket=place.bucket, name=f"{prefix}/{tag}/" if prefix else f"{tag}/")


async def results_of(job: VertexJob, objects: Objects) -> list[Stored]:
    """The files of a job's results, in order: those that there are, whatever their names.

    A job that ended before its directory is known may have written below its prefix all the same;
    where that prefix may be another job's too, it is not looked into.
    """
    at = job.output
    if at is None or not (job.named or job.title in at.name.split("/")):
        return []
    return await written_below(GsPath(bucket=at.bucket, name=f"{at.name}/"), objects)


async def written_below(at: GsPath, objects: Objects) -> list[Stored]:
    """Files that hold something, shards in the order of their numbers."""
    # Consoles make folders of objects without bytes, and files without rows are written, too.
    found = [each async for each in objects.below(at) if each.size and each.at.name[-1:] != "/"]
    return sorted(found, key=lambda each: _in_order(each.at.name))


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


def _in_order(name: str) -> list[tuple[int, str]]:
    """Shards by their numbers, also where these are not padded."""
    parts = _DIGITS.split(name)
    return [(int(part[-18:]), part) if part.isdigit() else (-1, part) for part in parts]


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
