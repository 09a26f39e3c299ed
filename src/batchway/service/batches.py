"""Batches: creating, finding and cancelling them.

Creation is syntactic, as OpenAI's is: whether the input file exists and what is in it is found
out by validation, which ends the batch `failed`. Owns these checks and the choice of `cancelling`.
Does not own any later move of a batch (`workflows`).
"""

import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final

from batchway.domain.batch import Batch
from batchway.domain.endpoint import Endpoint, endpoint_of
from batchway.domain.errors import ApiError, ApiText, Unavailable
from batchway.domain.file import File
from batchway.domain.ids import Ids, is_batch_id, is_file_id
from batchway.domain.keys import Principal
from batchway.domain.status import CANCELLABLE, BatchStatus
from batchway.domain.window import DEFAULT_WINDOW, window_seconds
from batchway.ports import Clock, Ledger, Once, OnceMismatch, Page
from batchway.service.files import FileService
from batchway.service.filters import listed, read_filter
from batchway.service.idempotency import mismatch, once
from batchway.service.overrides import given_overrides, read_options
from batchway.service.parameters import Parameters
from batchway.telemetry import event

_CANCELLED: Final = frozenset({BatchStatus.CANCELLING, BatchStatus.CANCELLED})
_FILE_ID: Final = re.compile(r"file[\x21-\x7e]{0,255}")
_LONGEST_ID: Final = 2_048
_WINDOWS: Final = "'24h', and any whole minutes, hours or days from '1m' to '30d'"

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
        body: Mapping[str, object],
        *,
        headers: Mapping[str, str],
        idempotency_key: str | None = None,
        bring: Callable[[str], Awaitable[File]] | None = None,
    ) -> Batch:
        """Create a batch from the fields of a request. `headers` are by lower-case name.

        `bring` fetches an input file that is not ours; where it is given, `input_file_id` may be
        an id of any shape, and is kept as it was sent. Raises `ApiError`, `Unavailable`; then there
        is no batch, and nothing of its input.
        """
        fields = Parameters(body)
        fields.require("input_file_id", "endpoint", "completion_window")
        input_file_id = _read_file_id(fields, anywhere=bring is not None)
        endpoint, spelled = self._read_endpoint(fields)
        window, seconds = _read_window(fields)
        metadata = fields.maybe_string_map("metadata", pairs=16, longest_key=64, longest_value=512)
        expiry = fields.maybe_expiry("output_expires_after")
        options = read_options(
            headers,
            job_name=fields.maybe_string("job_name", longest=512),
            principal=principal,
            providers=self._providers,
            endpoint=spelled,
        )
        output_expires_after = None if expiry is None else expiry.seconds
        seen = once(
            idempotency_key,
            "batch",
            [input_file_id, endpoint, window, metadata, output_expires_after],
            [options.provider, options.job_name, _plain(options.tfy_metadata)],
            given_overrides(headers),
        )
        blob = await self._find_blob(principal, input_file_id)
        brought = None
        if blob is None and bring is not None:
            earlier = await self._earlier(principal, seen)
            if earlier is not None:
                return earlier  # a repeated request fetches nothing again
            brought = await bring(input_file_id)
            blob = brought.blob
        now = int(self._clock.now())
        batch = Batch(
            id=self._ids.batch(),
            tenant=principal.tenant,
            endpoint=endpoint,
            input_file_id=input_file_id,
            input_blob=blob,
            completion_window=window,
            status=BatchStatus.VALIDATING,
            created_at=now,
            deadline=now + seconds,
            metadata=metadata,
            output_expires_after=output_expires_after,
            options=options,
        )
        try:
            kept = await self._ledger.batches.add(batch, once=seen)
        except OnceMismatch as error:
            await self._forget(principal, brought)
            raise mismatch(idempotency_key) from error
        except Exception:
            # Whatever kept the batch from being made: no file that was fetched for it stays behind.
            await self._forget(principal, brought)
            raise
        if kept.id == batch.id:
            event(
                _log,
                "batch created",
                batch=batch.id,
                file=input_file_id,
                endpoint=endpoint,
                window=window,
                provider=options.provider,
                tenant=principal.tenant,
                key=principal.key_name,
            )
            self._tell(batch.id)
        else:
            await self._forget(principal, brought)
        return kept

    async def _earlier(self, principal: Principal, seen: Once | None) -> Batch | None:
        """The batch that an idempotency key has made already."""
        if seen is None:
            return None
        try:
            return await self._ledger.batches.made(principal.tenant, seen)
        except OnceMismatch as error:
            raise mismatch(seen.key) from error

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
        query: Sequence[tuple[str, str]] = (),
    ) -> Page[Batch]:
        """A page of batches, newest first; `query` may hold filters (`service.filters`).

        Raises `ApiError` for an unknown cursor or a wrong filter.
        """
        where = read_filter(query, endpoints=tuple(Endpoint))
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

    async def _find_blob(self, principal: Principal, file_id: str) -> str | None:
        if not is_file_id(file_id):
            return None
        file = await self._ledger.files.get(principal.tenant, file_id)
        return None if file is None else file.blob

    def _read_endpoint(self, fields: Parameters) -> tuple[Endpoint, str | None]:
        """The endpoint, and how it was written where that was otherwise: Azure's has no `/v1`."""
        given = fields.string("endpoint")
        endpoint = endpoint_of(given)
        if endpoint is None:
            raise ApiError(
                ApiText.WRONG_VALUE,
                param="endpoint",
                given=given,
                supported=listed(tuple(Endpoint)),
            )
        return endpoint, None if given == endpoint else given

    def _tell(self, batch_id: str) -> None:
        try:
            self._wake(batch_id)
        except Exception as error:  # noqa: BLE001 - the batch exists: its creator must learn its id
            _log.warning("waking %s failed (%s); the sweep will", batch_id, type(error).__name__)


def _read_file_id(fields: Parameters, *, anywhere: bool) -> str:
    file_id = fields.string("input_file_id", longest=_LONGEST_ID)
    if anywhere and file_id and file_id.isprintable():
        return file_id
    if _FILE_ID.fullmatch(file_id) is None:
        raise ApiError(ApiText.MALFORMED_ID, param="input_file_id", given=file_id, prefix="file")
    return file_id


def _read_window(fields: Parameters) -> tuple[str, int]:
    # TrueFoundry's clients send null.
    window = DEFAULT_WINDOW
    if not fields.is_null("completion_window"):
        window = fields.string("completion_window")
    seconds = window_seconds(window)
    if seconds is None:
        raise ApiError(
            ApiText.WRONG_VALUE, param="completion_window", given=window, supported=_WINDOWS
        )
    return window, seconds


def _plain(pairs: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if pairs is None else dict(pairs)
