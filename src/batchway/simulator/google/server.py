"""Google on a socket: the platform, Cloud Storage and the token endpoint at one origin.

Owns HTTP: paths, tokens, and the paths that Google does not have beside those of every fake:
`/__key__`, `/__put__` and `/__read__`.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from aiohttp import web

from batchway.simulator.batches.front import Front, drained
from batchway.simulator.google.account import Account
from batchway.simulator.google.behaviour import Rule
from batchway.simulator.google.models import Model
from batchway.simulator.google.objects import split
from batchway.simulator.google.refusals import Refused, TokenRefused
from batchway.simulator.online.endpoints import Endpoint

_PLATFORM: Final = re.compile(r"/v1(?:beta1)?/projects/([^/]+)/locations/([^/]+)/(.+)")
_ONLINE: Final = re.compile(r"publishers/([^/]+)/models/([^/:]+):(\w+)")
# Where OpenAI's own bodies are taken.
_OPENAI: Final = {
    f"endpoints/openapi/{endpoint}": endpoint for endpoint in (Endpoint.CHAT, Endpoint.EMBEDDINGS)
}
_JSON: Final = re.compile(
    r"/(?:(upload|download)/)?storage/v1/b/([^/]+)(?:/o(?:/(.*))?)?", re.DOTALL
)
_TOKEN: Final = frozenset({"/token", "/o/oauth2/token", "/v1/token", "/sts/v1/token"})
_IMPERSONATED: Final = re.compile(r"/v1/projects/-/serviceAccounts/[^/]+:generateAccessToken")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a request asks for; `api` is how it is refused."""

    kind: str
    api: str
    project: str = ""
    location: str = ""
    rest: str = ""
    bucket: str = ""
    name: str = ""


class Server(Front[Route, Rule]):
    """Answers requests for one account."""

    def __init__(self, *, account: Account, down: Callable[[float], None]) -> None:
        super().__init__(account=account, down=down)
        self._account = account

    def route(self, request: web.BaseRequest) -> Route:
        return _route(request)

    async def own(self, request: web.BaseRequest) -> web.StreamResponse | None:
        match request.path:
            case "/__key__":
                token_uri = f"{request.url.origin()}/token"
                project = request.query.get("project", "fake-project")
                return web.json_response(
                    self._account.tokens.key(token_uri=token_uri, project=project)
                )
            case "/__put__" | "/__read__":
                return await self._object(request)
            case _:
                return None

    async def _object(self, request: web.BaseRequest) -> web.Response:
        """Lay an object down for a test, or read one, past every permission."""
        asked = cast("dict[str, str]", json.loads(await request.text()))
        bucket, name = split(asked["uri"])
        objects = self._account.objects
        if "text" in asked:
            objects.write(bucket, name, asked["text"].encode())
            return web.json_response({})
        found = objects.find(bucket, name)
        if found is None:
            return web.json_response({"error": "There is no such object."}, status=404)
        return web.json_response({"text": found.path.read_text()})

    # Answers

    async def served(
        self, request: web.BaseRequest, route: Route, rule: Rule | None
    ) -> web.StreamResponse:
        try:
            if route.kind != "token":
                self._account.tokens.admit(request.headers.get("Authorization", ""))
            return await self._served(request, route, rule)
        except TokenRefused as refused:
            return web.json_response(refused.body, status=refused.code)
        except Refused as refused:
            await drained(request)
            return _refused(refused, route)

    def told(self, rule: Rule, route: Route) -> web.StreamResponse:
        return _told(rule, route)

    async def _served(
        self, request: web.BaseRequest, route: Route, rule: Rule | None
    ) -> web.StreamResponse:
        match route.api:
            case "oauth":
                return await self._token(request)
            case "platform":
                return web.json_response(await self._platform(request, route))
            case "json":
                return await self._json(request, route, rule)
            case "xml":
                return await self._xml(request, route, rule)
            case _:
                raise Refused(404, "The requested URL was not found on this server.")

    async def _token(self, request: web.BaseRequest) -> web.Response:
        if _IMPERSONATED.fullmatch(request.path):
            self._account.tokens.admit(request.headers.get("Authorization", ""))
            return web.json_response(self._account.impersonated())
        form: dict[str, str] = {}
        for name, value in (await request.post()).items():
            form[name] = str(value)
        audience = str(request.url.with_query(None))
        return web.json_response(self._account.tokens.grant(form, audience=audience))

    async def _platform(self, request: web.BaseRequest, route: Route) -> dict[str, Any]:
        platform = self._account.platform
        place = {"project": route.project, "location": route.location}
        platform.admit(route.kind, **place)
        job = route.rest.partition("/")[2].partition(":")[0]
        match route.kind:
            case "create":
                return platform.create(await _body(request), **place)
            case "job":
                return platform.job(job, location=route.location)
            case "jobs":
                return platform.jobs(request.query, location=route.location)
            case "cancel":
                return platform.cancel(job, location=route.location)
            case "remove":
                return platform.remove(job, location=route.location)
            case _:
                body = await _body(request)
                found = _ONLINE.fullmatch(route.rest)
                if found is None:
                    return platform.complete(body, endpoint=_OPENAI[route.rest], **place)
                path = (
                    f"projects/{route.project}/locations/{route.location}/"
                    + (route.rest.rpartition(":")[0])
                )
                model = Model(publisher=found[1], name=found[2])
                return platform.ask(model, found[3], body, path=path)

    async def _json(
        self, request: web.BaseRequest, route: Route, rule: Rule | None
    ) -> web.StreamResponse:
        storage = self._account.storage_json
        match route.kind:
            case "upload":
                return await storage.upload(request, route.bucket, rule)
            case "objects":
                return storage.objects(request, route.bucket)
            case "bucket":
                return storage.bucket(request, route.bucket)
            case _:
                return await storage.object(request, route.bucket, route.name, rule)

    async def _xml(
        self, request: web.BaseRequest, route: Route, rule: Rule | None
    ) -> web.StreamResponse:
        storage, bucket, name = self._account.storage_xml, route.bucket, route.name
        match route.kind, request.method:
            case "upload", "PUT":
                return await storage.put(request, bucket, name, rule)
            case "upload", _:
                return await storage.post(request, bucket, name)
            case "delete", _:
                return await storage.delete(request, bucket, name)
            case "objects", _:
                return storage.listed(request, bucket)
            case _:
                return await storage.get(request, bucket, name, rule)


