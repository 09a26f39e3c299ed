"""The life of a batch prediction job, by the fake's clock.

    PENDING --> RUNNING --> SUCCEEDED (or as its fate says, with part of the rows)
       |           |
       +-> FAILED  +--> CANCELLING --> CANCELLED (or SUCCEEDED: a lost race)
       |                    ^
       +--------------------+

Owns the changes of state. Each job is a task; the work on files is done in threads.
Source: https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini and
provider-protocols.md, sections A.1 to A.3.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from batchway.simulator.batches.clock import Clock
from batchway.simulator.google.behaviour import Behaviour
from batchway.simulator.google.importer import Imported, imported
from batchway.simulator.google.objects import Objects, split
from batchway.simulator.google.producing import Produced, produced
from batchway.simulator.google.refusals import Refused
from batchway.simulator.google.rows import Runner
from batchway.simulator.google.state import SERVICE_AGENT, Job

_LONG: Final = 3_600.0
_ERRORS: Final = {
    1: "CANCELED: The job was canceled.",
    3: "Failed to import data: the input is invalid.",
    7: f"{SERVICE_AGENT} does not have storage.objects.create access to the Google Cloud Storage "
    "object. Permission 'storage.objects.create' denied on resource (or it may not exist).",
    9: "The Cloud Storage bucket does not exist or is not accessible.",
    13: "INTERNAL: Failed to export data. Please try again.",
}


class Jobs:
    """All jobs, oldest first, and the tasks that they are.

    `paid` counts the lines that were run, by (number of the job, id of the line).
    """

    def __init__(
        self, *, objects: Objects, clock: Clock, behaviour: Callable[[], Behaviour]
    ) -> None:
        self.jobs: dict[str, Job] = {}
        self.deleted: list[Job] = []
        self.paid: Counter[tuple[int, str]] = Counter()
        self.digests: Counter[str] = Counter()
        self._objects = objects
        self._clock = clock
        self._behaviour = behaviour
        self._tasks: set[asyncio.Task[None]] = set()
        self._read: dict[str, Imported] = {}
        self._inputs: dict[str, list[Path]] = {}

    def start(self, job: Job) -> None:
        """Take a job in and let it live."""
        self.jobs[job.id] = job
        task = asyncio.create_task(self._live(job), name=job.id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self, job: Job) -> None:
        """Ask an unfinished job to stop."""
        job.cancelling = True
        self._enter(job, "CANCELLING")
        self._clock.stir()

    def remove(self, job: Job) -> None:
        """Forget a job; its objects stay."""
        del self.jobs[job.id]
        self.deleted.append(job)

    async def close(self) -> None:
        """End every task."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def look(self, job: Job) -> Job:
        """Bring the counters of a running job up to date."""
        if job.state == "RUNNING" and job.started is not None:
            behaviour = self._behaviour()
            most = job.lines
            if "RUNNING" in behaviour.hold:
                most = int(job.lines * behaviour.fate(job.number).share)
            seconds = self._clock.now() - job.started
            length = self._length(job)
            done = int(job.lines * seconds / length) if length else most
            job.done = min(most, max(job.done, done))
        return job

    def shown(self, job: Job) -> str:
        """The state that a reader sees."""
        return job.shown if self._clock.now() < job.shown_until else job.state

    # Its life

    async def _live(self, job: Job) -> None:
        try:
            await self._pass(job)
        except Exception as problem:  # a bug of the fake's must not look like a slow Google
            self._fail(job, 2, f"The fake broke: {problem!r}")
            raise
        finally:
            for path in self._inputs.pop(job.id, []):
                path.unlink(missing_ok=True)

    async def _pass(self, job: Job) -> None:
        if await self._stay(job, "PENDING", self._behaviour().queue_seconds):
            await self._cancelled(job, 0)
            return
        problem = self._buckets(job)
        if problem is not None:
            self._fail(job, *problem)
            return
        # It has been read by now: an input that is deleted from here on changes nothing.
        paths = self._inputs[job.id] = [self._objects.kept(uri) for uri in job.sources]
        read = await asyncio.to_thread(
            imported, paths, language=job.model.language, behaviour=self._behaviour()
        )
        if read.problem is not None:
            self._fail(job, 3, f"Failed to import data. {read.problem}")
            return
        self._read[job.id] = read
        job.lines = read.lines
        if job.cancelling:
            await self._cancelled(job, 0)
            return
        job.started = self._clock.now()
        self._enter(job, "RUNNING")
        if await self._stay(job, "RUNNING", self._length(job)):
            await self._cancelled(job, job.done)
            return
        fate = self._behaviour().fate(job.number)
        if fate.outcome == "succeeded":
            await self._collect(job, "SUCCEEDED", job.lines)
        elif fate.outcome == "failed":
            await self._collect(job, "FAILED", int(job.lines * fate.share), code=fate.code)
        else:
            await self._collect(job, fate.outcome.upper(), int(job.lines * fate.share))

    def _buckets(self, job: Job) -> tuple[int, str] | None:
        """What is wrong with the buckets, as a code and a message."""
        behaviour = self._behaviour()
        for uri in [*job.sources, job.prefix]:
            bucket = split(uri)[0]
            if bucket in behaviour.no_such_bucket:
                return 9, f"The Cloud Storage bucket {bucket} does not exist."
            region = job.location.upper()
            location = behaviour.location(bucket)
            single = location not in ("US", "EU", "ASIA") and len(location) > 4
            if region != "GLOBAL" and single and location != region:
                return 9, (
                    f"The Cloud Storage bucket {bucket} is in {location}, which is not the "
                    f"location of the job, {job.location}."
                )
        if "agent_read" in behaviour.bucket_denied:
            return 7, _ERRORS[7].replace("objects.create", "objects.get")
        for uri in job.sources:
            try:
                self._objects.get(*split(uri))
            except Refused:
                return 5, f"The Cloud Storage object {uri} does not exist."
        return None

    async def _cancelled(self, job: Job, done: int) -> None:
        behaviour = self._behaviour()
        await self._stay(job, "CANCELLING", behaviour.cancel_seconds)
        if behaviour.cancel_race and job.lines:
            await self._collect(job, "SUCCEEDED", job.lines)
            return
        await self._collect(job, "CANCELLED", done, code=1)

    async def _collect(self, job: Job, state: str, run: int, *, code: int | None = None) -> None:
        """Run the first `run` lines, write their rows, and end."""
        behaviour = self._behaviour()
        read = self._read.pop(job.id, None)
        if read is not None and (run or state == "SUCCEEDED"):
            now = self._clock.now()
            result = await asyncio.to_thread(
                produced,
                self._inputs[job.id],
                runner=Runner(model=job.model, keys=read.keys, behaviour=behaviour),
                behaviour=behaviour,
                limit=run,
                now=now,
                when=timestamp(now, zone="+00:00"),
                place=self._objects.place,
            )
            job.done, job.succeeded, job.failed = run, result.succeeded, result.failed
            self.digests.update(result.digests)
            for name, count in result.ids.items():
                self.paid[job.number, name] += count
            if "agent_write" in behaviour.bucket_denied:
                state, code = "FAILED", 7
            elif code != 7:
                self._export(job, result, behaviour)
        if code is not None:
            job.error = {"code": code, "message": _ERRORS.get(code, "Failed.")}
        self._enter(job, state)

    def _export(self, job: Job, result: Produced, behaviour: Behaviour) -> None:
        bucket, prefix = split(job.prefix)
        folder = f"prediction-model-{timestamp(job.created)}"
        directory = f"{prefix.rstrip('/')}/{folder}" if prefix else folder
        if behaviour.folder_markers:
            self._objects.write(bucket, directory + "/", b"")
        if behaviour.empty_files:
            self._objects.write(bucket, f"{directory}/incremental_predictions.jsonl", b"")
        for name, path in result.files:
            self._objects.put(bucket, f"{directory}/{name}", path)
        job.directory = f"gs://{bucket}/{directory}"

    def _fail(self, job: Job, code: int, message: str) -> None:
        job.error = {"code": code, "message": message}
        self._enter(job, "FAILED")

    def _length(self, job: Job) -> float:
        behaviour = self._behaviour()
        if behaviour.speed is None:
            return behaviour.run_seconds
        return job.lines / behaviour.speed

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
            if job.cancelling and state != "CANCELLING":
                return True
            held = state in self._behaviour().hold
            if now >= until and not held:
                return False
            await self._clock.wait(now + _LONG if held else until)


