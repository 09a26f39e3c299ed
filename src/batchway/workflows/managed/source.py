"""The source of a managed run: reads the shards of one destination, and hands their lines out.

    shard --line--> room, turn --permit--> `lines`

It reads no faster than lines are taken off its hands: `outstanding` bounds what was read and has no
result yet, the collector what has one, the gate what is in flight. Does not own claims (`run`).
"""

import asyncio
from collections.abc import Callable
from typing import Final

from batchway.dispatch.caller import Caller
from batchway.dispatch.sender import Sender, Work
from batchway.domain.batch import Batch
from batchway.domain.overrides import NO_OVERRIDES
from batchway.domain.routing import Destination, Target
from batchway.domain.shard import Shard
from batchway.lines.envelope import reader_of
from batchway.lines.shard_lines import ShardReader
from batchway.ports import Blobs
from batchway.results.collector import Buffer, Collector
from batchway.workflows.managed.lines import Lines
from batchway.workflows.managed.outstanding import Part

_PIECE_BYTES: Final = 256 << 10


class Source:
    """Reads shards of one destination, one after the other.

    `destination` tells where lines that name a model go.
    """

    def __init__(
        self,
        *,
        batch: Batch,
        blobs: Blobs,
        sender: Sender,
        collector: Collector,
        lines: Lines,
        outstanding: Part,
        destination: Callable[[str], Destination],
        draw: Callable[[], float],
    ) -> None:
        self._batch = batch
        self._blobs = blobs
        self._sender = sender
        self._collector = collector
        self._lines = lines
        self._outstanding = outstanding
        self._destination = destination
        self._draw = draw
        self._reader = reader_of(batch)
        self._caller = Caller(
            tenant=batch.tenant, batch_id=batch.id, deadline=float(batch.deadline)
        )
        self._known: dict[str, Destination] = {}

    async def read(self, shard: Shard, *, done: set[int], answered: int, buffer: Buffer) -> None:
        """Hand out every line of the shard that is not in `done`; returns early without the claim.

        `answered` is how many lines of it were answered before this process read it.
        """
        reading = ShardReader(
            self._blobs,
            self._batch.input_blob or "",
            shard,
            reader=self._reader,
            piece_bytes=_PIECE_BYTES,
            done=done,
            unreadable=lambda line, custom_id: self._lines.unreadable(
                line, custom_id, buffer=buffer
            ),
        )
        batch, sender, collector, outstanding = (
            self._batch,
            self._sender,
            self._collector,
            self._outstanding,
        )
        known, start = self._known, self._lines.start
        endpoint, caller, draw = batch.endpoint, self._caller, self._draw
        # Without any, the one that the sender knows at a glance.
        overrides = batch.options.overrides
        if overrides == NO_OVERRIDES:
            overrides = NO_OVERRIDES
        vouched: set[Target] | None = set() if answered else None
        while (
            lines := reading.next() if reading.ended else await asyncio.to_thread(reading.next)
        ) is not None:
            for line, request in lines:
                model = request.model
                destination = known.get(model)
                if destination is None:
                    destination = known[model] = self._destination(model)
                work = Work(
                    line=line,
                    endpoint=endpoint,
                    body=request.body,
                    model=model,
                    targets=destination.order(draw()),
                    caller=caller,
                    overrides=overrides,
                )
                if vouched is not None and work.targets[0] not in vouched:
                    # Lines of the shard that the target has answered: it is alive.
                    vouched.add(work.targets[0])
                    sender.vouch(work, answered=answered)
                if outstanding.full:
                    await outstanding.room()
                if collector.full:
                    await collector.room()
                permit = sender.try_admit(work) or await sender.admit(work)
                start(work, permit, request.custom_id, buffer=buffer, outstanding=outstanding)
            if buffer.lost:
                return
