"""What lies in a bucket of Cloud Storage: names, sizes and checksums, and the end of them.

Owns the JSON API's calls without bytes of objects. Does not own how bytes come and go (`storage`),
HTTP (`providers.http`), what a refusal advises (`refusal`), or which objects are a job's (`jobs`).

Source: docs.cloud.google.com/storage/docs/json_api/v1/objects, .../v1/buckets. Lists and looks are
consistent: what was written is there (docs.cloud.google.com/storage/docs/consistency).
"""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote, urlencode

from batchway.dialects.tolerant_json import object_in, object_or_none
from batchway.domain.cloud_names import GCS_BUCKET
from batchway.domain.remote import RemoteError, Trouble
from batchway.domain.timestamps import unix_seconds
from batchway.providers.google.place import Place
from batchway.providers.google.refusal import reader
from batchway.providers.http import trouble as remote_trouble
from batchway.providers.http.session import RemoteHttp

_FIELDS: Final = "name,size,crc32c,updated"
_PAGE: Final = 1_000
_MOST_PAGES: Final = 1_000
_BUCKET: Final = re.compile(GCS_BUCKET)
_MOST_NAME: Final = 1_024  # docs.cloud.google.com/storage/docs/objects#naming


@dataclass(frozen=True, slots=True, kw_only=True)
class GsPath:
    """An object, or everything below a prefix: `gs://bucket/name`."""

    bucket: str
    name: str

    @property
    def uri(self) -> str:
        """The address that jobs and people know it by."""
        return f"gs://{self.bucket}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object. `crc32c` is as Cloud Storage writes it; `updated` is in Unix seconds."""

    at: GsPath
    size: int
    crc32c: str | None = None
    updated: int | None = None


def read_uri(uri: str) -> GsPath | None:
    """The path of `gs://bucket/name`; `None` for anything else."""
    scheme, _, rest = uri.partition("://")
    bucket, _, name = rest.partition("/")
    if scheme != "gs" or _BUCKET.fullmatch(bucket) is None or not name:
        return None
    return GsPath(bucket=bucket, name=name) if len(name.encode()) <= _MOST_NAME else None


class Objects:
    """Objects of any bucket that the account may use; `place` says where Cloud Storage is."""

    def __init__(self, *, provider: str, http: RemoteHttp, place: Place) -> None:
        self._provider = provider
        self._http = http
        self._place = place

    async def stat(self, at: GsPath) -> Stored | None:
        """The object; `None` when it is not there, as when its bucket is not."""
        try:
            answer = await self._call("GET", self._path(at), at, fields=_FIELDS)
        except RemoteError as error:
            if error.trouble is Trouble.NOT_FOUND:
                return None
            raise
        fields = object_in(answer)
        found = None if fields is None else _stored(at.bucket, fields)
        if found is None:
            raise self._no_answer()
        return found

    async def below(self, at: GsPath) -> AsyncGenerator[Stored]:
        """Every object whose name begins so, by name."""
        query = {"prefix": at.name, "maxResults": str(_PAGE)}
        query["fields"] = f"kind,nextPageToken,items({_FIELDS})"
        for _ in range(_MOST_PAGES):
            answer = await self._call("GET", _bucket_path(at.bucket) + "/o", at, **query)
            fields = object_in(answer)
            # Strict: a list of nothing says that a job has no results.
            if fields is None or not ({"kind", "items"} & fields.keys()):
                raise self._no_answer()
            items = fields.get("items") or []
            for item in items if isinstance(items, list) else ():
                found = _stored(at.bucket, object_or_none(item) or {})
                if found is not None:
                    yield found
            token = fields.get("nextPageToken")
            if not isinstance(token, str) or not token:
                return
            query["pageToken"] = token
        raise remote_trouble.uncertain(self._provider, "lists more objects than can be read")

    async def remove(self, at: GsPath) -> None:
        """Remove an object. Harmless when it is not there."""
        try:
            await self._call("DELETE", self._path(at), at)
        except RemoteError as error:
            if error.trouble is not Trouble.NOT_FOUND:
                raise

    async def remove_below(self, at: GsPath) -> None:
        """Remove everything whose name begins so. What cannot be removed holds up no other.

        Raises the last `RemoteError` when all have been tried.
        """
        failure: RemoteError | None = None
        found = [each.at async for each in self.below(at)]
        for each in found:
            try:
                await self.remove(each)
            except RemoteError as error:
                failure = error
        if failure is not None:
            raise failure

    async def location(self, bucket: str) -> str | None:
        """Where a bucket is, in small letters: `us-central1`, `us`.

        `None` where the account may not know: roles for objects do not tell of buckets.

        Raises:
            RemoteError: `REFUSED` where there is no such bucket.
        """
        at = GsPath(bucket=bucket, name="")
        try:
            answer = await self._call("GET", _bucket_path(bucket), at, fields="location")
        except RemoteError as error:
            if error.status == 403:
                return None
            if error.trouble is Trouble.NOT_FOUND:
                raise RemoteError(
                    Trouble.REFUSED,
                    f"There is no bucket '{bucket}' in Cloud Storage: create it, or correct "
                    f"`bucket` of the provider '{self._provider}', or the header that named it.",
                    code="no_such_bucket",
                    status=error.status,
                ) from error
            raise
        found = (object_in(answer) or {}).get("location")
        return found.lower() if isinstance(found, str) and found else None

    async def _call(self, method: str, path: str, at: GsPath, **query: str) -> bytes:
        asked = f"?{urlencode(query)}" if query else ""
        url = f"{self._place.storage_url}/storage/v1{path}{asked}"
        read = reader(replace(self._place, bucket=at.bucket))
        return await self._http.call(method, url, read_error=read)

    def _path(self, at: GsPath) -> str:
        return f"{_bucket_path(at.bucket)}/o/{quote(at.name, safe='')}"

    def _no_answer(self) -> RemoteError:
        return remote_trouble.uncertain(
            self._provider, "answered for Cloud Storage with something else"
        )


def _bucket_path(bucket: str) -> str:
    return f"/b/{quote(bucket, safe='')}"


def _stored(bucket: str, fields: dict[str, Any]) -> Stored | None:
    name, size = fields.get("name"), fields.get("size", "0")
    if isinstance(size, str) and size.isascii() and size.isdigit() and len(size) <= 18:
        size = int(size)
    if not isinstance(name, str) or not name or not isinstance(size, int):
        return None
    crc32c = fields.get("crc32c")
    return Stored(
        at=GsPath(bucket=bucket, name=name),
        size=size,
        crc32c=crc32c if isinstance(crc32c, str) and crc32c else None,
        updated=unix_seconds(fields.get("updated")),
    )
