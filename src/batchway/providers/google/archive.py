"""`ports.Archive` of Vertex AI: jobs by their names or numbers, files by `gs://` addresses.

    projects/P/locations/R/batchPredictionJobs/N, N      a job, in OpenAI's terms
    gs://BUCKET/NAME                                     a file as it is; rows of results as
                                                         OpenAI's lines
    gs://BUCKET/FOLDER/                                  all results of a job that wrote several

What is a file, and what of it is shown, is `buckets.archived_files`'. A job has one list of rows,
which holds answers and errors: so it has an output file and no error file. What a job made is read
in the dialect of its model, so it is asked for the job.
"""

import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from typing import Final
from urllib.parse import unquote

from batchway.catalog.google_models import GoogleDialect
from batchway.domain.tag import METADATA_KEY, is_tag, tag_in
from batchway.ports import ArchivedFile, ArchivedJob, Dialect
from batchway.providers.buckets.addresses import Address
from batchway.providers.buckets.archived_files import Archived, ArchivedFiles, output_of
from batchway.providers.buckets.job_files import JobFiles
from batchway.providers.google.advice import refusals_at
from batchway.providers.google.dialects import dialect_of
from batchway.providers.google.job_calls import JobCalls
from batchway.providers.google.job_reading import VertexJob
from batchway.providers.google.jobs import results_of, stopped
from batchway.providers.google.models import Model, model_named
from batchway.providers.google.rows import FORM
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
        files: JobFiles,
        models: Mapping[str, GoogleDialect],
        secrets: Callable[[], Collection[str]],
    ) -> None:
        self._calls = calls
        self._files = files
        self._archived = ArchivedFiles(
            files=files,
            archived=Archived(directory=_directory_of, dialect=self._dialect, form=FORM),
        )
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
        return await self._archived.file(file_id)

    def content(self, file_id: str) -> AsyncGenerator[bytes]:
        """The bytes of a file; rows of a job's results as OpenAI's lines."""
        return self._archived.content(file_id)

    # ------------------------------------------------------------------ jobs

    async def _shown(self, job: VertexJob, asked: str) -> ArchivedJob:
        found = await results_of(job, self._files) if job.ended else []
        model = self._model(job)
        shown = ArchivedJob(
            id=unquote(asked) if "%" in asked else asked,
            status=job.status,
            endpoint="" if model is None else model.family.usual_endpoint,
            input_file_id=job.input,
            output_file_id=output_of(found),
            model=job.model.rpartition("/")[2] or None,
            created_at=job.created_at,
            in_progress_at=job.started_at,
            counts=job.counts,
            errors=None if job.error is None else (job.error,),
            metadata={METADATA_KEY: job.title} if is_tag(job.title) else None,
        )
        return shown.ended(job.ended_at or job.updated_at)

    def _model(self, job: VertexJob) -> Model | None:
        try:
            return model_named(job.model, self._calls.place, self._models)
        except ValueError:
            return None  # nothing is known of it: its rows are shown as they are

    # ------------------------------------------------------------------ files

    async def _dialect(self, directory: Address) -> Dialect | None:
        """What the rows of a directory of results are in; `None` where no job tells."""
        job = await self._maker(directory)
        model = None if job is None else self._model(job)
        if model is None:
            return None
        dialect = dialect_of(model, model.family.usual_endpoint, batch=True)
        if dialect is None:
            return None
        advising = AdvisingDialect(dialect, read=refusals_at(model.place))
        return DiscreetDialect(advising, secrets=self._secrets)

    async def _maker(self, directory: Address) -> VertexJob | None:
        """The job that made a directory of results."""
        tag = tag_in(directory.name)
        wanted = "" if tag is None else f'display_name="{tag}"'
        async with aclosing(self._calls.listed(wanted)) as jobs:
            async for job in jobs:
                if job.output == directory:
                    return job
        return None


def _directory_of(at: Address) -> Address | None:
    """The directory of results that a file lies in, or is; `None` for other files."""
    folders = at.name.split("/")[:-1]
    if not folders or _RESULTS.fullmatch(folders[-1]) is None:
        return None
    return at.named("/".join(folders))
