"""AWS on two sockets: Bedrock and STS at one origin, S3 at another.

Owns HTTP: paths, identity, and the paths that AWS does not have beside those of every fake:
`/__keys__`, `/__bucket__`, `/__objects__`, `/__put__` and `/__read__`. A path is routed as it was
sent: an ARN that is not escaped is several segments, and no path of AWS's.
"""

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Final, cast
from urllib.parse import parse_qsl, unquote

import msgspec
from aiohttp import web

from batchway.simulator.aws import metadata
from batchway.simulator.aws.account import Account
from batchway.simulator.aws.behaviour import Rule
from batchway.simulator.aws.objects import split
from batchway.simulator.aws.refusals import Refused
from batchway.simulator.aws.signing import Signed
from batchway.simulator.aws.storage import Place, placed
from batchway.simulator.batches.front import Cut, Front

_ONLINE: Final = frozenset({"invoke", "converse"})
_NO_OPERATION: Final = "UnknownOperationException"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a request asks for; `api` is how it is refused, `id` the job or model in its path."""

    kind: str
    api: str
    id: str = ""
    operation: str = ""
    place: Place | None = None


class Server(Front[Route, Rule]):
    """Answers requests for one account."""

    def __init__(self, *, account: Account, down: Callable[[float], None]) -> None:
        super().__init__(account=account, down=down)
        self._account = account

    async def handle_storage(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request at S3's socket."""
        path, _, query = request.raw_path.partition("?")
        place = placed(request.method, path, query)
        return await self.met(request, Route(kind=place.kind, api="s3", place=place))

    def route(self, request: web.BaseRequest) -> Route:
        path = request.raw_path.partition("?")[0]
        match request.method, [unquote(part) for part in path.split("/")[1:]]:
            case "POST", [""]:
                return Route(kind="sts", api="sts")
            case "POST", ["model-invocation-job"]:
                return Route(kind="create", api="control")
            case "GET", ["model-invocation-jobs"]:
                return Route(kind="jobs", api="control")
            case "GET", ["model-invocation-job", id]:
                return Route(kind="job", api="control", id=id)
            case "POST", ["model-invocation-job", id, "stop"]:
                return Route(kind="stop", api="control", id=id)
            case "GET", ["foundation-models"]:
                return Route(kind="models", api="control")
            case "POST", ["model", id, operation] if operation in _ONLINE:
                return Route(kind="online", api="runtime", id=id, operation=operation)
            case _:
                return Route(kind="nowhere", api="nowhere")

    async def own(self, request: web.BaseRequest) -> web.StreamResponse | None:
        match request.path:
            case "/__keys__":
                return web.json_response(self._key(request.query.get("kind", "user")))
            case "/__objects__":
                return web.json_response(await asyncio.to_thread(self._lying))
            case "/__bucket__" | "/__put__" | "/__read__":
                asked = cast("dict[str, str]", json.loads(await request.text()))
                try:
                    return await asyncio.to_thread(self._object, request.path, asked)
                except Refused as refused:
                    return web.json_response({"error": refused.message}, status=refused.code)
            case _:
                account = self._account
                seconds = account.behaviour.session_seconds
                return metadata.answer(request, account.keys, seconds=seconds)

    def _key(self, kind: str) -> dict[str, Any]:
        keys = self._account.keys
        match kind:
            case "bearer":
                return {"key": keys.bearer()}
            case "session":
                seconds = self._account.behaviour.session_seconds
                key = keys.session(
                    "arn:aws:sts::123456789012:assumed-role/fake/test", seconds=seconds
                )
            case _:
                key = keys.user()
        return {"id": key.id, "secret": key.secret, "token": key.token}

    def _lying(self) -> dict[str, Any]:
        objects = self._account.objects
        return {"objects": objects.present(), "unfinished_uploads": objects.unfinished()}

    def _object(self, path: str, asked: Mapping[str, str]) -> web.Response:
        """Make a bucket, lay an object down or read one, past every permission."""
        objects = self._account.objects
        if path == "/__bucket__":
            objects.make_bucket(asked["name"], region=asked["region"])
            return web.json_response({})
        bucket, key = split(asked["uri"])
        if path == "/__put__":
            objects.put(bucket, key, asked["text"].encode())
            return web.json_response({})
        return web.json_response({"text": objects.get(bucket, key).decode()})

    # Answers

    async def served(
        self, request: web.BaseRequest, route: Route, rule: Rule | None
    ) -> web.StreamResponse:
        cut = (
            rule.bytes if rule is not None and rule.do == "cut" and route.kind == "upload" else None
        )
        signed = await _signed(request, cut)
        try:
            response = await self._answered(request, route, rule, signed)
        except Refused as refused:
            response = _refused(refused, route, signed.path)
        response.headers.setdefault("x-amzn-RequestId", str(uuid.uuid4()))
        # What a client with a wrong clock sets it by.
        response.headers["Date"] = formatdate(self._account.keys.now(), usegmt=True)
        return response

    def told(self, rule: Rule, route: Route) -> web.StreamResponse:
        headers = {} if rule.retry_after is None else {"Retry-After": rule.retry_after}
        message = rule.message or f"The fake was told to answer {rule.status}."
        refused = Refused(rule.status, message, name=rule.name, headers=headers)
        response = _refused(refused, route, "/")
        if rule.body is not None:
            told = web.Response(status=rule.status, headers=response.headers)
            told.body = msgspec.json.encode(rule.body)
            return told
        return response

    async def _answered(
        self, request: web.BaseRequest, route: Route, rule: Rule | None, signed: Signed
    ) -> web.StreamResponse:
        match route.api:
            case "sts":
                form = dict(parse_qsl(signed.body.decode(), keep_blank_values=True))
                text = self._account.sts.answer(form, signed, request_id=str(uuid.uuid4()))
                return web.Response(text=text, content_type="text/xml")
            case "s3":
                assert route.place is not None
                return await self._account.storage.answer(request, signed, route.place, rule)
            case "control":
                return web.json_response(self._control_plane(route, signed, request))
            case "runtime":
                return self._runtime(route, signed)
            case _:
                raise Refused(404, "Unable to determine service/operation name", name=_NO_OPERATION)

    def _control_plane(
        self, route: Route, signed: Signed, request: web.BaseRequest
    ) -> dict[str, Any]:
        caller = self._account.keys.admit(signed, service="bedrock")
        control = self._account.control
        match route.kind:
            case "create":
                return control.create(_json(signed.body), caller)
            case "jobs":
                return control.jobs(request.query, caller)
            case "stop":
                return control.stop(route.id, caller)
            case "models":
                return self._account.models.listed(caller.region)
            case _:
                return control.job(route.id, caller)

    def _runtime(self, route: Route, signed: Signed) -> web.Response:
        caller = self._account.keys.admit(signed, service="bedrock")
        ran = self._account.runtime.ask(route.id, route.operation, _json(signed.body), caller)
        headers = {}
        if route.operation == "invoke":
            headers = {
                "X-Amzn-Bedrock-Invocation-Latency": "10",
                "X-Amzn-Bedrock-Input-Token-Count": str(ran.input_tokens),
                "X-Amzn-Bedrock-Output-Token-Count": str(ran.output_tokens),
            }
        return web.Response(
            body=msgspec.json.encode(ran.response), headers=headers, content_type="application/json"
        )


async def _signed(request: web.BaseRequest, cut: int | None) -> Signed:
    """The request, as it was sent, with its body. Raises `Cut` after so many bytes of it."""
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if cut is not None and len(body) >= cut:
            raise Cut
    path, _, query = request.raw_path.partition("?")
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
    return Signed(method=request.method, path=path, query=query, headers=headers, body=bytes(body))


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(
            400, "The request body is not valid JSON.", name="SerializationException"
        ) from error


def _refused(refused: Refused, route: Route, path: str) -> web.Response:
    request_id = str(uuid.uuid4())
    match route.api:
        case "s3":
            return web.Response(
                text=refused.storage(path, request_id),
                status=refused.code,
                headers=refused.headers,
                content_type="application/xml",
            )
        case "sts":
            return web.Response(
                text=refused.query(request_id),
                status=refused.code,
                headers=refused.headers,
                content_type="text/xml",
            )
        case _:
            body, headers = refused.json()
            return web.Response(
                body=body, status=refused.code, headers=headers, content_type="application/json"
            )
