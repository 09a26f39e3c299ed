"""Ingest: from `validating` to a planned, running batch, or to `failed` with every reason.

Owns the moves out of `validating`. Re-entrant: a crash leaves nothing but a status that has not
moved, and the pass starts over.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from batchway.domain.batch import Batch, BatchError
from batchway.domain.batch_errors import BatchText
from batchway.domain.call import Call
from batchway.domain.file import Purpose
from batchway.domain.group import Group
from batchway.domain.ids import is_file_id
from batchway.domain.routing import Resolution, RoutingTable, Target
from batchway.domain.shard import Claim, Mode, Shard
from batchway.domain.status import BatchStatus
from batchway.lines.pieces import Piece
from batchway.ports import Begun, Blobs, Clock, Dialect, Ledger
from batchway.results.endings import because, kept_reason, tell_end
from batchway.telemetry import event
from batchway.workflows.plan.scan import Scan, ScanLimits

_log: Final = logging.getLogger(__name__)
_GLANCE_SECONDS: Final = 1.0  # between looks at the status during a long pass
_PIECES_AT_ONCE: Final = 4  # to a trip to a thread: a short file takes one trip in all


class _NoBytesError(Exception):
    """The blob store has nothing of the input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A batch that was begun with a claim of its only shard, whose lines are all of `group`."""

    claim: Claim
    group: Group


class Ingest:
    """Validates and plans one batch at a time.

    `dialect` tells what a provider speaks in calls of one kind, in lines that run so; `None` where
    that is not known, or no such call can be made: then nothing is asked of the lines.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        blobs: Blobs,
        routing: RoutingTable,
        dialect: Callable[[str, Call, Mode], Dialect | None],
        limits: ScanLimits,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._routing = routing
        self._dialect = dialect
        self._limits = limits
        self._clock = clock

    async def run(self, batch: Batch, *, claim: bool = False) -> Started | None:
        """Move `batch` out of `validating`, unless somebody else does.

        With `claim`, a batch that is planned as one managed shard is begun with a claim of it,
        which is returned: nobody else runs it.
        """
        key = batch.input_blob
        if key is None:
            await self._fail(batch, [await self._misnamed(batch)])
            return None
        scan = Scan(
            blobs=self._blobs,
            key=key,
            batch_id=batch.id,
            endpoint=batch.endpoint,
            limits=self._limits,
            resolve=lambda model: self._resolve(batch, model),
            dialect=lambda target, mode: self._dialect(target.provider, _call(batch, target), mode),
            stand_in=batch.options.overrides.stand_in,
        )
        try:
            shards = await self._pass(batch, scan, key)
        except _NoBytesError:
            # Not the row counts: a file that was deleted since the creation still runs.
            await self._fail(batch, [_unknown(batch)])
            return None
        finally:
            scan.close()
        if shards is None:
            return None
        if scan.errors:
            await self._fail(batch, scan.errors)
            return None
        model = next(iter(scan.models)) if len(scan.models) == 1 else None
        at = int(self._clock.now())
        groups = scan.groups
        started: Started | None = None
        if claim and len(shards) == 1 and shards[0].mode is Mode.MANAGED:
            (group,) = groups
            claimed = await self._ledger.short.begin(
                Begun(
                    shard=shards[0],
                    group=group,
                    at=at,
                    model=model,
                    providers=scan.providers,
                    warnings=scan.warnings,
                    run_online=scan.online.told,
                )
            )
            begins = claimed is not None
            if claimed is not None:
                started = Started(claim=claimed, group=group)
        else:
            begins = await self._ledger.batches.begin(
                batch.id,
                at=at,
                model=model,
                shards=shards,
                groups=groups,
                providers=scan.providers,
                warnings=scan.warnings,
                run_online=scan.online.told,
            )
        if begins:
            event(
                _log,
                "batch in_progress",
                batch=batch.id,
                lines=scan.requests,
                shards=len(shards),
                providers=" ".join(sorted(scan.providers)),
            )
        return started

    def _resolve(self, batch: Batch, model: str) -> Resolution:
        """Where lines of `batch` naming `model` go."""
        options = batch.options
        return self._routing.resolve(
            model,
            endpoint=batch.endpoint,
            provider=options.provider,
            allowed=options.allowed_providers,
            overrides=options.overrides,
        )

    async def _misnamed(self, batch: Batch) -> BatchError:
        """Why there was no file at the creation that a batch could read."""
        file = None
        if is_file_id(batch.input_file_id):
            file = await self._ledger.files.get(batch.tenant, batch.input_file_id)
        if file is None or file.purpose is Purpose.BATCH:
            return _unknown(batch)
        return BatchText.WRONG_PURPOSE.error(file_id=file.id, purpose=file.purpose.value)

    async def _pass(self, batch: Batch, scan: Scan, key: str) -> list[Shard] | None:
        """Read the file to its end; `None` when the batch was cancelled or expired meanwhile.

        Raises `_NoBytesError`.
        """
        pieces = scan.pieces()
        looked = self._clock.monotonic()
        shards = await asyncio.to_thread(self._read_first, scan, pieces, key)
        while shards is None:
            if self._clock.monotonic() - looked > _GLANCE_SECONDS:
                looked = self._clock.monotonic()
                if self._clock.now() >= batch.deadline:
                    await self.expire(batch)
                    return None
                statuses = await self._ledger.batches.statuses([batch.id])
                if statuses.get(batch.id) is not BatchStatus.VALIDATING:
                    return None
            shards = await asyncio.to_thread(_read_on, scan, pieces)
        return shards

    def _read_first(self, scan: Scan, pieces: Iterator[Piece], key: str) -> list[Shard] | None:
        """`_read_on` of a file that may not be there: a short one takes one trip in all."""
        if self._blobs.size(key) is None:
            raise _NoBytesError
        return _read_on(scan, pieces)

    async def _fail(self, batch: Batch, errors: list[BatchError]) -> None:
        now = int(self._clock.now())
        if await self._ledger.batches.move(batch.id, BatchStatus.FAILED, at=now, errors=errors):
            tell_end(batch, BatchStatus.FAILED, now=now, errors=len(errors), code=errors[0].code)

    async def expire(self, batch: Batch) -> None:
        """Move a batch whose window ended before it was validated."""
        passed = BatchText.WINDOW_PASSED.error()
        reason = kept_reason(batch, BatchStatus.EXPIRED)
        now = int(self._clock.now())
        if await self._ledger.batches.move(
            batch.id,
            BatchStatus.EXPIRED,
            at=now,
            before=frozenset({BatchStatus.VALIDATING}),
            errors=[replace(passed, message=because(passed.message, reason))],
        ):
            tell_end(batch, BatchStatus.EXPIRED, now=now, reason=reason)


def _unknown(batch: Batch) -> BatchError:
    return BatchText.UNKNOWN_FILE.error(file_id=batch.input_file_id, tenant=batch.tenant)


def _call(batch: Batch, target: Target) -> Call:
    return Call(endpoint=batch.endpoint, model=target.model, overrides=batch.options.overrides)


def _read_on(scan: Scan, pieces: Iterator[Piece]) -> list[Shard] | None:
    """Take some pieces more; the plan, if they were the last that it needs."""
    for _ in range(_PIECES_AT_ONCE):
        piece = None if scan.full else next(pieces, None)
        if piece is None:
            return scan.finish()
        scan.take(piece)
    return None
