"""S3 on a socket: who may do what, and troubles with transfers, before moto's buckets.

Owns permissions, regions, owners of buckets and the wire. Paths are those of buckets in the path.
Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote
from xml.etree import ElementTree

from aiohttp import web

from batchway.simulator.aws.behaviour import Behaviour, Rule
from batchway.simulator.aws.keys import ACCOUNT, Caller, Keys
from batchway.simulator.aws.objects import Answered, Objects
from batchway.simulator.aws.refusals import Refused
from batchway.simulator.aws.signing import Signed
from batchway.simulator.batches.front import Cut

_ODD: Final = (1, 2, 3, 5, 7, 11)
_PAGE: Final = b"<!DOCTYPE html><html><body>Bad gateway, please log in</body></html>"
# S3 has names of its own for what other services refuse a caller for.
_NAMES: Final = {
    "UnrecognizedClientException": (403, "InvalidAccessKeyId"),
    "MissingAuthenticationTokenException": (403, "AccessDenied"),
    "InvalidSignatureException": (403, "SignatureDoesNotMatch"),
    "ExpiredTokenException": (400, "ExpiredToken"),
    "IncompleteSignatureException": (400, "AuthorizationHeaderMalformed"),
}
_READ: Final = frozenset({"content", "object", "objects"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a request to S3 is about; `kind` is that of rules."""

    kind: str
    bucket: str
    key: str


def placed(method: str, raw_path: str, query: str) -> Place:
    """Read a request's path."""
    bucket, _, key = raw_path.removeprefix("/").partition("/")
    names = {part.partition("=")[0] for part in query.split("&")}
    if not key:
        kind = "bucket"
        if method == "GET" and not {"location", "versioning", "policy", "acl"} & names:
            kind = "objects"
        elif method == "POST" and "delete" in names:
            kind = "delete"
    else:
        kind = {"GET": "content", "HEAD": "object", "DELETE": "delete"}.get(method, "upload")
        # An upload that is given up, or asked for its parts.
        kind = "upload" if "uploadId" in names else kind
    return Place(kind=kind, bucket=bucket, key=unquote(key))


