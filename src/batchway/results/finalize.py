"""Finalize: committed segments become one output file and one error file, in input order.

    open lines left?   status now      files        terminal status
    no                 in_progress     as they are  completed (through finalizing)
    yes                in_progress     + expired    expired
    any                cancelling      + cancelled  cancelled

What storage has lost cannot be delivered, and must not keep a batch from ending either. Lines
whose results were in a damaged segment get a `result_lost` entry and count as failed; lines that
can no longer be read from the input get none (nobody knows their custom_id any more) and are
counted in an `input_lost` entry of the batch's `errors`.

Owns the last moves of a batch and its result files. Re-entrant: files are written under new names
and become visible together with the terminal status, in one transaction; a crash before it leaves
blobs that no row names, for the janitor.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from batchway.domain.batch import Batch, BatchError
from batchway.domain.batch_errors import BatchText, LineText
from batchway.domain.file import File
from batchway.domain.line_set import LineSet
from batchway.domain.reason import Reason
from batchway.domain.shard import Shard
from batchway.domain.status import BatchStatus
from batchway.lines.envelope import reader_of
from batchway.lines.pieces import read_pieces
from batchway.ports import Blobs, BlobWriter, Clock, Delivered, Ledger
from batchway.results.endings import because, kept_reason, tell_end
from batchway.results.records import Records
from batchway.results.result_file import blob_of, result_file
from batchway.results.segments import intact, merged
from batchway.telemetry import event

_log: Final = logging.getLogger(__name__)
_CHUNK_BYTES: Final = 1 << 20
_CHUNK_LINES: Final = 2_000
_AHEAD_BYTES: Final = 16 << 20  # results held in memory at once, of all destinations together

Entry = tuple[int, bool, bytes]  # line, whether it belongs into the output file, record


@dataclass(slots=True, kw_only=True)
class _ResultFile:
    """A result file being written; it gets a writer with its first line."""

    id: str
    blob: str
    writer: BlobWriter | None = None
    bytes: int = 0
    lines: int = 0


@dataclass(slots=True, kw_only=True)
class _Losses:
    """What storage took from a batch, and how that shows in its files."""

    segments: int = 0
    unread: int = 0  # lines that have neither a result nor an entry
    withheld: int = 0  # entries that count as neither completed nor failed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Missing:
    """What the entry of a line without a result says."""

    code: str
    message: str


_LOST: Final = _Missing(code=LineText.RESULT_LOST.pair()[0], message=LineText.RESULT_LOST.pair()[1])


class Finalize:
    """Ends batches."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        blobs: Blobs,
        records: Records,
        clock: Clock,
        new_file_id: Callable[[], str],
    ) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._records = records
        self._clock = clock
        self._new_file_id = new_file_id

    async def run(self, batch: Batch) -> bool:
        """Write the result files of `batch` and end it.

        Returns `False` without ending it when lines are open that still have time, or when its
        status moved meanwhile: look at the batch again.
        """
        shards = await self._ledger.shards.plan(batch.id)
        unfinished = {shard.number for shard in await self._ledger.shards.open(batch.id)}
        ending = self._ending(batch, unfinished=bool(unfinished))
        if ending is None:
            return False
        if ending is BatchStatus.COMPLETED and batch.status is BatchStatus.IN_PROGRESS:
            at = int(self._clock.now())
            if not await self._ledger.batches.move(batch.id, BatchStatus.FINALIZING, at=at):
                return False
            event(_log, "batch finalizing", batch=batch.id)
        for number in unfinished:
            # Whoever still runs the shard (a process that was paused) must not commit results
            # behind our back: they would be counted and delivered nowhere.
            await self._ledger.shards.claim(batch.id, number)
        output, error = self._result_file(), self._result_file()
        losses = _Losses()
        reason = kept_reason(batch, ending)
        missing = _missing(ending, reason)
        try:
            entries = self._entries(batch, shards, unfinished, missing, losses)
            while await asyncio.to_thread(self._write, entries, output, error):
                pass
            await asyncio.to_thread(_commit, output, error)
        except BaseException:
            await asyncio.to_thread(self._discard, output, error)
            raise
        # From here an exception may mean that the commit arrived although its answer did not, so
        # the bytes stay: either a row names them now, or the janitor will find that none does.
        now = int(self._clock.now())
        ended = await self._ledger.batches.finish(
            batch.id,
            ending,
            at=now,
            output=_row(batch, output, ok=True, now=now),
            error=_row(batch, error, ok=False, now=now),
            delivered=_delivered(output, error, losses) if losses.segments else None,
            errors=self._errors(batch, ending, reason, losses),
            details=None if reason is None else reason.sentence,
        )
        if not ended:
            await asyncio.to_thread(self._discard, output, error)
            return False
        tell_end(
            batch,
            ending,
            now=now,
            total=batch.counts.total,
            completed=output.lines,
            failed=error.lines - losses.withheld,
            not_run=losses.withheld or None,
            tokens=batch.usage.total_tokens or None,
            reason=reason,
        )
        return True

    def _ending(self, batch: Batch, *, unfinished: bool) -> BatchStatus | None:
        match batch.status:
            case BatchStatus.CANCELLING:
                return BatchStatus.CANCELLED
            case BatchStatus.IN_PROGRESS | BatchStatus.FINALIZING:
                if not unfinished:
                    return BatchStatus.COMPLETED
                return BatchStatus.EXPIRED if self._clock.now() >= batch.deadline else None
            case _:
                return None

    # ------------------------------------------------------------------ entries

    def _entries(
        self,
        batch: Batch,
        shards: list[Shard],
        unfinished: set[int],
        missing: _Missing,
        losses: _Losses,
    ) -> Iterator[Entry]:
        """Every line's entry in input order, those without a result included."""
        groups: dict[str, list[Shard]] = {}
        for shard in shards:
            groups.setdefault(shard.group, []).append(shard)
        loop = asyncio.get_running_loop()

        def of_group(members: list[Shard]) -> Iterator[Entry]:
            for shard in members:
                segments = asyncio.run_coroutine_threadsafe(
                    self._ledger.shards.segments(batch.id, shard.number), loop
                ).result()
                whole, damage = intact(self._blobs, segments)
                for error in damage:
                    _log.error("batch %s has lost results: %s", batch.id, error)
                losses.segments += len(damage)
                results = merged(self._blobs, whole, ahead_bytes=_AHEAD_BYTES // len(groups))
                if damage:
                    # Which of the shard's lines it held is lost with it.
                    yield from self._completed(batch, shard, results, _LOST, losses)
                elif shard.number in unfinished:
                    yield from self._completed(batch, shard, results, missing, losses)
                else:
                    yield from results

        streams = [of_group(members) for members in groups.values()]
        return streams[0] if len(streams) == 1 else heapq.merge(*streams)

    def _completed(
        self,
        batch: Batch,
        shard: Shard,
        results: Iterator[Entry],
        missing: _Missing,
        losses: _Losses,
    ) -> Iterator[Entry]:
        """The shard's results with an error entry in the place of every missing one."""
        upcoming = next(results, None)
        entries = 0
        for line, custom_id in self._requests(batch, shard):
            while upcoming is not None and upcoming[0] < line:
                yield upcoming  # its own line can no longer be read
                entries += 1
                upcoming = next(results, None)
            entries += 1
            if upcoming is not None and upcoming[0] == line:
                yield upcoming
                upcoming = next(results, None)
                continue
            losses.withheld += missing is not _LOST
            result = self._records.unanswered(
                line=line, custom_id=custom_id, code=missing.code, message=missing.message
            )
            yield line, False, result.record
        while upcoming is not None:
            yield upcoming
            entries += 1
            upcoming = next(results, None)
        losses.unread += max(0, shard.lines - entries)

    def _requests(self, batch: Batch, shard: Shard) -> Iterator[tuple[int, str]]:
        """Line number and custom_id of the shard's lines, as far as they can be read."""
        reader = reader_of(batch)
        models = None if shard.models is None else frozenset(shard.models)
        members = None if shard.members is None else LineSet(shard.members, first=shard.first_line)
        pieces = read_pieces(
            self._blobs,
            batch.input_blob or "",
            start=shard.start,
            end=shard.end,
            first_line=shard.first_line,
            max_line_bytes=shard.end - shard.start,
        )
        try:
            for piece in pieces:
                for line, data in enumerate(piece.lines, piece.first_line):
                    if members is not None and line not in members:
                        continue
                    request = None if not data or data.isspace() else reader.read(data)
                    if request is not None and (models is None or request.model in models):
                        yield line, request.custom_id
        except KeyError:
            return  # the whole input is gone: `_completed` counts what is missing

    def _errors(
        self, batch: Batch, ending: BatchStatus, reason: Reason | None, losses: _Losses
    ) -> list[BatchError] | None:
        """What the batch as a whole has to say about its end."""
        errors: list[BatchError] = []
        if ending is BatchStatus.EXPIRED:
            expired = BatchText.EXPIRED.error(
                window=batch.completion_window,
                count=losses.withheld + losses.unread,
                total=batch.counts.total,
            )
            errors.append(replace(expired, message=because(expired.message, reason)))
        if losses.unread:
            errors.append(self._unread(batch, losses))
        return errors or None

    def _unread(self, batch: Batch, losses: _Losses) -> BatchError:
        """What the batch has to say about lines without an entry."""
        _log.error(
            "batch %s ends with %d lines undelivered: they are missing in its input %s",
            batch.id,
            losses.unread,
            batch.input_blob,
        )
        return BatchText.INPUT_LOST.error(count=losses.unread)

    # ------------------------------------------------------------------ files

    def _result_file(self) -> _ResultFile:
        file_id = self._new_file_id()
        return _ResultFile(id=file_id, blob=blob_of(file_id))

    def _write(self, entries: Iterator[Entry], output: _ResultFile, error: _ResultFile) -> bool:
        """Write the next chunk of entries; `False` after the last. Blocks."""
        lines: dict[bool, list[bytes]] = {True: [], False: []}
        size = 0
        more = False
        for count, (_, ok, record) in enumerate(entries, 1):
            lines[ok].append(record)
            size += len(record)
            if size >= _CHUNK_BYTES or count >= _CHUNK_LINES:
                more = True
                break
        for file, records in ((output, lines[True]), (error, lines[False])):
            if not records:
                continue
            if file.writer is None:
                file.writer = self._blobs.writer(file.blob)
            data = b"\n".join(records) + b"\n"
            file.writer.write(data)
            file.bytes += len(data)
            file.lines += len(records)
        return more

    def _discard(self, *files: _ResultFile) -> None:
        for file in files:
            if file.writer is not None:
                file.writer.abort()
                self._blobs.delete(file.blob)


def _missing(ending: BatchStatus, reason: Reason | None) -> _Missing:
    if ending is BatchStatus.CANCELLED:
        code, message = LineText.CANCELLED.pair()
        return _Missing(code=code, message=message)
    code, message = LineText.EXPIRED.pair()
    return _Missing(code=code, message=because(message, reason))


def _row(batch: Batch, file: _ResultFile, *, ok: bool, now: int) -> File | None:
    if file.writer is None:
        return None
    return result_file(batch, file.id, ok=ok, bytes=file.bytes, now=now)


def _delivered(output: _ResultFile, error: _ResultFile, losses: _Losses) -> Delivered:
    return Delivered(completed=output.lines, failed=error.lines - losses.withheld)


def _commit(*files: _ResultFile) -> None:
    for file in files:
        if file.writer is not None:
            file.writer.commit()
