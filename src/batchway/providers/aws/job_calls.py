"""Calls to Bedrock's jobs: created, looked at, listed and stopped.

Owns how a job is found by the name that it was given, and that a call refused for the date
of its signature, or for keys that have ended, is made once more with others. Does not own the order
of calls (`jobs`), addresses, HTTP (`providers.http`), reading (`job_reading`), or what a refusal
advises (`refusal`, `job_troubles`).

Source: docs.aws.amazon.com/bedrock/latest/APIReference (CreateModelInvocationJob, ...)
"""

import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote, urlencode

import msgspec

from batchway.dialects.tolerant_json import object_in, object_or_none
from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.aws.addresses import job_address, jobs_address, new_job_address
from batchway.providers.aws.advice import Called
from batchway.providers.aws.job_reading import (
    UNFINISHED,
    BedrockJob,
    JobArn,
    job_in,
    job_of,
    read_arn,
)
from batchway.providers.aws.job_troubles import trouble_of
from batchway.providers.aws.place import Place
from batchway.providers.aws.refusal import (
    ERROR_HEADER,
    is_of_date,
    is_of_ended_keys,
    kind_of,
    message_of,
    reader,
    refused,
)
from batchway.providers.aws.signing import Authorization
from batchway.providers.http import trouble as remote_trouble
from batchway.providers.http.session import RemoteHttp
from batchway.providers.http.trouble import Header, Said

_PAGE: Final = 1_000
_MOST_PAGES: Final = 1_000
_SKEW_SECONDS: Final = 900  # the provider's clock may be behind ours
_NAME_IN_USE: Final = re.compile(r"job name[^.]{0,40}\bin use\b", re.IGNORECASE)
_BARE_ID: Final = re.compile(r"[a-z0-9]{12}", re.ASCII)

_encode: Final = msgspec.json.Encoder().encode


class JobCalls:
    """Jobs of one account in one region; `secrets` are cut out of what is said of them."""

    def __init__(
        self,
        *,
        provider: str,
        http: RemoteHttp,
        authorization: Authorization,
        place: Place,
        secrets: Callable[[], Collection[str]],
    ) -> None:
        self.provider = provider
        self.place = place
        self._http = http
        self._authorization = authorization
        self._secrets = secrets

    async def create(self, request: Mapping[str, Any], *, model: str) -> JobArn:
        """Create a job, or see the one that this very request made before.

        `model` is the id of its foundation model, for what is advised.
        """
        called = Called(place=self.place, model=model)
        try:
            answer = await self._call("POST", new_job_address(self.place), request, called=called)
        except RemoteError as error:
            raise _of_creation(error, self.place) from error
        arn = read_arn(str((object_in(answer) or {}).get("jobArn")))
        if arn is None:
            raise remote_trouble.uncertain(self.provider, "answered with something that is no job")
        return arn

    async def get(self, job_id: str) -> BedrockJob:
        """A job as it is now, by its ARN."""
        answer = await self._call("GET", job_address(self.place, self._known(job_id).text))
        job = job_in(answer, self.place, secrets=self._secrets())
        if job is None:
            raise remote_trouble.uncertain(self.provider, "answered with something that is no job")
        return job

    async def stop(self, job_id: str) -> None:
        """Ask a job to stop."""
        await self._call("POST", job_address(self.place, self._known(job_id).text) + "/stop", {})

    async def find(self, title: str, *, since: int) -> BedrockJob | None:
        """The first job that was given this name, of those created after `since`."""
        found: BedrockJob | None = None
        after = datetime.fromtimestamp(max(0, since - _SKEW_SECONDS), UTC)
        query = {"nameContains": title, "submitTimeAfter": after.strftime("%Y-%m-%dT%H:%M:%SZ")}
        async with aclosing(self.listed(query)) as jobs:
            async for job in jobs:
                # A name that only holds this one is another job's.
                if job.title != title:
                    continue
                if found is None or (job.created_at or 0) < (found.created_at or 0):
                    found = job
        return found

    async def unfinished(self) -> AsyncGenerator[BedrockJob]:
        """Jobs that have not ended, each once: some go from one state to the next meanwhile."""
        seen: set[str] = set()
        for word in UNFINISHED:
            async with aclosing(self.listed({"statusEquals": word})) as jobs:
                async for job in jobs:
                    if job.arn.text not in seen:
                        seen.add(job.arn.text)
                        yield job

    async def listed(self, wanted: Mapping[str, str]) -> AsyncGenerator[BedrockJob]:
        """Jobs that fit a query of AWS's, page by page."""
        query = {"maxResults": str(_PAGE), **wanted}
        for _ in range(_MOST_PAGES):
            answer = await self._call("GET", f"{jobs_address(self.place)}?{urlencode(query)}")
            fields = object_in(answer)
            items = None if fields is None else fields.get("invocationJobSummaries", [])
            # An empty list says that a job does not exist, and one that does would be paid twice.
            if fields is None or not isinstance(items, list):
                raise remote_trouble.uncertain(self.provider, "answered with no list of jobs")
            for item in items:
                job = job_of(object_or_none(item) or {}, self.place, secrets=self._secrets())
                if job is not None:
                    yield job
            token = fields.get("nextToken")
            if not isinstance(token, str) or not token:
                return
            query["nextToken"] = token
        raise remote_trouble.uncertain(self.provider, "lists more jobs than can be looked through")

    def read_id(self, job_id: str) -> JobArn | None:
        """The job that an ARN means, in this region; `None` for anything else."""
        arn = read_arn(unquote(job_id) if "%" in job_id else job_id)
        return arn if arn is not None and arn.region == self.place.region else None

    def _known(self, job_id: str) -> JobArn:
        arn = self.read_id(job_id)
        if arn is not None:
            return arn
        words = f"The provider '{self.provider}' has nothing of that id"
        if _BARE_ID.fullmatch(job_id) is not None:
            words += ": AWS Bedrock knows jobs by their whole ARNs alone"
        raise RemoteError(Trouble.NOT_FOUND, f"{words}.")

    async def _call(
        self,
        method: str,
        url: str,
        request: Mapping[str, Any] | None = None,
        *,
        called: Called | None = None,
    ) -> bytes:
        body = None if request is None else _encode(request)
        reading = _Reading(called or Called(place=self.place), self._authorization, self._secrets)
        try:
            return await self._sent(method, url, body, reading)
        except RemoteError:
            if not reading.mended:
                raise
        return await self._sent(method, url, body, reading)

    async def _sent(self, method: str, url: str, body: bytes | None, reading: "_Reading") -> bytes:
        headers = await self._authorization.headers(method, url, body or b"")
        return await self._http.call(method, url, body=body, headers=headers, read_error=reading)


