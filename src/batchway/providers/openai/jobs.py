"""`ports.Jobs` for every provider that speaks OpenAI's files and batches.

Owns what is done with a job that there is: its state, its results, its end. Does not own how it is
submitted (`submitting`) and found (`calls`), HTTP (`session`), reading (`reading`), or what
differs between providers: that is data (`catalog.openai_family.Quirks`).
"""

from collections.abc import AsyncGenerator
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
from batchway.domain.status import TERMINAL
from batchway.ports import Clock, Dialect, Framing
from batchway.providers.http import trouble as remote_trouble
from batchway.providers.openai.archive import OpenAIArchive
from batchway.providers.openai.calls import RemoteCalls, filename_of, remote_job
from batchway.providers.openai.submitting import Submitting

# The longest completion window that any provider offers.
_LONGEST_JOB: Final = 14 * 86_400


class OpenAIJobs:
    """An account's jobs of one kind of call."""

    def __init__(
        self,
        *,
        calls: RemoteCalls,
        submitting: Submitting,
        model: str,
        traits: NativeTraits,
        framing: Framing,
        dialect: Dialect,
        clock: Clock,
    ) -> None:
        self._calls = calls
        self._submitting = submitting
        self._archive = OpenAIArchive(calls)
        self._model = model
        self._traits = traits
        self._framing = framing
        self._dialect = dialect
        self._clock = clock

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
        return await self._submitting.bring(order)

    async def create(self, order: JobOrder, reference: str) -> RemoteJob:
        """Create the job over it; see `ports.Jobs`."""
        return remote_job(await self._submitting.create(order, reference))

    async def find(self, tag: str, *, since: int, reference: str | None = None) -> RemoteJob | None:
        """The job created under `tag`; see `ports.Jobs`."""
        found = await self._calls.find(tag, since=since, reference=reference)
        return None if found is None else remote_job(found)

    async def fetch(self, job_id: str) -> RemoteJob:
        """The job as it is now."""
        return remote_job(await self._archive.job(job_id))

    async def cancel(self, job_id: str) -> RemoteJob:
        """Ask the job to stop; one that has ended is answered as it is."""
        return remote_job(await self._archive.cancel(job_id))

    async def results(self, job: RemoteJob, reading: Reading) -> AsyncGenerator[bytes]:
        """Output rows, a line break, error rows; see `ports.Jobs`."""
        another = False  # whether one before was read to its end, here and now
        for position, file_id in enumerate(job.references):
            if reading.mark(file_id).finished:
                continue
            if another:
                yield b"\n"  # before anything of the other file: what came so far is a whole row
            another = True
            try:
                async with aclosing(self._rows(file_id, reading)) as pieces:
                    async for piece in pieces:
                        yield piece
            except RemoteError as error:
                # Some name a file of errors also when there are none, and never write it. A first
                # file may be that of the answers, and counts of nothing at all come too early.
                counts = job.counts
                clean = counts is not None and not counts.failed
                first = counts is not None and counts.total > 0 and not counts.completed
                spare = position > 0 or first
                if error.trouble is not Trouble.NOT_FOUND or not (clean and spare):
                    raise

    async def _rows(self, file_id: str, reading: Reading) -> AsyncGenerator[bytes]:
        """What was not read yet of a file of rows."""
        mark = reading.mark(file_id)
        begun = False
        async with aclosing(self._calls.content(file_id, mark)) as pieces:
            async for piece in pieces:
                if not begun and mark.offset == len(piece) and piece.lstrip()[:1] == b"<":
                    # What stands in between answers with a page of its own, and with a 200.
                    mark.restart()
                    raise remote_trouble.uncertain(
                        self._calls.provider, "answered with a page in the place of results"
                    )
                begun = True
                yield piece

    async def unfinished(self) -> int:
        """How many jobs are listed as not finished that may be of the model."""
        since = int(self._clock.now()) - _LONGEST_JOB
        count = 0
        async for fields in self._calls.listed(self._calls.quirks.batches, {}, since=since):
            job = self._calls.job_of(fields)
            count += job.status not in TERMINAL and job.model in {None, self._model}
        return count

    async def clean(self, job: RemoteJob, *, tag: str) -> None:
        """Remove the job's files; harmless twice."""
        found = [*job.references]
        if job.reference is not None:
            found.insert(0, job.reference)
        else:
            since = (job.created_at or 0) - 86_400  # the upload may have waited for a day
            named = self._calls.files_named(filename_of(tag), since=since)
            found += [file.id async for file in named]
        failure: RemoteError | None = None
        for file_id in dict.fromkeys(found):
            try:
                await self._calls.call("DELETE", self._calls.file_path(file_id))
            except RemoteError as error:
                if error.trouble is not Trouble.NOT_FOUND:
                    failure = error  # the other files must go all the same
        if failure is not None:
            raise failure
