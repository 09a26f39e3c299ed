"""Jobs and files that live at a provider and that Batchway did not make: the pass-through.

    an id of the caller's own        answered from the ledger, whatever the headers say
    else, `x-tfy-provider-name`      looked up live at that provider
    else                             unknown

Owns this order and what keeps it safe. Nothing is kept, and nothing is written at a provider but
the cancel that was asked for. One account serves several tenants: what a batch of another tenant
made there answers exactly as an unknown id does; whose a file of results is that nobody has asked
for yet, the jobs of the others say. Does not own how a provider is asked (`ports`).
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, assert_never

from batchway.domain.batch import Batch
from batchway.domain.errors import ApiError, ApiText
from batchway.domain.file import File
from batchway.domain.keys import Principal
from batchway.domain.remote import JobRecord, RemoteError, RemoteFile, RemoteJob, Trouble
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import Ledger, NativeProvider, RemoteBatches
from batchway.service.batches import BatchService
from batchway.service.files import FileService
from batchway.service.overrides import PROVIDER_HEADER, read_overrides, read_provider

_LONGEST_ID: Final = 2_048
# Jobs that are looked at for one file, and how many of them at a time.
_MOST_JOBS: Final = 200
_AT_ONCE: Final = 8
_UNTOLD_SECONDS: Final = 60.0
_SKEW_SECONDS: Final = 900  # the provider's clock may be behind ours
_BUSY_SECONDS: Final = 5.0  # for a provider that is busy and does not say how long
# The tag that `workflows.native` puts on everything it brings to a provider.
_TAG: Final = re.compile(r"batchway-([0-9a-f]{32})-[0-9]+-[0-9]+")

_log = logging.getLogger("batchway.remote")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteBatch:
    """A job of the provider of that name."""

    provider: str
    job: RemoteJob


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteDownload:
    """A provider's file and its bytes, which are fetched as they are read."""

    file: RemoteFile
    content: AsyncGenerator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """A provider's batch API for one request. `unknown` is the answer for what is not there."""

    provider: str
    api: RemoteBatches
    unknown: ApiError


class Remote:
    """Look-ups of batches and files wherever they live.

    `providers` are all configured ones, `None` for those without a batch API. `headers` are the
    request's `x-tfy-*` headers by lower-case name. Everything raises `ApiError`.
    """

    def __init__(
        self,
        *,
        batches: BatchService,
        files: FileService,
        ledger: Ledger,
        providers: Mapping[str, NativeProvider | None],
    ) -> None:
        self._batches = batches
        self._files = files
        self._ledger = ledger
        self._providers = dict(providers)

    async def batch(
        self, principal: Principal, batch_id: str, headers: Mapping[str, str]
    ) -> Batch | RemoteBatch:
        """The batch as it is now."""
        if PROVIDER_HEADER not in headers:
            return await self._batches.get(principal, batch_id)
        found = await self._batches.find(principal, batch_id)
        if found is not None:
            return found
        account = self._account(principal, batch_id, headers, ApiText.UNKNOWN_BATCH)
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
        account = self._account(principal, batch_id, headers, ApiText.UNKNOWN_BATCH)
        job = await self._job(principal, batch_id, account)
        if job.status not in TERMINAL:
            with _answered(account):
                job = await account.api.cancel(batch_id)
        if job.status in TERMINAL and job.status is not BatchStatus.CANCELLED:
            raise ApiError(ApiText.NOT_CANCELLABLE, status=job.status)
        return RemoteBatch(provider=account.provider, job=job)

    async def file(
        self, principal: Principal, file_id: str, headers: Mapping[str, str]
    ) -> File | RemoteFile:
        """The description of a file."""
        if PROVIDER_HEADER not in headers:
            return await self._files.get(principal, file_id)
        found = await self._files.find(principal, file_id)
        if found is not None:
            return found
        account = self._account(principal, file_id, headers, ApiText.UNKNOWN_FILE)
        return await self._file(principal, file_id, account)

    async def downloadable(
        self, principal: Principal, file_id: str, headers: Mapping[str, str]
    ) -> File | RemoteDownload:
        """A file whose content may be read."""
        if PROVIDER_HEADER not in headers:
            return await self._files.downloadable(principal, file_id)
        if await self._files.find(principal, file_id) is not None:
            return await self._files.downloadable(principal, file_id)
        account = self._account(principal, file_id, headers, ApiText.UNKNOWN_FILE)
        file = await self._file(principal, file_id, account)
        return RemoteDownload(file=file, content=_content(account, file_id))

    async def remove(self, principal: Principal, file_id: str, headers: Mapping[str, str]) -> File:
        """Forget a file of ours. One that is only the provider's is left alone and refused."""
        if PROVIDER_HEADER not in headers:
            return await self._files.remove(principal, file_id)
        if await self._files.find(principal, file_id) is not None:
            return await self._files.remove(principal, file_id)
        account = self._account(principal, file_id, headers, ApiText.UNKNOWN_FILE)
        await self._file(principal, file_id, account)
        raise ApiError(ApiText.FILE_NOT_OURS, id=file_id)

    def _account(
        self, principal: Principal, object_id: str, headers: Mapping[str, str], unknown: ApiText
    ) -> _Account:
        name = read_provider(headers[PROVIDER_HEADER], principal, self._providers)
        overrides = read_overrides(headers)
        provider = self._providers[name]
        if provider is None:
            raise ApiError(ApiText.NO_BATCH_API, id=object_id, provider=name)
        account = _Account(
            provider=name, api=provider.batches(overrides), unknown=ApiError(unknown, id=object_id)
        )
        if not _may_be_an_id(object_id):
            raise account.unknown
        return account

    async def _job(self, principal: Principal, job_id: str, account: _Account) -> RemoteJob:
        await self._refuse_made_by_others(principal, job_id, account)
        with _answered(account):
            job = await account.api.fetch(job_id)
        await self._refuse_tagged_by_others(principal, account, *(job.metadata or {}).values())
        return job

    async def _file(self, principal: Principal, file_id: str, account: _Account) -> RemoteFile:
        await self._refuse_made_by_others(principal, file_id, account)
        with _answered(account):
            file = await account.api.file(file_id)
        await self._refuse_tagged_by_others(principal, account, file.filename)
        await self._refuse_results_of_others(principal, account, file)
        return file

    async def _refuse_made_by_others(
        self, principal: Principal, object_id: str, account: _Account
    ) -> None:
        # Under every name: two configured providers may be one account.
        for name, provider in self._providers.items():
            if provider is None:
                continue
            tenant = await self._ledger.jobs.tenant_of(name, object_id)
            if tenant not in {None, principal.tenant}:
                raise account.unknown

    async def _refuse_tagged_by_others(
        self, principal: Principal, account: _Account, *texts: str
    ) -> None:
        """What an earlier attempt left is in no record any more, but it still has its tag."""
        for text in texts:
            for digits in _TAG.findall(text):
                batch = await self._ledger.batches.load(f"batch_{digits}")
                if batch is not None and batch.tenant != principal.tenant:
                    raise account.unknown

    async def _refuse_results_of_others(
        self, principal: Principal, account: _Account, file: RemoteFile
    ) -> None:
        """The files of a job that has just ended are in no record before it is polled again."""
        # An input, or results that the caller's own batch has collected.
        if _TAG.search(file.filename) or await self._is_theirs(principal, file.id):
            return
        records = await self._ledger.jobs.of_others(principal.tenant, limit=_MOST_JOBS + 1)
        records = [record for record in records if _may_have_made(record, file)]
        if len(records) > _MOST_JOBS:
            raise ApiError(
                ApiText.PROVIDER_BUSY,
                reason=f"Too many batches run at '{account.provider}' to tell whose file this is.",
                retry_after=_UNTOLD_SECONDS,
            )
        # All of them at this account: two configured providers may be one.
        for start in range(0, len(records), _AT_ONCE):
            ids = [record.remote_id or "" for record in records[start : start + _AT_ONCE]]
            jobs = await asyncio.gather(*(_job_at(account, job_id) for job_id in ids))
            if any(file.id in {job.output_file_id, job.error_file_id} for job in jobs if job):
                raise account.unknown

    async def _is_theirs(self, principal: Principal, file_id: str) -> bool:
        for name, provider in self._providers.items():
            if provider is not None:
                tenant = await self._ledger.jobs.tenant_of(name, file_id)
                if tenant == principal.tenant:
                    return True
        return False


