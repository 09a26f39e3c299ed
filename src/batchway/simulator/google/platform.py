"""The platform's operations without its sockets: batch prediction jobs, and online calls.

Owns the rules of each operation and their words; not the wire (`server`), what a model refuses and
answers (`gemini`, `claude`, `embeddings`), or what becomes of a job (`jobs`).
Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs
"""

import base64
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from batchway.simulator.batches.clock import Clock
from batchway.simulator.google import claude, embeddings, gemini, gemini_rules
from batchway.simulator.google.behaviour import Behaviour
from batchway.simulator.google.filtering import wanted
from batchway.simulator.google.jobs import Jobs, described, timestamp
from batchway.simulator.google.models import Model, named
from batchway.simulator.google.objects import split
from batchway.simulator.google.parsing import read
from batchway.simulator.google.refusals import (
    Refused,
    billing_disabled,
    exhausted,
    no_such_model,
    permission_denied,
    service_disabled,
)
from batchway.simulator.google.state import Job
from batchway.simulator.online import shapes, validation
from batchway.simulator.online.answers import answer, prompt_digest
from batchway.simulator.online.endpoints import Endpoint

_PERMISSIONS: Final = {
    "create": "aiplatform.batchPredictionJobs.create",
    "job": "aiplatform.batchPredictionJobs.get",
    "jobs": "aiplatform.batchPredictionJobs.list",
    "cancel": "aiplatform.batchPredictionJobs.cancel",
    "remove": "aiplatform.batchPredictionJobs.delete",
    "online": "aiplatform.endpoints.predict",
}


