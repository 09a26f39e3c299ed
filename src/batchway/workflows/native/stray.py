"""A job that was made while its runner's claim was lost: whose is it now?

    the record names it              the newer runner's
    the record looks for its tag     will be: it finds the job
    the record has another job, or   without an owner: it is cancelled
    another tag, or the batch ended

Owns that question. Does not own how a job is made (`job`).
"""

import logging
from typing import Final

from batchway.domain.errors import Unavailable
from batchway.domain.remote import JobRecord, RemoteError, RemoteJob
from batchway.domain.status import TERMINAL
from batchway.ports import Clock, Jobs, Ledger
from batchway.workflows.native.waiting import brief

_log: Final = logging.getLogger(__name__)
_LOOKS: Final = 30
_PAUSE: Final = 1.0


async def disown(
    job: RemoteJob, *, record: JobRecord, ledger: Ledger, jobs: Jobs, clock: Clock
) -> None:
    """See that `job`, made for `record`, has an owner or ends. Gives up looking after a while."""
    for _ in range(_LOOKS):
        try:
            records = await ledger.jobs.of(record.batch_id)
            batch = await ledger.batches.load(record.batch_id)
        except Unavailable as error:
            _log.warning("job %s cannot be looked after: %s", job.id, error)
        else:
            now = next((r for r in records if r.shard == record.shard), None)
            over = batch is None or batch.status in TERMINAL
            if now is not None and now.remote_id == job.id:
                return
            if over or now is None or now.tag != record.tag or now.remote_id:
                await cancel(job, jobs)
                return
        await clock.sleep(_PAUSE)
    # It is still being looked for under its tag, and will be found.


async def cancel(job: RemoteJob, jobs: Jobs) -> None:
    """End a job whose results no runner collects."""
    _log.warning("job %s has no owner any more and is cancelled", job.id)
    try:
        await jobs.cancel(job.id)
    except RemoteError as error:
        _log.error("job %s could not be cancelled (%s)", job.id, brief(error))