class Storage:
    """The buckets of the account, as callers see them."""

    def __init__(self, *, objects: Objects, keys: Keys, behaviour: Callable[[], Behaviour]) -> None:
        self.deletes: list[str] = []
        self._objects = objects
        self._keys = keys
        self._behaviour = behaviour

    async def answer(
        self, request: web.BaseRequest, signed: Signed, place: Place, rule: Rule | None
    ) -> web.StreamResponse:
        """Answer a request whose body has been read. Raises `Refused` and `Cut`."""
        self._permitted(signed, place)
        region = await self._where(signed, place)
        if place.kind == "delete":
            keys = [place.key] if place.key else _many(signed.body)
            self.deletes += [f"s3://{place.bucket}/{key}" for key in keys]
        answer = await asyncio.to_thread(
            self._objects.call,
            signed.method,
            signed.path,
            query=self._paged(place, signed.query),
            body=signed.body,
            headers=_passed(signed),
            region=region,
        )
        if place.kind == "bucket":
            self._objects.forget(place.bucket)
        return await _sent(request, place, answer, rule)

    async def _where(self, signed: Signed, place: Place) -> str:
        """The region that the request is for; checks the bucket's."""
        caller = self._admitted(signed)
        if not place.bucket:
            return caller.region
        found = await asyncio.to_thread(self._objects.region, place.bucket)
        if found is None:
            return caller.region
        owner = signed.headers.get("x-amz-expected-bucket-owner", ACCOUNT)
        if owner != ACCOUNT:
            raise Refused(403, "Access Denied", name="AccessDenied")
        if found != caller.region and place.kind != "bucket":
            raise Refused(
                301,
                "The bucket you are attempting to access must be addressed using the specified "
                "endpoint. Please send all future requests to this endpoint.",
                name="PermanentRedirect",
                headers={"x-amz-bucket-region": found},
                fields={"Endpoint": f"s3.{found}.amazonaws.com", "Bucket": place.bucket},
            )
        return found

    def _admitted(self, signed: Signed) -> Caller:
        try:
            return self._keys.admit(signed, service="s3")
        except Refused as refused:
            code, name = _NAMES.get(refused.name or "", (403, "AccessDenied"))
            message = refused.message
            if message.startswith("Signature expired") or "not yet current" in message:
                name = "RequestTimeTooSkewed"
                message = (
                    "The difference between the request time and the current time is too large."
                )
            if name == "InvalidAccessKeyId":
                message = "The AWS Access Key Id you provided does not exist in our records."
            if name == "ExpiredToken":
                message = "The provided token has expired."
            raise Refused(code, message, name=name) from refused

    def _permitted(self, signed: Signed, place: Place) -> None:
        stated = signed.headers.get("x-amz-content-sha256", "")
        plain = not stated.startswith(("UNSIGNED", "STREAMING"))
        if plain and stated and stated != hashlib.sha256(signed.body).hexdigest():
            raise Refused(
                400,
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                name="XAmzContentSHA256Mismatch",
            )
        caller = self._admitted(signed)
        denied = self._behaviour().bucket_denied
        action = {"upload": "s3:PutObject", "delete": "s3:DeleteObject"}.get(
            place.kind, "s3:ListBucket" if place.kind == "objects" else "s3:GetObject"
        )
        asked = (
            "caller_write"
            if place.kind == "upload"
            else "caller_delete"
            if place.kind == "delete"
            else "caller_read"
        )
        if asked in denied and place.kind != "bucket":
            arn = f"arn:aws:s3:::{place.bucket}" + (f"/{place.key}" if place.key else "")
            raise Refused(
                403,
                f"User: {caller.arn} is not authorized to perform: {action} on resource: "
                f'"{arn}" because no identity-based policy allows the {action} action',
                name="AccessDenied",
            )

    def _paged(self, place: Place, query: str) -> str:
        most = self._behaviour().page_size
        if place.kind != "objects" or most >= 1_000 or "max-keys" in query:
            return query
        return f"{query}&max-keys={most}"


def _many(body: bytes) -> list[str]:
    """The keys of a `DeleteObjects`."""
    try:
        tree = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        message = "The XML you provided was not well-formed."
        raise Refused(400, message, name="MalformedXML") from error
    return [key.text or "" for key in tree.iter() if key.tag.rpartition("}")[2] == "Key"]


def _passed(signed: Signed) -> dict[str, str]:
    """The headers that are moto's to read."""
    skipped = ("authorization", "host", "content-length", "transfer-encoding", "connection")
    return {name: value for name, value in signed.headers.items() if name not in skipped}


async def _sent(
    request: web.BaseRequest, place: Place, answer: Answered, rule: Rule | None
) -> web.StreamResponse:
    doing = None if rule is None or answer.status >= 400 else rule.do
    if doing == "page":
        return web.Response(body=_PAGE, content_type="text/html")
    headers = {
        name: value
        for name, value in answer.headers
        if name.lower() not in ("content-length", "connection", "transfer-encoding")
    }
    if place.kind == "content" and doing in ("cut", "chop"):
        assert rule is not None
        return await _troubled(request, answer, headers, rule)
    if request.method == "HEAD":
        response = web.StreamResponse(status=answer.status, headers=headers)
        size = dict(answer.headers).get("Content-Length") or dict(answer.headers).get(
            "content-length"
        )
        response.content_length = int(size or 0)
        return response
    return web.Response(status=answer.status, headers=headers, body=answer.body)


async def _troubled(
    request: web.BaseRequest, answer: Answered, headers: dict[str, str], rule: Rule
) -> web.StreamResponse:
    """A download that breaks off, or comes in pieces that split characters."""
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    at, end = 0, len(answer.body)
    while at < end:
        size = _ODD[at % len(_ODD)] if rule.do == "chop" else rule.bytes
        await response.write(answer.body[at : at + size])
        at += size
        if rule.do == "cut" and at < end:
            # What was written has to leave before the connection goes.
            await asyncio.sleep(0.05)
            raise Cut
    await response.write_eof()
    return response
