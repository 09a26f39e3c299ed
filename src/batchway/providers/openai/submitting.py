"""Bringing a job's input to a provider, and creating the job over it.

    bring    upload <tag>.jsonl                         nothing can run; found by its name
    create   wait until it is processed --> POST        from the POST on the job may exist
             (NOT_YET when that takes long)

Owns what an uncertain call means, and inputs that a provider is slow to take in or to show.
"""

import logging
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from batchway.dialects.openai.job_error import means_file_unseen
from batchway.domain.remote import JobInput, JobOrder, NativeTraits, RemoteError, Trouble
from batchway.domain.tag import METADATA_KEY
from batchway.ports import ArchivedFile, ArchivedJob, Clock
from batchway.providers.http import trouble as remote_trouble
from batchway.providers.openai.calls import RemoteCalls, filename_of

_log: Final = logging.getLogger(__name__)

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

_MOST_REMEMBERED: Final = 1_000  # inputs, known by their tags

# A job that a refused creation made all the same is not older than this.
_JUST_NOW: Final = 3_600
_DAY: Final = 86_400

# Answers to an upload that say that there is nothing to upload to.
_NO_SUCH_PATH: Final = frozenset({404, 405, 501})

# Answers to a creation that say that there will be no job.
_VERDICTS: Final = frozenset({Trouble.REFUSED, Trouble.DENIED, Trouble.NOT_FOUND})

_encode: Final = msgspec.json.Encoder().encode


@dataclass(slots=True, kw_only=True)
class _Input:
    """An input at the provider, as it was when it was last looked at.

    `status` is `None` before that; `looked` is whether it has been since the last creation;
    `unseen` whether a creation could not find it when it was new.
    """

    id: str
    size: int
    since: float
    status: str | None = None
    looked: bool = False
    unseen: bool = False

    @property
    def waits(self) -> bool:
        """Whether the provider has not taken it in yet."""
        return self.status in _FILE_WAITS


