"""Buckets: moto's S3, as an application in this process.

Owns starting it, which is done when the first bucket is asked for: importing moto takes a second
and a half. Its buckets are the process's, as bucket names are the world's: two fakes in a process
see the same ones. Not what a caller may do (`storage`), or who calls (`keys`).
Source: https://docs.getmoto.org/en/latest/docs/server_mode.html
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote
from xml.etree import ElementTree

from batchway.simulator.aws.refusals import Refused

_SPACE: Final = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_MISSING: Final = (
    "The fake of AWS needs moto for its buckets: install the group of development dependencies, or "
    "`pip install 'moto[server,s3]'`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What moto answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Objects:
    """Buckets and objects, past every permission. Every method belongs in a thread."""

    def __init__(self) -> None:
        self._regions: dict[str, str] = {}

    def make_bucket(self, name: str, *, region: str) -> None:
        """Make a bucket, or empty the one that there is of that name.

        Raises:
            Refused: it is not a name for a bucket.
        """
        for key in self.keys(name) if self.region(name) is not None else ():
            self.delete(name, key)
        body = b""
        if region != "us-east-1":
            body = (
                '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            ).encode()
        if self.region(name) is None:
            _whole(self.call("PUT", f"/{name}", body=body, region=region))
        self._regions[name] = region

    def region(self, bucket: str) -> str | None:
        """Where a bucket is, `None` where there is none."""
        if bucket not in self._regions:
            answer = self.call("HEAD", f"/{bucket}")
            if answer.status >= 400:
                return None
            self._regions[bucket] = dict(answer.headers).get("x-amz-bucket-region", "us-east-1")
        return self._regions[bucket]

    def forget(self, bucket: str) -> None:
        """Ask again where a bucket is."""
        self._regions.pop(bucket, None)

    def get(self, bucket: str, key: str) -> bytes:
        """An object's bytes. Raises `Refused`: 404."""
        return _whole(self.call("GET", _path(bucket, key))).body

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Lay an object down. Raises `Refused`: 404."""
        _whole(self.call("PUT", _path(bucket, key), body=data))

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object."""
        _whole(self.call("DELETE", _path(bucket, key)))

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The keys that start with a prefix. Raises `Refused`: 404."""
        return [key for key, _ in self.listed(bucket, prefix)]

    def listed(self, bucket: str, prefix: str = "") -> Iterator[tuple[str, int]]:
        """The keys that start with a prefix, with the sizes of their objects."""
        token = ""
        while True:
            query = f"list-type=2&encoding-type=url&prefix={quote(prefix, safe='')}"
            if token:
                query += f"&continuation-token={quote(token, safe='')}"
            answer = _whole(self.call("GET", f"/{bucket}", query=query))
            tree = ElementTree.fromstring(answer.body)
            for found in tree.iter(f"{_SPACE}Contents"):
                key = unquote(found.findtext(f"{_SPACE}Key") or "")
                yield key, int(found.findtext(f"{_SPACE}Size") or 0)
            token = tree.findtext(f"{_SPACE}NextContinuationToken") or ""
            if not token:
                return

    def present(self) -> dict[str, int]:
        """Everything that lies in the buckets this fake has met: sizes in bytes by URI."""
        return {
            f"s3://{bucket}/{key}": size
            for bucket in list(self._regions)
            for key, size in self.listed(bucket)
        }

    def unfinished(self) -> list[str]:
        """The URIs of uploads in parts that were neither completed nor given up."""
        found: list[str] = []
        for bucket in list(self._regions):
            tree = ElementTree.fromstring(
                _whole(self.call("GET", f"/{bucket}", query="uploads")).body
            )
            found += [
                f"s3://{bucket}/{upload.findtext(f'{_SPACE}Key')}"
                for upload in tree.iter(f"{_SPACE}Upload")
            ]
        return found

    def call(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        region: str = "us-east-1",
    ) -> Answered:
        """One request to moto; `path` and `query` are encoded."""
        # What the region of a request is, moto reads from its signature.
        credential = f"AKIAFAKE/20260101/{region}/s3/aws4_request"
        signed = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"
        return _run(method, path, query, body, {**(headers or {}), "Authorization": signed})


def split(uri: str) -> tuple[str, str]:
    """The bucket and the key of an `s3://` URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def _path(bucket: str, key: str) -> str:
    return f"/{bucket}/{quote(key)}"


def _whole(answer: Answered) -> Answered:
    if answer.status < 400:
        return answer
    code = "InternalError"
    if answer.body:
        code = ElementTree.fromstring(answer.body).findtext("Code") or code
    raise Refused(answer.status, f"S3 answered {answer.status}.", name=code)


# moto's state is the process's, and so is the application in front of it.
_lock: Final = threading.Lock()
_app: list[Callable[..., Any]] = []


def _application() -> Callable[..., Any]:
    with _lock:
        if not _app:
            # Imported where it is used: for development alone, and slow.
            try:
                from moto.moto_server.werkzeug_app import create_backend_app  # noqa: PLC0415
            except ImportError as error:
                raise RuntimeError(_MISSING) from error
            _app.append(create_backend_app("s3"))
        return _app[0]


def _run(method: str, path: str, query: str, body: bytes, headers: Mapping[str, str]) -> Answered:
    app = _application()
    from werkzeug.test import EnvironBuilder, run_wsgi_app  # noqa: PLC0415 - it comes with moto

    builder = EnvironBuilder(
        method=method,
        path=path,
        query_string=query,
        base_url="http://s3.amazonaws.com",
        data=body,
        headers=list(headers.items()),
    )
    environ = builder.get_environ()
    # As a server would have it: the path decoded, but told how it was sent.
    environ["RAW_URI"] = environ["REQUEST_URI"] = path + (f"?{query}" if query else "")
    # One at a time: moto's backends are not made for threads.
    with _lock:
        pieces, status, found = run_wsgi_app(app, environ, buffered=True)
        whole = b"".join(pieces)
    return Answered(
        status=int(status.split(" ")[0]),
        headers=[(name, value) for name, value in found.items()],
        body=whole,
    )
