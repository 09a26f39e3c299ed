"""Bytes of objects in Cloud Storage: sent and read in pieces, checked, and gone on with.

    send    a file -> parts -> one object, whose size and CRC-32C are compared with what was sent
    read    ranges of one version of an object, from where an earlier transfer broke
    probe   a small object is written, seen and removed: whether the bucket can be used at all

Owns obstore, whose calls block and run in threads (the `google` extra). Does not own what lies in a
bucket (`objects`), nor whose it is (`jobs`).

Nothing is written in place: an object is there when all of its parts are. What a process that was
killed has sent of one is no object; a lifecycle rule `AbortIncompleteMultipartUpload` removes it.
"""

import asyncio
import base64
import re
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar

import msgspec

from batchway.domain.remote import FileMark, RemoteError, Trouble
from batchway.providers.google.credentials import Tokens
from batchway.providers.google.objects import GsPath, Objects
from batchway.providers.google.place import Place
from batchway.providers.google.refusal import reader
from batchway.providers.http import trouble as remote_trouble
from batchway.providers.http.session import Timeouts

if TYPE_CHECKING:
    from obstore.store import GCSStore

MISSING_EXTRA: Final = (
    "Cloud Storage needs the packages obstore and google-crc32c: install `batchway[google]`"
)

_PIECE: Final = 1 << 20  # what is read of a file, and given to a reader, at a time
# Parts have at least 5 MiB (docs.cloud.google.com/storage/quotas). Two are on their way and one is
# being read: 16 MB for each of the four jobs that may be sent at once. With four parts of 8 MiB
# each, a file of 1 GB took the server to 319 MB. Smaller files go in one request.
_PART: Final = 5 << 20
_PARTS_AT_ONCE: Final = 2
# One request for each range: none lasts longer than its timeout, however large the object is.
_RANGE: Final = 16 << 20
_MOST_VERSIONS: Final = 5  # of an object, while it is read
_MOST_BUCKETS: Final = 16  # whose connections are kept
_RETRIES: Final = 3
_RETRY_SECONDS: Final = 30.0
_STATUS: Final = re.compile(
    r"status code: ([0-9]{3})[^:]*:? ?(.*?)(?:\n\nDebug source|$)", re.DOTALL
)
_XML: Final = re.compile(r"<(Message|Details)>(.*?)</\1>", re.DOTALL)

T = TypeVar("T")


class Stores:
    """An account's connections to buckets at one address. Shared by everything that it does.

    Raises:
        ValueError: obstore is not installed.
    """

    def __init__(self, *, base: str, tokens: Tokens, timeouts: Timeouts) -> None:
        if find_spec("obstore") is None or find_spec("google_crc32c") is None:
            raise ValueError(MISSING_EXTRA)
        self.tokens = tokens
        self.sent = ""  # the token of the last requests
        self._base = base
        self._timeouts = timeouts
        self._stores: OrderedDict[str, GCSStore] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, bucket: str) -> "GCSStore":
        """The connections to a bucket. Called in threads."""
        with self._lock:
            store = self._stores.pop(bucket, None) or self._new(bucket)
            self._stores[bucket] = store
            if len(self._stores) > _MOST_BUCKETS:
                self._stores.popitem(last=False)  # transfers under way hold theirs
            return store

    def close(self) -> None:
        """Let go of connections. Transfers under way end by themselves."""
        with self._lock:
            self._stores.clear()

    def _new(self, bucket: str) -> "GCSStore":
        from obstore.store import GCSStore  # noqa: PLC0415 - an extra

        timeouts = self._timeouts
        return GCSStore(
            bucket,
            # Or an environment that asks for no signature would win.
            config={"base_url": self._base, "skip_signature": False},
            credential_provider=self._credential,
            client_options={
                "allow_http": self._base.startswith("http://"),
                "connect_timeout": timedelta(seconds=timeouts.connect),
                "timeout": timedelta(seconds=timeouts.idle),
            },
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": timedelta(seconds=min(_RETRY_SECONDS, timeouts.idle)),
            },
        )

    def _credential(self) -> Any:
        """What obstore asks for when it has no token, or one that ends soon; in a thread."""
        token = self.tokens.token()
        self.sent = token.value
        return {"token": token.value, "expires_at": datetime.fromtimestamp(token.until, UTC)}


