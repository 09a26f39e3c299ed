"""What lies in a bucket: names, sizes and checksums, and the end of them.

    Objects        what the rest of the wing asks for
    StoreObjects   by obstore alone: for S3, and for whatever speaks as it does

Does not own how bytes come and go (`transfer`), or which objects are a job's (`job_files`). Looks
and lists show what was written (docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html,
docs.cloud.google.com/storage/docs/consistency).
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.buckets.addresses import Address
from batchway.providers.buckets.calls import Calls

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

_PAGE: Final = 1_000
_NOWHERE: Final = "batchway-no-such-directory/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object. `checksum` is as the store has it; `updated` is in Unix seconds."""

    at: Address
    size: int
    checksum: str | None = None
    updated: int | None = None


class Objects(Protocol):
    """Objects of any bucket that an account may use. Every call may raise `RemoteError`."""

    async def stat(self, at: Address) -> Stored | None:
        """The object; `None` when it is not there, as when its bucket is not."""
        ...

    def below(self, at: Address) -> AsyncGenerator[Stored]:
        """Every object below a directory, whose name ends with a slash."""
        ...

    async def remove(self, at: Address) -> None:
        """Remove an object. Harmless when it is not there."""
        ...

    async def location(self, bucket: str) -> str | None:
        """Where a bucket is, in small letters; `None` where that cannot be known.

        Raises:
            RemoteError: `REFUSED` where there is no such bucket (`no_such_bucket`).
        """
        ...


class StoreObjects:
    """`Objects` by what obstore's stores can do. Checksums are ETags.

    Names with empty segments (`a//b`) are none to obstore, and a list that has one fails; a folder
    that a console made (`a/`) is shown without its slash, and cannot be removed.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def stat(self, at: Address) -> Stored | None:
        """See `Objects`."""
        import obstore  # noqa: PLC0415 - an extra

        try:
            meta = await self._calls.run(lambda store: obstore.head(store, at.name), at.bucket)
        except RemoteError as error:
            if error.trouble is Trouble.NOT_FOUND:
                return None
            raise
        return _stored(at, meta)

    async def below(self, at: Address) -> AsyncGenerator[Stored]:
        """See `Objects`."""
        pages = await self._calls.run(lambda store: _pages(store, at.name), at.bucket)
        while (page := await self._calls.go_on(lambda: next(pages, None), at.bucket)) is not None:
            for meta in page:
                yield _stored(at, meta)

    async def remove(self, at: Address) -> None:
        """See `Objects`."""
        import obstore  # noqa: PLC0415 - an extra

        try:
            await self._calls.run(lambda store: obstore.delete(store, at.name), at.bucket)
        except RemoteError as error:
            if error.trouble is not Trouble.NOT_FOUND:
                raise

    async def location(self, bucket: str) -> str | None:
        """Never known; a list tells whether there is such a bucket, where lists are allowed."""
        try:
            await self._calls.run(lambda store: next(_pages(store, _NOWHERE), None), bucket)
        except RemoteError as error:
            if error.status == 403:
                return None
            if error.trouble is Trouble.NOT_FOUND:
                raise no_such_bucket(
                    self._calls.provider, bucket, title=self._calls.service.title, error=error
                ) from error
            raise
        return None


def no_such_bucket(provider: str, bucket: str, *, title: str, error: RemoteError) -> RemoteError:
    """What it means that a bucket is not there."""
    return RemoteError(
        Trouble.REFUSED,
        f"There is no bucket '{bucket}' in {title}: create it, or correct "
        f"`bucket` of the provider '{provider}', or the header that named it.",
        code="no_such_bucket",
        status=error.status,
    )


async def remove_below(objects: Objects, at: Address) -> None:
    """Remove everything below a directory. What cannot be removed holds up no other.

    Raises the last `RemoteError` when all have been tried.
    """
    failure: RemoteError | None = None
    found = [each.at async for each in objects.below(at)]
    for each in found:
        try:
            await objects.remove(each)
        except RemoteError as error:
            failure = error
    if failure is not None:
        raise failure


def _pages(store: "ObjectStore", name: str) -> "Iterator[Sequence[ObjectMeta]]":
    import obstore  # noqa: PLC0415 - an extra

    listed: Any = obstore.list(store, prefix=name, chunk_size=_PAGE)
    return iter(listed)


def _stored(at: Address, meta: "ObjectMeta") -> Stored:
    etag = meta["e_tag"]
    return Stored(
        at=at.named(meta["path"]),
        size=meta["size"],
        checksum=None if etag is None else etag.strip('"'),
        updated=int(meta["last_modified"].timestamp()),
    )
