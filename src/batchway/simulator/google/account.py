"""One account of Google: its platform, buckets and tokens, by one clock and one behaviour."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from batchway.simulator.batches.clock import Clock
from batchway.simulator.google.behaviour import Behaviour, Rule, changed, parse
from batchway.simulator.google.jobs import Jobs, timestamp
from batchway.simulator.google.objects import Objects
from batchway.simulator.google.platform import Platform
from batchway.simulator.google.state import Job
from batchway.simulator.google.storage_json import StorageJson
from batchway.simulator.google.storage_xml import StorageXml
from batchway.simulator.google.tokens import Tokens


class Account:
    """The parts, put together; `folder` is where objects lie."""

    def __init__(self, *, folder: Path, behaviour: Mapping[str, Any]) -> None:
        self.behaviour: Behaviour = parse(behaviour)
        self.clock = Clock()

        def dials() -> Behaviour:
            return self.behaviour

        self.objects = Objects(folder=folder, clock=self.clock, behaviour=dials)
        self.tokens = Tokens(clock=self.clock, behaviour=dials)
        self.jobs = Jobs(objects=self.objects, clock=self.clock, behaviour=dials)
        self.platform = Platform(jobs=self.jobs, clock=self.clock, behaviour=dials)
        self.storage_json = StorageJson(objects=self.objects, behaviour=dials)
        self.storage_xml = StorageXml(objects=self.objects, behaviour=dials)

    @property
    def rules(self) -> Sequence[Rule]:
        """The troubles."""
        return self.behaviour.rules

    @property
    def lose_create_answer(self) -> int:
        """How many creations lose their answers."""
        return self.behaviour.lose_create_answer

    def change(self, dials: Mapping[str, Any]) -> None:
        """Turn some dials; `advance` sets the clock forward by seconds."""
        rest = {name: value for name, value in dials.items() if name != "advance"}
        self.behaviour = changed(self.behaviour, rest)
        self.clock.advance(float(dials.get("advance", 0.0)))

    def impersonated(self) -> dict[str, str]:
        """A token of another service account."""
        token = self.tokens.issue()
        expires = self.clock.now() + self.behaviour.token_ttl
        return {"accessToken": token, "expireTime": timestamp(expires)}

    def stats(self, *, brief: bool) -> dict[str, Any]:
        """What has happened so far; `brief` leaves out what grows with the lines."""
        jobs = self.jobs
        by_id: Counter[str] = Counter()
        for (_, name), count in jobs.paid.items():
            by_id[name] += count
        lines: dict[str, Any] = {
            "lines_by_id": dict(by_id),
            "lines_by_digest": dict(jobs.digests),
            "online_by_digest": dict(self.platform.online),
            "paid": _by_job(jobs.paid),
        }
        return {
            **({} if brief else lines),
            "lines": jobs.paid.total(),
            "online": self.platform.online.total(),
            "creates": self.platform.creates,
            "creates_by_name": dict(
                Counter(made["display_name"] for made in self.platform.creates)
            ),
            "jobs": [_told(jobs.look(job)) for job in jobs.jobs.values()],
            "deleted": [_told(job) for job in jobs.deleted],
            "objects": self.objects.present(),
            "deletes": self.objects.deletes,
            "unfinished_uploads": self.storage_xml.unfinished,
            "tokens": self.tokens.given,
        }

    async def close(self) -> None:
        """End the jobs and remove the objects."""
        await self.jobs.close()
        self.objects.close()


def _by_job(paid: Mapping[tuple[int, str], int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (number, name), count in paid.items():
        found.setdefault(str(number), {})[name] = count
    return found


def _told(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "number": job.number,
        "state": job.state,
        "display_name": job.display_name,
        "model": job.model.path,
        "location": job.location,
        "sources": job.sources,
        "prefix": job.prefix,
        "directory": job.directory,
        "lines": job.lines,
        "done": job.done,
        "succeeded": job.succeeded,
        "failed": job.failed,
        "error": job.error,
    }
