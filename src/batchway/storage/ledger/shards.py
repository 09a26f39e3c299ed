"""Plans, fences and committed segments. Owns the tables `shards`, `groups` and `segments`.

A commit takes rows in one order everywhere: shards by (batch, number), then remote jobs, then
segments, then batches by id. Two commits that share shards or batches therefore queue and never
deadlock.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from batchway.domain.batch import Usage
from batchway.domain.errors import Conflict
from batchway.domain.group import Group
from batchway.domain.run_online import RunOnline, added
from batchway.domain.shard import Claim, Mode, Segment, Shard
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.storage.ledger import jobs, tables
from batchway.storage.ledger.batch_rows import online_of, online_values, usage_of, usage_values
from batchway.storage.ledger.database import Database, Row
from batchway.storage.ledger.group_rows import (
    FORGET_GROUPS,
    GROUPS,
    INSERT_GROUP,
    ONLY_GROUP,
    group_of,
    group_of_json,
    group_values,
)

_t: Final = tables.shards
_s: Final = tables.segments
_b: Final = tables.batches
_ENDED: Final = [status.value for status in TERMINAL]
_HELD: Final = ("batch_id", "number", "mode", "fence", "lines", "done")
_USAGE: Final = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")

INSERT_SHARD: Final = insert(_t)
_PLAN: Final = select(_t).where(_t.c.batch_id == bindparam("batch_id")).order_by(_t.c.number)
_OPEN: Final = _PLAN.where(_t.c.done < _t.c.lines)
_LOCK_ALL: Final = (
    select(_t.c.number)
    .where(_t.c.batch_id == bindparam("batch_id"))
    .order_by(_t.c.number)
    .with_for_update()
)
_CLAIM: Final = (
    update(_t)
    .where(_t.c.batch_id == bindparam("of_batch"), _t.c.number == bindparam("of_number"))
    .values(fence=_t.c.fence + 1)
    .returning(*_t.c)
)
_HAND_OVER: Final = (
    update(_t)
    .where(
        _t.c.batch_id == bindparam("of_batch"),
        _t.c.number == bindparam("of_number"),
        _t.c.fence == bindparam("of_fence"),
    )
    .values(mode=Mode.MANAGED.value)
)
_OPEN_NATIVE: Final = (
    select(_t.c.lines - _t.c.done)
    .where(
        _t.c.batch_id == bindparam("of_batch"),
        _t.c.number == bindparam("of_number"),
        _t.c.mode == Mode.NATIVE.value,
    )
    .with_for_update()
)
_HOLD_BATCH: Final = (
    select(_b.c.run_online).where(_b.c.id == bindparam("of_batch")).with_for_update(key_share=True)
)
_TELL_ONLINE: Final = (
    update(_b)
    .where(_b.c.id == bindparam("of_batch"))
    .values(run_online=bindparam("told", type_=_b.c.run_online.type))
)
_SEGMENTS: Final = (
    select(_s)
    .where(_s.c.batch_id == bindparam("batch_id"), _s.c.shard == bindparam("shard"))
    .order_by(_s.c.seq)
)
_KNOWN: Final = select(_s.c.blob).where(_s.c.blob.in_(bindparam("blobs", expanding=True)))
_INSERT_SEGMENT: Final = insert(_s)
_ADVANCE: Final = (
    update(_t)
    .where(_t.c.batch_id == bindparam("of_batch"), _t.c.number == bindparam("of_number"))
    .values(done=_t.c.done + bindparam("more"))
)
_COUNT: Final = (
    update(_b)
    # Not `NOT IN`: SQLAlchemy expands its list on every call, and refuses to for many rows at once.
    .where(_b.c.id == bindparam("of_batch"), *(_b.c.status != status for status in _ENDED))
    .values(
        {name: _b.c[name] + bindparam(f"more_{name}") for name in ("completed", "failed", *_USAGE)}
    )
)
_UNCOUNT: Final = (
    update(_b)
    # A batch that finalizes must not find lines open again: it could neither run nor end.
    .where(_b.c.id == bindparam("of_batch"), _b.c.status == BatchStatus.IN_PROGRESS.value)
    .values(
        completed=_b.c.completed - bindparam("less_completed"),
        failed=_b.c.failed - bindparam("less_failed"),
    )
)
_DELETE_SEGMENT: Final = delete(_s).where(
    _s.c.batch_id == bindparam("of_batch"), _s.c.blob == bindparam("of_blob")
)
_FORGET_SEGMENTS: Final = delete(_s).where(_s.c.batch_id == bindparam("batch_id"))
_FORGET_SHARDS: Final = delete(_t).where(_t.c.batch_id == bindparam("batch_id"))
_LEFTOVERS: Final = (
    select(_b.c.id)
    .where(_b.c.id.in_(select(_t.c.batch_id).distinct()), _b.c.status.in_(_ENDED))
    .order_by(_b.c.seq)
)


class _EndedMeanwhileError(Exception):
    """A batch's row turned out, at its turn, to be in a status that the change does not allow."""


