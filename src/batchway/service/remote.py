"""Jobs and files that live at a provider and that Batchway did not make: the pass-through.

    an id of the caller's own        answered from the ledger, whatever the headers say
    else, with a provider's name     looked up live at that provider
    else                             unknown

Owns this order, and the fetching of an input file that lives at a provider. Nothing is written at
a provider but the cancel that was asked for. Does not own whose things are (`service.ownership`)
nor how a provider is asked (`ports`).
"""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import unquote

from batchway.domain.batch import Batch
from batchway.domain.errors import ApiError, ApiText
from batchway.domain.file import File, Purpose
from batchway.domain.keys import ApiKey, Principal
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import ArchivedFile, ArchivedJob, BatchAccount, Ledger
from batchway.service.accounts import RemoteAccount, answered, content_of
from batchway.service.batches import BatchService
from batchway.service.commands import Elsewhere, NewBatch
from batchway.service.files import FileService
from batchway.service.ownership import Ownership
from batchway.service.providers import usable_provider

_LONGEST_ID: Final = 2_048
_ENDING: Final = ".jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteBatch:
    """A job of the provider of that name."""

    provider: str
    job: ArchivedJob


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteDownload:
    """A provider's file and its bytes, which are fetched as they are read."""

    file: ArchivedFile
    content: AsyncGenerator[bytes]