class _Reading:
    """`providers.http.trouble.ReadError` of one call; it tells the authorization of a refusal."""

    def __init__(
        self,
        called: Called,
        authorization: Authorization,
        secrets: Callable[[], Collection[str]],
    ) -> None:
        self.mended = False  # whether another signature may be taken
        self._place = called.place
        self._read = reader(called)
        self._authorization = authorization
        self._secrets = secrets

    def __call__(self, body: bytes, header: Header) -> Said:
        for secret in self._secrets():
            body = body.replace(secret.encode(), b"***")
        refusal = refused(403, kind_of(header(ERROR_HEADER), body), message_of(body))
        self._authorization.refused(refusal, header("date"))
        self.mended = is_of_date(refusal) or is_of_ended_keys(refusal)
        said = self._read(body, header)
        if said.advised:
            return said
        trouble = trouble_of(message_of(body), self._place)
        if not trouble.advice:
            return said
        return Said(
            message=f"{said.message.rstrip('. ')}. To mend it: {trouble.advice}.",
            code=said.code,
            # What a role or a bucket lacks can be mended while lines wait.
            trouble=Trouble.DENIED if trouble.mendable else said.trouble,
            advised=True,
        )


def _of_creation(error: RemoteError, place: Place) -> RemoteError:
    """What a refusal of a creation means."""
    if error.code == "ConflictException" or _NAME_IN_USE.search(error.message):
        # With a job of that name or of that token: the one that this request made, perhaps.
        return error.as_(Trouble.UNCERTAIN)
    if error.trouble is Trouble.NOT_FOUND:
        return error.as_(Trouble.REFUSED)  # a model that is not there; the input is
    limit = trouble_of(error.message, place).limit
    if limit is not None and error.trouble in {Trouble.REFUSED, Trouble.NO_ROOM}:
        return RemoteError(
            Trouble.NO_ROOM,
            error.message,
            code=error.code,
            status=error.status,
            limit=limit,
            advised=error.advised,
        )
    return error
