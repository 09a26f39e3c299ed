"""Every seam of the system on one page.

The core (service, workflows, dispatch) is written against these Protocols; storage, engine and
providers implement them; `bootstrap` joins the two. Docstrings state obligations: what is atomic,
what is idempotent, in which order things come. The contract suites in `tests/contract` hold every
implementation to them.

Blob stores are synchronous: callers move whole pieces of work to a thread, so that a piece costs
one thread hop and not one for every call. Ledgers are asynchronous and belong to one event loop.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from batchway.domain.batch import Batch, BatchError, Usage
from batchway.domain.file import File, Purpose
from batchway.domain.keys import ApiKey
from batchway.domain.shard import Claim, Segment, Shard
from batchway.domain.status import BatchStatus
from batchway.domain.upload import Upload, UploadPart

T = TypeVar("T")

# ----------------------------------------------------------------------------- time


class Clock(Protocol):
    """Time, injected so that tests own it."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...


# ----------------------------------------------------------------------------- bytes


class BlobWriter(Protocol):
    """One blob being written. Nothing is visible under its key before `commit` returns."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append. Raises `Unavailable` when the bytes cannot be kept."""
        ...

    def commit(self) -> None:
        """Make the blob durable (it survives power loss) and visible, in one step."""
        ...

    def abort(self) -> None:
        """Drop everything. Harmless after `commit` or a second time; never raises."""
        ...


class BlobReader(Protocol):
    """The half of a blob store that reading needs."""

    def read(self, key: str, start: int, length: int) -> bytes:
        """Up to `length` bytes from `start`; fewer only at the end. `KeyError` if unknown."""
        ...