class Platform:
    """One project, whatever it is called in a request."""

    def __init__(self, *, jobs: Jobs, clock: Clock, behaviour: Callable[[], Behaviour]) -> None:
        self.creates: list[dict[str, str]] = []
        self.online: Counter[str] = Counter()
        self._jobs = jobs
        self._clock = clock
        self._behaviour = behaviour

    def admit(self, kind: str, *, project: str, location: str) -> None:
        """What is asked before any operation. Raises `Refused`."""
        behaviour = self._behaviour()
        if behaviour.api_disabled:
            raise service_disabled(project)
        if behaviour.billing_disabled:
            raise billing_disabled(project)
        permission = _PERMISSIONS[kind]
        if permission in behaviour.denied:
            raise permission_denied(permission, f"projects/{project}/locations/{location}")
        if kind in behaviour.quota:
            raise exhausted("online" if kind == "online" else "batch_prediction_requests")

    # Jobs

    def create(self, body: object, *, project: str, location: str) -> dict[str, Any]:
        """Make a job. Raises `Refused`."""
        request = read("BatchPredictionJob", body)
        model = self._batch_model(request, location)
        sources, prefix = _buckets(request)
        partner = model.publisher != "google"
        most = self._behaviour().max_jobs
        if partner and most is not None:
            unfinished = [
                job
                for job in self._jobs.jobs.values()
                if not job.over and job.model.publisher == model.publisher
            ]
            if len(unfinished) >= most:
                raise exhausted("concurrent_batch_prediction_jobs")
        now = self._clock.now()
        job = Job(
            # An int64 that keeps its digits in no double.
            id=str(secrets.randbelow(8 * 10**18) + 10**18),
            number=len(self.creates),
            project=project,
            location=location,
            model=model,
            display_name=request["displayName"],
            request=request,
            created=now,
            updated=now,
            version="v1",
            sources=sources,
            prefix=prefix,
        )
        self.creates.append(
            {"id": job.id, "display_name": job.display_name, "model": model.path, "prefix": prefix}
        )
        self._jobs.start(job)
        return self._shown(job)

    def job(self, id: str, *, location: str) -> dict[str, Any]:
        """One job. Raises `Refused`."""
        return self._shown(self._found(id, location))

    def jobs(self, query: Mapping[str, str], *, location: str) -> dict[str, Any]:
        """A page of jobs, the newest first. Raises `Refused`."""
        size = int(query.get("pageSize", "0") or 0)
        if size < 0:
            raise Refused(400, "page_size must not be negative.")
        size = min(size or 100, 1_000)
        token = query.get("pageToken", "")
        start = int(base64.urlsafe_b64decode(token)) if token else 0
        seen = self._clock.now() - self._behaviour().list_lag
        fits = wanted(query.get("filter", ""))
        found = [
            job
            for job in reversed(self._jobs.jobs.values())
            if job.location == location and job.created <= seen and fits(job, self._jobs.shown(job))
        ]
        body: dict[str, Any] = {}
        page = found[start : start + size]
        if page:
            body["batchPredictionJobs"] = [self._shown(job) for job in page]
        if start + size < len(found):
            body["nextPageToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
        return body

    def cancel(self, id: str, *, location: str) -> dict[str, Any]:
        """Ask a job to stop. Raises `Refused`."""
        job = self._found(id, location)
        if job.over:
            raise Refused(
                400,
                f"The batch prediction job is in state JOB_STATE_{job.state} and cannot be "
                "canceled.",
                status="FAILED_PRECONDITION",
            )
        if not job.cancelling:
            self._jobs.cancel(job)
        return {}

    def remove(self, id: str, *, location: str) -> dict[str, Any]:
        """Delete a job that has ended. Raises `Refused`."""
        job = self._found(id, location)
        if not job.over:
            raise Refused(
                400,
                "The batch prediction job is not in a final state: cancel it first.",
                status="FAILED_PRECONDITION",
            )
        self._jobs.remove(job)
        when = timestamp(self._clock.now())
        return {
            "name": f"{job.name.rpartition('/batch')[0]}/operations/{secrets.randbelow(10**18)}",
            "metadata": {
                "@type": "type.googleapis.com/google.cloud.aiplatform.v1.DeleteOperationMetadata",
                "genericMetadata": {"createTime": when, "updateTime": when},
            },
            "done": True,
            "response": {"@type": "type.googleapis.com/google.protobuf.Empty"},
        }

    # Online

    def ask(self, model: Model, method: str, body: object, *, path: str) -> dict[str, Any]:
        """Answer `:method` of a model. Raises `Refused`."""
        self._there(model, path)
        behaviour = self._behaviour()
        match method, model.language:
            case "generateContent", "gemini":
                request = read("GenerateContentRequest", body)
                gemini_rules.check(request, model=model.name)
                worked = gemini.worked_out(request, model=model.name)
                self.online[worked.digest] += 1
                return gemini.generated(
                    request,
                    model=model.name,
                    created=timestamp(self._clock.now()),
                    thoughts=behaviour.thoughts,
                    worked=worked,
                )
            case "countTokens", "gemini":
                request = read("GenerateContentRequest", body)
                return {"totalTokens": gemini.worked_out(request, model=model.name).prompt_tokens}
            case "embedContent", "embedding":
                request = read("EmbedContentRequest", body)
                response = embeddings.embedded(
                    request, model=model.name, dimensions=behaviour.dimensions
                )
                self._embedded(model, embeddings.text_of(request))
                return response
            case "batchEmbedContents", "embedding":
                request = read("BatchEmbedContentsRequest", body)
                response = embeddings.embedded_many(
                    request, model=model.name, dimensions=behaviour.dimensions
                )
                for one in request["requests"]:
                    self._embedded(model, embeddings.text_of(one))
                return response
            case "predict", "embedding" | "legacy":
                response = embeddings.predicted(
                    body, model=model.name, dimensions=behaviour.dimensions
                )
                for instance in cast("dict[str, Any]", body)["instances"]:
                    self._embedded(model, instance["content"])
                return response
            case "rawPredict", "claude":
                request = claude.check(body)
                worked = claude.worked_out(request, model=model.name)
                self.online[worked.digest] += 1
                return claude.message(request, model=model.name, worked=worked)
            case _:
                raise Refused(
                    400, f"{model.path} does not support the method {method}.",
                    status="FAILED_PRECONDITION",
                )  # fmt: skip

    def complete(
        self, body: object, *, endpoint: Endpoint, project: str, location: str
    ) -> dict[str, Any]:
        """Answer an OpenAI-compatible endpoint. Raises `Refused`."""
        refusal = validation.refuse(endpoint, body, model_in_path=False)
        if refusal is not None:
            raise Refused(refusal.status, refusal.message)
        fields = cast("dict[str, Any]", body)
        publisher, _, name = str(fields["model"]).partition("/")
        if not name:
            raise Refused(400, "The model is named as publisher/model.")
        model = Model(publisher=publisher, name=name)
        self._there(model, f"projects/{project}/locations/{location}/{model.path}")
        worked = answer(endpoint, fields, model=str(fields["model"]))
        self.online[worked.digest] += 1
        return shapes.render(
            endpoint,
            worked,
            body=fields,
            model=str(fields["model"]),
            unique=secrets.token_hex(16),
            created=int(self._clock.now()),
        )

    def _embedded(self, model: Model, text: str) -> None:
        digest = prompt_digest("/v1/embeddings", {"input": text}, model=model.name)
        self.online[digest] += 1

    def _shown(self, job: Job) -> dict[str, Any]:
        self._jobs.look(job)
        behaviour = self._behaviour()
        return described(job, state=self._jobs.shown(job), stats=behaviour.stats)

    def _found(self, id: str, location: str) -> Job:
        job = self._jobs.jobs.get(id)
        if job is None or job.location != location:
            raise Refused(404, f"The BatchPredictionJob {id} does not exist.")
        return job

    def _there(self, model: Model, path: str) -> None:
        behaviour = self._behaviour()
        known, bare = behaviour.models, model.name.partition("@")[0]
        if {model.name, bare} & set(behaviour.no_such_model) or (
            known is not None and f"{model.publisher}/{model.name}" not in known
        ):
            raise no_such_model(path)

    def _batch_model(self, request: Mapping[str, Any], location: str) -> Model:
        for name, words in (
            ("displayName", "display_name"),
            ("inputConfig", "input_config"),
            ("outputConfig", "output_config"),
        ):
            if not request.get(name):
                raise Refused(400, f"{words} is required.")
        if len(request["displayName"]) > 128:
            raise Refused(400, "display_name can be up to 128 characters long.")
        model = named(request.get("model", ""))
        if model is None:
            raise Refused(
                400, f"Invalid resource name: {request.get('model', '')!r} is not a model."
            )
        try:
            self._there(model, model.path)
        except Refused as error:
            raise Refused(404, f"The PublisherModel {model.name} does not exist.") from error
        if location == "global" and model.language != "gemini":
            raise Refused(
                400,
                f"The model {model.path} does not support batch prediction in the location global.",
                status="FAILED_PRECONDITION",
            )
        return model


def _buckets(request: Mapping[str, Any]) -> tuple[list[str], str]:
    source: Mapping[str, Any] = request["inputConfig"]
    target: Mapping[str, Any] = request["outputConfig"]
    if source.get("instancesFormat") != "jsonl" or target.get("predictionsFormat") != "jsonl":
        raise Refused(400, "The fake takes jsonl alone: no other instances or predictions format.")
    sources: list[str] = (source.get("gcsSource") or {}).get("uris") or []
    prefix: str = (target.get("gcsDestination") or {}).get("outputUriPrefix") or ""
    if len(sources) != 1:
        raise Refused(400, "Exactly one input file is supported.")
    for uri in (*sources, prefix):
        try:
            split(uri)
        except ValueError as error:
            raise Refused(400, f"Invalid Cloud Storage URI: {uri!r}.") from error
    return sources, prefix
