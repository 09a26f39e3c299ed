"""Bringing a job's input to a provider and creating the job.

    upload <tag>.jsonl --> wait until it is processed --> create the job
         |                      |                            |
    nothing can run        nothing can run          from here on it may exist
                           (BUSY when it takes long: the next try goes on here)

Owns what an uncertain call means, and inputs that a provider is slow to take in or to show.
"""

import logging
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from batchway.dialects.openai.job_error import means_file_unseen
from batchway.domain.remote import (
    JobOrder,
    NativeTraits,
    RemoteError,
    RemoteFile,
    RemoteJob,
    Trouble,
)
from batchway.ports import Clock
from batchway.providers.openai.calls import METADATA_KEY, RemoteCalls, filename_of

_log: Final = logging.getLogger(__name__)

# How long ago the input of a job that waits for room may have been uploaded: as long as OpenAI
# keeps it.
_INPUT_SECONDS: Final = 30 * 86_400

_FILE_WAITS: Final = frozenset({"pending", "running", "notrunning", "uploading", "processing"})
_FILE_BAD: Final = frozenset({"error", "failed", "deleted", "deleting", "expired", "cancelled"})

# Longer waiting is the caller's, who can do other things meanwhile and be called off.
_WAITS: Final = (1.0, 2.0, 3.0, 4.0)
_ASK_AGAIN: Final = 10.0
_ASK_AGAIN_UNSEEN: Final = 2.0

# A file that was uploaded is there at once and known everywhere only later: for so many seconds a
# creation that cannot find it is repeated before it is believed. OpenAI's own forum and the
# trackers of its clients have cases of seconds to a few minutes.
SHOWN_LATE: Final = 600.0

_MOST_WAITING: Final = 1_000  # inputs, known by their tags

# A job that a refused creation made all the same is not older than this.
_JUST_NOW: Final = 3_600

# Answers to an upload that say that there is nothing to upload to.
_NO_SUCH_PATH: Final = frozenset({404, 405, 501})

# Answers to a creation that say that there will be no job.
_VERDICTS: Final = frozenset({Trouble.REFUSED, Trouble.DENIED, Trouble.NOT_FOUND})

_encode: Final = msgspec.json.Encoder().encode


