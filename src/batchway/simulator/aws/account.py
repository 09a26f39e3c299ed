"""One account of AWS: its jobs, models, buckets and keys, by one clock and one behaviour."""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from batchway.simulator.aws.behaviour import Behaviour, Rule, changed, parse
from batchway.simulator.aws.control import Control
from batchway.simulator.aws.jobs import Jobs
from batchway.simulator.aws.keys import Keys
from batchway.simulator.aws.models import Models
from batchway.simulator.aws.objects import Objects
from batchway.simulator.aws.runtime import Runtime
from batchway.simulator.aws.state import Job
from batchway.simulator.aws.storage import Storage
from batchway.simulator.aws.sts import Sts
from batchway.simulator.batches.clock import Clock


class Account:
    """The parts, put together; `folder` is where inputs of running jobs lie."""

    def __init__(self, *, folder: Path, behaviour: Mapping[str, Any]) -> None:
        self.behaviour: Behaviour = parse(behaviour)
        self.clock = Clock()
        self._folder = folder

        def dials() -> Behaviour:
            return self.behaviour

        self.objects = Objects()
        self.keys = Keys(clock=self.clock, behaviour=dials)
        self.models = Models(behaviour=dials)
        self.jobs = Jobs(objects=self.objects, clock=self.clock, behaviour=dials, folder=folder)
        self.control = Control(
            jobs=self.jobs, models=self.models, clock=self.clock, behaviour=dials
        )
        self.runtime = Runtime(models=self.models, clock=self.clock, behaviour=dials)
        self.sts = Sts(keys=self.keys, behaviour=dials)
        self.storage = Storage(objects=self.objects, keys=self.keys, behaviour=dials)

    @property
    def rules(self) -> Sequence[Rule]:
        """The troubles."""
        return self.behaviour.troubles()

    @property
    def lose_create_answer(self) -> int:
        """How many creations lose their answers."""
        return self.behaviour.lose_create_answer

    def change(self, dials: Mapping[str, Any]) -> None:
        """Turn some dials; `advance` sets the clock forward by seconds."""
        rest = {name: value for name, value in dials.items() if name != "advance"}
        self.behaviour = changed(self.behaviour, rest)
        self.clock.advance(float(dials.get("advance", 0.0)))

    def stats(self, *, brief: bool) -> dict[str, Any]:
        """What has happened so far; `brief` leaves out what grows with the lines."""
        jobs, creates = self.jobs, self.control.creates
        by_id: Counter[str] = Counter()
        for (_, name), count in jobs.paid.items():
            by_id[name] += count
        lines: dict[str, Any] = {
            "lines_by_id": dict(by_id),
            "lines_by_digest": dict(jobs.digests),
            "online_by_digest": dict(self.runtime.online),
            "paid": _by_job(jobs.paid),
        }
        return {
            **({} if brief else lines),
            "lines": jobs.paid.total(),
            "online": self.runtime.online.total(),
            "creates": creates,
            "creates_by_name": dict(Counter(made["name"] for made in creates)),
            "jobs": [_told(jobs.look(job)) for job in jobs.jobs.values()],
            "deletes": self.storage.deletes,
            "sessions": self.keys.given,
        }

    async def close(self) -> None:
        """End the jobs."""
        await self.jobs.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _by_job(paid: Mapping[tuple[int, str], int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (number, name), count in paid.items():
        found.setdefault(str(number), {})[name] = count
    return found


def _told(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "arn": job.arn,
        "number": job.number,
        "state": job.state,
        "name": job.request["jobName"],
        "model": job.model,
        "family": job.family,
        "region": job.region,
        "input": job.input,
        "sources": job.sources,
        "output": job.output,
        "lines": job.records,
        "done": job.done,
        "succeeded": job.succeeded,
        "failed": job.failed,
        "message": job.message,
        "request": job.request,
    }