class Remote:
    """Batches and files wherever they live.

    `providers` are all configured ones, `None` for those without a batch API; `configured` are the
    keys of the configuration. Everything raises `ApiError`.
    """

    def __init__(
        self,
        *,
        batches: BatchService,
        files: FileService,
        ledger: Ledger,
        providers: Mapping[str, BatchAccount | None],
        configured: Collection[ApiKey] = (),
    ) -> None:
        self._batches = batches
        self._files = files
        self._providers = dict(providers)
        self._ownership = Ownership(ledger=ledger, providers=providers, configured=configured)

    def knows_files(self, provider: str | None) -> bool:
        """Whether an input file may be one that lives at the provider of that name."""
        return provider is not None and self._providers.get(provider) is not None

    async def create(self, principal: Principal, new: NewBatch) -> Batch:
        """Create a batch, over an input file of ours or one that lives at the named provider."""
        if new.provider is None or not self.knows_files(new.provider):
            return await self._batches.create(principal, new)
        elsewhere = Elsewhere(provider=new.provider, overrides=new.overrides)
        bring = partial(self._bring, principal, elsewhere)
        return await self._batches.create(principal, new, bring=bring)

    async def batch(
        self, principal: Principal, batch_id: str, elsewhere: Elsewhere | None
    ) -> Batch | RemoteBatch:
        """The batch as it is now."""
        if elsewhere is None:
            return await self._batches.get(principal, batch_id)
        found = await self._batches.find(principal, batch_id)
        if found is not None:
            return found
        account = self._account(principal, batch_id, elsewhere, _BATCH)
        return RemoteBatch(
            provider=account.provider, job=await self._job(principal, batch_id, account)
        )

    async def cancel(
        self, principal: Principal, batch_id: str, elsewhere: Elsewhere | None
    ) -> Batch | RemoteBatch:
        """Ask a batch to stop; asking again is harmless."""
        if elsewhere is None:
            return await self._batches.cancel(principal, batch_id)
        if await self._batches.find(principal, batch_id) is not None:
            return await self._batches.cancel(principal, batch_id)
        account = self._account(principal, batch_id, elsewhere, _BATCH)
        job = await self._job(principal, batch_id, account)
        if job.status not in TERMINAL:
            with answered(account):
                job = await account.archive.cancel(batch_id)
        if job.status in TERMINAL and job.status is not BatchStatus.CANCELLED:
            raise ApiError(ApiText.NOT_CANCELLABLE, status=job.status)
        return RemoteBatch(provider=account.provider, job=job)

    async def file(
        self, principal: Principal, file_id: str, elsewhere: Elsewhere | None
    ) -> File | ArchivedFile:
        """The description of a file."""
        if elsewhere is None:
            return await self._files.get(principal, file_id)
        found = await self._files.find(principal, file_id)
        if found is not None:
            return found
        account = self._account(principal, file_id, elsewhere, _FILE)
        return await self._file(principal, file_id, account)

    async def downloadable(
        self, principal: Principal, file_id: str, elsewhere: Elsewhere | None
    ) -> File | RemoteDownload:
        """A file whose content may be read."""
        if elsewhere is None:
            return await self._files.downloadable(principal, file_id)
        if await self._files.find(principal, file_id) is not None:
            return await self._files.downloadable(principal, file_id)
        account = self._account(principal, file_id, elsewhere, _FILE)
        file = await self._file(principal, file_id, account)
        return RemoteDownload(file=file, content=content_of(account, file_id))

    async def remove(self, principal: Principal, file_id: str, elsewhere: Elsewhere | None) -> File:
        """Forget a file of ours. One that is only the provider's is left alone and refused."""
        if elsewhere is None:
            return await self._files.remove(principal, file_id)
        if await self._files.find(principal, file_id) is not None:
            return await self._files.remove(principal, file_id)
        account = self._account(principal, file_id, elsewhere, _FILE)
        await self._file(principal, file_id, account)
        raise ApiError(ApiText.FILE_NOT_OURS, id=file_id)

    async def _bring(self, principal: Principal, elsewhere: Elsewhere, file_id: str) -> File:
        """Fetch an input file from its provider, once, and keep it as one of the caller's.

        Checked and bounded like an upload; when this raises, nothing of it is kept.
        """
        file_id = _plain_id(file_id)
        account = self._account(principal, file_id, elsewhere, _FILE)
        remote = await self._file(principal, file_id, account)
        async with self._files.receive(too_large=ApiText.INPUT_TOO_LARGE) as incoming:
            incoming.expect(remote.bytes)
            async with aclosing(content_of(account, file_id)) as pieces:
                async for piece in pieces:
                    await incoming.write(piece)
            name = remote.filename or "input"
            return await self._files.keep(
                principal,
                incoming,
                # What counts is what is in it: at a bucket, names are as their owners like them.
                filename=name if name.lower().endswith(_ENDING) else name + _ENDING,
                purpose=Purpose.BATCH,
            )

    def _account(
        self, principal: Principal, object_id: str, elsewhere: Elsewhere, noun: "_Noun"
    ) -> RemoteAccount:
        name = usable_provider(elsewhere.provider, principal, self._providers)
        overrides = elsewhere.overrides
        if isinstance(overrides, ApiError):
            raise overrides
        provider = self._providers[name]
        archive = None if provider is None else provider.archive(overrides)
        if archive is None:
            raise ApiError(ApiText.NO_BATCH_API, id=object_id, provider=name)
        account = RemoteAccount(
            provider=name,
            archive=archive,
            unknown=ApiError(noun.unknown, id=object_id),
            withheld=ApiError(noun.withheld, id=object_id),
        )
        if not _may_be_an_id(object_id):
            raise account.unknown
        return account

    async def _job(self, principal: Principal, job_id: str, account: RemoteAccount) -> ArchivedJob:
        await self._ownership.check_id(principal, job_id, account)
        with answered(account):
            job = await account.archive.job(job_id)
        await self._ownership.check_job(principal, job, account)
        return job

    async def _file(
        self, principal: Principal, file_id: str, account: RemoteAccount
    ) -> ArchivedFile:
        await self._ownership.check_id(principal, file_id, account)
        with answered(account):
            file = await account.archive.file(file_id)
        await self._ownership.check_file(principal, file, account)
        return file


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noun:
    """How a look-up of one kind of object fails."""

    unknown: ApiText
    withheld: ApiText


_BATCH: Final = _Noun(unknown=ApiText.UNKNOWN_BATCH, withheld=ApiText.BATCH_WITHHELD)
_FILE: Final = _Noun(unknown=ApiText.UNKNOWN_FILE, withheld=ApiText.FILE_WITHHELD)


def _plain_id(file_id: str) -> str:
    """An id as its provider has it: gateways hand out addresses such as gs://... URL-encoded."""
    plain = unquote(file_id)
    return plain if "://" in plain and "://" not in file_id else file_id


def _may_be_an_id(text: str) -> bool:
    """Whether a provider may be asked: as a path, dots would lead to another of its resources."""
    return (
        0 < len(text) <= _LONGEST_ID
        and text.isprintable()
        and not {".", ".."} & set(text.split("/"))
    )
