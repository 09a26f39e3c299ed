"""Cloud Storage's XML API, which obstore and the tools of other clouds speak.

Source: https://cloud.google.com/storage/docs/xml-api/reference-methods,
.../docs/multipart-uploads.
"""

import base64
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Final
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from aiohttp import web

from batchway.simulator.batches.front import drained
from batchway.simulator.google.behaviour import Behaviour, Rule
from batchway.simulator.google.exchange import received, sent
from batchway.simulator.google.jobs import timestamp
from batchway.simulator.google.objects import Objects, StoredObject
from batchway.simulator.google.refusals import Refused

_HEAD: Final = "<?xml version='1.0' encoding='UTF-8'?>"
_SPACE: Final = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_PIECE: Final = 1 << 20


@dataclass(slots=True, kw_only=True)
class _Upload:
    bucket: str
    name: str
    content_type: str
    parts: dict[int, tuple[Path, str]] = field(default_factory=dict[int, tuple[Path, str]])


class StorageXml:
    """Answers requests for `/<bucket>` and `/<bucket>/<object>`."""

    def __init__(self, *, objects: Objects, behaviour: Callable[[], Behaviour]) -> None:
        self._objects = objects
        self._behaviour = behaviour
        self._uploads: dict[str, _Upload] = {}

    @property
    def unfinished(self) -> int:
        """Uploads in parts that were neither completed nor taken back: their parts cost."""
        return len(self._uploads)

    async def put(
        self, request: web.BaseRequest, bucket: str, name: str, rule: Rule | None
    ) -> web.Response:
        """Write an object, a part of one, or a copy. Raises `Refused`."""
        self._objects.allowed("caller_write", bucket, name)
        path = self._objects.place()
        await received(request, path, rule)
        upload = request.query.get("uploadId")
        if upload is not None:
            return self._part(request, upload, path)
        source = request.headers.get("x-goog-copy-source")
        if source is not None:
            return self._copied(bucket, name, unquote(source).lstrip("/"), path)
        wanted = request.headers.get("x-goog-if-generation-match")
        stored = self._objects.put(
            bucket,
            name,
            path,
            content_type=request.headers.get("Content-Type", "application/octet-stream"),
            if_generation=None if wanted is None else int(wanted),
            metadata={
                key.lower().removeprefix("x-goog-meta-"): value
                for key, value in request.headers.items()
                if key.lower().startswith("x-goog-meta-")
            },
            expected={
                "md5": request.headers.get("Content-MD5"),
                **_hashes(request.headers.getall("x-goog-hash", [])),
            },
        )
        return web.Response(headers=_headers(stored))

    async def post(self, request: web.BaseRequest, bucket: str, name: str) -> web.Response:
        """Begin or complete an upload in parts. Raises `Refused`."""
        self._objects.allowed("caller_write", bucket, name)
        body = await request.read()
        upload = request.query.get("uploadId")
        if upload is not None:
            return self._complete(request, upload, body)
        if "uploads" not in request.query:
            raise Refused(400, "The request is not one that the fake knows.")
        upload = uuid.uuid4().hex
        kind = request.headers.get("Content-Type", "application/octet-stream")
        self._uploads[upload] = _Upload(bucket=bucket, name=name, content_type=kind)
        return _xml(
            f"<InitiateMultipartUploadResult {_SPACE}><Bucket>{bucket}</Bucket>"
            f"<Key>{escape(name)}</Key><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
        )

    async def get(
        self, request: web.BaseRequest, bucket: str, name: str, rule: Rule | None
    ) -> web.StreamResponse:
        """Read an object or, for HEAD, about one. Raises `Refused`."""
        self._objects.allowed("caller_read", bucket, name)
        stored = self._objects.get(bucket, name)
        if request.query.get("generation", str(stored.generation)) != str(stored.generation):
            raise Refused(404, "The specified key does not exist.")
        if request.headers.get("If-None-Match") == stored.etag:
            return web.Response(status=304, headers=_headers(stored))
        wanted = request.headers.get("If-Match")
        if wanted is not None and stored.etag not in wanted:
            raise Refused(412, "At least one of the pre-conditions you specified did not hold.")
        return await sent(request, stored, rule, headers=_headers(stored))

    async def delete(self, request: web.BaseRequest, bucket: str, name: str) -> web.Response:
        """Delete an object, or take an upload in parts back. Raises `Refused`."""
        await drained(request)
        self._objects.allowed("caller_delete", bucket, name)
        upload = request.query.get("uploadId")
        if upload is None:
            self._objects.delete(bucket, name)
        else:
            for path, _ in self._begun(upload).parts.values():
                path.unlink(missing_ok=True)
            del self._uploads[upload]
        return web.Response(status=204)

    def listed(self, request: web.BaseRequest, bucket: str) -> web.Response:
        """List objects (version 2 of the protocol). Raises `Refused`."""
        self._objects.allowed("caller_read", bucket)
        query = request.query
        token = query.get("continuation-token", "")
        after = base64.urlsafe_b64decode(token).decode() if token else query.get("start-after", "")
        limit = min(int(query.get("max-keys", 1_000)), self._behaviour().page_size)
        prefix = query.get("prefix", "")
        page = self._objects.list(
            bucket,
            prefix=prefix,
            delimiter=query.get("delimiter", ""),
            after=after,
            limit=limit,
        )
        more = page.after is not None
        text = [
            f"<ListBucketResult {_SPACE}><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>",
            f"<MaxKeys>{limit}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>",
        ]
        if page.after is not None:
            next_token = base64.urlsafe_b64encode(page.after.encode()).decode()
            text.append(f"<NextContinuationToken>{next_token}</NextContinuationToken>")
        text += [
            f"<Contents><Key>{escape(stored.name)}</Key>"
            f"<Generation>{stored.generation}</Generation><MetaGeneration>1</MetaGeneration>"
            f"<LastModified>{timestamp(stored.created)}</LastModified>"
            f"<ETag>{escape(stored.etag)}</ETag><Size>{stored.size}</Size></Contents>"
            for stored in page.items
        ]
        text += [
            f"<CommonPrefixes><Prefix>{escape(folded)}</Prefix></CommonPrefixes>"
            for folded in page.prefixes
        ]
        return _xml("".join(text) + "</ListBucketResult>")

    # Uploads in parts

    def _part(self, request: web.BaseRequest, id: str, path: Path) -> web.Response:
        upload = self._begun(id)
        number = int(request.query.get("partNumber", "0"))
        if not 1 <= number <= 10_000:
            raise Refused(400, "Part number must be an integer between 1 and 10000, inclusive.")
        etag = f'"{uuid.uuid4().hex}"'
        upload.parts[number] = (path, etag)
        return web.Response(headers={"ETag": etag})

    def _complete(self, request: web.BaseRequest, id: str, body: bytes) -> web.Response:
        upload = self._begun(id)
        given = [
            (int(_text(part, "PartNumber")), _text(part, "ETag"))
            for part in ElementTree.fromstring(body).iter()
            if part.tag.rpartition("}")[2] == "Part"
        ]
        path = self._objects.place()
        with path.open("wb") as whole:
            for number, etag in given:
                part, known = upload.parts.get(number, (None, ""))
                if part is None or known.strip('"') != etag.strip('"'):
                    path.unlink()
                    raise Refused(
                        400,
                        "One or more of the specified parts could not be found.",
                        code_name="InvalidPart",
                    )
                with part.open("rb") as file:
                    while piece := file.read(_PIECE):
                        whole.write(piece)
        wanted = request.headers.get("x-goog-if-generation-match")
        stored = self._objects.put(
            upload.bucket,
            upload.name,
            path,
            content_type=upload.content_type,
            if_generation=None if wanted is None else int(wanted),
            in_parts=True,
        )
        for part, _ in upload.parts.values():
            part.unlink(missing_ok=True)
        del self._uploads[id]
        answer = _xml(
            f"<CompleteMultipartUploadResult {_SPACE}><Bucket>{upload.bucket}</Bucket>"
            f"<Key>{escape(upload.name)}</Key><ETag>{escape(stored.etag)}</ETag>"
            "</CompleteMultipartUploadResult>"
        )
        answer.headers["x-goog-generation"] = str(stored.generation)
        return answer

    def _copied(self, bucket: str, name: str, source: str, path: Path) -> web.Response:
        from_bucket, _, from_name = source.partition("/")
        origin = self._objects.get(from_bucket, from_name)
        path.write_bytes(origin.path.read_bytes())
        stored = self._objects.put(bucket, name, path, content_type=origin.content_type)
        return _xml(
            f"<CopyObjectResult {_SPACE}><LastModified>{timestamp(stored.created)}</LastModified>"
            f"<ETag>{escape(stored.etag)}</ETag></CopyObjectResult>"
        )

    def _begun(self, id: str) -> _Upload:
        found = self._uploads.get(id)
        if found is None:
            raise Refused(404, "The requested upload was not found.", code_name="NoSuchUpload")
        return found


def _headers(stored: StoredObject) -> dict[str, str]:
    hashes = f"crc32c={stored.crc32c}"
    if stored.md5_hash is not None:
        hashes += f",md5={stored.md5_hash}"
    return {
        "ETag": stored.etag,
        "Last-Modified": formatdate(stored.created, usegmt=True),
        "x-goog-generation": str(stored.generation),
        "x-goog-metageneration": "1",
        "x-goog-hash": hashes,
        "x-goog-stored-content-length": str(stored.size),
        "x-goog-storage-class": "STANDARD",
    }


def _hashes(given: list[str]) -> dict[str, str]:
    return dict(re.findall(r"(crc32c|md5)=([A-Za-z0-9+/=]+)", ",".join(given)))


def _text(element: ElementTree.Element, name: str) -> str:
    for child in element:
        if child.tag.rpartition("}")[2] == name:
            return child.text or ""
    return ""


def _xml(text: str) -> web.Response:
    return web.Response(text=_HEAD + text, content_type="application/xml")
