"""Cloud Storage's JSON API: uploads of three kinds, downloads, listings, deletions.

Source: https://cloud.google.com/storage/docs/json_api/v1, .../docs/performing-resumable-uploads.
"""

import base64
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

from aiohttp import web

from batchway.simulator.batches.front import drained
from batchway.simulator.google.behaviour import Behaviour, Rule
from batchway.simulator.google.exchange import received, sent
from batchway.simulator.google.jobs import timestamp
from batchway.simulator.google.objects import Objects, StoredObject
from batchway.simulator.google.refusals import Refused
from batchway.simulator.google.state import NUMBER

_UPLOAD: Final = "/upload/storage/v1/b/"
_QUANTUM: Final = 256 << 10


@dataclass(slots=True, kw_only=True)
class _Session:
    """A resumable upload under way."""

    bucket: str
    name: str
    path: Path
    content_type: str
    if_generation: int | None
    resource: dict[str, Any] = field(default_factory=dict[str, Any])
    size: int = 0
    done: StoredObject | None = None


class StorageJson:
    """Answers requests below `/storage/v1`, `/upload/storage/v1` and `/download/storage/v1`."""

    def __init__(self, *, objects: Objects, behaviour: Callable[[], Behaviour]) -> None:
        self._objects = objects
        self._behaviour = behaviour
        self._sessions: dict[str, _Session] = {}

    async def upload(
        self, request: web.BaseRequest, bucket: str, rule: Rule | None
    ) -> web.StreamResponse:
        """Take in an object, or a piece of one. Raises `Refused`."""
        query = request.query
        session = query.get("upload_id")
        if session is not None:
            return await self._continue(request, session, rule)
        self._objects.allowed("caller_write", bucket)
        match query.get("uploadType"):
            case "resumable":
                return await self._begin(request, bucket)
            case "multipart":
                return await self._multipart(request, bucket, rule)
            case "media":
                path = self._objects.place()
                await received(request, path, rule)
                stored = self._put(
                    request,
                    bucket,
                    query.get("name", ""),
                    path,
                    resource={"contentType": request.headers.get("Content-Type")},
                )
                return self._answer(request, stored)
            case _:
                await drained(request)
                raise Refused(400, "Bad Request: no uploadType.")

    async def object(
        self, request: web.BaseRequest, bucket: str, name: str, rule: Rule | None
    ) -> web.StreamResponse:
        """Read or delete an object. Raises `Refused`."""
        if request.method == "DELETE":
            self._objects.allowed("caller_delete", bucket, name)
            self._precondition(request, bucket, name)
            self._objects.delete(bucket, name)
            return web.Response(status=204)
        self._objects.allowed("caller_read", bucket, name)
        stored = self._objects.get(bucket, name)
        if request.query.get("alt") != "media":
            return self._answer(request, stored)
        hashes = f"crc32c={stored.crc32c}"
        if stored.md5_hash is not None:
            hashes += f",md5={stored.md5_hash}"
        return await sent(
            request,
            stored,
            rule,
            headers={
                "X-Goog-Generation": str(stored.generation),
                "X-Goog-Hash": hashes,
                "X-Goog-Stored-Content-Length": str(stored.size),
                "ETag": _etag(stored),
            },
        )

    def objects(self, request: web.BaseRequest, bucket: str) -> web.Response:
        """List objects. Raises `Refused`."""
        self._objects.allowed("caller_read", bucket)
        query = request.query
        limit = min(int(query.get("maxResults", 1_000)), self._behaviour().page_size)
        token = query.get("pageToken", "")
        page = self._objects.list(
            bucket,
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            after=base64.urlsafe_b64decode(token).decode() if token else "",
            limit=limit,
        )
        body: dict[str, Any] = {"kind": "storage#objects"}
        if page.after is not None:
            body["nextPageToken"] = base64.urlsafe_b64encode(page.after.encode()).decode()
        if page.prefixes:
            body["prefixes"] = page.prefixes
        if page.items:
            origin = str(request.url.origin())
            body["items"] = [described(stored, origin=origin) for stored in page.items]
        return web.json_response(body)

    def bucket(self, request: web.BaseRequest, bucket: str) -> web.Response:
        """A bucket's resource. Raises `Refused`."""
        self._objects.there(bucket)
        location = self._behaviour().location(bucket)
        multi = location in ("US", "EU", "ASIA")
        return web.json_response(
            {
                "kind": "storage#bucket",
                "id": bucket,
                "name": bucket,
                "selfLink": f"{request.url.origin()}/storage/v1/b/{bucket}",
                "projectNumber": NUMBER,
                "location": location,
                "locationType": "multi-region" if multi else "region",
                "storageClass": "STANDARD",
                "metageneration": "1",
                "etag": "CAE=",
                "softDeletePolicy": {"retentionDurationSeconds": "0"},
            }
        )

    # Uploads

    async def _begin(self, request: web.BaseRequest, bucket: str) -> web.Response:
        body = await request.read()
        resource = cast("dict[str, Any]", json.loads(body)) if body else {}
        name = resource.get("name") or request.query.get("name", "")
        if not name:
            raise Refused(400, "Required")
        session = uuid.uuid4().hex
        wanted = request.query.get("ifGenerationMatch")
        self._sessions[session] = _Session(
            bucket=bucket,
            name=name,
            path=self._objects.place(),
            content_type=resource.get("contentType")
            or request.headers.get("X-Upload-Content-Type", "application/octet-stream"),
            if_generation=None if wanted is None else int(wanted),
            resource=resource,
        )
        place = (
            f"{request.url.origin()}{_UPLOAD}{bucket}/o?uploadType=resumable"
            f"&name={quote(name, safe='')}&upload_id={session}"
        )
        return web.Response(headers={"Location": place, "X-GUploader-UploadID": session})

    async def _continue(
        self, request: web.BaseRequest, id: str, rule: Rule | None
    ) -> web.StreamResponse:
        session = self._sessions.get(id)
        if session is None:
            await drained(request)
            raise Refused(404, "The upload session does not exist.")
        if request.method == "DELETE":
            del self._sessions[id]
            session.path.unlink(missing_ok=True)
            return web.Response(status=499)
        if session.done is not None:
            await drained(request)
            return self._answer(request, session.done)
        # Without the header a request brings all of the object.
        header = request.headers.get("Content-Range", "bytes 0-/0")
        given = re.fullmatch(r"bytes (?:(\d+)-\d*|\*)/(\d+|\*)", header)
        if given is None:
            await drained(request)
            raise Refused(400, "Invalid Content-Range.")
        if given[1] is not None and int(given[1]) != session.size:
            await drained(request)
            raise Refused(503, "The piece does not follow on the last one.")
        try:
            size = await received(request, session.path, rule)
        finally:
            session.path.touch()
            # Of a piece that broke off, whole units of 256 KiB are kept.
            session.size = session.path.stat().st_size
        total = None if given[2] == "*" else int(given[2])
        if total is None or session.size < total:
            if size and size % _QUANTUM:
                with session.path.open("ab") as file:
                    file.truncate(session.size - size % _QUANTUM)
                session.size -= size % _QUANTUM
            headers = {"X-GUploader-UploadID": id}
            if session.size:
                headers["Range"] = f"bytes=0-{session.size - 1}"
            return web.Response(status=308, headers=headers)
        session.done = self._put(
            request,
            session.bucket,
            session.name,
            session.path,
            resource=session.resource | {"contentType": session.content_type},
            if_generation=session.if_generation,
        )
        return self._answer(request, session.done)

    async def _multipart(
        self, request: web.BaseRequest, bucket: str, rule: Rule | None
    ) -> web.Response:
        """A body of two parts: the resource, and the bytes."""
        path = self._objects.place()
        await received(request, path, rule)
        found = re.search('boundary="?([^";]+)', request.headers.get("Content-Type", ""))
        if found is None:
            raise Refused(400, "Bad Request: no boundary.")
        # A body of this kind is small: clients send larger ones in a resumable way.
        parts = path.read_bytes().split(b"--" + found[1].encode().strip(b"'"))
        if len(parts) != 4:
            raise Refused(400, "Bad Request: not two parts.")
        (_, described_as), (head, data) = (
            part.removeprefix(b"\r\n").split(b"\r\n\r\n", 1) for part in parts[1:3]
        )
        resource = cast("dict[str, Any]", json.loads(described_as))
        kind = re.search(rb"(?i)content-type:\s*([^\r\n]+)", head)
        if kind is not None:
            resource.setdefault("contentType", kind[1].decode())
        path.write_bytes(data.removesuffix(b"\r\n"))
        name = resource.get("name") or request.query.get("name", "")
        return self._answer(request, self._put(request, bucket, name, path, resource=resource))

    def _put(
        self,
        request: web.BaseRequest,
        bucket: str,
        name: str,
        path: Path,
        *,
        resource: Mapping[str, Any],
        if_generation: int | None = None,
    ) -> StoredObject:
        if not name:
            raise Refused(400, "Required")
        wanted = request.query.get("ifGenerationMatch")
        if wanted is not None:
            if_generation = int(wanted)
        return self._objects.put(
            bucket,
            name,
            path,
            content_type=str(resource.get("contentType") or "application/octet-stream"),
            if_generation=if_generation,
            metadata=resource.get("metadata"),
            expected={
                "crc32c": resource.get("crc32c"),
                "md5": resource.get("md5Hash"),
                **_hashes(request.headers.get("X-Goog-Hash", "")),
            },
        )

    def _precondition(self, request: web.BaseRequest, bucket: str, name: str) -> None:
        wanted = request.query.get("ifGenerationMatch")
        if wanted is not None and str(self._objects.get(bucket, name).generation) != wanted:
            raise Refused(412, "At least one of the pre-conditions you specified did not hold.")

    def _answer(self, request: web.BaseRequest, stored: StoredObject) -> web.Response:
        origin = str(request.url.origin())
        return web.json_response(described(stored, origin=origin), headers={"ETag": _etag(stored)})


