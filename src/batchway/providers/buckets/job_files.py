"""A job's files: one folder a tag, so that whatever a crash has left is found by its name.

    PREFIX/TAG/input.jsonl   the input, found again by its bytes
    PREFIX/TAG/out-probe     the small object that a bucket is tried with
    PREFIX/TAG/...           results, where the job was told to write them

Owns these names, which objects are results, and their order. Does not own the job.
"""

import re
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from batchway.domain.remote import JobInput, Reading, RemoteError, Trouble
from batchway.providers.buckets.addresses import Address, Names
from batchway.providers.buckets.known_buckets import KnownBuckets
from batchway.providers.buckets.objects import Objects, Stored, remove_below
from batchway.providers.buckets.transfer import Transfer
from batchway.providers.http import trouble as remote_trouble

INPUT: Final = "input.jsonl"
_PROBE: Final = "out-probe"
_DIGITS: Final = re.compile(r"([0-9]+)")


def every_name(name: str) -> bool:  # noqa: ARG001 - of a service that writes nothing else
    """A service whose every file holds results."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A vendor's addresses, and where an account's jobs have their folders.

    `home` is the directory of all folders, with its slash (or empty), `None` where no bucket is
    configured: `unset` then says how one is. Jobs run in `region`. `is_result` tells by its name
    whether a file holds rows.
    """

    names: Names
    home: Address | None
    region: str
    unset: str
    is_result: Callable[[str], bool] = every_name


class JobFiles:
    """Files of an account's jobs. Every call may raise `RemoteError`."""

    def __init__(
        self,
        *,
        provider: str,
        layout: Layout,
        objects: Objects,
        transfer: Transfer,
        buckets: KnownBuckets,
    ) -> None:
        self.provider = provider
        self.layout = layout
        self.objects = objects
        self.transfer = transfer
        self._buckets = buckets

    async def bring(self, order: JobInput) -> str:
        """The input of a job, brought to its folder; see `ports.Jobs.bring`."""
        folder = self.folder(order.tag)
        to, probe = folder.named(folder.name + INPUT), folder.named(folder.name + _PROBE)
        try:
            if order.since is not None:
                await self.objects.remove(probe)  # of a try that was cut off
                if await self.transfer.holds(to, order.path, size=order.size):
                    return to.uri
            await self._buckets.check(
                probe, region=self.layout.region, objects=self.objects, transfer=self.transfer
            )
            await self.transfer.send(order.path, to=to, size=order.size)
        except RemoteError as error:
            raise remote_trouble.before_creation(error, gone=Trouble.REFUSED) from error
        return to.uri

    async def brought(self, reference: str) -> Address:
        """The address of an input, which is there: a job over another would fail much later.

        Raises:
            RemoteError: `NOT_FOUND` when it is not there (any more).
        """
        source = self.layout.names.read(reference)
        if source is None:
            raise RemoteError(Trouble.NOT_FOUND, "The input of the job is at no address of ours.")
        try:
            stored = await self.objects.stat(source)
        except RemoteError as error:
            raise remote_trouble.before_creation(error, gone=Trouble.NOT_FOUND) from error
        if stored is None:
            raise RemoteError(
                Trouble.NOT_FOUND, f"The input of the job is not in '{source.bucket}' any more."
            )
        return source

    async def results_below(self, directory: Address) -> list[Stored]:
        """Files of results that hold something, shards in the order of their numbers."""
        return await results_below(directory, self.objects, is_result=self.layout.is_result)

    async def rows(self, references: Iterable[str], reading: Reading) -> AsyncGenerator[bytes]:
        """Rows of one file after the other, a line break between two; see `ports.Jobs.results`."""
        another = False  # whether one before was read to its end, here and now
        for uri in references:
            mark = reading.mark(uri)
            if mark.finished:
                continue
            at = self.layout.names.read(uri)
            if at is None:
                raise RemoteError(Trouble.NOT_FOUND, "A file of results has no address.")
            if another:
                yield b"\n"  # the last row of a file may end without one
            another = True
            async with aclosing(self.transfer.read(at, mark)) as pieces:
                async for piece in pieces:
                    yield piece

    async def clean(self, reference: str | None, *, tag: str) -> None:
        """Remove the folder of a job with all that is in it; harmless twice."""
        source = self.layout.names.read(reference or "")
        ours = source is not None and source.name.endswith(f"/{tag}/{INPUT}")
        # A bucket or a prefix that was configured when the job was made.
        folder = folder_of(source) if source is not None and ours else self.folder(tag)
        try:
            await remove_below(self.objects, folder)
        except RemoteError as error:
            if error.trouble is not Trouble.NOT_FOUND:
                raise

    def folder(self, tag: str) -> Address:
        """Where a job's files lie, with a slash at its end.

        Raises:
            RemoteError: `REFUSED` where no bucket is configured.
        """
        home = self.layout.home
        if home is None:
            raise RemoteError(
                Trouble.REFUSED,
                f"The provider '{self.provider}' has no bucket for the files of its jobs: "
                f"{self.layout.unset}.",
                code="no_bucket",
            )
        return home.named(f"{home.name}{tag}/")


def folder_of(source: Address) -> Address:
    """The folder that an input lies in."""
    return source.named(source.name.removesuffix(INPUT))


def home_in(names: Names, bucket: str | None, prefix: str) -> Address | None:
    """The directory of a bucket that a configuration means by a prefix."""
    inside = prefix.strip("/")
    return None if bucket is None else names.at(bucket, f"{inside}/" if inside else "")


async def results_below(
    directory: Address, objects: Objects, *, is_result: Callable[[str], bool] = every_name
) -> list[Stored]:
    """Files of results below a directory that hold something, shards by their numbers."""
    # Consoles make folders of objects without bytes, and files without rows are written, too.
    found = [
        each
        async for each in objects.below(directory)
        if each.size and each.at.name[-1:] != "/" and is_result(each.at.name)
    ]
    return sorted(found, key=lambda each: _in_order(each.at.name))


def _in_order(name: str) -> list[tuple[int, str]]:
    """Shards by their numbers, also where these are not padded."""
    parts = _DIGITS.split(name)
    return [(int(part[-18:]), part) if part.isdigit() else (-1, part) for part in parts]