async def _job_at(account: _Account, job_id: str) -> RemoteJob | None:
    try:
        return await account.api.fetch(job_id)
    except RemoteError as error:
        if error.trouble in {Trouble.NOT_FOUND, Trouble.REFUSED}:
            return None  # the job of another account
        raise _answer(account, error) from error


def _may_have_made(record: JobRecord, file: RemoteFile) -> bool:
    """Whether a file is young enough to be of a job."""
    if file.created_at is None or record.submitted_at is None:
        return True
    return file.created_at >= record.submitted_at - _SKEW_SECONDS


async def _content(account: _Account, file_id: str) -> AsyncGenerator[bytes]:
    pieces = account.api.content(file_id)
    try:
        with _answered(account):
            async for piece in pieces:
                yield piece
    finally:
        await _close(pieces)


async def _close(pieces: AsyncIterator[bytes]) -> None:
    # A reader that goes away must not leave the provider's connection to the garbage collector.
    if isinstance(pieces, AsyncGenerator):
        await pieces.aclose()


@contextmanager
def _answered(account: _Account) -> Generator[None]:
    """Turn what went wrong at the provider into an answer."""
    try:
        yield
    except RemoteError as error:
        raise _answer(account, error) from error


def _answer(account: _Account, error: RemoteError) -> ApiError:
    match error.trouble:
        case Trouble.NOT_FOUND:
            return account.unknown
        case Trouble.DENIED:
            # Not in the provider's words: they may quote a part of the key.
            _log.warning("%s denied a look-up (status %s)", account.provider, error.status)
            return ApiError(ApiText.PROVIDER_DENIED, provider=account.provider)
        case Trouble.BUSY:
            seconds = _BUSY_SECONDS if error.retry_after is None else max(0.0, error.retry_after)
            return ApiError(ApiText.PROVIDER_BUSY, reason=error.message, retry_after=seconds)
        case Trouble.UNREACHABLE:
            return ApiError(ApiText.PROVIDER_UNREACHABLE, reason=error.message)
        case Trouble.UNCERTAIN:
            return ApiError(ApiText.PROVIDER_SILENT, reason=error.message)
        case Trouble.REFUSED:
            return ApiError(ApiText.PROVIDER_REFUSED, reason=error.message)
        case _:
            assert_never(error.trouble)


def _may_be_an_id(text: str) -> bool:
    """Whether a provider may be asked: as a path, dots would lead to another of its resources."""
    return (
        len(text) <= _LONGEST_ID and text.isprintable() and not {".", ".."} & set(text.split("/"))
    )
