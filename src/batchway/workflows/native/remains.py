"""What jobs of ended batches left at their providers, removed once those can be reached again.

A batch may end while its provider is not configured, does not answer, lets nothing be removed, or
takes longer to stop a job than a batch waits: its job is then still open in the ledger, and what it
made is still there.

    open record --> cancelled, has ended --> input and results removed --> `ended`
         |   (of a collected one: as is)
         its provider is away, or the job goes on: left for the janitor's next turn

Owns this chore. Does not own what a run removes itself (`tidying`).
"""

import logging
from typing import Final

from batchway.domain.batch import Batch
from batchway.domain.call import Call
from batchway.domain.remote import JobRecord, JobStage, RemoteError, RemoteJob, Trouble
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import Clock, Jobs, Ledger
from batchway.workflows.native.accounts import NativeAccounts
from batchway.workflows.native.waiting import brief

_log: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 200  # records of one turn
_LOOKS: Final = 5
_PAUSE: Final = 1.0  # between two looks at a job that was cancelled: most stop within seconds


class Remains:
    """Removes what is left. Belongs to one event loop."""

    def __init__(self, *, ledger: Ledger, accounts: NativeAccounts, clock: Clock) -> None:
        self._ledger = ledger
        self._accounts = accounts
        self._clock = clock

    async def remove(self) -> None:
        """See to every open record of an ended batch once. Raises `Unavailable`.

        A provider that fails is not asked again in this turn: its timeouts hold up no other's.
        """
        after: tuple[str, int] | None = None
        away: set[str] = set()
        while records := await self._ledger.jobs.unsettled(limit=_AT_ONCE, after=after):
            for record in records:
                if record.provider not in away and not await self._see_to(record):
                    away.add(record.provider)
            after = (records[-1].batch_id, records[-1].shard)

    async def _see_to(self, record: JobRecord) -> bool:
        """Remove what one job left, if that can be now; `False` when its provider fails."""
        batch = await self._ledger.batches.load(record.batch_id)
        account = self._accounts.get(record.provider)
        if batch is None or account is None:
            return True
        jobs = _jobs_of(record, batch, self._accounts)
        if jobs is None:
            return True
        try:
            job = await self._ended(record, jobs)
            if job is None:
                return True
            if not account.tuning.keep_files:
                await jobs.clean(job, tag=record.tag)
        except RemoteError as error:
            _log.info("what %s left stays for now (%s)", record.tag, brief(error))
            return error.trouble is Trouble.REFUSED
        await self._ledger.jobs.settle(record)
        _log.info("batch %s: what %s left is seen to", record.batch_id, record.tag)
        return True

    async def _ended(self, record: JobRecord, jobs: Jobs) -> RemoteJob | None:
        """The job, cancelled if it has to be; `None` while it goes on. One that was never made, or
        is gone, is only what the record knows of it. Raises `RemoteError`.
        """
        known = RemoteJob(
            id=record.remote_id or "",
            status=BatchStatus.CANCELLED,
            reference=record.reference,
            references=record.references,
        )
        if record.stage is JobStage.COLLECTED:
            return known
        job_id = record.remote_id
        if job_id is None:
            made = await jobs.find(record.tag, since=record.submitted_at or 0)
            if made is None:
                return known
            job_id = made.id
        try:
            job = await jobs.cancel(job_id)
            for _ in range(_LOOKS):
                if job.status in TERMINAL:
                    return job
                await self._clock.sleep(_PAUSE)
                job = await jobs.fetch(job_id)
        except RemoteError as error:
            if error.trouble is not Trouble.NOT_FOUND:
                raise
            return known
        return None


def _jobs_of(record: JobRecord, batch: Batch, accounts: NativeAccounts) -> Jobs | None:
    call = Call(batch.endpoint, record.model, batch.options.overrides)
    try:
        return accounts[record.provider].provider.jobs(call)
    except ValueError:
        return None  # a name that leads nowhere at the account of today
