"""`ports.RemoteBatches` for every provider that speaks OpenAI's files and batches.

    submit   upload <tag>.jsonl --> wait until it is processed --> create the job
                  |                      |                            |
             nothing can run        nothing can run          from here on it may exist
                                    (BUSY when it takes long: the next try goes on here)
    find     the job's metadata; else the name of its input file

Owns the order of calls and what an uncertain one means. Does not own HTTP (`remote_http`), reading
(`remote_reading`), or what differs between providers: that is data (`domain.catalog.Quirks`).
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from batchway.dialects.openai_batch import OpenAIBatchCodec
from batchway.domain.catalog import Quirks
from batchway.domain.remote import (
    JobOrder,
    NativeTraits,
    RemoteError,
    RemoteFile,
    RemoteJob,
    Trouble,
)
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import Clock, LineCodec
from batchway.providers import remote_reading, remote_trouble
from batchway.providers.remote_http import RemoteHttp

_log: Final = logging.getLogger(__name__)

METADATA_KEY: Final = "batchway"

# The provider's clock may be behind ours by this much.
_SKEW_SECONDS: Final = 900
_MOST_PAGES: Final = 1_000

# How long ago the input of a job that waits for room may have been uploaded: as long as OpenAI
# keeps it.
_INPUT_SECONDS: Final = 30 * 86_400

_FILE_WAITS: Final = frozenset({"pending", "running", "notrunning", "uploading", "processing"})
_FILE_BAD: Final = frozenset({"error", "failed", "deleted", "deleting", "expired", "cancelled"})

# Longer waiting is the caller's, who can do other things meanwhile and be called off.
_WAITS: Final = (1.0, 2.0, 3.0, 4.0)
_ASK_AGAIN: Final = 10.0
_MOST_WAITING: Final = 1_000  # inputs, known by their tags

# A job that a refused creation made all the same is not older than this.
_JUST_NOW: Final = 3_600

# Answers to a creation that say that there will be no job.
_VERDICTS: Final = frozenset({Trouble.REFUSED, Trouble.DENIED, Trouble.NOT_FOUND})

_encode: Final = msgspec.json.Encoder().encode


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
        self._provider = provider
        self._http = http
        self._address = address
        self._traits = traits
        self._quirks = quirks
        self._clock = clock
        self._codec = OpenAIBatchCodec(shape=quirks.line, urls=quirks.urls, secrets=http.secrets)
        # Inputs that are there whole and were not taken in yet: tag to id and size. A list may
        # show them late, and hundreds of megabytes would be sent again.
        self._waiting: dict[str, tuple[str, int]] = {}

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
        try:
            file = await self._brought(order)
            await self._processed(file, order)
        except RemoteError as error:
            # No job can exist yet: only the creation makes one.
            raise _before_creation(error) from error
        try:
            return await self._create(order, file.id)
        except RemoteError as error:
            if error.trouble not in _VERDICTS:
                raise
            if error.status == 409:
                # A conflict, perhaps with the job that this very request made.
                raise _as(Trouble.UNCERTAIN, error) from error
            made = await self._made_all_the_same(order, file.id)
            if made is not None:
                return made
            if error.trouble is Trouble.NOT_FOUND:
                # A missing deployment or file.
                raise _as(Trouble.REFUSED, error) from error
            raise

    async def find(self, tag: str, *, since: int) -> RemoteJob | None:
        """The job submitted under `tag`, looked for among jobs created after `since`."""
        by_input: dict[str, RemoteJob] = {}
        async for fields in self._listed(self._quirks.batches, {}, since=since):
            job = self._job_of(fields)
            if job.metadata is not None and job.metadata.get(METADATA_KEY) == tag:
                return job
            if job.input_file_id is not None:
                by_input.setdefault(job.input_file_id, job)
        if not by_input:
            return None
        async for file in self._files_named(_filename(tag), since=since):
            if file.id in by_input:
                return by_input[file.id]
        return None

    async def fetch(self, job_id: str) -> RemoteJob:
        """The job as it is now."""
        return self._job(await self._call("GET", self._job_path(job_id)))

    async def results(self, job: RemoteJob) -> AsyncGenerator[bytes]:
        """Output rows, a line break, error rows; see `ports.RemoteBatches`."""
        if job.output_file_id is not None:
            async with aclosing(self.content(job.output_file_id)) as pieces:
                async for piece in pieces:
                    yield piece
        if job.error_file_id is None or job.error_file_id == job.output_file_id:
            return
        started = False
        try:
            async with aclosing(self.content(job.error_file_id)) as pieces:
                async for piece in pieces:
                    if not started:
                        started = True
                        yield b"\n"
                    yield piece
        except RemoteError as error:
            # Some name a file of errors also when there are none, and never write it.
            clean = job.counts is not None and job.counts.failed == 0
            if error.trouble is not Trouble.NOT_FOUND or not clean:
                raise

    async def cancel(self, job_id: str) -> RemoteJob:
        """Ask the job to stop; one that has ended is answered as it is."""
        try:
            answer = await self._call("POST", self._job_path(job_id) + "/cancel")
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
        return self._job_of(fields)

    async def clean(self, job: RemoteJob, *, tag: str) -> None:
        """Remove the job's files; harmless twice."""
        found = [job.input_file_id, job.output_file_id, job.error_file_id]
        if job.input_file_id is None:
            since = (job.created_at or 0) - 86_400  # the upload may have waited for a day
            named = self._files_named(_filename(tag), since=since)
            found += [file.id async for file in named]
        failure: RemoteError | None = None
        for file_id in dict.fromkeys(found):
            try:
                if file_id is not None:
                    await self._call("DELETE", self._file_path(file_id))
            except RemoteError as error:
                if error.trouble is not Trouble.NOT_FOUND:
                    failure = error  # the other files must go all the same
        if failure is not None:
            raise failure

    async def file(self, file_id: str) -> RemoteFile:
        """A file at the provider."""
        return self._file(await self._call("GET", self._file_path(file_id)))

    async def content(self, file_id: str) -> AsyncGenerator[bytes]:
        """The bytes of a file at the provider."""
        url = self._address(self._file_path(file_id) + "/content")
        # Closed at once, not when it is collected: a reader that stops early frees the connection.
        async with aclosing(self._http.download(url)) as pieces:
            async for piece in pieces:
                yield piece

    # ------------------------------------------------------------------------- submitting

    async def _brought(self, order: JobOrder) -> RemoteFile:
        """The input at the provider: an earlier try's, or else a new upload."""
        if order.resumed:
            waiting = await self._waited_for(order)
            if waiting is not None:
                return waiting
            since = int(self._clock.now()) - _INPUT_SECONDS
            async for file in self._files_named(_filename(order.tag), since=since):
                # A file of another size is what is left of an upload that was cut off.
                if file.bytes == order.size and file.status not in _FILE_BAD:
                    return file
        url = self._address(self._quirks.upload)
        try:
            answer = await self._http.upload(
                url,
                fields={"purpose": self._quirks.purpose},
                filename=_filename(order.tag),
                path=order.path,
            )
        except RemoteError as error:
            if error.trouble is Trouble.UNCERTAIN:
                await self._see_if_denied()
            raise
        return self._file(answer)

    async def _see_if_denied(self) -> None:
        """A wrong key often shows as a closed connection only: ask in a way that is answered."""
        try:
            await self._call("GET", self._quirks.batches + self._query({"limit": "1"}))
        except RemoteError as error:
            if error.trouble is Trouble.DENIED:
                raise

    async def _waited_for(self, order: JobOrder) -> RemoteFile | None:
        """The input that an earlier try waited for in vain, as it is now."""
        file_id, size = self._waiting.get(order.tag, ("", 0))
        if not file_id or size != order.size:
            return None
        try:
            file = await self.file(file_id)
        except RemoteError as error:
            if error.trouble is not Trouble.NOT_FOUND:
                raise
            del self._waiting[order.tag]
            return None
        return file

    async def _processed(self, file: RemoteFile, order: JobOrder) -> None:
        """Wait until the provider has taken the file in, but not for long."""
        if file.status in _FILE_WAITS:
            # Before the first wait: one that is called off is gone on with as well.
            self._waiting[order.tag] = (file.id, order.size)
            while len(self._waiting) > _MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
        for seconds in _WAITS:
            if file.status not in _FILE_WAITS:
                break
            await self._clock.sleep(seconds)
            file = await self.file(file.id)
        if file.status in _FILE_WAITS:
            raise RemoteError(
                Trouble.BUSY,
                f"The provider '{self._provider}' is still processing the input file.",
                retry_after=_ASK_AGAIN,
            )
        self._waiting.pop(order.tag, None)
        if file.status in _FILE_BAD:
            await self._forget(file.id)
            raise RemoteError(
                Trouble.REFUSED,
                f"The provider '{self._provider}' could not take in the input file "
                f"(its status is '{file.status}').",
            )

    async def _create(self, order: JobOrder, file_id: str) -> RemoteJob:
        quirks = self._quirks
        request: dict[str, Any] = {
            "input_file_id": file_id,
            "endpoint": quirks.endpoints.get(order.endpoint, order.endpoint),
        }
        if quirks.sends_window:
            request["completion_window"] = self._window(order.window)
        if quirks.keeps_metadata:
            request["metadata"] = {METADATA_KEY: order.tag}
        request.update(quirks.extra)
        return self._job(await self._call("POST", quirks.batches, body=_encode(request)))

    def _window(self, wanted: int) -> str:
        """The longest window that ends in time; the shortest there is when none does."""
        known = self._traits.windows or (86_400,)
        seconds = max((window for window in known if window <= wanted), default=known[0])
        return self._quirks.windows.get(seconds, f"{seconds // 3600}h")

    async def _made_all_the_same(self, order: JobOrder, file_id: str) -> RemoteJob | None:
        """The job of a creation that was refused: what stands in between may have refused it.

        Without one, nothing is left at the provider.
        """
        try:
            made = await self.find(order.tag, since=int(self._clock.now()) - _JUST_NOW)
        except RemoteError as error:
            # The file stays: a job may be reading it.
            _log.info(
                "provider %s does not say whether it has %s (%s)",
                self._provider,
                order.tag,
                error.trouble,
            )
            return None
        if made is None:
            await self._forget(file_id)
        return made

    async def _forget(self, file_id: str) -> None:
        """Remove the input of a job that will never be; it is only tidying up."""
        try:
            await self._call("DELETE", self._file_path(file_id))
        except RemoteError as error:
            _log.info(
                "provider %s keeps file %s: removing it failed (%s)",
                self._provider,
                file_id,
                error.trouble,
            )

    # ------------------------------------------------------------------------- lists

    async def _files_named(self, name: str, *, since: int) -> AsyncIterator[RemoteFile]:
        query = {"purpose": self._quirks.purpose}
        async for fields in self._listed(self._quirks.files, query, since=since):
            file = remote_reading.file_of(fields)
            if file.filename == name:
                yield file

    async def _listed(
        self, path: str, query: Mapping[str, str], *, since: int
    ) -> AsyncIterator[dict[str, Any]]:
        """Items of a list, page by page, at least all that were created after `since`."""
        seen: set[str] = set()
        after: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            answer = await self._call("GET", path + self._query({**query, **after}))
            page = remote_reading.read_list(answer)
            if page is None:
                raise remote_trouble.uncertain(self._provider, "answered with no list")
            items, more = page
            new = [item for item in items if str(item["id"]) not in seen]
            for item in new:
                seen.add(str(item["id"]))
                yield item
            # Without anything new, the provider does not know `after` and repeats itself.
            if not new or more is False or not self._quirks.pages or _past(new, since):
                return
            after = {"after": str(items[-1]["id"])}
        raise remote_trouble.uncertain(self._provider, "lists more than can be looked through")

    def _query(self, parameters: Mapping[str, str]) -> str:
        paging = {"limit": str(self._quirks.page)} if self._quirks.pages else {}
        asked = {**paging, **parameters}
        return f"?{urlencode(asked)}" if asked else ""

    # ------------------------------------------------------------------------- calls

    async def _call(self, method: str, path: str, *, body: bytes | None = None) -> bytes:
        return await self._http.call(method, self._address(path), body=body)

    def _job_path(self, job_id: str) -> str:
        return f"{self._quirks.batches}/{self._segment(job_id)}"

    def _file_path(self, file_id: str) -> str:
        return f"{self._quirks.files}/{self._segment(file_id)}"

    def _segment(self, id: str) -> str:
        # Servers resolve dots in a path: such an id would reach another address.
        if not id.strip("."):
            raise RemoteError(
                Trouble.NOT_FOUND, f"The provider '{self._provider}' has nothing of that id."
            )
        return quote(id, safe="")

    def _job(self, answer: bytes) -> RemoteJob:
        fields = remote_reading.read_object(answer)
        if fields is None:
            raise remote_trouble.uncertain(self._provider, "answered with something that is no job")
        return self._job_of(fields)

    def _job_of(self, fields: Mapping[str, Any]) -> RemoteJob:
        return remote_reading.job_of(fields, self._quirks, secrets=self._http.secrets())

    def _file(self, answer: bytes) -> RemoteFile:
        fields = remote_reading.read_object(answer)
        if fields is None:
            raise remote_trouble.uncertain(
                self._provider, "answered with something that is no file"
            )
        return remote_reading.file_of(fields)


def _filename(tag: str) -> str:
    return f"{tag}.jsonl"


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


def _before_creation(error: RemoteError) -> RemoteError:
    match error.trouble:
        case Trouble.UNCERTAIN:
            return _as(Trouble.UNREACHABLE, error)
        case Trouble.NOT_FOUND:
            return _as(Trouble.REFUSED, error)
        case _:
            return error


def _as(trouble: Trouble, error: RemoteError) -> RemoteError:
    return RemoteError(
        trouble,
        error.message,
        code=error.code,
        param=error.param,
        line=error.line,
        status=error.status,
        retry_after=error.retry_after,
    )
