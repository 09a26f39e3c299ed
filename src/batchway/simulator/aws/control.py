"""The control plane without its sockets: model invocation jobs.

Owns the rules of each operation and their words; not the wire (`server`), names and types
(`modelled`) or what becomes of a job (`jobs`).
Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html
and its neighbours.
"""

import base64
import secrets
import string
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, get_args

from batchway.simulator.aws import modelled
from batchway.simulator.aws.behaviour import Behaviour, State
from batchway.simulator.aws.families import VECTORS
from batchway.simulator.aws.jobs import Jobs, described
from batchway.simulator.aws.keys import ACCOUNT, Caller
from batchway.simulator.aws.models import Models
from batchway.simulator.aws.refusals import Refused, denied, invalid
from batchway.simulator.aws.state import Job
from batchway.simulator.batches.clock import Clock

_LETTERS: Final = string.ascii_lowercase + string.digits
_STATES: Final[tuple[str, ...]] = get_args(State)


class Control:
    """One account, in every region. `creates` are the jobs that were made, in order."""

    def __init__(
        self, *, jobs: Jobs, models: Models, clock: Clock, behaviour: Callable[[], Behaviour]
    ) -> None:
        self.creates: list[dict[str, str]] = []
        self._jobs = jobs
        self._models = models
        self._clock = clock
        self._behaviour = behaviour
        self._tokens: dict[tuple[str, str], Job] = {}

    def create(self, body: object, caller: Caller) -> dict[str, Any]:
        """Make a job. Raises `Refused`."""
        request = modelled.checked(body, service="bedrock", shape="CreateModelInvocationJobRequest")
        self._allowed("bedrock:CreateModelInvocationJob", caller)
        behaviour = self._behaviour()
        token = request.get("clientRequestToken")
        if token is not None:
            # An answer that was lost: the request is repeated, the job is not.
            before = self._tokens.get((caller.region, token))
            if before is not None:
                if _asked(before.request) == _asked(request):
                    return {"jobArn": before.arn}
                raise Refused(
                    400,
                    "The request uses a client token that was used before with other parameters.",
                    name="ConflictException",
                )
        role = request["roleArn"]
        if "iam:PassRole" in behaviour.denied:
            raise denied(caller.arn, "iam:PassRole", role)
        if behaviour.untrusted_role:
            raise invalid("Could not assume provided IAM role. Please provide valid IAM role.")
        self._input(request)
        family = self._family(request, caller)
        self._free(request, caller)
        now = self._clock.now()
        job = Job(
            id="".join(secrets.choice(_LETTERS) for _ in range(12)),
            number=len(self.creates),
            region=caller.region,
            account=ACCOUNT,
            model=request["modelId"],
            family=family,
            request=request,
            created=now,
            updated=now,
        )
        if token is not None:
            self._tokens[caller.region, token] = job
        self.creates.append(
            {
                "arn": job.arn,
                "name": request["jobName"],
                "model": job.model,
                "input": job.input,
                "output": job.output,
                "token": token or "",
            }
        )
        self._jobs.start(job)
        return {"jobArn": job.arn}

    def job(self, id: str, caller: Caller) -> dict[str, Any]:
        """One job. Raises `Refused`."""
        self._allowed("bedrock:GetModelInvocationJob", caller, id)
        return self._described(self._found(id, caller))

    def jobs(self, query: Mapping[str, str], caller: Caller) -> dict[str, Any]:
        """A page of jobs, the newest first unless told otherwise. Raises `Refused`."""
        self._allowed("bedrock:ListModelInvocationJobs", caller)
        size = int(query.get("maxResults", "100"))
        if not 1 <= size <= 1_000:
            raise invalid(
                f"1 validation error detected: Value '{size}' at 'maxResults' failed to satisfy "
                "constraint: Member must have value less than or equal to 1000"
            )
        status = query.get("statusEquals")
        if status is not None and status not in _STATES:
            raise invalid(
                f"1 validation error detected: Value '{status}' at 'statusEquals' failed to "
                f"satisfy constraint: Member must satisfy enum value set: [{', '.join(_STATES)}]"
            )
        start = _page(query.get("nextToken"))
        found = self._listed(query, caller)
        page = found[start : start + size]
        body: dict[str, Any] = {"invocationJobSummaries": [self._described(job) for job in page]}
        if start + size < len(found):
            body["nextToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
        return body

    def stop(self, id: str, caller: Caller) -> dict[str, Any]:
        """Ask a job to stop. Raises `Refused`."""
        self._allowed("bedrock:StopModelInvocationJob", caller, id)
        job = self._found(id, caller)
        if job.over:
            raise Refused(
                400,
                f"The job {job.arn} can't be stopped because its status is {job.state}.",
                name=self._behaviour().late_stop,
            )
        if not job.stopping:
            self._jobs.stop(job)
        return {}

    def _listed(self, query: Mapping[str, str], caller: Caller) -> list[Job]:
        seen = self._clock.now() - self._behaviour().list_lag
        after = _seconds(query.get("submitTimeAfter"), 0.0)
        before = _seconds(query.get("submitTimeBefore"), float("inf"))
        found = [
            job
            for job in reversed(self._jobs.jobs.values())
            if job.region == caller.region
            and job.created <= seen
            and after <= job.created <= before
            and query.get("nameContains", "") in job.request["jobName"]
            and query.get("statusEquals") in (None, self._jobs.shown(job))
        ]
        if query.get("sortOrder") == "Ascending":
            found.reverse()
        return found

    def _described(self, job: Job) -> dict[str, Any]:
        self._jobs.look(job)
        return described(job, state=self._jobs.shown(job), behaviour=self._behaviour())

    def _found(self, id: str, caller: Caller) -> Job:
        if not id.startswith("arn:aws"):
            # The model of the API allows a bare id, and the service refuses it.
            raise invalid("The provided ARN is invalid.")
        parts = id.split(":")
        if len(parts) != 6 or not parts[5].startswith("model-invocation-job/"):
            raise invalid("The provided ARN is invalid.")
        if parts[3] != caller.region:
            raise invalid("The provided ARN is invalid for the service region.")
        if parts[4] != ACCOUNT:
            raise denied(caller.arn, "bedrock:GetModelInvocationJob", id)
        job = self._jobs.jobs.get(id)
        seen = self._clock.now() - self._behaviour().read_lag
        if job is None or job.created > seen:
            raise Refused(404, f"Could not find the model invocation job {id}.")
        return job

    def _allowed(self, action: str, caller: Caller, resource: str | None = None) -> None:
        if action in self._behaviour().denied:
            whole = f"arn:aws:bedrock:{caller.region}:{ACCOUNT}:model-invocation-job/*"
            raise denied(caller.arn, action, resource or whole)

    def _input(self, request: Mapping[str, Any]) -> None:
        source: Mapping[str, Any] = request["inputDataConfig"]["s3InputDataConfig"]
        target: Mapping[str, Any] = request["outputDataConfig"]["s3OutputDataConfig"]
        for name, held in (("inputDataConfig", source), ("outputDataConfig", target)):
            if held.get("s3BucketOwner") not in (None, ACCOUNT):
                raise invalid(f"The bucket of {name} does not belong to {held['s3BucketOwner']}.")

    def _family(self, request: Mapping[str, Any], caller: Caller) -> str:
        model = request["modelId"]
        self._models.in_batches(model, caller)
        family = self._models.family(model, caller, action="bedrock:InvokeModel")
        if request.get("modelInvocationType") != "Converse":
            return family
        if family in VECTORS:
            raise invalid(
                "This action doesn't support the model that you provided. Try again with a "
                "supported text or chat model."
            )
        return "converse"

    def _free(self, request: Mapping[str, Any], caller: Caller) -> None:
        """Whether the name is free, and there is room for a job."""
        mine = [job for job in self._jobs.jobs.values() if job.region == caller.region]
        if any(job.request["jobName"] == request["jobName"] for job in mine):
            # Seen of this service as a ValidationException, though there is a ConflictException.
            raise invalid("The provided job name is currently in use.")
        unfinished = sum(not job.over and job.model == request["modelId"] for job in mine)
        if unfinished >= self._behaviour().max_jobs:
            raise Refused(
                400,
                "The number of in-progress and submitted batch inference jobs using a base model "
                f"exceeds the quota of {self._behaviour().max_jobs}.",
                name="ServiceQuotaExceededException",
            )


def _asked(request: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in request.items() if value is not None}


def _page(token: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError as error:
        raise invalid("The pagination token is not valid.") from error


def _seconds(text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise invalid(f"The time {text} is not valid.") from error
