"""The life of a model invocation job, by the fake's clock.

    Submitted --> Validating --> Scheduled --> InProgress --> Completed (or as its fate says)
        |             |              |              |
        |             +--> Failed    |              |
        +-------------+--------------+--> Stopping -+--> Stopped (or Completed: a lost race)

Owns the changes of state. Each job is a task; the work on objects is done in threads.
Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-monitor.html; for the
words of failures https://docs.aws.amazon.com/bedrock/latest/userguide/fine-tuning-troubleshooting.html
and public reports, which have the same of batches.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from batchway.simulator.aws.behaviour import Behaviour, Fate
from batchway.simulator.aws.families import in_geography
from batchway.simulator.aws.objects import Objects, split
from batchway.simulator.aws.producing import Produced, Runner, kept, produced
from batchway.simulator.aws.reading import Input, read
from batchway.simulator.aws.refusals import Refused
from batchway.simulator.aws.state import Job
from batchway.simulator.batches.clock import Clock

_LONG: Final = 3_600.0
_HOUR: Final = 3_600.0
_MESSAGES: Final = {
    "Failed": "The job failed because of an internal error. Try again.",
    "Expired": "The job expired before all of its records were processed.",
}


class Jobs:
    """All jobs, oldest first, and the tasks that they are.

    `paid` counts the records that were run, by (number of the job, id of the record).
    """

    def __init__(
        self,
        *,
        objects: Objects,
        clock: Clock,
        behaviour: Callable[[], Behaviour],
        folder: Path,
    ) -> None:
        self.jobs: dict[str, Job] = {}
        self.paid: Counter[tuple[int, str]] = Counter()
        self.digests: Counter[str] = Counter()
        self._objects = objects
        self._clock = clock
        self._behaviour = behaviour
        self._folder = folder
        self._tasks: set[asyncio.Task[None]] = set()
        self._inputs: dict[str, list[Input]] = {}

    def start(self, job: Job) -> None:
        """Take a job in and let it live."""
        self.jobs[job.arn] = job
        task = asyncio.create_task(self._live(job), name=job.id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self, job: Job) -> None:
        """Ask an unfinished job to stop."""
        job.stopping = True
        self._enter(job, "Stopping")
        self._clock.stir()

    async def close(self) -> None:
        """End every task."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def look(self, job: Job) -> Job:
        """Bring the counters of a running job up to date."""
        if job.state == "InProgress" and job.started is not None:
            most = job.records
            if "InProgress" in self._behaviour().hold:
                most = int(job.records * self._behaviour().fate(job.number).share)
            seconds = self._clock.now() - job.started
            length = self._length(job)
            done = int(job.records * seconds / length) if length else most
            job.done = min(most, max(job.done, done))
        return job

    def shown(self, job: Job) -> str:
        """The state that a reader sees."""
        return job.shown if self._clock.now() < job.shown_until else job.state

    # Its life

    async def _live(self, job: Job) -> None:
        try:
            await self._pass(job)
        except Exception as problem:  # a bug of the fake's must not look like a slow AWS
            self._end(job, "Failed", f"The fake broke: {problem!r}")
            raise
        finally:
            for given in self._inputs.pop(job.id, []):
                given.path.unlink(missing_ok=True)

    async def _pass(self, job: Job) -> None:
        wait = self._behaviour().queue_seconds / 3
        if await self._stay(job, "Submitted", wait):
            await self._stopped(job, 0)
            return
        self._enter(job, "Validating")
        problem = await asyncio.to_thread(self._take_in, job)
        if await self._stay(job, "Validating", wait):
            await self._stopped(job, 0)
            return
        if problem is not None:
            self._end(job, "Failed", problem)
            return
        self._enter(job, "Scheduled")
        if await self._stay(job, "Scheduled", wait):
            await self._stopped(job, 0)
            return
        job.started = self._clock.now()
        self._enter(job, "InProgress")
        if await self._stay(job, "InProgress", self._length(job)):
            await self._stopped(job, job.done)
            return
        if not self._behaviour().role_invokes:
            self._end(job, "Failed", "Customer doesn't have permissions to invokeModel")
            return
        fate = self._fate(job)
        share = 1.0 if fate.outcome == "Completed" else fate.share
        await self._collect(job, fate.outcome, int(job.records * share), message=fate.message)

    def _fate(self, job: Job) -> Fate:
        hours = job.hours or self._behaviour().job_hours
        if self._clock.now() >= job.created + hours * _HOUR:
            share = self._behaviour().fate(job.number).share
            return Fate(outcome="Expired", share=share)
        return self._behaviour().fate(job.number)

    def _take_in(self, job: Job) -> str | None:
        """Read the input; what is wrong with it, or with the buckets."""
        behaviour = self._behaviour()
        for uri in (job.input, job.output):
            bucket = split(uri)[0]
            if self._objects.region(bucket) != job.region:
                # No bucket, one elsewhere, and one that the role may not list are told alike.
                return f"Could not validate ListBucket permissions for S3URI {uri}"
        bucket, key = split(job.input)
        if "role_read" in behaviour.bucket_denied:
            return (
                "Could not validate GetObject permissions to access S3 bucket: "
                f"{bucket} at key {key}"
            )
        bucket, key = split(job.output)
        if "role_write" in behaviour.bucket_denied:
            return (
                "Could not validate PutObject permissions to access S3 bucket: "
                f"{bucket} at key {key.rstrip('/')}/.write_access_check_file.tmp"
            )
        try:
            job.sources = self._sources(job.input)
            inputs = kept(
                job.sources,
                get=lambda uri: self._objects.get(*split(uri)),
                folder=self._folder,
                job=job.id,
            )
        except Refused:
            return f"There is no object at {job.input}."
        # It has been read by now: an input that is deleted from here on changes nothing.
        self._inputs[job.id] = inputs
        if not inputs:
            return f"There are no objects with the extension .jsonl at {job.input}."
        found = read(inputs, arn=job.arn, behaviour=behaviour)
        job.records = found.records
        return found.problem

    def _sources(self, uri: str) -> list[str]:
        bucket, key = split(uri)
        if key.endswith(".jsonl"):
            return [uri]
        folder = key.rstrip("/") + "/" if key else ""
        keys = self._objects.keys(bucket, folder)
        return [f"s3://{bucket}/{key}" for key in keys if key.endswith(".jsonl")]

    async def _stopped(self, job: Job, done: int) -> None:
        behaviour = self._behaviour()
        await self._stay(job, "Stopping", behaviour.stop_seconds)
        if behaviour.cancel_race and job.records:
            await self._collect(job, "Completed", job.records)
            return
        await self._collect(job, "Stopped", done)

    async def _collect(self, job: Job, state: str, run: int, *, message: str | None = None) -> None:
        """Run the first `run` records, write their rows, and end."""
        behaviour = self._behaviour()
        inputs = self._inputs.get(job.id)
        if inputs and (run or state == "Completed"):
            runner = Runner(
                family=job.family,
                model=job.model,
                batch=job.converse,
                behaviour=behaviour,
                now=self._clock.now(),
            )
            result = await asyncio.to_thread(
                produced, inputs, runner=runner, behaviour=behaviour, limit=run
            )
            job.done, job.succeeded, job.failed = run, result.succeeded, result.failed
            self.digests.update(result.digests)
            for name, count in result.ids.items():
                self.paid[job.number, name] += count
            await asyncio.to_thread(self._export, job, result, behaviour)
        self._end(job, state, message or _MESSAGES.get(state))

    def _export(self, job: Job, result: Produced, behaviour: Behaviour) -> None:
        bucket, prefix = split(job.output)
        folder = "/".join(part for part in (prefix.rstrip("/"), job.id) if part)
        for name, data in result.files.items():
            self._objects.put(bucket, f"{folder}/{name}", data)
        if not behaviour.no_manifest:
            self._objects.put(bucket, f"{folder}/manifest.json.out", result.manifest(job.records))

    def _end(self, job: Job, state: str, message: str | None) -> None:
        job.message = message
        self._enter(job, state)

    def _length(self, job: Job) -> float:
        behaviour = self._behaviour()
        if behaviour.speed is None:
            return behaviour.run_seconds
        return job.records / behaviour.speed

    def _enter(self, job: Job, state: str) -> None:
        now = self._clock.now()
        self.look(job)
        job.shown, job.shown_until = self.shown(job), 0.0
        job.state, job.updated = state, now
        if job.over:
            job.shown_until = now + self._behaviour().poll_delay
            job.ended = now

    async def _stay(self, job: Job, state: str, seconds: float) -> bool:
        """Stay in a state; True when the job is to stop before its time is over."""
        until = self._clock.now() + seconds
        while True:
            now = self._clock.now()
            self.look(job)
            if job.stopping and state != "Stopping":
                return True
            held = state in self._behaviour().hold
            if now >= until and not held:
                return False
            await self._clock.wait(now + _LONG if held else until)


