"""`ports.Archive` of Vertex AI: jobs by their names or numbers, files by `gs://` addresses.

    projects/P/locations/R/batchPredictionJobs/N, N      a job, in OpenAI's terms
    gs://BUCKET/NAME                                     a file as it is; rows of results as
                                                         OpenAI's lines
    gs://BUCKET/FOLDER/                                  all results of a job that wrote several

Of folders, a directory of results alone is a file here: what lies below any other one, or deeper
in it, may be many jobs' and many tenants'.
Addresses may be URL-encoded, as gateways hand them out. A job has one list of rows, which holds
answers and errors: so it has an output file and no error file. What a job made is read in the
dialect of its model, so it is asked for the job; rows of no job that is there (any more) are
answered as they are. Whose things are is not decided here (`service.ownership`): everything that
Batchway made has its tag in its name.
"""

import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

from batchway.catalog.google_models import GoogleDialect
from batchway.domain.endpoint import Endpoint
from batchway.domain.remote import RemoteError, Trouble
from batchway.domain.status import BatchStatus
from batchway.domain.tag import METADATA_KEY, is_tag, tag_in
from batchway.ports import ArchivedFile, ArchivedJob, Dialect
from batchway.providers.google.advice import refusals_at
from batchway.providers.google.archived_rows import lines_of
from batchway.providers.google.dialects import dialect_of
from batchway.providers.google.job_calls import JobCalls
from batchway.providers.google.job_reading import VertexJob
from batchway.providers.google.jobs import INPUT, Files, results_of, stopped, written_below
from batchway.providers.google.models import Model, model_named
from batchway.providers.google.objects import GsPath, Stored, read_uri
from batchway.providers.http.advising import AdvisingDialect
from batchway.providers.http.secrecy import DiscreetDialect

# What Vertex AI calls its directories: `prediction-model-2026-09-02T20:06:30.166279Z`.
_RESULTS: Final = re.compile(r"prediction-[^/]+")