class SqlShards:
    """`ports.Shards`."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def plan(self, batch_id: str) -> list[Shard]:
        rows = await self._database.rows(_PLAN, {"batch_id": batch_id})
        return [shard_of(row) for row in rows]

    async def open(self, batch_id: str) -> list[Shard]:
        rows = await self._database.rows(_OPEN, {"batch_id": batch_id})
        return [shard_of(row) for row in rows]

    async def groups(self, batch_id: str) -> list[Group]:
        of_batch = {"batch_id": batch_id}
        groups = [group_of(row) for row in await self._database.rows(GROUPS, of_batch)]
        if groups:
            return groups
        rows = await self._database.rows(ONLY_GROUP, of_batch)
        return [group_of_json(row.only_group) for row in rows]

    async def add_groups(self, batch_id: str, groups: Sequence[Group]) -> None:
        async with self._database.transaction() as connection:
            # Locked as every change of a plan locks it: what ends the batch comes before or after.
            plan = await connection.execute(_LOCK_ALL, {"batch_id": batch_id})
            if not plan.all():
                return
            known = await connection.execute(GROUPS, {"batch_id": batch_id})
            names = {row.name for row in known}
            values = [group_values(batch_id, group) for group in groups if group.name not in names]
            if values:
                await connection.execute(INSERT_GROUP, values)

    async def claim(self, batch_id: str, number: int) -> Claim:
        async with self._database.transaction() as connection:
            result = await connection.execute(_CLAIM, {"of_batch": batch_id, "of_number": number})
            row = result.one_or_none()
        if row is None:
            raise Conflict(f"Shard {number} of {batch_id} is not there to claim.")
        return Claim(shard=shard_of(row), fence=row.fence)

    async def segments(self, batch_id: str, number: int) -> list[Segment]:
        rows = await self._database.rows(_SEGMENTS, {"batch_id": batch_id, "shard": number})
        return [_segment_of(row) for row in rows]

    async def commit(self, segments: Sequence[Segment]) -> list[Segment]:
        if not segments:
            return []
        while True:
            try:
                async with self._database.transaction() as connection:
                    return await _commit(connection, segments)
            except _EndedMeanwhileError:
                # Undone; look again. Nothing leaves a terminal status, so this goes round once a
                # batch at most.
                continue

    async def retract(self, segment: Segment) -> bool:
        try:
            async with self._database.transaction() as connection:
                return await _retract(connection, segment)
        except _EndedMeanwhileError:
            return False

    async def hand_over(self, claim: Claim, *, because: str = "") -> bool:
        batch_id, number = claim.shard.batch_id, claim.shard.number
        of_batch = {"of_batch": batch_id}
        of_shard = of_batch | {"of_number": number}
        async with self._database.transaction() as connection:
            open_ = (await connection.execute(_OPEN_NATIVE, of_shard)).scalar()
            held = of_shard | {"of_fence": claim.fence}
            if (await connection.execute(_HAND_OVER, held)).rowcount == 0:
                return False
            await jobs.empty(connection, batch_id, number)
            told = online_of((await connection.execute(_HOLD_BATCH, of_batch)).scalar())
            if open_ and because:
                now = online_values(added(told, RunOnline(lines=open_, reason=because)))
                await connection.execute(_TELL_ONLINE, of_batch | {"told": now})
            await jobs.renew_sums(connection, [batch_id])
        return True

    async def forget(self, batch_id: str) -> None:
        async with self._database.transaction() as connection:
            # A commit that holds a shard must end first, or its segment would outlive the shard.
            await connection.execute(_LOCK_ALL, {"batch_id": batch_id})
            await connection.execute(_FORGET_SEGMENTS, {"batch_id": batch_id})
            await connection.execute(_FORGET_SHARDS, {"batch_id": batch_id})
            await connection.execute(FORGET_GROUPS, {"of_batch": batch_id})

    async def leftovers(self) -> list[str]:
        return [row.id for row in await self._database.rows(_LEFTOVERS)]


def shard_values(shard: Shard, *, only_group: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A planned shard as column values; `only_group` as `group_json` makes it."""
    return {
        "batch_id": shard.batch_id,
        "number": shard.number,
        "group_name": shard.group,
        "mode": shard.mode.value,
        "start_byte": shard.start,
        "end_byte": shard.end,
        "first_line": shard.first_line,
        "lines": shard.lines,
        "models": None if shard.models is None else list(shard.models),
        "members": shard.members,
        "only_group": None if only_group is None else dict(only_group),
        "fence": 0,
        "done": 0,
    }


def shard_of(row: Row) -> Shard:
    """The shard of a row."""
    return Shard(
        batch_id=row.batch_id,
        number=row.number,
        group=row.group_name,
        mode=Mode(row.mode),
        start=row.start_byte,
        end=row.end_byte,
        first_line=row.first_line,
        lines=row.lines,
        models=None if row.models is None else tuple(row.models),
        members=row.members,
    )