def described(stored: StoredObject, *, origin: str) -> dict[str, Any]:
    """An object's resource."""
    link = f"{origin}/storage/v1/b/{stored.bucket}/o/{quote(stored.name, safe='')}"
    media = f"{origin}/download/storage/v1/b/{stored.bucket}/o/{quote(stored.name, safe='')}"
    when = timestamp(stored.created, zone="Z")
    body: dict[str, Any] = {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.name}/{stored.generation}",
        "selfLink": link,
        "mediaLink": f"{media}?generation={stored.generation}&alt=media",
        "name": stored.name,
        "bucket": stored.bucket,
        "generation": str(stored.generation),
        "metageneration": "1",
        "contentType": stored.content_type,
        "storageClass": "STANDARD",
        "size": str(stored.size),
        "crc32c": stored.crc32c,
        "etag": _etag(stored),
        "timeCreated": when,
        "updated": when,
        "timeStorageClassUpdated": when,
    }
    if stored.md5_hash is not None:
        body["md5Hash"] = stored.md5_hash
    if stored.metadata:
        body["metadata"] = dict(stored.metadata)
    return body


def _etag(stored: StoredObject) -> str:
    return base64.b64encode(str(stored.generation).encode()).decode()


def _hashes(header: str) -> dict[str, str]:
    return dict(re.findall(r"(crc32c|md5)=([A-Za-z0-9+/=]+)", header))
