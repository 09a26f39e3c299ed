"""Calls to Vertex AI's jobs: created, looked at, listed, stopped and removed.

Owns addresses of jobs and how one is found by the name that it was given. Does not own the order of
calls (`jobs`), HTTP (`providers.http`), reading (`job_reading`), or what a refusal advises
(`refusal`).

Source: docs.cloud.google.com/vertex-ai/docs/reference/rest, v1/projects.locations.
batchPredictionJobs
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote, urlencode

import msgspec

from batchway.dialects.tolerant_json import object_in, object_or_none
from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.google.addresses import jobs_address
from batchway.providers.google.job_reading import (
    JobName,
    VertexJob,
    is_number,
    job_in,
    job_of,
    read_name,
)
from batchway.providers.google.place import Place
from batchway.providers.google.refusal import doubt_of, reader
from batchway.providers.http import trouble as remote_trouble
from batchway.providers.http.session import RemoteHttp

_PAGE: Final = 100
_MOST_PAGES: Final = 1_000
_SKEW_SECONDS: Final = 900  # the provider's clock may be behind ours
# Of `state`, in a list's filter: whatever else there may be has not ended.
_ENDED: Final = ("SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")
_UNFINISHED: Final = " AND ".join(f'state!="JOB_STATE_{word}"' for word in _ENDED)

_encode: Final = msgspec.json.Encoder().encode


class JobCalls:
    """Jobs of one project; `place` is where those are that no name says more of."""

    def __init__(self, *, provider: str, http: RemoteHttp, place: Place) -> None:
        self.provider = provider
        self.place = place
        self._http = http

    async def create(self, request: Mapping[str, Any]) -> VertexJob:
        """Create a job."""
        return self._job(await self._call("POST", jobs_address(self.place), request))

    async def get(self, job_id: str) -> VertexJob:
        """A job as it is now, by its name or its number."""
        return self._job(await self._call("GET", self._address(job_id)))

    async def cancel(self, job_id: str) -> None:
        """Ask a job to stop."""
        await self._call("POST", self._address(job_id) + ":cancel", {})

    async def remove(self, job_id: str) -> None:
        """Remove a job that has ended; its files stay."""
        await self._call("DELETE", self._address(job_id))

    async def find(self, title: str, *, since: int) -> VertexJob | None:
        """The first job that was given this name, of those created after `since`."""
        found: VertexJob | None = None
        jobs = self.listed(f'display_name="{title}"')
        async with aclosing(jobs):
            async for job in jobs:
                created = job.created_at or 0
                # The filter is the provider's; a job that is not ours must never be taken for it.
                if job.title != title or created < since - _SKEW_SECONDS:
                    continue
                if found is None or created < (found.created_at or 0):
                    found = job
        return found

    def unfinished(self) -> AsyncGenerator[VertexJob]:
        """Jobs that have not ended."""
        return self.listed(_UNFINISHED)

    async def listed(self, wanted: str = "") -> AsyncGenerator[VertexJob]:
        """Jobs that fit a filter of Google's, page by page."""
        query = {"pageSize": str(_PAGE)}
        if wanted:
            query["filter"] = wanted
        for _ in range(_MOST_PAGES):
            answer = await self._call("GET", f"{jobs_address(self.place)}?{urlencode(query)}")
            fields = object_in(answer)
            items = None if fields is None else fields.get("batchPredictionJobs", [])
            # An empty list says that a job does not exist, and one that does would be paid twice.
            if fields is None or not isinstance(items, list):
                raise remote_trouble.uncertain(self.provider, "answered with no list of jobs")
            for item in items:
                job = job_of(object_or_none(item) or {}, secrets=self._http.secrets())
                if job is not None:
                    yield job
            token = fields.get("nextPageToken")
            if not isinstance(token, str) or not token:
                return
            query["pageToken"] = token
        raise remote_trouble.uncertain(self.provider, "lists more jobs than can be looked through")

    def read_id(self, job_id: str) -> JobName | None:
        """The job that a name or a number means here; `None` for what is none, or elsewhere."""
        plain = unquote(job_id) if "%" in job_id else job_id
        if is_number(plain):
            return JobName(project=self.place.project, location=self.place.region, number=plain)
        name = read_name(plain)
        if name is None:
            return None
        # Google answers with the number of the project, whatever it was asked by.
        ours = name.project.isdigit() or name.project == self.place.project
        return replace(name, project=self.place.project) if ours else None

    def _address(self, job_id: str) -> str:
        name = self.read_id(job_id)
        if name is None:
            raise RemoteError(
                Trouble.NOT_FOUND, f"The provider '{self.provider}' has nothing of that id."
            )
        there = replace(self.place, region=name.location)
        return f"{jobs_address(there)}/{name.number}"

    async def _call(self, method: str, url: str, request: Mapping[str, Any] | None = None) -> bytes:
        body = None if request is None else _encode(request)
        try:
            return await self._http.call(method, url, body=body, read_error=reader(self.place))
        except RemoteError as error:
            nothing_there = error.trouble is Trouble.UNREACHABLE or error.status == 404
            doubt = doubt_of(self.place)
            if nothing_there and doubt:
                said = f"{error.message} {doubt}"
                raise error.as_(error.trouble, message=said) from error
            raise

    def _job(self, answer: bytes) -> VertexJob:
        job = job_in(answer, secrets=self._http.secrets())
        if job is None:
            raise remote_trouble.uncertain(self.provider, "answered with something that is no job")
        return job
