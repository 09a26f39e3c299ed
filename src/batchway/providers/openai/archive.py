"""`ports.Archive` for every provider that speaks OpenAI's files and batches: looked up by ids."""

from collections.abc import AsyncGenerator

from batchway.domain.remote import RemoteError, Trouble
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import ArchivedFile, ArchivedJob
from batchway.providers.openai import reading as remote_reading
from batchway.providers.openai.calls import RemoteCalls


class OpenAIArchive:
    """An account's jobs and files."""

    def __init__(self, calls: RemoteCalls) -> None:
        self._calls = calls

    async def job(self, job_id: str) -> ArchivedJob:
        """The job as it is now."""
        return await self._calls.get_job(job_id)

    async def find(self, tag: str, *, since: int) -> ArchivedJob | None:
        """The job that Batchway created under `tag`."""
        return await self._calls.find(tag, since=since)

    async def cancel(self, job_id: str) -> ArchivedJob:
        """Ask the job to stop; one that has ended is answered as it is."""
        try:
            answer = await self._calls.call("POST", self._calls.job_path(job_id) + "/cancel")
        except RemoteError as error:
            if error.trouble is not Trouble.REFUSED:
                raise
            job = await self.job(job_id)
            if job.status in TERMINAL or job.status in {
                BatchStatus.CANCELLING,
                BatchStatus.FINALIZING,
            }:
                return job
            raise
        fields = remote_reading.read_object(answer)
        if fields is None or "status" not in fields:
            return await self.job(job_id)
        return self._calls.job_of(fields)

    async def file(self, file_id: str) -> ArchivedFile:
        """A file at the provider."""
        return await self._calls.get_file(file_id)

    def content(self, file_id: str) -> AsyncGenerator[bytes]:
        """The bytes of a file at the provider."""
        return self._calls.content(file_id)
