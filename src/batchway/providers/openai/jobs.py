"""`ports.RemoteBatches` for every provider that speaks OpenAI's files and batches.

Owns what is asked of a job that there is: its state, its results, its end. Does not own how it is
submitted (`submitting`) and found (`calls`), HTTP (`session`), reading
(`reading`), or what differs between providers: that is data (`catalog.openai_family.Quirks`).
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from batchway.catalog.openai_family import Quirks
from batchway.dialects.openai.framing import OpenAIBatchCodec
from batchway.domain.remote import (
    JobOrder,
    NativeTraits,
    Reading,
    RemoteError,
    RemoteFile,
    RemoteJob,
    Trouble,
)
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import Clock, LineCodec
from batchway.providers.http import trouble as remote_trouble
from batchway.providers.http.session import RemoteHttp
from batchway.providers.openai import reading as remote_reading
from batchway.providers.openai.calls import RemoteCalls, filename_of
from batchway.providers.openai.submitting import Submitting

# The longest completion window that any provider offers.
_LONGEST_JOB: Final = 14 * 86_400


class CompatibleBatches:
    """An account's batch API; `address` makes a URL of a path such as `/batches?limit=100`."""

    def __init__(
        self,
        *,
        provider: str,
        http: RemoteHttp,
        address: Callable[[str], str],
        traits: NativeTraits,
        quirks: Quirks,
        clock: Clock,
    ) -> None:
        self._traits = traits
        self._clock = clock
        self._codec = OpenAIBatchCodec(shape=quirks.line, urls=quirks.urls, secrets=http.secrets)
        self._calls = RemoteCalls(provider=provider, http=http, address=address, quirks=quirks)
        self._submitting = Submitting(calls=self._calls, traits=traits, clock=clock)

    @property
    def traits(self) -> NativeTraits:
        """What the batch API takes."""
        return self._traits

    @property
    def codec(self) -> LineCodec:
        """The format of lines and rows."""
        return self._codec

    async def submit(self, order: JobOrder) -> RemoteJob:
        """Bring the input there and create the job; see `ports.RemoteBatches`."""
        return await self._submitting.submit(order)

    async def find(self, tag: str, *, since: int) -> RemoteJob | None:
        """The job submitted under `tag`, looked for among jobs created after `since`."""
        return await self._calls.find(tag, since=since)

    async def fetch(self, job_id: str) -> RemoteJob:
        """The job as it is now."""
        return self._calls.job(await self._calls.call("GET", self._calls.job_path(job_id)))

    async def results(self, job: RemoteJob, reading: Reading) -> AsyncGenerator[bytes]:
        """Output rows, a line break, error rows; see `ports.RemoteBatches`."""
        errors = job.error_file_id if job.error_file_id != job.output_file_id else None
        if job.output_file_id is not None and not reading.mark(job.output_file_id).finished:
            async with aclosing(self._rows(job.output_file_id, reading)) as pieces:
                async for piece in pieces:
                    yield piece
            if errors is not None:
                yield b"\n"  # before anything of the other file: what came so far is a whole row
        if errors is None:
            return
        try:
            async with aclosing(self._rows(errors, reading)) as pieces:
                async for piece in pieces:
                    yield piece
        except RemoteError as error:
            # Some name a file of errors also when there are none, and never write it.
            clean = job.counts is not None and job.counts.failed == 0
            if error.trouble is not Trouble.NOT_FOUND or not clean:
                raise

    async def _rows(self, file_id: str, reading: Reading) -> AsyncGenerator[bytes]:
        """What was not read yet of a file of rows."""
        mark = reading.mark(file_id)
        if mark.finished:
            return
        url = self._calls.address(self._calls.file_path(file_id) + "/content")
        begun = False
        async with aclosing(self._calls.http.download(url, mark)) as pieces:
            async for piece in pieces:
                if not begun and mark.offset == len(piece) and piece.lstrip()[:1] == b"<":
                    # What stands in between answers with a page of its own, and with a 200.
                    mark.restart()
                    raise remote_trouble.uncertain(
                        self._calls.provider, "answered with a page in the place of results"
                    )
                begun = True
                yield piece

    async def unfinished(self, model: str) -> int:
        """How many jobs are listed as not finished that may be of `model`."""
        since = int(self._clock.now()) - _LONGEST_JOB
        count = 0
        async for fields in self._calls.listed(self._calls.quirks.batches, {}, since=since):
            job = self._calls.job_of(fields)
            count += job.status not in TERMINAL and job.model in {None, model}
        return count

    async def cancel(self, job_id: str) -> RemoteJob:
        """Ask the job to stop; one that has ended is answered as it is."""
        try:
            answer = await self._calls.call("POST", self._calls.job_path(job_id) + "/cancel")
        except RemoteError as error:
            if error.trouble is not Trouble.REFUSED:
                raise
            job = await self.fetch(job_id)
            if job.status in TERMINAL or job.status in {
                BatchStatus.CANCELLING,
                BatchStatus.FINALIZING,
            }:
                return job
            raise
        fields = remote_reading.read_object(answer)
        if fields is None or "status" not in fields:
            return await self.fetch(job_id)
        return self._calls.job_of(fields)

    async def clean(self, job: RemoteJob, *, tag: str) -> None:
        """Remove the job's files; harmless twice."""
        found = [job.input_file_id, job.output_file_id, job.error_file_id]
        if job.input_file_id is None:
            since = (job.created_at or 0) - 86_400  # the upload may have waited for a day
            named = self._calls.files_named(filename_of(tag), since=since)
            found += [file.id async for file in named]
        failure: RemoteError | None = None
        for file_id in dict.fromkeys(found):
            try:
                if file_id is not None:
                    await self._calls.call("DELETE", self._calls.file_path(file_id))
            except RemoteError as error:
                if error.trouble is not Trouble.NOT_FOUND:
                    failure = error  # the other files must go all the same
        if failure is not None:
            raise failure

    async def file(self, file_id: str) -> RemoteFile:
        """A file at the provider."""
        return await self._calls.get_file(file_id)

    async def content(self, file_id: str) -> AsyncGenerator[bytes]:
        """The bytes of a file at the provider."""
        url = self._calls.address(self._calls.file_path(file_id) + "/content")
        # Closed at once, not when it is collected: a reader that stops early frees the connection.
        async with aclosing(self._calls.http.download(url)) as pieces:
            async for piece in pieces:
                yield piece
