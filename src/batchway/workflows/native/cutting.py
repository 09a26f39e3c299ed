"""A job that went over what an account may have enqueued: is a smaller one to be tried?

    beyond the limit, whatever else is enqueued     cut
    beside others of ours                           waits for them
    beside others'                                  waits for them, half an hour
    a single line                                   runs online, or is refused

Waiting cannot help a job that is larger than everything that may ever be enqueued. Owns this
question. Does not own how large a job may be (`fit`).
"""

import logging
from collections.abc import Sequence
from typing import Final

from batchway.domain.batch import BatchError
from batchway.domain.remote import EnqueuedLimit, JobRecord, RemoteError, RemoteJob
from batchway.domain.status import BatchStatus
from batchway.workflows.native.context import JobContext
from batchway.workflows.native.record import Record
from batchway.workflows.native.tidying import clean
from batchway.workflows.native.waiting import Waiting, brief

_log: Final = logging.getLogger(__name__)

# A job that does not fit beside others waits for them, but not for ever: they may be another
# client's, which keeps the account full. Half an hour is little of a day, and what is cut is only
# smaller.
_OTHERS_PATIENCE: Final = 1_800.0


class Cutting:
    """Cuts the jobs of one shard."""

    def __init__(self, *, context: JobContext, record: Record, waiting: Waiting) -> None:
        self._context = context
        self._record = record
        self._waiting = waiting
        self._others_since: float | None = None
        # Of the last job that was brought to the provider, where they are known.
        self.lines: int | None = None
        self.requests: int | None = None

    async def cut(
        self, limit: EnqueuedLimit, errors: Sequence[BatchError]
    ) -> bool | Sequence[BatchError] | None:
        """A job went over that limit, as `errors` say.

        `None`: waiting may help. Else whether there is more to do, or, of a single line that is too
        large and is not to be run online, `errors`.
        """
        context, record = self._context, self._record
        tokens = record.now.tokens or max(1, (record.shard.end - record.shard.start) // 4)
        requests = self.requests
        beyond = (limit.tokens is not None and tokens > limit.tokens) or (
            limit.requests is not None and requests is not None and requests > limit.requests
        )
        single = self.lines == 1
        if (single or not beyond) and not await self._is_alone():
            return None
        if single and not context.rescue:
            # Without any job that was ever taken, it may be the account that is let nothing.
            return list(errors) if record.capacity.taken or record.now.first_line else None
        before = record.now
        # Recorded before anything is removed: or what is gone would be asked for.
        if single:
            await self._run_online(before)
        else:
            record.capacity.fit.learn(tokens=tokens, lines=requests, limit=limit)
            self._log_cut(tokens)
            await record.begin(first_line=before.first_line)
        await self.clean_up(before)
        if not single:
            self._waiting.tell(None)
        return True

    async def _run_online(self, before: JobRecord) -> None:
        """A single line is too large: it, or all that is left if no line fits, is left open."""
        record = self._record
        rest = record.capacity.fit.refuses_all()
        _log.warning(
            "batch %s: %s of job %d is too large for the batch API and runs online",
            self._context.shared.batch.id,
            "what is left" if rest else "a line",
            record.shard.number,
        )
        if rest:
            await record.leave_rest()
        if rest or before.before_line is None:
            await record.end()
        else:
            await record.begin(first_line=before.before_line)

    def _log_cut(self, tokens: int) -> None:
        record = self._record
        _log.warning(
            "batch %s: job %d of about %d tokens is more than the provider %s takes at once: it is "
            "cut to at most %s tokens, %s lines",
            self._context.shared.batch.id,
            record.shard.number,
            tokens,
            record.now.provider,
            record.capacity.fit.tokens or "any",
            record.capacity.fit.lines or "any",
        )

    async def _is_alone(self) -> bool:
        """Whether nothing else takes up the room, or was waited for long enough."""
        record, now = self._record, self._context.clock.monotonic()
        if record.capacity.jobs - {record.now.tag}:
            return False  # our own end, and are seen to end
        try:
            others = await self._context.jobs.unfinished()
        except RemoteError as error:
            _log.info("job %s: others cannot be looked at (%s)", record.now.tag, brief(error))
            return False
        if not others:
            return True
        if self._others_since is None:
            self._others_since = now
        return now - self._others_since >= _OTHERS_PATIENCE

    async def clean_up(self, record: JobRecord) -> None:
        """Remove the input of a job that was not made, or did not run."""
        if record.submitted_at is not None:
            never = RemoteJob(
                id="",
                status=BatchStatus.CANCELLED,
                reference=record.reference,
                created_at=record.submitted_at,
            )
            await clean(never, context=self._context, record=self._record, tag=record.tag)