def timestamp(seconds: float) -> str:
    """ISO 8601, as the control plane writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def described(job: Job, *, state: str, behaviour: Behaviour) -> dict[str, Any]:
    """The job as GetModelInvocationJob and the list have it."""
    request = job.request
    body: dict[str, Any] = {
        "jobArn": job.arn,
        "jobName": request["jobName"],
        "modelId": _model_id(job),
        "clientRequestToken": request.get("clientRequestToken"),
        "roleArn": request["roleArn"],
        "status": state,
        "submitTime": timestamp(job.created),
        "lastModifiedTime": timestamp(job.updated or job.created),
        "inputDataConfig": request["inputDataConfig"],
        "outputDataConfig": request["outputDataConfig"],
        "vpcConfig": request.get("vpcConfig"),
        "timeoutDurationInHours": job.hours or behaviour.job_hours,
        "jobExpirationTime": timestamp(job.created + (job.hours or behaviour.job_hours) * _HOUR),
        "modelInvocationType": request.get("modelInvocationType", "InvokeModel"),
    }
    ended = state == job.state and job.over
    if ended:
        body["message"] = job.message
        body["endTime"] = timestamp(job.ended or job.updated)
    body |= _counts(job, ended=ended, form=behaviour.counts)
    return {name: value for name, value in body.items() if value is not None}


def _model_id(job: Job) -> str:
    """A profile comes back as its ARN, a foundation model as it was named.

    Source: the note at `modelIDFromResource` of hashicorp/terraform-provider-aws.
    """
    if not in_geography(job.model):
        return job.model
    return f"arn:aws:bedrock:{job.region}:{job.account}:inference-profile/{job.model}"


def _counts(job: Job, *, ended: bool, form: str) -> dict[str, int]:
    if form == "absent":
        return {}
    succeeded, failed = (job.succeeded, job.failed) if ended else (job.done, 0)
    if form == "zero" and not ended:
        succeeded = failed = 0
    return {
        "totalRecordCount": job.records,
        "processedRecordCount": succeeded + failed,
        "successRecordCount": succeeded,
        "errorRecordCount": failed,
    }