async def _commit(connection: AsyncConnection, segments: Sequence[Segment]) -> list[Segment]:
    """Take in what the newest fences allow; returns the rest."""
    held = {(row.batch_id, row.number): row for row in await _lock(connection, segments)}
    known = await connection.execute(_KNOWN, {"blobs": [segment.blob for segment in segments]})
    # Before the fences: a repeated commit's segments are in, whoever holds the shard by now.
    # Called refused, their blobs would be thrown away.
    already = {row.blob for row in known}
    refused: list[Segment] = []
    accepted: list[Segment] = []
    for segment in segments:
        if segment.blob in already:
            continue
        shard = held.get((segment.batch_id, segment.shard))
        newest = shard is not None and shard.status not in _ENDED and shard.fence == segment.fence
        (accepted if newest else refused).append(segment)
    if not accepted:
        return refused
    lines: Counter[tuple[str, int]] = Counter()
    for segment in accepted:
        lines[segment.batch_id, segment.shard] += segment.lines
    for key, more in lines.items():
        if held[key].done + more > held[key].lines:
            raise Conflict(
                f"Shard {key[1]} of {key[0]} has {held[key].lines} lines, {held[key].done} of "
                f"them done: {more} more would be duplicates."
            )
    # Of a shard that runs line by line no job has anything to take off.
    native = [s for s in accepted if held[s.batch_id, s.shard].mode == Mode.NATIVE.value]
    if native:
        await jobs.take_off(connection, native)
    await connection.execute(_INSERT_SEGMENT, [_segment_values(segment) for segment in accepted])
    await connection.execute(
        _ADVANCE,
        [{"of_batch": b, "of_number": n, "more": more} for (b, n), more in lines.items()],
    )
    counts = _counts(accepted)
    counted = await connection.execute(_COUNT, counts)
    if counted.rowcount != len(counts):
        raise _EndedMeanwhileError
    if native:
        await jobs.renew_sums(connection, sorted({segment.batch_id for segment in native}))
    return refused


async def _retract(connection: AsyncConnection, segment: Segment) -> bool:
    """Take a committed segment out again; raises when its batch does not run any more."""
    of_batch = {"of_batch": segment.batch_id}
    await _lock(connection, [segment])
    deleted = await connection.execute(_DELETE_SEGMENT, of_batch | {"of_blob": segment.blob})
    if deleted.rowcount == 0:
        return False
    await connection.execute(
        _ADVANCE, of_batch | {"of_number": segment.shard, "more": -segment.lines}
    )
    less = {"less_completed": segment.completed, "less_failed": segment.failed}
    if (await connection.execute(_UNCOUNT, of_batch | less)).rowcount == 0:
        raise _EndedMeanwhileError
    return True


async def _lock(connection: AsyncConnection, segments: Iterable[Segment]) -> Sequence[Row]:
    """The shards of these segments, locked in one order, with the status of their batches."""
    numbers: dict[str, set[int]] = {}
    for segment in segments:
        numbers.setdefault(segment.batch_id, set()).add(segment.shard)
    wanted = or_(
        *(
            and_(_t.c.batch_id == batch, _t.c.number.in_(sorted(those)))
            for batch, those in sorted(numbers.items())
        )
    )
    query = (
        select(*(_t.c[name] for name in _HELD), _b.c.status)
        .join(_b, _b.c.id == _t.c.batch_id)
        .where(wanted)
        .order_by(_t.c.batch_id, _t.c.number)
        .with_for_update(of=_t, key_share=True)
    )
    return (await connection.execute(query)).all()


def _counts(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    """What accepted segments add to each batch, in the order in which batch rows are locked."""
    sums: dict[str, tuple[int, int, Usage]] = {}
    for segment in segments:
        completed, failed, usage = sums.get(segment.batch_id, (0, 0, Usage()))
        sums[segment.batch_id] = (
            completed + segment.completed,
            failed + segment.failed,
            usage + segment.usage,
        )
    return [
        {
            "of_batch": batch,
            "more_completed": completed,
            "more_failed": failed,
            **{f"more_{name}": value for name, value in usage_values(usage).items()},
        }
        for batch, (completed, failed, usage) in sorted(sums.items())
    ]


def _segment_values(segment: Segment) -> dict[str, Any]:
    return {
        "batch_id": segment.batch_id,
        "shard": segment.shard,
        "fence": segment.fence,
        "blob": segment.blob,
        "bytes": segment.bytes,
        "lines": segment.lines,
        "completed": segment.completed,
        "failed": segment.failed,
        **usage_values(segment.usage),
    }


def _segment_of(row: Row) -> Segment:
    return Segment(
        batch_id=row.batch_id,
        shard=row.shard,
        fence=row.fence,
        blob=row.blob,
        bytes=row.bytes,
        lines=row.lines,
        completed=row.completed,
        failed=row.failed,
        usage=usage_of(row),
    )