class Submitting:
    """Submits the jobs of one account."""

    def __init__(self, *, calls: RemoteCalls, traits: NativeTraits, clock: Clock) -> None:
        self._calls = calls
        self._traits = traits
        self._clock = clock
        # Inputs that are there whole and were not taken in yet, by tag. A list may show them
        # late, and hundreds of megabytes would be sent again.
        self._waiting: dict[str, _Brought] = {}

    async def submit(self, order: JobOrder) -> RemoteJob:
        """Bring the input there and create the job; see `ports.RemoteBatches`."""
        try:
            file = await self._brought(order)
            await self._processed(file, order)
        except RemoteError as error:
            # No job can exist yet: only the creation makes one.
            raise _before_creation(error) from error
        try:
            made = await self._create(order, file.id)
        except RemoteError as error:
            if error.trouble not in _VERDICTS:
                raise
            if error.status == 409:
                # A conflict, perhaps with the job that this very request made.
                raise _as(Trouble.UNCERTAIN, error) from error
            unseen = self._is_unseen(order, file, error)
            made = await self._made_all_the_same(order, file.id, keeps_file=unseen)
            if made is not None:
                self._waiting.pop(order.tag, None)
                return made
            if unseen:
                # Without a status: it is about this input alone, and holds up nobody else.
                raise RemoteError(
                    Trouble.BUSY, error.message, code=error.code, retry_after=_ASK_AGAIN_UNSEEN
                ) from error
            if error.trouble is Trouble.NOT_FOUND:
                # A missing deployment or file.
                raise _as(Trouble.REFUSED, error) from error
            raise
        self._waiting.pop(order.tag, None)
        return made

    async def _brought(self, order: JobOrder) -> RemoteFile:
        """The input at the provider: an earlier try's, or else a new upload."""
        if order.resumed:
            waiting = await self._waited_for(order)
            if waiting is not None:
                return waiting
            found = await self._found(order)
            if found is not None:
                return found
        url = self._calls.address(self._calls.quirks.upload)
        try:
            answer = await self._calls.http.upload(
                url,
                fields={"purpose": self._calls.quirks.purpose},
                filename=filename_of(order.tag),
                path=order.path,
            )
        except RemoteError as error:
            if error.trouble is Trouble.UNCERTAIN:
                await self._see_if_denied()
            if error.status in _NO_SUCH_PATH:
                raise self._without_files(error) from error
            raise
        return self._calls.file(answer)

    async def _found(self, order: JobOrder) -> RemoteFile | None:
        """An earlier try's input by its name; `None` also where a provider lists no files."""
        since = int(self._clock.now()) - _INPUT_SECONDS
        try:
            async for file in self._calls.files_named(filename_of(order.tag), since=since):
                # A file of another size is what is left of an upload that was cut off.
                if file.bytes == order.size and file.status not in _FILE_BAD:
                    return file
        except RemoteError as error:
            if error.trouble not in {Trouble.REFUSED, Trouble.NOT_FOUND}:
                raise
        return None

    def _without_files(self, error: RemoteError) -> RemoteError:
        """What is wrong where uploads have no path: a wrong address, or no batch API at all."""
        return RemoteError(
            Trouble.REFUSED,
            f"{error.message.rstrip('.')}. It takes no files, so it has no batch API at this "
            f"address: correct the address of '{self._calls.provider}', or set its `mode` to "
            "managed, and its lines are sent one by one (`batchway run`: --base-url does that).",
            code="no_batch_api",
            status=error.status,
        )

    async def _see_if_denied(self) -> None:
        """A wrong key often shows as a closed connection only: ask in a way that is answered."""
        try:
            await self._calls.call("GET", f"{self._calls.quirks.batches}?limit=1")
        except RemoteError as error:
            if error.trouble is Trouble.DENIED:
                raise

    async def _waited_for(self, order: JobOrder) -> RemoteFile | None:
        """The input that an earlier try waited for in vain, as it is now."""
        brought = self._waiting.get(order.tag)
        if brought is None or brought.size != order.size:
            return None
        try:
            return await self._calls.get_file(brought.id)
        except RemoteError as error:
            if error.trouble is not Trouble.NOT_FOUND:
                raise
        if brought.refused and self._is_late(brought):
            # What was uploaded a moment ago is not shown yet, here as in the creation.
            return RemoteFile(id=brought.id, bytes=brought.size, filename="", purpose="")
        del self._waiting[order.tag]
        return None

    def _is_unseen(self, order: JobOrder, file: RemoteFile, error: RemoteError) -> bool:
        """Whether a creation was refused since the input, just uploaded, is not seen yet."""
        if not means_file_unseen(error.message):
            return False
        brought = self._remember(order, file)
        brought.refused = True
        if self._is_late(brought):
            return True
        self._waiting.pop(order.tag, None)
        return False

    def _is_late(self, brought: "_Brought") -> bool:
        return self._clock.monotonic() - brought.since < SHOWN_LATE

    def _remember(self, order: JobOrder, file: RemoteFile) -> "_Brought":
        brought = self._waiting.get(order.tag)
        if brought is None or brought.id != file.id:
            brought = _Brought(id=file.id, size=order.size, since=self._clock.monotonic())
            self._waiting[order.tag] = brought
            while len(self._waiting) > _MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
        return brought

    async def _processed(self, file: RemoteFile, order: JobOrder) -> None:
        """Wait until the provider has taken the file in, but not for long."""
        if file.status in _FILE_WAITS:
            # Before the first wait: one that is called off is gone on with as well.
            self._remember(order, file)
        for seconds in _WAITS:
            if file.status not in _FILE_WAITS:
                break
            await self._clock.sleep(seconds)
            file = await self._calls.get_file(file.id)
        if file.status in _FILE_WAITS:
            raise RemoteError(
                Trouble.BUSY,
                f"The provider '{self._calls.provider}' is still processing the input file.",
                retry_after=_ASK_AGAIN,
            )
        if file.status in _FILE_BAD:
            self._waiting.pop(order.tag, None)
            await self._forget(file.id)
            raise RemoteError(
                Trouble.REFUSED,
                f"The provider '{self._calls.provider}' could not take in the input file "
                f"(its status is '{file.status}').",
            )

    async def _create(self, order: JobOrder, file_id: str) -> RemoteJob:
        quirks = self._calls.quirks
        request: dict[str, Any] = {
            "input_file_id": file_id,
            "endpoint": quirks.endpoints.get(order.endpoint, order.endpoint),
        }
        if quirks.sends_window:
            request["completion_window"] = self._window(order.window)
        if quirks.keeps_metadata:
            request["metadata"] = {METADATA_KEY: order.tag}
        request.update(quirks.extra)
        return self._calls.job(
            await self._calls.call("POST", quirks.batches, body=_encode(request))
        )

    def _window(self, wanted: int) -> str:
        """The longest window that ends in time; the shortest there is when none does."""
        known = self._traits.windows or (86_400,)
        seconds = max((window for window in known if window <= wanted), default=known[0])
        return self._calls.quirks.windows.get(seconds, f"{seconds // 3600}h")

    async def _made_all_the_same(
        self, order: JobOrder, file_id: str, *, keeps_file: bool
    ) -> RemoteJob | None:
        """The job of a creation that was refused: what stands in between may have refused it.

        Without one, nothing is left at the provider, unless the file is wanted once more.
        """
        try:
            made = await self._calls.find(order.tag, since=int(self._clock.now()) - _JUST_NOW)
        except RemoteError as error:
            # The file stays: a job may be reading it.
            _log.info(
                "provider %s does not say whether it has %s (%s)",
                self._calls.provider,
                order.tag,
                error.trouble,
            )
            return None
        if made is None and not keeps_file:
            await self._forget(file_id)
        return made

    async def _forget(self, file_id: str) -> None:
        """Remove the input of a job that will never be; it is only tidying up."""
        try:
            await self._calls.call("DELETE", self._calls.file_path(file_id))
        except RemoteError as error:
            _log.info(
                "provider %s keeps file %s: removing it failed (%s)",
                self._calls.provider,
                file_id,
                error.trouble,
            )


@dataclass(slots=True, kw_only=True)
class _Brought:
    """An input that is at the provider; `refused` is whether a creation could not find it."""

    id: str
    size: int
    since: float
    refused: bool = False


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