def _route(request: web.BaseRequest) -> Route:
    path, method = request.path, request.method
    if path in _TOKEN or _IMPERSONATED.fullmatch(path):
        return Route(kind="token", api="oauth")
    found = _PLATFORM.fullmatch(path)
    if found is not None:
        kind = _platform_kind(method, found[3])
        api = "nowhere" if kind == "nowhere" else "platform"
        return Route(kind=kind, api=api, project=found[1], location=found[2], rest=found[3])
    found = _JSON.fullmatch(path)
    if found is not None:
        bucket, name = found[2], found[3] or ""
        kind = "bucket"
        if found[1] == "upload":
            kind = "upload"
        elif name:
            media = request.query.get("alt") == "media"
            kind = "delete" if method == "DELETE" else "content" if media else "object"
        elif path.endswith(("/o", "/o/")):
            kind = "objects"
        return Route(kind=kind, api="json", bucket=bucket, name=name)
    bucket, _, name = path.removeprefix("/").partition("/")
    if not bucket:
        return Route(kind="nowhere", api="nowhere")
    if not name:
        return Route(kind="objects", api="xml", bucket=bucket)
    kind = {"GET": "content", "HEAD": "object", "DELETE": "delete"}.get(method, "upload")
    return Route(kind=kind, api="xml", bucket=bucket, name=name)


def _platform_kind(method: str, rest: str) -> str:
    if rest == "batchPredictionJobs":
        return "create" if method == "POST" else "jobs"
    if rest.startswith("batchPredictionJobs/"):
        if rest.endswith(":cancel") and method == "POST":
            return "cancel"
        return {"GET": "job", "DELETE": "remove"}.get(method, "nowhere")
    if method == "POST" and (_ONLINE.fullmatch(rest) or rest in _OPENAI):
        return "online"
    return "nowhere"


async def _body(request: web.BaseRequest) -> object:
    try:
        return msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"Invalid JSON payload received. {error}") from error


def _told(rule: Rule, route: Route) -> web.Response:
    """The refusal that a rule asks for."""
    message = rule.message or f"The fake was told to answer {rule.status}."
    headers = {} if rule.retry_after is None else {"Retry-After": rule.retry_after}
    if rule.body is not None:
        return web.json_response(rule.body, status=rule.status, headers=headers)
    return _refused(Refused(rule.status, message, headers=headers), route)


def _refused(refused: Refused, route: Route) -> web.Response:
    if route.api == "xml":
        return web.Response(
            text=refused.xml(),
            status=refused.code,
            headers=refused.headers,
            content_type="application/xml",
        )
    body = refused.storage() if route.api == "json" else refused.rpc()
    return web.json_response(body, status=refused.code, headers=refused.headers)
