"""The life of a job, by the fake's clock.

    validating --> in_progress --> finalizing --> completed
        |              |               |
        +--> failed    +--> expired    |   (also `failed` with part of the rows, if told so)
        |              |               |
        +--------------+---------------+--> cancelling --> cancelled (or completed: a lost race)

Owns the changes of state. Each job is a task; the work on files is done in threads.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from batchway.simulator.batches.behaviour import Behaviour
from batchway.simulator.batches.clock import Clock
from batchway.simulator.batches.dialects import Dialect
from batchway.simulator.batches.results import Produced, Run, produce
from batchway.simulator.batches.state import TERMINAL, Job
from batchway.simulator.batches.store import Store, output_purpose
from batchway.simulator.batches.validation import check, error

_LONG: Final = 3_600.0
_UNRUN: Final = {
    "expired": "batch_expired",
    "cancelled": "batch_cancelled",
    "failed": "batch_failed",
}


class Jobs:
    """All jobs, oldest first, and the tasks that they are."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        dialect: Callable[[], Dialect],
        behaviour: Callable[[], Behaviour],
    ) -> None:
        self.jobs: dict[str, Job] = {}
        self.ids: Counter[str] = Counter()
        self.digests: Counter[str] = Counter()
        self.lines = 0
        self._store = store
        self._clock = clock
        self._dialect = dialect
        self._behaviour = behaviour
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, job: Job) -> None:
        """Take a job in and let it live."""
        self.jobs[job.id] = job
        task = asyncio.create_task(self._live(job), name=job.id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self, job: Job) -> None:
        """Ask an unfinished job to stop."""
        job.cancelling = True
        self._enter(job, "cancelling")
        self._clock.stir()

    async def close(self) -> None:
        """End every task."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def enqueued(self, model: str | None, *, upto: int | None = None) -> int:
        """The tokens of a model's unfinished jobs, up to the job of that number if one is given."""
        return sum(
            job.tokens
            for job in self.jobs.values()
            if not job.ended and job.model == model and (upto is None or job.number <= upto)
        )

    def look(self, job: Job) -> Job:
        """Bring the counters of a running job up to date."""
        if job.status == "in_progress" and job.started is not None:
            behaviour = self._behaviour()
            seconds = behaviour.phases.in_progress
            held = "in_progress" in behaviour.hold
            most = behaviour.fate(job.number).share if held else 1.0
            # A phase of no time has run all that it will when the job enters it.
            past = (self._clock.now() - job.started) / seconds if seconds else most
            job.run = min(most, past)
            job.completed = int(job.lines * job.run)
        return job

    async def _live(self, job: Job) -> None:
        try:
            await self._pass(job)
        except Exception as problem:  # a bug of the fake's must not look like a slow vendor
            job.errors = [error("fake_broke", f"The fake broke: {problem!r}")]
            self._enter(job, "failed")
            raise

    async def _pass(self, job: Job) -> None:
        behaviour = self._behaviour()
        stopped = await self._stay(job, "validating", behaviour.phases.validating)
        if stopped is not None:
            await self._stop(job, stopped, 0)
            return
        if not await self._validated(job):
            return
        if job.cancelling:
            await self._stop(job, "cancelled", 0)
            return
        job.started = self._clock.now()
        self._enter(job, "in_progress")
        stopped = await self._stay(job, "in_progress", self._behaviour().phases.in_progress)
        fate = self._behaviour().fate(job.number)
        if stopped is not None:
            # The counters that the last look showed are what has been run.
            await self._stop(job, stopped, job.completed)
        elif fate.outcome != "completed":
            await self._collect(job, fate.outcome, int(job.lines * fate.share))
        else:
            self._enter(job, "finalizing")
            stopped = await self._stay(job, "finalizing", self._behaviour().phases.finalizing)
            if stopped is None:
                await self._collect(job, "completed", job.lines)
            else:
                await self._stop(job, stopped, job.lines)

    async def _validated(self, job: Job) -> bool:
        """Read the input; False when the job has failed."""
        behaviour, dialect = self._behaviour(), self._dialect()
        if job.source is None:
            job.errors = [
                error(
                    "invalid_request",
                    f"Cannot find file {job.input_file_id}, or organization org-fake does not have "
                    "access to it.",
                    param="file_id",
                )
            ]
            self._enter(job, "failed")
            return False
        checked = await asyncio.to_thread(
            check,
            job.source,
            endpoint=job.endpoint,
            vendor=dialect.vendor,
            behaviour=behaviour,
        )
        problems = behaviour.fate(job.number).errors or checked.errors
        limit = behaviour.enqueued_tokens
        if (
            not problems
            and limit is not None
            and behaviour.token_limit != "create"
            # Of two that do not fit together the older one runs, or both would fail for ever.
            and self.enqueued(job.model, upto=job.number) > limit
        ):
            problems = [token_limit(dialect, limit, job.model)]
        if problems:
            job.errors = problems
            self._enter(job, "failed")
            return False
        job.lines, job.model = checked.lines, checked.model
        return True

    async def _stop(self, job: Job, how: str, run: int) -> None:
        if how == "cancelled":
            behaviour = self._behaviour()
            await self._stay(job, "cancelling", behaviour.phases.cancelling)
            if behaviour.cancel_loses:
                if job.lines or await self._validated(job):
                    await self._collect(job, "completed", job.lines)
                return
        await self._collect(job, how, run)

    async def _collect(self, job: Job, status: str, run: int) -> None:
        """Write the results of the first `run` lines, and end."""
        behaviour, dialect = self._behaviour(), self._dialect()
        vendor = dialect.vendor
        if job.lines and job.source is not None:
            leftovers = behaviour.rows.leftovers
            output, failures = self._store.place(), self._store.place()
            produced = await asyncio.to_thread(
                produce,
                Run(
                    source=job.source,
                    output=output,
                    errors=failures,
                    endpoint=job.endpoint,
                    unique=uuid.uuid4().hex,
                    created_at=int(self._clock.now()),
                    limit=run,
                    unrun=_UNRUN.get(status)
                    if (vendor.leftovers if leftovers is None else leftovers)
                    else None,
                ),
                dialect=dialect,
                behaviour=behaviour,
            )
            self._count(job, produced)
            always = behaviour.empty_error_file or vendor.error_file_always
            for name, path, empty in (("output", output, False), ("error", failures, always)):
                if not path.stat().st_size and not empty:
                    path.unlink()
                    continue
                file = self._store.add(
                    path,
                    id=dialect.file_id("batch_output"),
                    filename=f"{job.id}_{name}.jsonl",
                    purpose=output_purpose(dialect),
                    behaviour=behaviour,
                )
                if name == "output":
                    job.output_file_id = file.id
                else:
                    job.error_file_id = file.id
            file = self._store.files.get(job.input_file_id)
            if job.delete_input and file is not None:
                self._store.delete(file)
        self._enter(job, status)

    def _count(self, job: Job, produced: Produced) -> None:
        job.completed, job.failed = produced.completed, produced.failed
        job.input_tokens, job.output_tokens = produced.input_tokens, produced.output_tokens
        self.ids.update(produced.ids)
        self.digests.update(produced.digests)
        self.lines += produced.completed + produced.failed

    def _enter(self, job: Job, status: str) -> None:
        if status not in TERMINAL:  # the counts of a job that has ended are those of its rows
            self.look(job)
        job.status = status
        job.times[status] = int(self._clock.now())

    async def _stay(self, job: Job, state: str, seconds: float) -> str | None:
        """Stay in a state; answers how the job is to end, if it is to end early."""
        until = self._clock.now() + seconds
        expires = self._dialect().vendor.expires
        while True:
            now = self._clock.now()
            self.look(job)
            if state != "cancelling":
                if job.cancelling:
                    return "cancelled"
                if expires and now >= job.expires_at:
                    return "expired"
            held = state in self._behaviour().hold
            if now >= until and not held:
                return None
            await self._clock.wait(now + _LONG if held else until)


def token_limit(dialect: Dialect, limit: int, model: str | None) -> dict[str, Any]:
    """What a full quota is called."""
    if dialect.vendor.name == "azure":
        shown = f"{limit // 1000}K" if limit >= 1000 else str(limit)
        text = (
            f"The number of enqueued tokens has surpassed the configured limit of {shown} for the "
            f"deployment '{model}'. Please either increase the limit or try again once the current "
            "jobs have finished."
        )
    else:
        text = (
            f"Enqueued token limit reached for {model} in organization org-fake. Limit: {limit:,} "
            "enqueued tokens. Please try again once some in_progress batches have been completed."
        )
    return error("token_limit_exceeded", text)
