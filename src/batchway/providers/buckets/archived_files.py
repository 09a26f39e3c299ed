"""Files by their addresses, for the pass-through (`ports.Archive`).

    gs://BUCKET/NAME       a file as it is; rows of results as OpenAI's lines
    gs://BUCKET/FOLDER/    all results of a job that wrote several

Of folders, a directory of results alone is a file here: what lies below any other one, or deeper
in it, may be many jobs' and many tenants'. Addresses may be URL-encoded, as gateways hand them out.
What a job made is read in the dialect of its model; rows of no job that is there (any more) are
answered as they are. Whose things are is not decided here (`service.ownership`): everything that
Batchway made has its tag in its name. Does not own jobs.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import unquote

from batchway.domain.remote import RemoteError, Trouble
from batchway.domain.tag import tag_in
from batchway.ports import ArchivedFile, Dialect
from batchway.providers.buckets.addresses import Address
from batchway.providers.buckets.archived_rows import RowForm, lines_of
from batchway.providers.buckets.job_files import INPUT, JobFiles
from batchway.providers.buckets.objects import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """What a vendor knows of its jobs' results.

    `directory` gives the directory of results that a file lies in, or is, without a slash; `None`
    for other files. `dialect` is what a directory's rows are in, `None` where no job tells. `form`
    are the rows.
    """

    directory: Callable[[Address], Address | None]
    dialect: Callable[[Address], Awaitable[Dialect | None]]
    form: RowForm


class ArchivedFiles:
    """What lies in an account's buckets. Every call may raise `RemoteError`."""

    def __init__(self, *, files: JobFiles, archived: Archived) -> None:
        self._files = files
        self._archived = archived

    async def file(self, file_id: str) -> ArchivedFile:
        """A file, or all results of a job."""
        at = self._at(file_id)
        if at.name.endswith("/"):
            found = await self._inside(at)
        else:
            stored = await self._files.objects.stat(at)
            if stored is None:
                raise self._unknown()
            found = [stored]
        times = [each.updated for each in found if each.updated is not None]
        return ArchivedFile(
            id=file_id,
            bytes=sum(each.size for each in found),
            filename=filename_of(at),
            purpose="batch" if self._of_results(at) is None else "batch_output",
            created_at=max(times) if times else None,
        )

    async def content(self, file_id: str) -> AsyncGenerator[bytes]:
        """The bytes of a file; rows of a job's results as OpenAI's lines."""
        at = self._at(file_id)
        found = [each.at for each in await self._inside(at)] if at.name.endswith("/") else [at]
        directory = self._of_results(at)
        dialect = None if directory is None else await self._archived.dialect(directory)
        for number, each in enumerate(found):
            pieces = self._files.transfer.read(each)
            if dialect is None:
                if number:
                    yield b"\n"
            else:
                pieces = lines_of(pieces, dialect, form=self._archived.form, named=each.uri)
            async with aclosing(pieces) as stream:
                async for piece in stream:
                    yield piece

    async def _inside(self, at: Address) -> list[Stored]:
        """The files of a directory of results: all of them are of the job that it is of.

        Raises:
            RemoteError: `NOT_FOUND` for every other folder, whatever lies there.
        """
        directory = self._of_results(at)
        if directory is None:
            raise self._unknown()
        found = await self._files.results_below(at)
        if not found or any(
            self._archived.directory(each.at) != directory or _named(each) for each in found
        ):
            raise self._unknown()
        return found

    def _of_results(self, at: Address) -> Address | None:
        """The directory of results that is asked for, or that a file of rows lies in."""
        rows = at.name.endswith("/") or self._files.layout.is_result(at.name)
        return self._archived.directory(at) if rows else None

    def _at(self, file_id: str) -> Address:
        at = self._files.layout.names.read(unquote(file_id) if "://" not in file_id else file_id)
        if at is None:
            raise self._unknown()
        return at

    def _unknown(self) -> RemoteError:
        return RemoteError(
            Trouble.NOT_FOUND, f"The provider '{self._files.provider}' has nothing of that id."
        )


def output_of(found: list[Stored]) -> str | None:
    """The id of a job's results: the file, or the directory of several."""
    if not found:
        return None
    first = found[0].at
    return first.uri if len(found) == 1 else first.named(first.name.rpartition("/")[0] + "/").uri


def filename_of(at: Address) -> str:
    """What a file is called, with the tag of the job that it is of: who may see it goes by that."""
    *folders, last = at.name.rstrip("/").split("/")
    tag = tag_in("/".join(folders))
    if tag is None:
        return last
    return f"{tag}.jsonl" if last == INPUT else f"{tag}-{last}"


def _named(file: Stored) -> bool:
    """Whether the file has a tag of its own: one that is not its directory's, perhaps."""
    return tag_in(file.at.name.rpartition("/")[2]) is not None