def timestamp(seconds: float, *, zone: str = "Z") -> str:
    """RFC 3339, as Google writes it."""
    when = datetime.fromtimestamp(seconds, UTC)
    digits = "milliseconds" if zone != "Z" else "microseconds"
    return when.replace(tzinfo=None).isoformat(timespec=digits) + zone


def described(job: Job, *, state: str, stats: str) -> dict[str, Any]:
    """The resource of a job; `stats` is the form of its counters."""
    request = job.request
    body: dict[str, Any] = {
        "name": job.name,
        "displayName": job.display_name,
        "model": request["model"],
        "inputConfig": request["inputConfig"],
        "outputConfig": request["outputConfig"],
        "state": f"JOB_STATE_{state}",
        "createTime": timestamp(job.created),
        "updateTime": timestamp(job.updated or job.created),
        "modelVersionId": "1",
    }
    if request.get("labels"):
        body["labels"] = request["labels"]
    if job.started is not None:
        body["startTime"] = timestamp(job.started)
    ended = state == job.state and job.over
    if ended and job.ended is not None:
        body["endTime"] = timestamp(job.ended)
        if job.directory is not None:
            body["outputInfo"] = {"gcsOutputDirectory": job.directory}
        if job.error is not None:
            body["error"] = job.error
    counts = _counts(job, ended=ended, stats=stats)
    if counts is not None:
        body["completionStats"] = counts
    return body


def _counts(job: Job, *, ended: bool, stats: str) -> dict[str, str] | None:
    if stats == "null" or job.started is None:
        return None
    succeeded = job.succeeded if ended else job.done
    failed = job.failed if ended else 0
    left = job.lines - succeeded - failed
    if stats == "minus_one":
        return {"successfulCount": str(succeeded), "incompleteCount": "-1"}
    counts = {
        "successfulCount": succeeded,
        "failedCount": failed,
        "incompleteCount": left,
    }
    shown = {name: str(count) for name, count in counts.items() if count or stats == "strings"}
    if not left:
        shown.pop("incompleteCount", None)
    return shown
