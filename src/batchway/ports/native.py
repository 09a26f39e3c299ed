"""Providers' own batch APIs."""

from collections.abc import AsyncIterator
from typing import Protocol

from batchway.domain.overrides import Overrides
from batchway.domain.remote import (
    JobOrder,
    NativeTraits,
    Reading,
    RemoteFile,
    RemoteJob,
    RemoteRow,
)


class LineCodec(Protocol):
    """The format of a provider's batch input and results. Pure, and on the hot path."""

    def encode(self, *, line: int, endpoint: str, model: str, body: bytes) -> bytes:
        """One input line without its newline: our line id (`r` + 10 digits), the model, the body.

        `line` is the 0-based line of our input file; `body` is one line of JSON.
        """
        ...

    def decode(self, row: bytes) -> RemoteRow | None:
        """One result line; `None` when it is not one of ours: torn, or with a foreign id."""
        ...


class RemoteBatches(Protocol):
    """A provider account's own batch API, with a batch's overrides applied.

    Belongs to one event loop. Every call may raise `domain.remote.RemoteError`; none retries by
    itself what may have happened.
    """

    @property
    def traits(self) -> NativeTraits: ...
    @property
    def codec(self) -> LineCodec: ...

    async def submit(self, order: JobOrder) -> RemoteJob:
        """Bring the input to the provider and create the job.

        With `order.resumed` an input that an earlier try brought there is found by the tag and
        used. While the provider is slow to take the input in, it is not waited for: `Trouble.BUSY`
        asks to come back, `resumed`. `Trouble.UNCERTAIN` means that the job may exist: `find`
        before trying again. Every other trouble means that it does not.
        """
        ...

    async def find(self, tag: str, *, since: int) -> RemoteJob | None:
        """The job submitted under `tag`, looked for among jobs created after `since`."""
        ...

    async def fetch(self, job_id: str) -> RemoteJob:
        """The job as it is now."""
        ...

    def results(self, job: RemoteJob, reading: Reading) -> AsyncIterator[bytes]:
        """The bytes of every result row that was not read yet, in pieces that end anywhere.

        Output and error rows one after the other, files separated by a line break. Nothing for a
        job without results. A transfer that breaks off raises, and the next one with the same
        `reading` goes on where it broke; where the file is another one by then, or the provider
        cannot go on in the middle, rows come again.
        """
        ...

    async def unfinished(self, model: str) -> int:
        """How many jobs of the account are listed as not finished that may be of `model`."""
        ...

    async def cancel(self, job_id: str) -> RemoteJob:
        """Ask the job to stop; harmless when it has ended: then it is answered as it is."""
        ...

    async def clean(self, job: RemoteJob, *, tag: str) -> None:
        """Remove the files of a job that we made: its input and its results. Harmless twice."""
        ...

    async def file(self, file_id: str) -> RemoteFile:
        """A file at the provider."""
        ...

    def content(self, file_id: str) -> AsyncIterator[bytes]:
        """The bytes of a file at the provider, result rows as OpenAI's lines."""
        ...


class NativeProvider(Protocol):
    """A configured account that has a batch API."""

    @property
    def name(self) -> str: ...

    def batches(self, overrides: Overrides) -> RemoteBatches:
        """Its batch API for one batch; `overrides` are the batch's own settings."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