class CloudStorage:
    """Bytes of objects, in any bucket that the account may use. Belongs to one event loop."""

    def __init__(self, *, provider: str, place: Place, stores: Stores, objects: Objects) -> None:
        self._provider = provider
        self._place = place
        self._stores = stores
        self._objects = objects

    async def send(self, path: Path, *, to: GsPath, size: int) -> None:
        """A file, as an object. What is there is replaced, at once and as a whole.

        Raises:
            RemoteError: `UNREACHABLE` also where it came to something else than what was sent:
                nothing can run yet, so it can be sent again.
        """
        # A token that is not to be had tells so in its own words.
        await self._stores.tokens.authorization()
        source = await asyncio.to_thread(_Source, path)
        try:
            await self._in_thread(lambda: self._put(to, source, size), to)
        except RemoteError as error:
            if error.trouble is Trouble.NOT_FOUND:
                # Of all that a name leads through, only a bucket can be missing.
                await self._objects.location(to.bucket)
            raise remote_trouble.before_creation(error) from error
        finally:
            source.stop()
        stored = await self._objects.stat(to)
        whole = stored is not None and stored.size == size == source.sent
        if not whole or (stored is not None and stored.crc32c not in {None, source.crc32c}):
            await self._objects.remove(to)
            raise remote_trouble.unreachable(
                self._provider, "what came to Cloud Storage is not what was sent"
            )

    async def holds(self, at: GsPath, path: Path, *, size: int) -> bool:
        """Whether an object has the very bytes of a file."""
        stored = await self._objects.stat(at)
        if stored is None or stored.size != size:
            return False
        if stored.crc32c is None:
            return True
        source = await asyncio.to_thread(_Source, path)
        try:
            return stored.crc32c == await asyncio.to_thread(source.summed)
        finally:
            source.stop()

    async def probe(self, at: GsPath) -> None:
        """Write, see and remove a small object, with what the account may do.

        Raises:
            RemoteError: it cannot do all of that; the message names the bucket and the role.
        """
        await self._stores.tokens.authorization()
        await self._in_thread(lambda: self._put_small(at, b"batchway\n"), at)
        if await self._objects.stat(at) is None:
            raise remote_trouble.uncertain(self._provider, "does not show an object just written")
        await self._objects.remove(at)

    async def read(self, at: GsPath, mark: FileMark | None = None) -> AsyncGenerator[bytes]:
        """The bytes of an object from where `mark` says that reading is, in pieces.

        A transfer that breaks raises `RemoteError`; `mark` then tells how much came. An object that
        is another one by then is read from its start.
        """
        mark = mark or FileMark()
        versions = 0
        while not mark.finished:
            if mark.total is None:
                await self._open(at, mark)
            if mark.offset >= (mark.total or 0):
                mark.finished = True
                return
            before = mark.offset
            try:
                async with aclosing(self._range(at, mark)) as pieces:
                    async for piece in pieces:
                        mark.offset += len(piece)
                        yield piece
            except _AnotherVersionError as error:
                versions += 1
                if versions > _MOST_VERSIONS:
                    raise remote_trouble.uncertain(
                        self._provider, "keeps changing a file while it is read"
                    ) from error
                mark.restart()
                continue
            if mark.offset == before:
                raise remote_trouble.uncertain(self._provider, "ended a file before its end")

    # ------------------------------------------------------------------ in threads

    def _put(self, to: GsPath, source: "_Source", size: int) -> None:
        import obstore  # noqa: PLC0415 - an extra

        store = self._stores.of(to.bucket)
        if size <= _PART:
            obstore.put(store, to.name, b"".join(source.pieces()), use_multipart=False)
            return
        obstore.put(
            store, to.name, source.pieces(), chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE
        )

    def _put_small(self, at: GsPath, data: bytes) -> None:
        import obstore  # noqa: PLC0415 - an extra

        obstore.put(self._stores.of(at.bucket), at.name, data, use_multipart=False)

    async def _open(self, at: GsPath, mark: FileMark) -> None:
        """Which version of an object there is, and how long it is."""
        import obstore  # noqa: PLC0415 - an extra

        await self._stores.tokens.authorization()
        meta = await self._in_thread(lambda: obstore.head(self._stores.of(at.bucket), at.name), at)
        if mark.offset and mark.etag is not None and mark.etag != meta["e_tag"]:
            mark.restart()
        mark.etag, mark.total = meta["e_tag"], meta["size"]

    async def _range(self, at: GsPath, mark: FileMark) -> AsyncGenerator[bytes]:
        """The next range of an object, in pieces."""
        import obstore  # noqa: PLC0415 - an extra
        from obstore.exceptions import PreconditionError  # noqa: PLC0415

        await self._stores.tokens.authorization()
        end = min(mark.offset + _RANGE, mark.total or 0)
        options: Any = {}
        if (mark.offset, end) != (0, mark.total):
            options["range"] = (mark.offset, end)
        if mark.etag is not None:
            options["if_match"] = mark.etag

        def begun() -> Iterator[Any] | None:
            try:
                got = obstore.get(self._stores.of(at.bucket), at.name, options=options)
            except PreconditionError:
                return None
            return iter(got.stream(min_chunk_size=_PIECE))

        stream = await self._in_thread(begun, at)
        if stream is None:
            raise _AnotherVersionError
        while (piece := await self._in_thread(lambda: next(stream, None), at)) is not None:
            yield bytes(piece)

    async def _in_thread(self, work: Callable[[], T], at: GsPath) -> T:
        """The outcome of a call of obstore's. Raises `RemoteError`."""
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

        try:
            return await asyncio.to_thread(work)
        except (BaseError, FileNotFoundError, ValueError, OSError) as error:
            raise self._error(error, at) from error

    # ------------------------------------------------------------------ errors

    def _error(self, error: Exception, at: GsPath) -> RemoteError:
        """What an exception of obstore's stands for. It quotes addresses: none is repeated."""
        text = str(error)
        found = _STATUS.search(text)
        if found is not None:
            words = " ".join(part for _, part in _XML.findall(found[2]))
            status = int(found[1])
            body = msgspec.json.encode({"error": {"code": status, "message": words}})
            read = reader(replace(self._place, bucket=at.bucket))
            return remote_trouble.of_answer(
                self._provider,
                status,
                body,
                {},
                read=read,
                secrets=(self._stores.sent,),
                now=0.0,
            )
        if isinstance(error, FileNotFoundError):
            return RemoteError(
                Trouble.NOT_FOUND, f"The provider '{self._provider}' has no such file."
            )
        if isinstance(error, ValueError):
            # A name that no address can hold.
            return RemoteError(
                Trouble.NOT_FOUND, f"The provider '{self._provider}' has nothing of that name."
            )
        if "kind: Connect" in text:
            return remote_trouble.unreachable(self._provider, "no connection to Cloud Storage")
        return remote_trouble.uncertain(
            self._provider, "closed the connection to Cloud Storage before its answer was complete"
        )


class _AnotherVersionError(Exception):
    """The object is not the one that was begun with."""


class _Source:
    """A file on its way: its pieces, and what they sum up to. Used in one thread at a time."""

    def __init__(self, path: Path) -> None:
        import google_crc32c  # noqa: PLC0415 - an extra

        self._file: BinaryIO = path.open("rb")
        self._sum: Any = google_crc32c.Checksum()
        self.sent = 0

    @property
    def crc32c(self) -> str:
        """The checksum of what was read, as Cloud Storage writes it."""
        return base64.b64encode(self._sum.digest()).decode()

    def pieces(self) -> Iterator[bytes]:
        """The file in pieces."""
        while piece := self._file.read(_PIECE):
            self._sum.update(piece)
            self.sent += len(piece)
            yield piece

    def summed(self) -> str:
        """Read all of it, for its checksum."""
        for _ in self.pieces():
            pass
        return self.crc32c

    def stop(self) -> None:
        """Close the file: a transfer that is not waited for any more ends with its next piece."""
        self._file.close()