class Inputs:
    """What an account's inputs were when they were last looked at, by tag. Bounded."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._inputs: dict[str, _Input] = {}

    def known(self, tag: str) -> _Input | None:
        """What is known of the input under a tag."""
        return self._inputs.get(tag)

    def note(self, tag: str, id: str, *, size: int, status: str | None) -> _Input:
        """An input is there."""
        now = self._clock.monotonic()
        looked = status is not None
        found = _Input(id=id, size=size, since=now, status=status, looked=looked)
        self._inputs[tag] = found
        while len(self._inputs) > _MOST_REMEMBERED:
            del self._inputs[next(iter(self._inputs))]
        return found

    def forget(self, tag: str) -> None:
        """The input is not needed any more, or not there."""
        self._inputs.pop(tag, None)


class Submitting:
    """Submits jobs of one endpoint. `inputs` are the account's."""

    def __init__(
        self,
        *,
        calls: RemoteCalls,
        endpoint: str,
        traits: NativeTraits,
        inputs: Inputs,
        clock: Clock,
    ) -> None:
        self._calls = calls
        self._endpoint = endpoint
        self._traits = traits
        self._inputs = inputs
        self._clock = clock

    async def bring(self, order: JobInput) -> str:
        """The input's id: an earlier try's, or else that of a new upload; see `ports.Jobs`."""
        known = self._inputs.known(order.tag)
        if order.since is not None and known is not None and known.size == order.size:
            return known.id  # a list may not show it
        try:
            file = await self._brought(order)
        except RemoteError as error:
            raise remote_trouble.before_creation(error, gone=Trouble.REFUSED) from error
        self._inputs.note(order.tag, file.id, size=order.size, status=file.status)
        return file.id

    async def create(self, order: JobOrder, reference: str) -> ArchivedJob:
        """Create the job; see `ports.Jobs`."""
        try:
            given = await self._taken_in(order, reference)
        except RemoteError as error:
            raise remote_trouble.before_creation(error, gone=Trouble.NOT_FOUND) from error
        try:
            made = await self._create(order, reference)
        except RemoteError as error:
            if error.trouble not in _VERDICTS:
                raise
            if error.status == 409:
                # A conflict, perhaps with the job that this very request made.
                raise error.as_(Trouble.UNCERTAIN) from error
            unseen = self._is_unseen(given, error)
            keeps = unseen or error.trouble is Trouble.DENIED  # it is to be let in, then
            found, told = await self._made_all_the_same(order, reference, keeps_file=keeps)
            if found is None and means_file_unseen(error.message):
                if not told:
                    # It would be created again without a look: not before there can be one.
                    raise error.as_(Trouble.UNCERTAIN) from error
                if unseen:
                    raise RemoteError(
                        Trouble.NOT_YET,
                        error.message,
                        code=error.code,
                        retry_after=_ASK_AGAIN_UNSEEN,
                    ) from error
                if not given.unseen:
                    # It was there for long, while the job waited for room: bring it again.
                    self._inputs.forget(order.tag)
                    raise error.as_(Trouble.NOT_FOUND) from error
            if found is None and error.trouble is Trouble.NOT_FOUND:
                # A missing deployment or file.
                raise error.as_(Trouble.REFUSED) from error
            if found is None:
                raise
            made = found
        self._inputs.forget(order.tag)
        return made

    # ------------------------------------------------------------------------- bringing

    async def _brought(self, order: JobInput) -> ArchivedFile:
        if order.since is not None:
            found = await self._found(order, order.since)
            if found is not None:
                return found
        try:
            return await self._calls.upload(order.path, filename=filename_of(order.tag))
        except RemoteError as error:
            if error.trouble is Trouble.UNCERTAIN:
                await self._see_if_denied()
            if error.status in _NO_SUCH_PATH:
                raise self._without_files(error) from error
            raise

    async def _found(self, order: JobInput, since: int) -> ArchivedFile | None:
        """An earlier try's input by its name; `None` also where a provider lists no files."""
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

    # ------------------------------------------------------------------------- taking in

    async def _taken_in(self, order: JobOrder, reference: str) -> _Input:
        """The input once the provider has taken it in, which is not waited for long."""
        given = self._inputs.known(order.tag)
        if given is None or given.id != reference:
            given = self._inputs.note(order.tag, reference, size=0, status=None)
        if given.status is None or (given.waits and not given.looked):
            await self._look(order, given)
        for seconds in _WAITS:
            if not given.waits:
                break
            await self._clock.sleep(seconds)
            await self._look(order, given)
        given.looked = False
        if given.waits:
            raise RemoteError(
                Trouble.NOT_YET,
                f"The provider '{self._calls.provider}' is still processing the input file.",
                retry_after=_ASK_AGAIN,
            )
        if given.status in _FILE_BAD:
            self._inputs.forget(order.tag)
            await self._remove(reference)
            raise RemoteError(
                Trouble.REFUSED,
                f"The provider '{self._calls.provider}' could not take in the input file "
                f"(its status is '{given.status}').",
            )
        return given

    async def _look(self, order: JobOrder, given: _Input) -> None:
        try:
            given.status = (await self._calls.get_file(given.id)).status
        except RemoteError as error:
            if error.trouble is Trouble.NOT_FOUND:
                self._inputs.forget(order.tag)
            raise

    def _is_unseen(self, given: _Input, error: RemoteError) -> bool:
        """Whether a creation was refused since the input, just uploaded, is not seen yet."""
        late = self._clock.monotonic() - given.since < SHOWN_LATE
        unseen = late and means_file_unseen(error.message)
        given.unseen = given.unseen or unseen
        return unseen

    # ------------------------------------------------------------------------- creating

    async def _create(self, order: JobOrder, reference: str) -> ArchivedJob:
        quirks = self._calls.quirks
        request: dict[str, Any] = {
            "input_file_id": reference,
            "endpoint": quirks.endpoints.get(self._endpoint, self._endpoint),
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
        """The shortest window that is not shorter; else the longest that there is.

        The rest of a longer one is cancelled by us.
        """
        known = self._traits.windows or (_DAY,)
        seconds = next((window for window in known if window >= wanted), known[-1])
        return self._calls.quirks.windows.get(seconds, f"{seconds // 3600}h")

    async def _made_all_the_same(
        self, order: JobOrder, reference: str, *, keeps_file: bool
    ) -> tuple[ArchivedJob | None, bool]:
        """The job of a creation that was refused: what stands in between may have refused it.

        And whether the provider told. Without a job nothing is left there, unless the file is
        wanted once more.
        """
        try:
            made = await self._calls.find(
                order.tag, since=int(self._clock.now()) - _JUST_NOW, reference=reference
            )
        except RemoteError as error:
            # The file stays: a job may be reading it.
            _log.info(
                "provider %s does not say whether it has %s (%s)",
                self._calls.provider,
                order.tag,
                error.trouble,
            )
            return None, False
        if made is None and not keeps_file:
            self._inputs.forget(order.tag)
            await self._remove(reference)
        return made, True

    async def _remove(self, file_id: str) -> None:
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
