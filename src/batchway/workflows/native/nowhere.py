"""A shard whose model's name leads to no job of its account: its lines are refused, unsent.

Where a name's form is known, it is turned away when a batch is checked. An account of one's own may
tell later, and one of today may be configured otherwise than the one of yesterday. Owns the error
lines, and the words for a job that cannot be reached. Does not own what a refusal means to the
batch (`verdict`).
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn

from batchway.domain.batch import BatchError
from batchway.domain.batch_errors import LineText
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.shard import Claim
from batchway.lines.envelope import reader_of
from batchway.lines.shard_lines import LineTable, read_requests
from batchway.workflows.native.batch import NativeBatch
from batchway.workflows.native.context import Resources
from batchway.workflows.native.results import missing
from batchway.workflows.native.sink import Sink


async def refuse(
    claim: Claim,
    *,
    provider: str,
    done: set[int],
    resources: Resources,
    shared: NativeBatch,
    lose: Callable[[], NoReturn],
) -> None:
    """Fail the batch if nothing of it is taken, else the shard's lines but those in `done`.

    Raises `HaltedError` when the batch has failed, or the claim is another's.
    """
    code, message = LineText.NO_JOB_OF_MODEL.pair(provider=provider)
    error = BatchError(code=code, message=message)
    if not await shared.verdict.refuse(claim.shard.number, [error]):
        return
    table = await asyncio.to_thread(_table, claim, done, resources=resources, shared=shared)
    pieces = missing(table, resources.records, code=code, message=message)
    sink = Sink(collector=resources.collector, claim=claim, lose=lose)
    try:
        while (results := await asyncio.to_thread(next, pieces, None)) is not None:
            await sink.add(results)
        await sink.commit()
    finally:
        sink.close()


def no_way_back(provider: str) -> Reason:
    """What a shard waits for whose job was made under a name that leads nowhere any more."""
    return Reason(
        kind=ReasonKind.CONFIGURATION,
        sentence=(
            f"The provider '{provider}' is configured in a way that it takes no jobs of a part of "
            "this batch any more: configure it as it was and restart, or cancel the batch. Its "
            "requests wait."
        ),
    )


def _table(claim: Claim, done: set[int], *, resources: Resources, shared: NativeBatch) -> LineTable:
    """The shard's lines. Blocks."""
    batch = shared.batch
    table = LineTable()
    for piece in read_requests(
        resources.blobs, batch.input_blob or "", claim.shard, reader=reader_of(batch)
    ):
        table.add(piece, done)
    return table