class VertexArchive:
    """What lies at an account; `secrets` are cut out of what rows say of errors."""

    def __init__(
        self,
        *,
        calls: JobCalls,
        files: Files,
        models: Mapping[str, GoogleDialect],
        secrets: Callable[[], Collection[str]],
    ) -> None:
        self._calls = calls
        self._files = files
        self._models = models
        self._secrets = secrets

    async def job(self, job_id: str) -> ArchivedJob:
        """The job as it is now."""
        return await self._shown(await self._calls.get(job_id), job_id)

    async def find(self, tag: str, *, since: int) -> ArchivedJob | None:
        """The job that Batchway created under `tag`."""
        found = await self._calls.find(tag, since=since)
        return None if found is None else await self._shown(found, str(found.name))

    async def cancel(self, job_id: str) -> ArchivedJob:
        """Ask the job to stop; one that has ended is answered as it is."""
        return await self._shown(await stopped(self._calls, job_id), job_id)

    async def file(self, file_id: str) -> ArchivedFile:
        """A file, or all results of a job."""
        at = self._at(file_id)
        if at.name.endswith("/"):
            found = await self._inside(at)
        else:
            stored = await self._files.objects.stat(at)
            if stored is None:
                raise self._unknown()
            found = [stored]
        times = [each.updated for each in found if each.updated is not None]
        return ArchivedFile(
            id=file_id,
            bytes=sum(each.size for each in found),
            filename=filename_of(at),
            purpose="batch_output" if _directory_of(at) is not None else "batch",
            created_at=max(times) if times else None,
        )

    async def content(self, file_id: str) -> AsyncGenerator[bytes]:
        """The bytes of a file; rows of a job's results as OpenAI's lines."""
        at = self._at(file_id)
        found = [each.at for each in await self._inside(at)] if at.name.endswith("/") else [at]
        directory = _directory_of(at)
        dialect = None if directory is None else await self._dialect(directory)
        for number, each in enumerate(found):
            pieces = self._files.storage.read(each)
            if dialect is None:
                if number:
                    yield b"\n"
            else:
                pieces = lines_of(pieces, dialect, named=each.uri)
            async with aclosing(pieces) as stream:
                async for piece in stream:
                    yield piece

    # ------------------------------------------------------------------ jobs

    async def _shown(self, job: VertexJob, asked: str) -> ArchivedJob:
        found = await results_of(job, self._files.objects) if job.ended else []
        model = self._model(job)
        shown = ArchivedJob(
            id=unquote(asked) if "%" in asked else asked,
            status=job.status,
            endpoint=_endpoint(model),
            input_file_id=job.input,
            output_file_id=_output(found),
            model=job.model.rpartition("/")[2] or None,
            created_at=job.created_at,
            in_progress_at=job.started_at,
            counts=job.counts,
            errors=None if job.error is None else (job.error,),
            metadata={METADATA_KEY: job.title} if is_tag(job.title) else None,
        )
        at = job.ended_at or job.updated_at
        match job.status:
            case BatchStatus.COMPLETED:
                return replace(shown, completed_at=at)
            case BatchStatus.FAILED:
                return replace(shown, failed_at=at)
            case BatchStatus.EXPIRED:
                return replace(shown, expired_at=at)
            case BatchStatus.CANCELLED:
                return replace(shown, cancelled_at=at)
            case _:
                return shown

    def _model(self, job: VertexJob) -> Model | None:
        try:
            return model_named(job.model, self._calls.place, self._models)
        except ValueError:
            return None  # nothing is known of it: its rows are shown as they are

    # ------------------------------------------------------------------ files

    async def _inside(self, at: GsPath) -> list[Stored]:
        """The files of a directory of results: all of them are of the job that it is of.

        Raises:
            RemoteError: `NOT_FOUND` for every other folder, whatever lies there.
        """
        directory = _directory_of(at)
        if directory is None:
            raise self._unknown()
        found = await written_below(at, self._files.objects)
        if not found or any(_directory_of(each.at) != directory or _named(each) for each in found):
            raise self._unknown()
        return found

    async def _dialect(self, directory: GsPath) -> Dialect | None:
        """What the rows of a directory of results are in; `None` where no job tells."""
        job = await self._maker(directory)
        model = None if job is None else self._model(job)
        if model is None:
            return None
        dialect = dialect_of(model, _endpoint(model), batch=True)
        if dialect is None:
            return None
        advising = AdvisingDialect(dialect, read=refusals_at(model.place))
        return DiscreetDialect(advising, secrets=self._secrets)

    async def _maker(self, directory: GsPath) -> VertexJob | None:
        """The job that made a directory of results."""
        tag = tag_in(directory.name)
        wanted = "" if tag is None else f'display_name="{tag}"'
        async with aclosing(self._calls.listed(wanted)) as jobs:
            async for job in jobs:
                if job.output == directory:
                    return job
        return None

    def _at(self, file_id: str) -> GsPath:
        at = read_uri(unquote(file_id) if "://" not in file_id else file_id)
        if at is None:
            raise self._unknown()
        return at

    def _unknown(self) -> RemoteError:
        return RemoteError(
            Trouble.NOT_FOUND, f"The provider '{self._calls.provider}' has nothing of that id."
        )


def filename_of(at: GsPath) -> str:
    """What a file is called, with the tag of the job that it is of: who may see it goes by that."""
    *folders, last = at.name.rstrip("/").split("/")
    tag = tag_in("/".join(folders))
    if tag is None:
        return last
    return f"{tag}.jsonl" if last == INPUT else f"{tag}-{last}"


def _named(file: Stored) -> bool:
    """Whether the file has a tag of its own: one that is not its directory's, perhaps."""
    return tag_in(file.at.name.rpartition("/")[2]) is not None


def _output(found: list[Stored]) -> str | None:
    """The id of a job's results: the file, or the directory of several."""
    if not found:
        return None
    first = found[0].at
    if len(found) == 1:
        return first.uri
    return f"gs://{first.bucket}/{first.name.rpartition('/')[0]}/"


def _directory_of(at: GsPath) -> GsPath | None:
    """The directory of results that a file lies in, or is; `None` for other files."""
    folders = at.name.split("/")[:-1]
    if not folders or _RESULTS.fullmatch(folders[-1]) is None:
        return None
    return GsPath(bucket=at.bucket, name="/".join(folders))


def _endpoint(model: Model | None) -> str:
    """What lines of a model were for: nothing in a job tells chat from responses."""
    if model is None or not model.family.endpoints:
        return ""
    chat = Endpoint.CHAT_COMPLETIONS
    return str(chat if chat in model.family.endpoints else min(model.family.endpoints))
