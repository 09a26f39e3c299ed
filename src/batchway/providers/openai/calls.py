"""Calls to a batch API of OpenAI's shape: paths, lists, and answers as jobs and files.

Owns how a job is found again, and that every error leaves with what its words say
(`dialects.openai.job_error`). Does not own the order of calls (`jobs`, `submitting`), HTTP
(`session`) or reading (`reading`).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from batchway.catalog.openai_family import Quirks
from batchway.dialects.openai.job_error import failure_of, judged
from batchway.domain.remote import FileMark, RemoteError, RemoteJob, Trouble
from batchway.domain.status import BatchStatus
from batchway.domain.tag import METADATA_KEY
from batchway.ports import ArchivedFile, ArchivedJob
from batchway.providers.http import trouble as remote_trouble
from batchway.providers.http.addresses import segment
from batchway.providers.http.session import RemoteHttp
from batchway.providers.openai import reading as remote_reading

# The provider's clock may be behind ours by this much.
_SKEW_SECONDS: Final = 900
_MOST_PAGES: Final = 1_000


class RemoteCalls:
    """One account's; `address` makes a URL of a path such as `/batches?limit=100`."""

    def __init__(
        self,
        *,
        provider: str,
        http: RemoteHttp,
        address: Callable[[str], str],
        quirks: Quirks,
    ) -> None:
        self.provider = provider
        self.quirks = quirks
        self._http = http
        self._address = address

    async def find(
        self, tag: str, *, since: int, reference: str | None = None
    ) -> ArchivedJob | None:
        """The job created under `tag`, looked for among jobs created after `since`.

        Where jobs keep no metadata it is the one over the input `reference`, or else, which costs
        a list of files, over an input with the tag for a name.
        """
        by_input: dict[str, ArchivedJob] = {}
        async for fields in self.listed(self.quirks.batches, {}, since=since):
            job = self.job_of(fields)
            if job.metadata is not None and job.metadata.get(METADATA_KEY) == tag:
                return job
            if job.input_file_id is not None:
                by_input.setdefault(job.input_file_id, job)
        if reference is not None:
            return by_input.get(reference)
        if not by_input:
            return None
        async for file in self.files_named(filename_of(tag), since=since):
            if file.id in by_input:
                return by_input[file.id]
        return None

    # ------------------------------------------------------------------------- lists

    async def files_named(self, name: str, *, since: int) -> AsyncIterator[ArchivedFile]:
        """Files of a name, at least all that were created after `since`."""
        query = {"purpose": self.quirks.purpose}
        async for fields in self.listed(self.quirks.files, query, since=since):
            file = remote_reading.file_of(fields)
            if file.filename == name:
                yield file

    async def listed(
        self, path: str, query: Mapping[str, str], *, since: int
    ) -> AsyncIterator[dict[str, Any]]:
        """Items of a list, page by page, at least all that were created after `since`."""
        seen: set[str] = set()
        after: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            answer = await self.call("GET", path + self._query({**query, **after}))
            page = remote_reading.read_list(answer)
            if page is None:
                raise remote_trouble.uncertain(self.provider, "answered with no list")
            items, more = page
            new = [item for item in items if str(item["id"]) not in seen]
            for item in new:
                seen.add(str(item["id"]))
                yield item
            # Without anything new, the provider does not know `after` and repeats itself.
            if not new or more is False or not self.quirks.pages or _past(new, since):
                return
            after = {"after": str(items[-1]["id"])}
        raise remote_trouble.uncertain(self.provider, "lists more than can be looked through")

    def _query(self, parameters: Mapping[str, str]) -> str:
        paging = {"limit": str(self.quirks.page)} if self.quirks.pages else {}
        asked = {**paging, **parameters}
        return f"?{urlencode(asked)}" if asked else ""

    # ------------------------------------------------------------------------- calls

    async def call(self, method: str, path: str, *, body: bytes | None = None) -> bytes:
        """The body of a 2xx."""
        with _judging():
            return await self._http.call(method, self._address(path), body=body)

    async def upload(self, path: Path, *, filename: str) -> ArchivedFile:
        """Send a file."""
        url = self._address(self.quirks.upload)
        fields = {"purpose": self.quirks.purpose}
        with _judging():
            answer = await self._http.upload(url, fields=fields, filename=filename, path=path)
        return self.file(answer)

    async def content(self, file_id: str, mark: FileMark | None = None) -> AsyncGenerator[bytes]:
        """The bytes of a file, from where `mark` says that reading is."""
        url = self._address(self.file_path(file_id) + "/content")
        # Closed at once, not when it is collected: a reader that stops early frees the connection.
        with _judging():
            async with aclosing(self._http.download(url, mark)) as pieces:
                async for piece in pieces:
                    yield piece

    async def get_job(self, job_id: str) -> ArchivedJob:
        """A job as it is now."""
        return self.job(await self.call("GET", self.job_path(job_id)))

    async def get_file(self, file_id: str) -> ArchivedFile:
        """A file as it is now."""
        return self.file(await self.call("GET", self.file_path(file_id)))

    def job_path(self, job_id: str) -> str:
        """The path of a job."""
        return f"{self.quirks.batches}/{self._segment(job_id)}"

    def file_path(self, file_id: str) -> str:
        """The path of a file."""
        return f"{self.quirks.files}/{self._segment(file_id)}"

    def _segment(self, id: str) -> str:
        try:
            return segment(id)
        except ValueError as error:
            raise RemoteError(
                Trouble.NOT_FOUND, f"The provider '{self.provider}' has nothing of that id."
            ) from error

    def job(self, answer: bytes) -> ArchivedJob:
        """The job in an answer."""
        fields = remote_reading.read_object(answer)
        if fields is None:
            raise remote_trouble.uncertain(self.provider, "answered with something that is no job")
        return self.job_of(fields)

    def job_of(self, fields: Mapping[str, Any]) -> ArchivedJob:
        """The job in an item of a list."""
        return remote_reading.job_of(fields, self.quirks, secrets=self._http.secrets())

    def file(self, answer: bytes) -> ArchivedFile:
        """The file in an answer."""
        fields = remote_reading.read_object(answer)
        if fields is None:
            raise remote_trouble.uncertain(self.provider, "answered with something that is no file")
        return remote_reading.file_of(fields)


def filename_of(tag: str) -> str:
    """The name of the input file of a job."""
    return f"{tag}.jsonl"


def remote_job(job: ArchivedJob) -> RemoteJob:
    """A job of ours, as its story needs it."""
    failed = job.status is BatchStatus.FAILED
    return RemoteJob(
        id=job.id,
        status=job.status,
        reference=job.input_file_id,
        references=job.results,
        created_at=job.created_at,
        in_progress_at=job.in_progress_at,
        counts=job.counts,
        errors=job.errors,
        failure=failure_of(job.errors or ()) if failed else None,
    )


@contextmanager
def _judging() -> Generator[None]:
    try:
        yield
    except RemoteError as error:
        verdict = judged(error)
        if verdict is error:
            raise
        raise verdict from error


def _past(items: list[dict[str, Any]], since: int) -> bool:
    """Whether a list that runs from new to old has come to what is older than `since`."""
    times = [
        remote_reading.time_of(item.get("created_at") or item.get("createdAt")) for item in items
    ]
    known = [time for time in times if time is not None]
    return bool(
        known
        and len(known) == len(times)
        and known[0] >= known[-1]
        and max(known) < since - _SKEW_SECONDS
    )
