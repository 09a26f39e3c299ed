"""Bytes of objects: sent and read in pieces, checked, and gone on with.

    send    a file -> parts -> one object, compared with what was sent
    read    ranges of one version of an object, from where an earlier transfer broke
    probe   a small object is written, seen and removed: whether the bucket can be used at all

Does not own threads and errors (`calls`), what lies in a bucket (`objects`), or whose it is
(`job_files`).

Nothing is written in place: an object is there when all of its parts are. What a process that was
killed has sent of one is no object; a lifecycle rule `AbortIncompleteMultipartUpload` removes it.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from batchway.domain.remote import FileMark, RemoteError, Trouble
from batchway.providers.buckets.addresses import Address
from batchway.providers.buckets.calls import Calls
from batchway.providers.buckets.checksums import Sum
from batchway.providers.buckets.objects import Objects
from batchway.providers.http import trouble as remote_trouble

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_PIECE: Final = 1 << 20  # what is read of a file, and given to a reader, at a time
# Parts have at least 5 MiB, in Cloud Storage as in S3. Two are on their way and one is being read:
# 16 MB for each of the four jobs that may be sent at once. With four parts of 8 MiB each, a file
# of 1 GB took the server to 319 MB. Smaller files go in one request.
# docs.cloud.google.com/storage/quotas, docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART: Final = 5 << 20
_MOST_PARTS: Final = 10_000
_PARTS_AT_ONCE: Final = 2
# One request for each range: none lasts longer than its timeout, however large the object is.
_RANGE: Final = 16 << 20
_MOST_VERSIONS: Final = 5  # of an object, while it is read


class Transfer:
    """Bytes of objects, in any bucket that the account may use. Belongs to one event loop."""

    def __init__(self, *, calls: Calls, objects: Objects) -> None:
        self._calls = calls
        self._objects = objects
        self._checksums = calls.service.checksums

    async def send(self, path: Path, *, to: Address, size: int) -> None:
        """A file, as an object. What is there is replaced, at once and as a whole.

        Raises:
            RemoteError: `UNREACHABLE` also where it came to something else than what was sent:
                nothing can run yet, so it can be sent again.
        """
        part = part_of(size)
        source = await self._source(path, part)
        try:
            await self._calls.run(lambda store: _put(store, to, source, size, part), to.bucket)
        except RemoteError as error:
            if error.trouble is Trouble.NOT_FOUND:
                # Of all that a name leads through, only a bucket can be missing.
                await self._objects.location(to.bucket)
            raise remote_trouble.before_creation(error) from error
        finally:
            source.stop()
        stored = await self._objects.stat(to)
        whole = stored is not None and stored.size == size == source.sent
        if self._checksums.sure and stored is not None:
            whole = whole and stored.checksum in {None, source.checksum}
        if not whole:
            await self._objects.remove(to)
            raise self._calls.unreachable(
                f"what came to {self._calls.service.title} is not what was sent"
            )

    async def holds(self, at: Address, path: Path, *, size: int) -> bool:
        """Whether an object is known to have the very bytes of a file.

        Of one that its store tells no checksum of, the size has to do: nothing else is ever written
        to a name of ours.
        """
        stored = await self._objects.stat(at)
        if stored is None or stored.size != size:
            return False
        if stored.checksum is None:
            return True
        source = await self._source(path, part_of(size))
        try:
            return stored.checksum == await asyncio.to_thread(source.summed)
        finally:
            source.stop()

    async def probe(self, at: Address) -> None:
        """Write, see and remove a small object, with what the account may do.

        Raises:
            RemoteError: it cannot do all of that.
        """
        await self._calls.run(lambda store: _put_whole(store, at, b"batchway\n"), at.bucket)
        if await self._objects.stat(at) is None:
            raise self._calls.uncertain("does not show an object just written")
        await self._objects.remove(at)

    async def read(self, at: Address, mark: FileMark | None = None) -> AsyncGenerator[bytes]:
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
                    raise self._calls.uncertain("keeps changing a file while it is read") from error
                mark.restart()
                continue
            if mark.offset == before:
                raise self._calls.uncertain("ended a file before its end")

    async def _open(self, at: Address, mark: FileMark) -> None:
        """Which version of an object there is, and how long it is."""
        import obstore  # noqa: PLC0415 - an extra

        meta = await self._calls.run(lambda store: obstore.head(store, at.name), at.bucket)
        if mark.offset and mark.etag is not None and mark.etag != meta["e_tag"]:
            mark.restart()
        mark.etag, mark.total = meta["e_tag"], meta["size"]

    async def _range(self, at: Address, mark: FileMark) -> AsyncGenerator[bytes]:
        """The next range of an object, in pieces."""
        end = min(mark.offset + _RANGE, mark.total or 0)
        options: Any = {}
        if (mark.offset, end) != (0, mark.total):
            options["range"] = (mark.offset, end)
        if mark.etag is not None:
            options["if_match"] = mark.etag
        stream = await self._calls.run(lambda store: _begun(store, at, options), at.bucket)
        if stream is None:
            raise _AnotherVersionError
        while (piece := await self._calls.go_on(lambda: next(stream, None), at.bucket)) is not None:
            yield bytes(piece)

    async def _source(self, path: Path, part: int) -> "_Source":
        return await asyncio.to_thread(lambda: _Source(path, self._checksums.new(part)))


class _AnotherVersionError(Exception):
    """The object is not the one that was begun with."""


class _Source:
    """A file on its way: its pieces, and what they sum up to. Used in one thread at a time."""

    def __init__(self, path: Path, sum_: Sum) -> None:
        self._file: BinaryIO = path.open("rb")
        self._sum = sum_
        self.sent = 0

    @property
    def checksum(self) -> str:
        """The checksum of what was read, as the store has it."""
        return self._sum.text

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
        return self.checksum

    def stop(self) -> None:
        """Close the file: a transfer that is not waited for any more ends with its next piece."""
        self._file.close()


def part_of(size: int) -> int:
    """Bytes of each part of a file but the last; a file that is no longer goes in one request."""
    return max(PART, -(-size // _MOST_PARTS))


def _put(store: "ObjectStore", to: Address, source: _Source, size: int, part: int) -> None:
    import obstore  # noqa: PLC0415 - an extra

    if size <= part:
        _put_whole(store, to, b"".join(source.pieces()))
        return
    obstore.put(store, to.name, source.pieces(), chunk_size=part, max_concurrency=_PARTS_AT_ONCE)


def _put_whole(store: "ObjectStore", to: Address, data: bytes) -> None:
    import obstore  # noqa: PLC0415 - an extra

    obstore.put(store, to.name, data, use_multipart=False)


def _begun(store: "ObjectStore", at: Address, options: Any) -> Iterator[Any] | None:
    """The pieces of a range; `None` when the object is another one by now."""
    import obstore  # noqa: PLC0415 - an extra
    from obstore.exceptions import PreconditionError  # noqa: PLC0415

    try:
        got = obstore.get(store, at.name, options=options)
    except PreconditionError:
        return None
    return iter(got.stream(min_chunk_size=_PIECE))
