"""Batches: creating, finding and cancelling them.

Creation is syntactic, as OpenAI's is: whether the input file exists and what is in it is found
out by validation, which ends the batch `failed`. Owns these checks and the choice of `cancelling`.
Does not own any later move of a batch (`workflows`).
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from batchway.domain.batch import Batch, BatchOptions
from batchway.domain.errors import ApiError, ApiText, Unavailable
from batchway.domain.file import File, Purpose
from batchway.domain.idempotency import IdempotencyKey
from batchway.domain.ids import Ids, is_batch_id, is_file_id
from batchway.domain.keys import Principal
from batchway.domain.status import CANCELLABLE, BatchStatus
from batchway.ports import BatchFilter, Clock, IdempotencyMismatch, Ledger, Page
from batchway.service.commands import NewBatch
from batchway.service.files import FileService
from batchway.service.providers import usable_provider
from batchway.telemetry import event

_EVERY: Final = BatchFilter()
_CANCELLED: Final = frozenset({BatchStatus.CANCELLING, BatchStatus.CANCELLED})

_log = logging.getLogger("batchway.batches")


class BatchService:
    """Use cases of Batches. Everything is by tenant: foreign ids answer as unknown ones.

    `wake` is told the id of a batch that was created or cancelled; it returns at once, and its
    failure is not the request's: a sweep finds the batch later.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        clock: Clock,
        ids: Ids,
        files: FileService,
        providers: Collection[str],
        wake: Callable[[str], None],
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._files = files
        self._providers = tuple(providers)
        self._wake = wake

    async def create(
        self,
        principal: Principal,
        new: NewBatch,
        *,
        bring: Callable[[str], Awaitable[File]] | None = None,
        batch_id: str | None = None,
    ) -> Batch:
        """Create a batch; it is called `batch_id`, if whoever asks has drawn an id already.

        `bring` fetches an input file that is not ours, whose id is kept as it was sent. Raises
        `ApiError`, `Unavailable`; then there is no batch, and nothing of its input.
        """
        provider = new.provider
        if provider is not None:
            provider = usable_provider(provider, principal, self._providers)
        file = await self._find_file(principal, new.input_file_id)
        brought = None
        if file is None and bring is not None:
            earlier = await self._earlier(principal, new.idempotency)
            if earlier is not None:
                return earlier  # a repeated request fetches nothing again
            file = brought = await bring(new.input_file_id)
        now, expiry = int(self._clock.now()), new.output_expires_after
        batch = Batch(
            id=batch_id or self._ids.batch(),
            tenant=principal.tenant,
            endpoint=new.endpoint,
            input_file_id=new.input_file_id,
            # Of a file that no batch reads there are no bytes to run: validation says why.
            input_blob=file.blob if file is not None and file.purpose is Purpose.BATCH else None,
            completion_window=new.window.text,
            status=BatchStatus.VALIDATING,
            created_at=now,
            deadline=now + new.window.seconds,
            metadata=new.metadata,
            output_expires_after=None if expiry is None else expiry.seconds,
            options=BatchOptions(
                provider=provider,
                job_name=new.job_name,
                tfy_metadata=new.tfy_metadata,
                overrides=new.overrides,
                allowed_providers=principal.providers,
                endpoint=new.spelled,
            ),
        )
        try:
            kept = await self._ledger.batches.add(batch, idempotency=new.idempotency)
        except IdempotencyMismatch as error:
            await self._forget(principal, brought)
            raise _mismatch(new.idempotency) from error
        except Exception:
            # Whatever kept the batch from being made: no file that was fetched for it stays behind.
            await self._forget(principal, brought)
            raise
        if kept.id == batch.id:
            event(
                _log,
                "batch created",
                batch=batch.id,
                file=new.input_file_id,
                endpoint=new.endpoint,
                window=new.window.text,
                provider=provider,
                tenant=principal.tenant,
                key=principal.key_name,
            )
            self._tell(batch.id)
        else:
            await self._forget(principal, brought)
        return kept

    async def _earlier(
        self, principal: Principal, idempotency: IdempotencyKey | None
    ) -> Batch | None:
        """The batch that an idempotency key has made already."""
        if idempotency is None:
            return None
        try:
            return await self._ledger.batches.made(principal.tenant, idempotency)
        except IdempotencyMismatch as error:
            raise _mismatch(idempotency) from error

    async def _forget(self, principal: Principal, file: File | None) -> None:
        """Remove a file that was fetched for a batch that does not exist after all."""
        if file is None:
            return
        try:
            await self._files.remove(principal, file.id)
        except (ApiError, Unavailable) as error:
            _log.warning("%s is not removed (%s)", file.id, type(error).__name__)

    async def find(self, principal: Principal, batch_id: str) -> Batch | None:
        """The batch, if there is one."""
        # Ids of another shape never reach the database: it may not take their characters.
        if not is_batch_id(batch_id):
            return None
        return await self._ledger.batches.get(principal.tenant, batch_id)

    async def get(self, principal: Principal, batch_id: str) -> Batch:
        """The batch. Raises `ApiError`."""
        if not batch_id.startswith("batch"):
            raise ApiError(ApiText.MALFORMED_ID, param="batch_id", given=batch_id, prefix="batch")
        batch = await self.find(principal, batch_id)
        if batch is None:
            raise ApiError(ApiText.UNKNOWN_BATCH, id=batch_id)
        return batch

    async def page(
        self,
        principal: Principal,
        *,
        limit: int,
        after: str | None,
        where: BatchFilter = _EVERY,
    ) -> Page[Batch]:
        """A page of the batches that fit, newest first. Raises `ApiError` for an unknown cursor."""
        page = None
        if after is None or is_batch_id(after):
            page = await self._ledger.batches.page(
                principal.tenant, limit=limit, after=after, where=where
            )
        if page is None:
            raise ApiError(ApiText.UNKNOWN_CURSOR, given=after)
        return page

    async def cancel(self, principal: Principal, batch_id: str) -> Batch:
        """Ask a batch to stop; asking again is harmless. Raises `ApiError` once it has ended."""
        batch = await self.get(principal, batch_id)
        if batch.status in CANCELLABLE:
            # Whoever wins the swap, reading again tells the truth.
            if await self._ledger.batches.move(
                batch_id, BatchStatus.CANCELLING, at=int(self._clock.now())
            ):
                event(
                    _log,
                    "batch cancelling",
                    batch=batch_id,
                    tenant=principal.tenant,
                    key=principal.key_name,
                )
            batch = await self.get(principal, batch_id)
        if batch.status not in _CANCELLED:
            raise ApiError(ApiText.NOT_CANCELLABLE, status=batch.status)
        if batch.status is BatchStatus.CANCELLING:
            self._tell(batch_id)
        return batch

    async def _find_file(self, principal: Principal, file_id: str) -> File | None:
        if not is_file_id(file_id):
            return None
        return await self._ledger.files.get(principal.tenant, file_id)

    def _tell(self, batch_id: str) -> None:
        try:
            self._wake(batch_id)
        except Exception as error:  # noqa: BLE001 - the batch exists: its creator must learn its id
            _log.warning("waking %s failed (%s); the sweep will", batch_id, type(error).__name__)


def _mismatch(idempotency: IdempotencyKey | None) -> ApiError:
    """The answer when a key comes back with other parameters."""
    key = None if idempotency is None else idempotency.key
    return ApiError(ApiText.IDEMPOTENCY_MISMATCH, key=key)
