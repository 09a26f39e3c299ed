"""Whose a job or file at a provider is, and who may look it up: nothing is guessed.

    made by a batch of the caller's tenant     the caller's
    made by a batch of another tenant          unknown to the caller
    nobody's here                              for keys with the right `passthrough`

One account serves several tenants, and the ledger's records say who made what: by an id, by the
tag on everything that Batchway brings to a provider, and, for results that no record names yet, by
asking for every job of the others that could have made them. Where those are too many to ask for,
the answer is to come back later, never the file.

A key whose right is not set has it where no key of another tenant may use the provider: then
nobody else's work lies there.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping
from typing import Final

from batchway.domain.errors import ApiError, ApiText
from batchway.domain.keys import ApiKey, Principal
from batchway.domain.remote import JobRecord, RemoteError, Trouble
from batchway.domain.tag import batches_in, tag_in
from batchway.ports import ArchivedFile, ArchivedJob, BatchAccount, Ledger
from batchway.service.accounts import RemoteAccount, answer_to

# Jobs that are asked for because of one file, and how many of them at a time.
_MOST_JOBS: Final = 200
_AT_ONCE: Final = 8
_PAGE: Final = 500
_UNTOLD_SECONDS: Final = 60.0
_SKEW_SECONDS: Final = 900  # the provider's clock may be behind ours


class Ownership:
    """Refuses what is not the caller's to see; every check raises `ApiError`.

    `providers` are all configured ones, `None` for those without a batch API; `configured` are the
    keys of the configuration.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        providers: Mapping[str, BatchAccount | None],
        configured: Collection[ApiKey],
    ) -> None:
        self._ledger = ledger
        self._providers = tuple(name for name, native in providers.items() if native is not None)
        self._configured = tuple(configured)

    async def check_id(self, principal: Principal, object_id: str, account: RemoteAccount) -> None:
        """Before the provider is asked: by what the ledger knows of an id, and by the right."""
        # Under every name: two configured providers may be one account.
        makers = {await self._ledger.jobs.tenant_of(name, object_id) for name in self._providers}
        makers.discard(None)
        if makers - {principal.tenant}:
            raise account.unknown
        if not makers and not await self._may_pass_through(principal, account.provider):
            raise account.withheld

    async def check_job(
        self, principal: Principal, job: ArchivedJob, account: RemoteAccount
    ) -> None:
        """Once the job has been fetched."""
        await self._check_tags(principal, account, *(job.metadata or {}).values())

    async def check_file(
        self, principal: Principal, file: ArchivedFile, account: RemoteAccount
    ) -> None:
        """Once the file's description has been fetched."""
        await self._check_tags(principal, account, file.filename)
        await self._check_results(principal, file, account)

    async def _may_pass_through(self, principal: Principal, provider: str) -> bool:
        if principal.passthrough is not None:
            return principal.passthrough
        keys = [*self._configured, *(await self._ledger.keys.list())]
        return not any(
            key.tenant != principal.tenant and key.revoked_at is None and key.may_use(provider)
            for key in keys
        )

    async def _check_tags(self, principal: Principal, account: RemoteAccount, *texts: str) -> None:
        """What an earlier attempt left is in no record any more, but it still has its tag."""
        for text in texts:
            for batch_id in batches_in(text):
                batch = await self._ledger.batches.load(batch_id)
                if batch is not None and batch.tenant != principal.tenant:
                    raise account.unknown

    async def _check_results(
        self, principal: Principal, file: ArchivedFile, account: RemoteAccount
    ) -> None:
        """The files of a job that has just ended are in no record before it is polled again."""
        # An input, or results that the caller's own batch has collected.
        if tag_in(file.filename) or await self._is_theirs(principal, file.id):
            return
        # All of them at this account: two configured providers may be one.
        records: list[JobRecord] = []
        async for record in self._of_others(principal):
            if _may_have_made(record, file):
                records.append(record)
            if len(records) > _MOST_JOBS:
                raise ApiError(
                    ApiText.PROVIDER_BUSY,
                    reason=f"Too many batches run at '{account.provider}' to tell whose file this "
                    "is. Ask again when some of them have ended.",
                    retry_after=_UNTOLD_SECONDS,
                )
        for start in range(0, len(records), _AT_ONCE):
            asked = records[start : start + _AT_ONCE]
            jobs = await asyncio.gather(*(_job_of(account, record) for record in asked))
            if any(file.id in job.results for job in jobs if job):
                raise account.unknown

    async def _of_others(self, principal: Principal) -> AsyncGenerator[JobRecord]:
        """Every record of another tenant's job whose files may not all be recorded yet."""
        after: tuple[str, int] | None = None
        while True:
            page = await self._ledger.jobs.of_others(principal.tenant, limit=_PAGE, after=after)
            for record in page:
                yield record
            if len(page) < _PAGE:
                return
            after = (page[-1].batch_id, page[-1].shard)

    async def _is_theirs(self, principal: Principal, file_id: str) -> bool:
        for name in self._providers:
            if await self._ledger.jobs.tenant_of(name, file_id) == principal.tenant:
                return True
        return False


async def _job_of(account: RemoteAccount, record: JobRecord) -> ArchivedJob | None:
    """The job of a record at this account, `None` when it is not there."""
    try:
        if record.remote_id is None:  # created, perhaps, under a tag
            return await account.archive.find(record.tag, since=record.submitted_at or 0)
        return await account.archive.job(record.remote_id)
    except RemoteError as error:
        if error.trouble in {Trouble.NOT_FOUND, Trouble.REFUSED}:
            return None  # the job of another account
        raise answer_to(account, error) from error


def _may_have_made(record: JobRecord, file: ArchivedFile) -> bool:
    """Whether a file is young enough to be of a job."""
    if file.created_at is None or record.submitted_at is None:
        return True
    return file.created_at >= record.submitted_at - _SKEW_SECONDS
