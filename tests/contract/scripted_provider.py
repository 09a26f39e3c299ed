"""A provider with a batch API whose jobs, files and troubles a test writes down.

A `ports.BatchAccount` without a network, for what the API makes of answers and errors. What a
real provider answers is the business of `src/batchway/simulator/batches`.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from batchway.domain.call import Call
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.remote import RemoteError, Trouble
from batchway.domain.status import BatchStatus
from batchway.ports import ArchivedFile, ArchivedJob, Jobs

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class ScriptedProvider:
    """What it knows; `trouble` is raised by every call, or by reading on after `pieces`.

    `job_trouble` is raised by looking at a job alone.

    `found` is the job under any tag.

    `asked` are the calls in order, `overrides` those of the last request, `closed` how many
    downloads were closed.
    """

    name: str
    known: dict[str, ArchivedJob] = field(default_factory=dict[str, ArchivedJob])
    files: dict[str, ArchivedFile] = field(default_factory=dict[str, ArchivedFile])
    pieces: list[bytes] = field(default_factory=list[bytes])
    trouble: RemoteError | None = None
    job_trouble: RemoteError | None = None
    broken: RemoteError | None = None
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    overrides: Overrides = NO_OVERRIDES
    found: ArchivedJob | None = None
    closed: int = 0

    def jobs(self, call: Call) -> Jobs | None:
        raise AssertionError(f"a look-up runs no jobs of {call.endpoint}")

    def archive(self, overrides: Overrides) -> "ScriptedArchive":
        self.overrides = overrides
        return ScriptedArchive(provider=self)

    async def close(self) -> None:
        """There is nothing to close."""


class ScriptedArchive:
    """`ports.Archive` over what was written down."""

    def __init__(self, *, provider: ScriptedProvider) -> None:
        self._provider = provider

    async def find(self, tag: str, *, since: int) -> ArchivedJob | None:
        self._note("find", f"{tag} since {since}")
        return self._provider.found

    async def job(self, job_id: str) -> ArchivedJob:
        self._note("fetch", job_id)
        if self._provider.job_trouble is not None:
            raise self._provider.job_trouble
        return self._known(self._provider.known, job_id)

    async def cancel(self, job_id: str) -> ArchivedJob:
        self._note("cancel", job_id)
        job = replace(self._known(self._provider.known, job_id), status=BatchStatus.CANCELLING)
        self._provider.known[job_id] = job
        return job

    async def file(self, file_id: str) -> ArchivedFile:
        self._note("file", file_id)
        return self._known(self._provider.files, file_id)

    async def content(self, file_id: str) -> AsyncGenerator[bytes]:
        try:
            self._note("content", file_id)
            for piece in self._provider.pieces:
                yield piece
            if self._provider.broken is not None:
                raise self._provider.broken
        finally:
            self._provider.closed += 1

    def _note(self, call: str, object_id: str) -> None:
        self._provider.asked.append((call, object_id))
        if self._provider.trouble is not None:
            raise self._provider.trouble

    def _known(self, known: Mapping[str, T], object_id: str) -> T:
        if object_id not in known:
            raise RemoteError(Trouble.NOT_FOUND, "scripted: not found.", status=404)
        return known[object_id]
