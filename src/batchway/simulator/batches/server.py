"""A vendor on a socket.

Owns HTTP: paths, keys, reading and sending bodies, troubles with the connection, and the two paths
that no vendor has: `/__control__` and `/__stats__`, found at the end of any path.
"""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from aiohttp import web

from batchway.simulator.batches.answers import Answer, Refused
from batchway.simulator.batches.behaviour import Rule
from batchway.simulator.batches.downloading import sent
from batchway.simulator.batches.front import Cut, drained
from batchway.simulator.batches.office import Office
from batchway.simulator.batches.trouble import Troubles
from batchway.simulator.batches.uploading import Form, read_form

_SECRET: Final = frozenset({"authorization", "api-key", "x-api-key"})
_UPLOAD: Final = "/__upload__/"
_BLOB: Final = "/__blob__/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a request asks for; `id` is that of a file, a job or, online, an endpoint."""

    kind: str
    id: str = ""
    deployment: str | None = None


class Server:
    """Answers requests for one vendor account."""

    def __init__(self, *, office: Office, down: Callable[[float], None]) -> None:
        self._office = office
        self._down = down
        self._troubles: Troubles[Rule] = Troubles()
        self._troubles.set(office.behaviour.rules)
        self._requests: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._headers: dict[str, Counter[str]] = {}
        self._announced: dict[str, dict[str, str]] = {}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if request.path.endswith("/__control__"):
            return await self._control(request)
        if request.path.endswith("/__stats__"):
            return web.json_response(self.stats(brief="brief" in request.query))
        route = self._route(request)
        self._note(request, route)
        rule = self._troubles.strike(route.kind)
        try:
            response = await self._answer(request, route, rule)
        except (Cut, ConnectionResetError):  # ours, or the client has died
            self._answers[f"{route.kind} cut"] += 1
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        self._answers[f"{route.kind} {response.status}"] += 1
        return response

    def stats(self, *, brief: bool = False) -> dict[str, Any]:
        """What has happened so far, in OpenAI's words whatever the vendor; never a key.

        `brief` leaves out what grows with the lines.
        """
        office = self._office
        lines = {
            "lines_by_id": dict(office.jobs.ids),
            "lines_by_digest": dict(office.jobs.digests),
            "online_by_digest": office.online,
        }
        return {
            **({} if brief else lines),
            "vendor": office.vendor.name,
            "creates": office.creates,
            "creates_by_filename": dict(Counter(made["filename"] for made in office.creates)),
            "creates_by_metadata": dict(
                Counter(
                    f"{name}={value}"
                    for made in office.creates
                    for name, value in (made["metadata"] or {}).items()
                )
            ),
            "jobs": [
                {
                    "id": job.id,
                    "status": office.jobs.look(job).status,
                    "filename": job.filename,
                    "metadata": job.metadata,
                    "model": job.model,
                    "endpoint": job.endpoint,
                    "completion_window": job.completion_window,
                    "total": job.lines,
                    "completed": job.completed,
                    "failed": job.failed,
                    "input_file_id": job.input_file_id,
                    "output_file_id": job.output_file_id,
                    "error_file_id": job.error_file_id,
                    "errors": job.errors,
                }
                for job in office.jobs.jobs.values()
            ],
            "lines": office.jobs.lines,
            "files": [
                {
                    "id": file.id,
                    "filename": file.filename,
                    "purpose": file.purpose,
                    "bytes": file.bytes,
                }
                for file in office.store.files.values()
            ],
            "deletes": office.store.deletes,
            "requests": dict(self._requests),
            "answers": dict(self._answers),
            "headers": {name: dict(seen) for name, seen in self._headers.items()},
        }

    async def _control(self, request: web.BaseRequest) -> web.Response:
        if request.method == "POST":
            try:
                dials = cast("dict[str, Any]", json.loads(await request.text()))
                seconds = dials.pop("down", None)
                self._office.change(dials)
            except (ValueError, TypeError, msgspec.ValidationError) as error:
                return web.json_response({"error": str(error)}, status=400)
            if "rules" in dials:
                self._troubles.set(self._office.behaviour.rules)
            if seconds is not None:
                self._down(float(seconds))
        return web.json_response(msgspec.to_builtins(self._office.behaviour))

    def _note(self, request: web.BaseRequest, route: Route) -> None:
        self._requests[route.kind] += 1
        for name, given in request.headers.items():
            lower, value = name.lower(), given
            if lower in _SECRET:
                value = given.partition(" ")[0] if " " in given else "(a key)"
            seen = self._headers.setdefault(lower, Counter())
            if len(seen) < 50 or value in seen:
                seen[value] += 1

    # Paths

    def _route(self, request: web.BaseRequest) -> Route:
        path, method = request.path, request.method
        if path.startswith(_UPLOAD) and method == "PUT":
            return Route(kind="put", id=path.removeprefix(_UPLOAD))
        if path.startswith(_BLOB) and method == "GET":
            return Route(kind="blob", id=path.removeprefix(_BLOB))
        vendor = self._office.vendor
        for base in (vendor.base, *vendor.further):
            if path.startswith(base + "/"):
                if base == "/openai" and "api-version" not in request.query:
                    return Route(kind="nowhere")
                return self._below(method, path.removeprefix(base + "/").split("/"))
        return Route(kind="nowhere")

    def _below(self, method: str, parts: list[str]) -> Route:  # noqa: PLR0912 - one case a path
        together = self._office.vendor.name == "together"
        match method, parts:
            case "POST", ["files"]:
                return Route(kind="announce" if together else "upload")
            case "POST", ["files", "upload"] if together:
                return Route(kind="upload")
            case "POST", ["files", file_id, "preprocess"] if together:
                return Route(kind="file", id=file_id)
            case "GET", ["files"]:
                return Route(kind="files")
            case "GET", ["files", file_id]:
                return Route(kind="file", id=file_id)
            case "DELETE", ["files", file_id]:
                return Route(kind="delete", id=file_id)
            case "GET", ["files", file_id, "content"]:
                return Route(kind="content", id=file_id)
            case "POST", ["batches"]:
                return Route(kind="create")
            case "GET", ["batches"]:
                return Route(kind="jobs")
            case "GET", ["batches", job_id]:
                return Route(kind="job", id=job_id)
            case "POST", ["batches", job_id, "cancel"]:
                return Route(kind="cancel", id=job_id)
            case "GET", ["models"]:
                return Route(kind="models")
            case "POST", ["deployments", name, *rest] if rest:
                return Route(kind="online", id="/".join(rest), deployment=name)
            case "POST", ["chat", "completions"] | ["embeddings" | "completions" | "responses"]:
                return Route(kind="online", id="/".join(parts))
            case _:
                return Route(kind="nowhere")

    # Answers

    async def _answer(
        self, request: web.BaseRequest, route: Route, rule: Rule | None
    ) -> web.StreamResponse:
        if rule is not None and rule.do == "refuse":
            await drained(request)
            return self._refused(rule)
        try:
            self._admit(request, route)
            answer = await self._served(request, route, rule)
        except Refused as refused:
            await drained(request)
            answer = Answer(
                status=refused.status,
                body=self._office.dialect.refusal(
                    refused.status, refused.message, code=refused.code, param=refused.param
                ),
            )
        if rule is not None and answer.status < 400:
            if rule.do == "lose":
                raise Cut
            if rule.do == "disown":
                return self._refused(rule)
            if rule.do == "stall":
                await asyncio.sleep(rule.seconds)
        if answer.file is not None:
            return await sent(request, answer.file, rule, ranges=self._office.behaviour.ranges)
        headers = {"X-Request-Id": f"req_{uuid.uuid4().hex}", **answer.headers}
        if answer.body is None:
            return web.Response(status=answer.status, headers=headers)
        return web.json_response(answer.body, status=answer.status, headers=headers)

    def _admit(self, request: web.BaseRequest, route: Route) -> None:
        if route.kind in ("put", "blob"):
            return
        office = self._office
        if office.vendor.name == "together" and not request.headers.get("User-Agent"):
            raise Refused(403, "error code: 1010")
        if route.kind == "nowhere":
            raise Refused(404, "Resource not found", code="404")
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            key = request.headers.get("api-key", "") if office.vendor.name == "azure" else ""
        if not key:
            raise Refused(401, "Missing bearer or basic authentication in header")
        keys = office.behaviour.keys
        if office.behaviour.revoked or (keys is not None and key not in keys):
            if office.vendor.name == "azure":
                raise Refused(
                    401,
                    "Access denied due to invalid subscription key or wrong API endpoint. Make "
                    "sure to provide a valid key for an active subscription and use a correct "
                    "regional API endpoint for your resource.",
                )
            raise Refused(401, "Incorrect API key provided.", code="invalid_api_key")

    async def _served(  # noqa: PLR0912 - one case a kind of request
        self, request: web.BaseRequest, route: Route, rule: Rule | None
    ) -> Answer:
        office = self._office
        match route.kind:
            case "upload":
                form = await self._form(request, rule)
                return office.upload(form.path, form.fields, filename=form.filename)
            case "announce":
                return await self._announce(request, rule)
            case "put":
                return await self._put(request, route.id)
            case "file":
                return office.file(route.id)
            case "files":
                return office.files(request.query)
            case "delete":
                return office.delete(route.id)
            case "content":
                if office.vendor.redirects or (rule is not None and rule.do == "redirect"):
                    office.content(route.id)
                    place = str(request.url.origin()) + _BLOB + route.id
                    return Answer(status=302, headers={"Location": place})
                return office.content(route.id)
            case "blob":
                return office.content(route.id)
            case "create":
                return office.create(await _json(request))
            case "jobs":
                return office.list_jobs(request.query)
            case "job":
                return office.job(route.id)
            case "cancel":
                return office.cancel(route.id)
            case "models":
                return office.models()
            case _:
                body = await _json(request)
                return office.ask(route.id, body, deployment=route.deployment)

    def _refused(self, rule: Rule) -> web.Response:
        message = rule.message or f"The fake was told to answer {rule.status}."
        body = rule.body
        if body is None:
            body = self._office.dialect.refusal(rule.status, message, code=rule.code)
        headers = {} if rule.retry_after is None else {"Retry-After": rule.retry_after}
        return web.json_response(body, status=rule.status, headers=headers)

    # Uploads

    async def _form(self, request: web.BaseRequest, rule: Rule | None) -> Form:
        limit = rule.bytes if rule is not None and rule.do == "cut" else None

        async def chunks() -> AsyncGenerator[bytes]:
            read = 0
            async for chunk in request.content.iter_any():
                read += len(chunk)
                if limit is not None and read >= limit:
                    raise Cut
                yield chunk

        try:
            return await read_form(
                request.headers.get("Content-Type", ""),
                chunks(),
                place=self._office.store.place(),
            )
        except ValueError as error:
            raise Refused(400, str(error)) from error

    async def _announce(self, request: web.BaseRequest, rule: Rule | None) -> Answer:
        """Together's SDK asks for a place first, and puts the file there."""
        form = await self._form(request, rule)
        file_id = self._office.dialect.file_id(form.fields.get("purpose", ""))
        self._announced[file_id] = form.fields
        return Answer(
            status=302,
            headers={
                "Location": str(request.url.origin()) + _UPLOAD + file_id,
                "X-Together-File-Id": file_id,
            },
        )

    async def _put(self, request: web.BaseRequest, file_id: str) -> Answer:
        fields = self._announced.pop(file_id, None)
        if fields is None:
            raise Refused(404, "No such upload.")
        path = self._office.store.place()
        with path.open("wb") as file:
            async for chunk in request.content.iter_any():
                file.write(chunk)
        return self._office.upload(path, fields, filename=fields.get("file_name", ""), id=file_id)


async def _json(request: web.BaseRequest) -> object:
    try:
        return json.loads(await request.text())
    except ValueError as error:
        raise Refused(
            400, "We could not parse the JSON body of your request.", code="invalid_json"
        ) from error
