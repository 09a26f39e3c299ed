"""`ports.Archive` of AWS Bedrock: jobs by their ARNs, files by `s3://` addresses.

    arn:aws:bedrock:REGION:ACCOUNT:model-invocation-job/ID    a job, in OpenAI's terms
    s3://BUCKET/NAME                                          a file as it is; rows of results as
                                                              OpenAI's lines
    s3://BUCKET/FOLDER/ID/                                    all results of a job of several
                                                              files

What is a file, and what of it is shown, is `buckets.archived_files`'. A job has one list of rows,
which holds answers and errors: so it has an output file and no error file. What a job made is read
in the dialect of its model, so it is asked for the job.
"""

import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

from batchway.catalog.bedrock_models import BedrockDialect
from batchway.domain.tag import METADATA_KEY, is_tag, tag_in
from batchway.ports import ArchivedFile, ArchivedJob, Dialect
from batchway.providers.aws.advice import Called
from batchway.providers.aws.dialects import dialect_of
from batchway.providers.aws.job_calls import JobCalls
from batchway.providers.aws.job_reading import BedrockJob
from batchway.providers.aws.jobs import stopped, with_results
from batchway.providers.aws.models import Model, read_model
from batchway.providers.aws.row_refusal import row_refusals_of
from batchway.providers.aws.rows import FORM
from batchway.providers.buckets.addresses import Address
from batchway.providers.buckets.archived_files import Archived, ArchivedFiles, output_of
from batchway.providers.buckets.job_files import JobFiles
from batchway.providers.http.advising import AdvisingDialect
from batchway.providers.http.secrecy import DiscreetDialect

# What Bedrock calls its directories: the job's own id.
_RESULTS: Final = re.compile(r"[a-z0-9]{12}", re.ASCII)


class BedrockArchive:
    """What lies at an account; `secrets` are cut out of what rows say of errors."""

    def __init__(
        self,
        *,
        calls: JobCalls,
        files: JobFiles,
        models: Mapping[str, BedrockDialect],
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
        return None if found is None else await self._shown(found, found.arn.text)

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

    async def _shown(self, job: BedrockJob, asked: str) -> ArchivedJob:
        job, found = await with_results(job, self._files)
        model = self._model(job)
        shown = ArchivedJob(
            id=unquote(asked) if "%" in asked else asked,
            status=job.status,
            endpoint="" if model is None else model.family.usual_endpoint,
            input_file_id=job.input,
            output_file_id=output_of(found),
            model=job.model.rpartition("/")[2] or None,
            created_at=job.created_at,
            expires_at=job.expires_at,
            counts=job.counts,
            errors=None if job.error is None else (job.error,),
            metadata={METADATA_KEY: job.title} if is_tag(job.title) else None,
        )
        return shown.ended(job.ended_at or job.updated_at)

    def _model(self, job: BedrockJob) -> Model | None:
        try:
            return read_model(job.model, self._calls.place, self._models)
        except ValueError:
            return None  # nothing is known of it: its rows are shown as they are

    # ------------------------------------------------------------------ files

    async def _dialect(self, directory: Address) -> Dialect | None:
        """What the rows of a directory of results are in; `None` where no job tells."""
        job = await self._maker(directory)
        model = None if job is None else self._model(job)
        if job is None or model is None:
            return None
        if job.converse:
            # Whatever the model's own bodies are.
            family = replace(model.family, jobs=BedrockDialect.CONVERSE)
            model = replace(model, family=family)
        dialect = dialect_of(model, model.family.usual_endpoint, batch=True)
        if dialect is None:
            return None
        called = Called(place=model.place, model=model.base)
        advising = AdvisingDialect(dialect, read=row_refusals_of(called))
        return DiscreetDialect(advising, secrets=self._secrets)

    async def _maker(self, directory: Address) -> BedrockJob | None:
        """The job that made a directory of results."""
        tag = tag_in(directory.name)
        async with aclosing(
            self._calls.listed({} if tag is None else {"nameContains": tag})
        ) as jobs:
            async for job in jobs:
                if job.output == directory.named(f"{directory.name}/"):
                    return job
        return None


def _directory_of(at: Address) -> Address | None:
    """The directory of results that a file lies in, or is; `None` for other files."""
    folders = at.name.split("/")[:-1]
    if not folders or _RESULTS.fullmatch(folders[-1]) is None:
        return None
    return at.named("/".join(folders))
