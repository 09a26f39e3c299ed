"""What lies at a provider: jobs and files by their ids, for the pass-through.

Answered as callers know them, in OpenAI's terms, whatever the provider calls them. Read-only but
for `cancel`.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from batchway.domain.batch import BatchError, RequestCounts, Usage
from batchway.domain.status import BatchStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedJob:
    """A job as callers see it. Times are Unix seconds.

    `counts` is `None` while the provider does not say; empty ids of files are `None`.
    """

    id: str
    status: BatchStatus
    endpoint: str = ""
    completion_window: str = "24h"
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    model: str | None = None
    created_at: int | None = None
    in_progress_at: int | None = None
    expires_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    counts: RequestCounts | None = None
    usage: Usage | None = None
    errors: tuple[BatchError, ...] | None = None
    metadata: Mapping[str, str] | None = None

    def ended(self, at: int | None) -> "ArchivedJob":
        """The same, with the time of its end where it has one; as it is while it has not."""
        match self.status:
            case BatchStatus.COMPLETED:
                return replace(self, completed_at=at)
            case BatchStatus.FAILED:
                return replace(self, failed_at=at)
            case BatchStatus.EXPIRED:
                return replace(self, expired_at=at)
            case BatchStatus.CANCELLED:
                return replace(self, cancelled_at=at)
            case _:
                return self

    @property
    def results(self) -> tuple[str, ...]:
        """The ids of what it has made, each once."""
        found = (self.output_file_id, self.error_file_id)
        return tuple(dict.fromkeys(one for one in found if one is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """A file as callers see it. `status` is the provider's word, OpenAI's by default."""

    id: str
    bytes: int
    filename: str
    purpose: str
    created_at: int | None = None
    expires_at: int | None = None
    status: str = "processed"


class Archive(Protocol):
    """An account's batch API, looked at. Belongs to one event loop.

    Every call may raise `domain.remote.RemoteError`.
    """

    async def job(self, job_id: str) -> ArchivedJob:
        """The job as it is now."""
        ...

    async def find(self, tag: str, *, since: int) -> ArchivedJob | None:
        """The job that Batchway created under `tag`, among those created after `since`."""
        ...

    async def cancel(self, job_id: str) -> ArchivedJob:
        """Ask the job to stop; harmless when it has ended: then it is answered as it is."""
        ...

    async def file(self, file_id: str) -> ArchivedFile:
        """A file at the provider."""
        ...

    def content(self, file_id: str) -> AsyncIterator[bytes]:
        """The bytes of a file at the provider, result rows as OpenAI's lines."""
        ...