class Blobs(BlobReader, Protocol):
    """Where bytes live. Keys are `/`-separated ASCII words chosen by us, never by a client.

    All calls block; all raise `Unavailable` when the store fails.
    """

    def writer(self, key: str) -> BlobWriter:
        """Start a blob; an existing one of that key is replaced at `commit`."""
        ...

    def size(self, key: str) -> int | None:
        """Bytes of a blob, `None` if there is none."""
        ...

    def delete(self, key: str) -> None:
        """Remove a blob; harmless if there is none."""
        ...

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Committed blobs under a prefix with the Unix time each was last written."""
        ...

    def sweep(self, before: float) -> int:
        """Remove what abandoned writers left before that Unix time; returns how many."""
        ...


# ----------------------------------------------------------------------------- the ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A slice of a list. `more` tells whether anything follows the last item."""

    items: tuple[T, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """An `Idempotency-Key`: the same `key` with another `fingerprint` is a mistake."""

    key: str
    fingerprint: str


class OnceMismatch(Exception):
    """The idempotency key was used before with a different fingerprint."""


class Order(StrEnum):
    """Sort order by creation."""

    ASC = "asc"
    DESC = "desc"


class Files(Protocol):
    """File rows. Everything is by tenant: a foreign id answers as an unknown one."""

    async def add(self, file: File, *, once: Once | None = None) -> File:
        """Insert; with `once` seen before, insert nothing and return the file of that time.

        So also when that file has been removed since. Raises `OnceMismatch`, and `Conflict` when
        the id is taken. The key and the row are written in one transaction.
        """
        ...

    async def get(self, tenant: str, file_id: str) -> File | None:
        """The file, unless unknown, deleted or another tenant's."""
        ...

    async def page(
        self, tenant: str, *, purpose: Purpose | None, limit: int, after: str | None, order: Order
    ) -> Page[File] | None:
        """A page in creation order; `None` when `after` names no file of the tenant."""
        ...

    async def remove(self, tenant: str, file_id: str) -> File | None:
        """Forget the row; returns what it was, `None` if there was none. Bytes stay."""
        ...

    async def expired(self, now: int, limit: int) -> list[File]:
        """Files whose `expires_at` has passed, of every tenant."""
        ...

    async def blob_in_use(self, blob: str) -> bool:
        """Whether a file row or a batch that has not ended still needs these bytes."""
        ...


class Batches(Protocol):
    """Batch rows. A status changes by compare-and-swap along the graph of `domain.status` only."""

    async def add(self, batch: Batch, *, once: Once | None = None) -> Batch:
        """Insert; with `once` seen before, insert nothing and return that batch as it is now.

        Raises `OnceMismatch`, and `Conflict` when the id is taken. The key and the row are
        written in one transaction.
        """
        ...

    async def get(self, tenant: str, batch_id: str) -> Batch | None:
        """The batch, unless unknown or another tenant's. Reads one row."""
        ...

    async def load(self, batch_id: str) -> Batch | None:
        """The batch whoever owns it: for the engine, never for a client."""
        ...

    async def page(self, tenant: str, *, limit: int, after: str | None) -> Page[Batch] | None:
        """Newest first; `None` when `after` names no batch of the tenant."""
        ...

    async def unfinished(self) -> list[str]:
        """Ids of batches whose status is not terminal, oldest deadline first."""
        ...

    async def statuses(self, batch_ids: Sequence[str]) -> Mapping[str, BatchStatus]:
        """Current statuses of those ids."""
        ...

    async def move(
        self,
        batch_id: str,
        after: BatchStatus,
        *,
        at: int,
        before: frozenset[BatchStatus] | None = None,
        errors: Sequence[BatchError] | None = None,
    ) -> bool:
        """Compare-and-swap the status and set the timestamp of `after`.

        `before` narrows the allowed sources, by default every one that the graph has. Returns
        whether this call made the move. Never changes a terminal status.
        """
        ...

    async def begin(
        self, batch_id: str, *, at: int, model: str | None, shards: Sequence[Shard]
    ) -> bool:
        """`validating` to `in_progress`, `total` and the plan, in one transaction."""
        ...

    async def finish(
        self, batch_id: str, after: BatchStatus, *, at: int, output: File | None, error: File | None
    ) -> bool:
        """The terminal move together with the rows of the result files, in one transaction."""
        ...

    async def describe(self, batch_id: str, details: str | None) -> None:
        """Set `status_details`: why a batch waits, in a sentence."""
        ...


class Shards(Protocol):
    """Plans, fences and committed segments of batches."""

    async def plan(self, batch_id: str) -> list[Shard]:
        """All shards in order of `number`."""
        ...

    async def open(self, batch_id: str) -> list[Shard]:
        """Shards with lines that have no committed result yet, in order."""
        ...

    async def claim(self, batch_id: str, number: int) -> Claim:
        """Take the shard over: its fence grows by one and every older claim becomes harmless.

        Raises `Conflict` when there is no such shard (any more).
        """
        ...

    async def segments(self, batch_id: str, number: int) -> list[Segment]:
        """Committed segments of a shard, in order of commit."""
        ...

    async def commit(self, segments: Sequence[Segment]) -> list[Segment]:
        """Accept segments and add their counts and usage to their batches, in one transaction.

        Returns the refused ones: those whose fence is not their shard's newest, whose batch has
        ended or whose shard is forgotten. A segment blob must be durable before this call. Either
        all of the accepted are in, or none. Idempotent by `blob`: a segment that is already in is
        neither counted again nor refused, so a commit whose answer was lost is simply repeated.
        Raises `Conflict` when the accepted would give a shard more results than it has lines.
        """
        ...

    async def forget(self, batch_id: str) -> None:
        """Remove plan and segment rows of a batch that has ended."""
        ...

    async def leftovers(self) -> list[str]:
        """Ids of ended batches that still have plan or segment rows."""
        ...


class Uploads(Protocol):
    """Upload and part rows."""

    async def add(self, upload: Upload) -> None:
        """Insert."""
        ...

    async def get(self, tenant: str, upload_id: str) -> Upload | None:
        """The upload, unless unknown or another tenant's."""
        ...

    async def add_part(self, part: UploadPart) -> bool:
        """Insert a part if its upload is still pending; `False` otherwise."""
        ...

    async def parts(self, upload_id: str) -> list[UploadPart]:
        """Every part of an upload, in no order that matters."""
        ...

    async def complete(self, upload_id: str, file: File) -> bool:
        """`pending` to `completed` together with the file's row, in one transaction."""
        ...

    async def close(self, upload_id: str, *, expired: bool) -> bool:
        """`pending` to `cancelled` or `expired`. Returns whether this call made the move."""
        ...

    async def overdue(self, now: int, limit: int) -> list[Upload]:
        """Pending uploads whose `expires_at` has passed, of every tenant."""
        ...

    async def forget_parts(self, upload_id: str) -> None:
        """Remove the part rows of an upload that has ended."""
        ...


class Keys(Protocol):
    """API keys made with `batchway keys`; those of the configuration are not stored."""

    async def add(self, key: ApiKey) -> bool:
        """Insert; `False` when an active key of that name exists."""
        ...

    async def find(self, digest: str) -> ApiKey | None:
        """The active key of that digest."""
        ...

    async def list(self) -> list[ApiKey]:
        """Every key, revoked ones included, oldest first."""
        ...

    async def revoke(self, name: str, at: int) -> bool:
        """Revoke the active key of that name; `False` if there is none."""
        ...


class Ledger(Protocol):
    """The SQL tables that are the truth."""

    @property
    def files(self) -> Files: ...
    @property
    def batches(self) -> Batches: ...
    @property
    def shards(self) -> Shards: ...
    @property
    def uploads(self) -> Uploads: ...
    @property
    def keys(self) -> Keys: ...

    async def purge_once(self, before: int) -> int:
        """Forget idempotency keys first used before that Unix time; returns how many."""
        ...

    async def check(self) -> None:
        """Raise `Unavailable` unless the database answers and its schema is current."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


# ----------------------------------------------------------------------------- the engine


class Story(Protocol):
    """The durable story of a batch, in re-entrant chapters.

    Each chapter may be run again from its start after a crash and then only does what is missing.
    Chapters of a batch that has moved on do nothing.
    """

    async def ingest(self, batch_id: str) -> None:
        """Validate and plan; ends `in_progress`, `failed`, `expired` or `cancelled`."""
        ...

    async def execute(self, batch_id: str) -> None:
        """Run open shards until every line has a result or the batch must stop."""
        ...

    async def finalize(self, batch_id: str) -> None:
        """Merge results into files and make the terminal move."""
        ...


class Engine(Protocol):
    """Runs stories durably: what was started goes on after a crash of this process."""

    async def launch(self, story: Story) -> None:
        """Take up the stories that an earlier life of this executor left, then accept new ones."""
        ...

    async def start(self, batch_id: str) -> None:
        """Start a batch's story; starting twice is harmless."""
        ...

    async def running(self) -> frozenset[str]:
        """Batches whose story this process is running now."""
        ...

    async def prune(self, before: float) -> None:
        """Forget the engine's own rows of stories that ended before that Unix time."""
        ...

    async def close(self) -> None:
        """Stop taking work and let go; unfinished stories go on at the next `launch`."""
        ...


# ----------------------------------------------------------------------------- upstreams


class Failure(StrEnum):
    """Why a request drew no HTTP answer."""

    UNREACHABLE = "unreachable"  # nothing was sent: refused, DNS, TLS
    TIMEOUT = "timeout"  # sent, not answered in time
    INTERRUPTED = "interrupted"  # the connection broke; the provider may have done the work
    TOO_LARGE = "too_large"  # the answer passed the limit and was dropped


class Answer(Protocol):
    """An HTTP answer, body read to the end."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...

    def header(self, name: str) -> str | None:
        """First value of a header, by any case."""
        ...


class Transport(Protocol):
    """The one seam to online upstreams. Belongs to one event loop."""

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> Answer | Failure:
        """Send once, without retries. `timeout` in seconds covers the whole exchange.

        Cancelling the call closes the connection. Headers may hold secrets: never logged.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class Provider(Protocol):
    """A configured account that runs lines online: where and as whom to call."""

    @property
    def name(self) -> str: ...

    def url(self, endpoint: str, model: str) -> str:
        """The address for an endpoint such as `/v1/chat/completions`."""
        ...

    async def headers(self) -> Mapping[str, str]:
        """Headers of the next request, authorization included. Cheap: tokens are cached."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LineResult:
    """What a segment keeps of one line.

    `line` is the 0-based line number in the input file; `ok` is whether it belongs into the
    output file; `record` is the finished JSON line without its newline.
    """

    line: int
    ok: bool
    record: bytes
    usage: Usage
