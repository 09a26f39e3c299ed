"""A provider with a batch API whose jobs, files and troubles a test writes down.

A `ports.NativeProvider` without a network, for what the API makes of answers and errors. What a
real provider answers is the business of `src/batchway/simulator/batches`.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.remote import (
    JobOrder,
    NativeTraits,
    Reading,
    RemoteError,
    RemoteFile,
    RemoteJob,
    RemoteRow,
    Trouble,
)
from batchway.domain.status import BatchStatus

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
    jobs: dict[str, RemoteJob] = field(default_factory=dict[str, RemoteJob])
    files: dict[str, RemoteFile] = field(default_factory=dict[str, RemoteFile])
    pieces: list[bytes] = field(default_factory=list[bytes])
    trouble: RemoteError | None = None
    job_trouble: RemoteError | None = None
    broken: RemoteError | None = None
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    overrides: Overrides = NO_OVERRIDES
    found: RemoteJob | None = None
    closed: int = 0

    def batches(self, overrides: Overrides) -> "ScriptedBatches":
        self.overrides = overrides
        return ScriptedBatches(provider=self)

    async def close(self) -> None:
        """There is nothing to close."""


class NoLines:
    """The codec of a provider that runs nothing."""

    def encode(self, *, line: int, endpoint: str, model: str, body: bytes) -> bytes:
        raise AssertionError("a look-up writes no lines")

    def decode(self, row: bytes) -> RemoteRow | None:
        raise AssertionError("a look-up reads no lines")


class ScriptedBatches:
    """`ports.RemoteBatches` over what was written down. Everything but look-ups is a mistake."""

    def __init__(self, *, provider: ScriptedProvider) -> None:
        self._provider = provider

    @property
    def traits(self) -> NativeTraits:
        return NativeTraits(endpoints=frozenset(), max_lines=1, max_bytes=1)

    @property
    def codec(self) -> NoLines:
        return NoLines()

    async def submit(self, order: JobOrder) -> RemoteJob:
        raise AssertionError(f"nobody asked for {order.tag}")

    async def find(self, tag: str, *, since: int) -> RemoteJob | None:
        self._note("find", f"{tag} since {since}")
        return self._provider.found

    def results(self, job: RemoteJob, reading: Reading) -> AsyncGenerator[bytes]:
        raise AssertionError(f"nobody asked for the results of {job.id}")

    async def unfinished(self, model: str) -> int:
        raise AssertionError(f"nobody asked for other jobs of {model}")

    async def clean(self, job: RemoteJob, *, tag: str) -> None:
        raise AssertionError(f"nobody asked to remove {job.id} of {tag}")

    async def fetch(self, job_id: str) -> RemoteJob:
        self._note("fetch", job_id)
        if self._provider.job_trouble is not None:
            raise self._provider.job_trouble
        return self._known(self._provider.jobs, job_id)

    async def cancel(self, job_id: str) -> RemoteJob:
        self._note("cancel", job_id)
        job = replace(self._known(self._provider.jobs, job_id), status=BatchStatus.CANCELLING)
        self._provider.jobs[job_id] = job
        return job

    async def file(self, file_id: str) -> RemoteFile:
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
