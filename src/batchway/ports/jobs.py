"""Jobs of a provider's own batch API: Batchway's own, for one kind of call.

bring --> create --> fetch ... fetch --> results --> clean
  |         |
  |         find (whatever the answer was)
  the input at the provider, under a reference
"""

from collections.abc import AsyncIterator
from typing import Protocol

from batchway.domain.call import Call
from batchway.domain.overrides import Overrides
from batchway.domain.remote import JobInput, JobOrder, NativeTraits, Reading, RemoteJob
from batchway.ports.archive import Archive
from batchway.ports.dialect import Dialect
from batchway.ports.framing import Framing


class Jobs(Protocol):
    """An account's batch API, bound to one `Call`. Belongs to one event loop.

    Every call may raise `domain.remote.RemoteError`, whose `trouble` is a verdict: what it means is
    decided here, where the provider's words are known. None retries by itself what may have
    happened.
    """

    @property
    def traits(self) -> NativeTraits:
        """What the batch API takes."""
        ...

    @property
    def framing(self) -> Framing:
        """The envelopes of lines and rows."""
        ...

    @property
    def dialect(self) -> Dialect:
        """Their bodies."""
        ...

    async def bring(self, order: JobInput) -> str:
        """The input at the provider: its reference. Creates no job.

        Idempotent by the tag: an input that was brought `since` then under this tag, whole, is the
        one that is answered.
        """
        ...

    async def create(self, order: JobOrder, reference: str) -> RemoteJob:
        """Create the job over an input that `bring` has brought.

        `NOT_YET`: the provider has not taken the input in; come back with the same reference.
        `NOT_FOUND`: the input is not there (any more); bring it again. `UNCERTAIN`: the job may
        exist; `find` it before trying again. Every other trouble means that it does not, as far as
        the provider says: what stands in between may have answered in its place.
        After `REFUSED` the input may be gone.
        """
        ...

    async def find(self, tag: str, *, since: int, reference: str | None = None) -> RemoteJob | None:
        """The job created under `tag`, looked for among jobs created after `since`.

        `reference` is its input, where it is known: it spares a search for it.
        """
        ...

    async def fetch(self, job_id: str) -> RemoteJob:
        """The job as it is now."""
        ...

    def results(self, job: RemoteJob, reading: Reading) -> AsyncIterator[bytes]:
        """The bytes of every result row that was not read yet, in pieces that end anywhere.

        The job's `references` one after the other, with a line break between them. Nothing for a
        job without results. A transfer that breaks off raises, and the next one with the same
        `reading` goes on where it broke; where the file is another one by then, or the provider
        cannot go on in the middle, rows come again.
        """
        ...

    async def unfinished(self) -> int:
        """How many jobs of the account are listed as not finished that may be of this model."""
        ...

    async def cancel(self, job_id: str) -> RemoteJob:
        """Ask the job to stop; harmless when it has ended: then it is answered as it is."""
        ...

    async def clean(self, job: RemoteJob, *, tag: str) -> None:
        """Remove the input and the results of a job of ours. Harmless twice.

        Where `job` does not say its input, what was brought under the tag is removed.
        """
        ...


class BatchAccount(Protocol):
    """What of an account is its batch API. Belongs to one event loop."""

    @property
    def name(self) -> str:
        """The name in the configuration."""
        ...

    def jobs(self, call: Call) -> Jobs | None:
        """The batch API for jobs of one kind of call; `None` where the account has none.

        Raises:
            ValueError: the model's name leads to no address of this account.
        """
        ...

    def archive(self, overrides: Overrides) -> Archive | None:
        """The batch API, to look at jobs and files by their ids; `None` where there is none."""
        ...

    async def close(self) -> None:
        """Close connections. Harmless twice."""
        ...
