"""The ledger: the SQL tables that are the truth, behind one Protocol a table.

Asynchronous; a ledger belongs to one event loop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from batchway.domain.batch import Batch, BatchError
from batchway.domain.file import File
from batchway.domain.group import Group
from batchway.domain.idempotency import IdempotencyKey
from batchway.domain.keys import ApiKey
from batchway.domain.reason import Reason
from batchway.domain.remote import JobRecord
from batchway.domain.run_online import RunOnline
from batchway.domain.shard import Claim, Segment, Shard
from batchway.domain.status import BatchStatus
from batchway.domain.upload import Upload, UploadPart

if TYPE_CHECKING:
    from batchway.ports.short import ShortBatches  # which needs `Delivered` from here

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A slice of a list. `more` tells whether anything follows the last item."""

    items: tuple[T, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFilter:
    """Which batches a list holds: those that fit everything that is set.

    `provider` is a provider that runs lines of the batch; `metadata` are pairs that the batch's
    metadata must hold; `created_after` and `created_before` are Unix seconds, both exclusive.
    """

    status: BatchStatus | None = None
    provider: str | None = None
    endpoint: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    created_after: int | None = None
    created_before: int | None = None


class IdempotencyMismatch(Exception):
    """The idempotency key was used before with a different fingerprint."""


class Order(StrEnum):
    """Sort order by creation."""

    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Results in a batch's files: of lines that completed, and of lines that failed."""

    completed: int
    failed: int


class Files(Protocol):
    """File rows. Everything is by tenant: a foreign id answers as an unknown one."""

    async def add(self, file: File, *, idempotency: IdempotencyKey | None = None) -> File:
        """Insert; with a key seen before, insert nothing and return the file of that time.

        So also when that file has been removed since. Raises `IdempotencyMismatch`, and `Conflict`
        when the id is taken. The key and the row are written in one transaction.
        """
        ...

    async def get(self, tenant: str, file_id: str) -> File | None:
        """The file, unless unknown, deleted or another tenant's."""
        ...

    async def page(
        self, tenant: str, *, purpose: str | None, limit: int, after: str | None, order: Order
    ) -> Page[File] | None:
        """A page by `created_at`, files of one second in the order in which they were added.

        `None` when `after` names no file of the tenant.
        """
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

    async def add(self, batch: Batch, *, idempotency: IdempotencyKey | None = None) -> Batch:
        """Insert; with a key seen before, insert nothing and return that batch as it is now.

        Raises `IdempotencyMismatch`, and `Conflict` when the id is taken. The key and the row are
        written in one transaction.
        """
        ...

    async def made(self, tenant: str, idempotency: IdempotencyKey) -> Batch | None:
        """The batch that was added with this key, as it is now. Raises `IdempotencyMismatch`."""
        ...

    async def get(self, tenant: str, batch_id: str) -> Batch | None:
        """The batch, unless unknown or another tenant's. Reads one row."""
        ...

    async def load(self, batch_id: str) -> Batch | None:
        """The batch whoever owns it: for the engine, never for a client."""
        ...

    async def page(
        self,
        tenant: str,
        *,
        limit: int,
        after: str | None,
        where: BatchFilter = BatchFilter(),
    ) -> Page[Batch] | None:
        """Newest first; `None` when `after` names no batch of the tenant (filtered or not)."""
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
        whether this call made the move. Never changes a terminal status. A move that ends the
        batch, here and in `finish`, drops what remote jobs report from its counts.
        """
        ...

    async def begin(
        self,
        batch_id: str,
        *,
        at: int,
        model: str | None,
        shards: Sequence[Shard],
        groups: Sequence[Group] = (),
        providers: Sequence[str] = (),
        warnings: Mapping[str, int] | None = None,
        run_online: Sequence[RunOnline] = (),
    ) -> bool:
        """`validating` to `in_progress`, `total` and the plan, in one transaction.

        `groups` are those that `shards` name; `providers` are those that the plan may send lines
        to, for lists by provider; `warnings` and `run_online` are the batch's.
        """
        ...

    async def finish(
        self,
        batch_id: str,
        after: BatchStatus,
        *,
        at: int,
        output: File | None,
        error: File | None,
        delivered: Delivered | None = None,
        errors: Sequence[BatchError] | None = None,
        details: str | None = None,
    ) -> bool:
        """The terminal move together with the rows of the result files, in one transaction.

        `delivered` replaces the counts of the commits, for when the files hold something else;
        `errors` is what the batch as a whole has to say about that; `details` replace
        `status_details`, which stay as they are from then on.
        """
        ...

    async def describe(self, batch_id: str, reasons: Sequence[Reason]) -> None:
        """Set `status_details`: why a batch waits, as one text; nothing when it goes on.

        What stays of the last reasons without their promises is kept as `waited_for` in the same
        transaction.
        """
        ...


class Shards(Protocol):
    """Plans, fences and committed segments of batches."""

    async def plan(self, batch_id: str) -> list[Shard]:
        """All shards in order of `number`."""
        ...

    async def open(self, batch_id: str) -> list[Shard]:
        """Shards with lines that have no committed result yet, in order."""
        ...

    async def groups(self, batch_id: str) -> list[Group]:
        """Where the lines of the shards go, by name; none for a batch older than that."""
        ...

    async def add_groups(self, batch_id: str, groups: Sequence[Group]) -> None:
        """Add to a plan that was made before there were groups, in one transaction.

        Replaces none that is there. Nothing happens when the plan is forgotten.
        """
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

    async def retract(self, segment: Segment) -> bool:
        """Undo the commit of a segment whose bytes are lost, in one transaction.

        Its lines are open again and count as neither completed nor failed; its usage stays, since
        it was used. Bytes are left alone. Returns whether this call undid it: `False` when it is
        not committed (any more) or its batch is no longer `in_progress`.
        """
        ...

    async def hand_over(self, claim: Claim, *, because: str = "") -> bool:
        """Make a native shard a managed one, under its newest fence; `False` if that moved on.

        Its lines without a committed result are added to the batch's `run_online`, with that
        reason; not a second time, and not without a reason.
        Its job's record shows no lines from then on (they run again, one by one), and the counts
        of the batch follow in the same transaction. Harmless a second time.
        """
        ...

    async def forget(self, batch_id: str) -> None:
        """Remove plan (shards and groups) and segment rows of a batch that has ended."""
        ...

    async def leftovers(self) -> list[str]:
        """Ids of ended batches that still have plan or segment rows."""
        ...


class RemoteJobs(Protocol):
    """What is known of the jobs of native shards; one row a shard, kept when the batch ends."""

    async def of(self, batch_id: str) -> list[JobRecord]:
        """The records of a batch, by shard."""
        ...

    async def put(self, claim: Claim, record: JobRecord) -> bool:
        """Insert or replace the shard's record, unless the claim's fence is not the newest.

        The batch's counts show `completed` and `failed` of all its records on top of what is
        committed: both change in this transaction. A commit of segments (`Shards.commit`) takes
        what it adds off the shard's record in the same transaction, never below zero, so that a
        line is not counted twice. A shard that has been handed over keeps a record without
        counts, whatever `record` says. `False` when the fence has moved on, the batch has ended
        or the shard is forgotten. Raises `ValueError` for a record of another shard.
        """
        ...

    async def tenant_of(self, provider: str, reference: str) -> str | None:
        """The tenant whose batch made what has this reference there, `None` for none.

        A job by its id, an input, or a result: whatever a record names.
        """
        ...

    async def of_others(
        self, tenant: str, *, limit: int, after: tuple[str, int] | None = None
    ) -> list[JobRecord]:
        """Records in `submitting` and `submitted` of every tenant but this one.

        Also of batches that have ended: their jobs may not have. In order of batch and shard, from
        the first beyond `after`.
        """
        ...

    async def unsettled(
        self, *, limit: int, after: tuple[str, int] | None = None
    ) -> list[JobRecord]:
        """Records of ended batches under whose tag something may still lie at the provider.

        In order of batch and shard, from the first beyond `after`.
        """
        ...

    async def settle(self, record: JobRecord) -> None:
        """Make the record of an ended batch `ended`, unless it is another one by now."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLimit:
    """How many lines in flight a provider's model took best; `found_at` is in Unix seconds."""

    provider: str
    model: str
    limit: int
    found_at: int


class TargetLimits(Protocol):
    """Limits that were found out, one for each provider and model."""

    async def put(self, limit: TargetLimit) -> None:
        """Keep it instead of an earlier one of that provider and model."""
        ...

    async def list(self) -> list[TargetLimit]:
        """All of them, by provider and model."""
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
    def jobs(self) -> RemoteJobs: ...
    @property
    def uploads(self) -> Uploads: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def limits(self) -> TargetLimits: ...
    @property
    def short(self) -> "ShortBatches": ...

    async def purge_idempotency_keys(self, before: int) -> int:
        """Forget idempotency keys first used before that Unix time; returns how many."""
        ...

    async def check(self) -> None:
        """Raise `Unavailable` unless the database answers and its schema is current."""
        ...

    async def probe(self) -> None:
        """Raise `Unavailable` unless the database takes what is written. Costs a commit."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...
