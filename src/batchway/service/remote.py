"""Jobs and files that live at a provider and that Batchway did not make: the pass-through.

    an id of the caller's own        answered from the ledger, whatever the headers say
    else, `x-tfy-provider-name`      looked up live at that provider
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
from batchway.service.files import FileService
from batchway.service.overrides import PROVIDER_HEADER, read_overrides, read_provider
from batchway.service.ownership import Ownership

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
    keys of the configuration. `headers` are the request's `x-tfy-*` headers by lower-case name.
    Everything raises `ApiError`.
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

    async def create(
        self,
        principal: Principal,
        body: Mapping[str, object],
        *,
        headers: Mapping[str, str],
        idempotency_key: str | None = None,
    ) -> Batch:
        """Create a batch, over an input file of ours or one that lives at the named provider."""
        at_provider = self._providers.get(headers.get(PROVIDER_HEADER, "")) is not None
        return await self._batches.create(
            principal,
            body,
            headers=headers,
            idempotency_key=idempotency_key,
            bring=partial(self._bring, principal, headers) if at_provider else None,
        )

    async def batch(
        self, principal: Principal, batch_id: str, headers: Mapping[str, str]
    ) -> Batch | RemoteBatch:
        """The batch as it is now."""
        if PROVIDER_HEADER not in headers:
            return await self._batches.get(principal, batch_id)
        found = await self._batches.find(principal, batch_id)
        if found is not None:
            return found
        account = self._account(principal, batch_id, headers, _BATCH)
        return RemoteBatch(
            provider=account.provider, job=await self._job(principal, batch_id, account)
        )

    async def cancel(
        self, principal: Principal, batch_id: str, headers: Mapping[str, str]
    ) -> Batch | RemoteBatch:
        """Ask a batch to stop; asking again is harmless."""
        if PROVIDER_HEADER not in headers:
            return await self._batches.cancel(principal, batch_id)
        if await self._batches.find(principal, batch_id) is not None:
            return await self._batches.cancel(principal, batch_id)
        account = self._account(principal, batch_id, headers, _BATCH)
        job = await self._job(principal, batch_id, account)
        if job.status not in TERMINAL:
            with answered(account):
                job = await account.archive.cancel(batch_id)
        if job.status in TERMINAL and job.status is not BatchStatus.CANCELLED:
            raise ApiError(ApiText.NOT_CANCELLABLE, status=job.status)
        return RemoteBatch(provider=account.provider, job=job)

    async def file(
        self, principal: Principal, file_id: str, headers: Mapping[str, str]
    ) -> File | ArchivedFile:
        """The description of a file."""
        if PROVIDER_HEADER not in headers:
            return await self._files.get(principal, file_id)
        found = await self._files.find(principal, file_id)
        if found is not None:
            return found
        account = self._account(principal, file_id, headers, _FILE)
        return await self._file(principal, file_id, account)

    async def downloadable(
        self, principal: Principal, file_id: str, headers: Mapping[str, str]
    ) -> File | RemoteDownload:
        """A file whose content may be read."""
        if PROVIDER_HEADER not in headers:
            return await self._files.downloadable(principal, file_id)
        if await self._files.find(principal, file_id) is not None:
            return await self._files.downloadable(principal, file_id)
        account = self._account(principal, file_id, headers, _FILE)
        file = await self._file(principal, file_id, account)
        return RemoteDownload(file=file, content=content_of(account, file_id))

    async def remove(self, principal: Principal, file_id: str, headers: Mapping[str, str]) -> File:
        """Forget a file of ours. One that is only the provider's is left alone and refused."""
        if PROVIDER_HEADER not in headers:
            return await self._files.remove(principal, file_id)
        if await self._files.find(principal, file_id) is not None:
            return await self._files.remove(principal, file_id)
        account = self._account(principal, file_id, headers, _FILE)
        await self._file(principal, file_id, account)
        raise ApiError(ApiText.FILE_NOT_OURS, id=file_id)

    async def _bring(self, principal: Principal, headers: Mapping[str, str], file_id: str) -> File:
        """Fetch an input file from its provider, once, and keep it as one of the caller's.

        Checked and bounded like an upload; when this raises, nothing of it is kept.
        """
        file_id = _plain_id(file_id)
        account = self._account(principal, file_id, headers, _FILE)
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
        self, principal: Principal, object_id: str, headers: Mapping[str, str], noun: "_Noun"
    ) -> RemoteAccount:
        name = read_provider(headers[PROVIDER_HEADER], principal, self._providers)
        overrides = read_overrides(headers)
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
