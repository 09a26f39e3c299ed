"""Remote jobs: batches that run on a provider's own batch API.

    JobOrder      what a provider is to run: one shard, or a part of one, as one job; and JobInput
    RemoteJob     what a job is at its provider, as far as its story needs it
    Failed        why a job failed without having run its lines
    Reading       how far a job's results were read
    JobRecord     what the ledger remembers of a shard's job
    NativeTraits  what a provider's batch API takes
    RemoteError   why a call to it gave nothing

Pure values, in no provider's words: what an error or a row means is decided where the provider's
words are known, and stands here as a verdict. Times are Unix seconds.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from batchway.domain.batch import BatchError, RequestCounts
from batchway.domain.status import BatchStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeTraits:
    """What a provider's batch API takes.

    `endpoints` are the endpoints it runs (`/v1/chat/completions`, ...); `min_lines` (0: none),
    `max_lines` and `max_bytes` bound one job's input, of which a line of a batch may become several
    lines; `windows` are the completion windows it knows in seconds, ascending (empty: it takes
    none); `enqueued_tokens` bounds the estimated tokens of a job, `embedding_inputs` the texts that
    all lines of an embeddings job hold together; both are `None` when there is no such limit or it
    is not known.
    """

    endpoints: frozenset[str]
    max_lines: int
    max_bytes: int
    min_lines: int = 0
    windows: tuple[int, ...] = (86_400,)
    enqueued_tokens: int | None = None
    embedding_inputs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """One job to create at its provider.

    `tag` finds the input and the job again after a crash, whatever of the two got through: it is
    put into the name of the input and, where the provider keeps them, into the job's metadata.
    `window` is the seconds that the batch gives.
    """

    tag: str
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInput(JobOrder):
    """The order of a job whose input is to be brought.

    `path` is the encoded input, complete, of `size` bytes and `lines` lines. `since` is when
    something was first sent under this tag, `None` when nothing was: then nothing is there to be
    found.
    """

    path: Path
    size: int
    lines: int
    since: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnqueuedLimit:
    """What an account may have enqueued of a model, where the provider says a number."""

    tokens: int | None = None
    requests: int | None = None


class Cause(StrEnum):
    """Why a job failed without having run its lines."""

    NO_ROOM = "no_room"  # the same lines are taken at a later time
    UNSEEN = "unseen"  # its input, brought a moment ago, was not seen by the validation
    REFUSED = "refused"  # anything else


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Why a job failed: `error` is the one that told, of all that the provider gave.

    For `NO_ROOM`, `limit` is the limit of what may be enqueued that the job went over, `credit`
    whether the account is to be paid for first.
    """

    cause: Cause
    error: BatchError | None = None
    limit: EnqueuedLimit | None = None
    credit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJob:
    """A job as its provider shows it, as far as its story needs it.

    `reference` is its input at the provider, `references` are its results there in the order in
    which they are read; what is not shown (yet) is left out. `counts` are of rows, `None` while
    the provider does not say. `failure` is set for jobs that failed, and for no others.
    """

    id: str
    status: BatchStatus
    reference: str | None = None
    references: tuple[str, ...] = ()
    created_at: int | None = None
    in_progress_at: int | None = None
    counts: RequestCounts | None = None
    errors: tuple[BatchError, ...] | None = None
    failure: Failed | None = None


@dataclass(slots=True, kw_only=True)
class FileMark:
    """How far a file was read: `offset` bytes of what was then of that `etag` and `total` length.

    `plain` is whether an offset means the same to the provider: it does not where bytes were
    packed on their way. `finished` tells that the file was read to its end.
    """

    offset: int = 0
    etag: str | None = None
    total: int | None = None
    plain: bool = True
    finished: bool = False
    restarts: int = 0

    def restart(self) -> None:
        """From the first byte again, whatever is there now."""
        self.restarts += self.offset > 0
        self.offset, self.etag, self.total = 0, None, None
        self.plain, self.finished = True, False


class Reading:
    """How far a job's results were read, so that a transfer that broke goes on from there.

    Kept by the reader of the results, marked by the transfer.
    """

    def __init__(self) -> None:
        self._files: dict[str, FileMark] = {}

    def mark(self, reference: str) -> FileMark:
        """The mark of a file."""
        return self._files.setdefault(reference, FileMark())

    @property
    def restarts(self) -> int:
        """How often a file was begun again: what came of a row before that has no end."""
        return sum(mark.restarts for mark in self._files.values())

    def restart(self) -> None:
        """Everything is wanted again."""
        for mark in self._files.values():
            mark.restart()


class JobStage(StrEnum):
    """How far a shard's job has come; written before the step that it names is taken.

    intended --bring--> brought --> submitting --create--> submitted --> collected --> ended
       ^                 ^   |           |                     |
       |                 +---|-----------+ not made            |
       +-- the input is gone +                                 |
       +-- failed for want of room, or too large; or the job was a part of its shard and the
           rest follows (a new attempt, a new tag)
    """

    INTENDED = "intended"  # no job was made; `submitted_at`: an input may be on its way there
    BROUGHT = "brought"  # the input is at the provider, as `reference`; no job is known of
    SUBMITTING = "submitting"  # the provider may or may not have the job: look before creating
    SUBMITTED = "submitted"  # `remote_id` is known
    COLLECTED = "collected"  # everything it gave is committed; what it left may be half removed
    ENDED = "ended"  # nothing is left to do with the job


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """The job of one native shard, as the ledger keeps it (also after the batch has ended).

    `provider` and `model` are where it goes; `completed` and `failed` are lines that the provider
    reports as done and that are not committed yet. `reference` is the job's input at the provider,
    `references` are the results that it made there. `submitted_at` is when something was first
    sent under this tag. The job holds the shard's lines without a result from `first_line` to the
    one before `before_line` (0-based lines of the file, `None`: to the end): the rest follows when
    it has ended. `tokens` is its estimated size.
    """

    batch_id: str
    shard: int
    attempt: int
    tag: str
    provider: str
    model: str
    stage: JobStage = JobStage.INTENDED
    remote_id: str | None = None
    reference: str | None = None
    references: tuple[str, ...] = ()
    submitted_at: int | None = None
    completed: int = 0
    failed: int = 0
    first_line: int = 0
    before_line: int | None = None
    tokens: int = 0


class Trouble(StrEnum):
    """Why a call to a provider's batch API gave nothing."""

    REFUSED = "refused"  # the request is wrong: asking again draws the same answer
    DENIED = "denied"  # the account is not let in
    NOT_FOUND = "not_found"  # no such job, input or file (any more)
    NO_ROOM = "no_room"  # a quota is used up: nothing was done, and all of its jobs wait
    NOT_YET = "not_yet"  # the input is not taken in yet: nothing was done, this job alone waits
    BUSY = "busy"  # nothing was done, ask again later
    UNREACHABLE = "unreachable"  # never sent: refused connection, DNS, TLS
    UNCERTAIN = "uncertain"  # sent; a timeout, a 5xx or a broken connection: it may have happened


class RemoteError(Exception):
    """A call to a provider failed.

    `message` is a sentence for the batch's owner: it names the provider and repeats the provider's
    own words, and never a credential. `code`, `param` and `line` (1-based) are the provider's,
    `retry_after` is in seconds. `limit` is the limit of what may be enqueued that was gone over
    (with `NO_ROOM`); `credit` is whether the account is to be paid for first; `advised` whether
    `message` says what can be done about it.
    """

    def __init__(
        self,
        trouble: Trouble,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        line: int | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        limit: EnqueuedLimit | None = None,
        credit: bool = False,
        advised: bool = False,
    ) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.message = message
        self.code = code
        self.param = param
        self.line = line
        self.status = status
        self.retry_after = retry_after
        self.limit = limit
        self.credit = credit
        self.advised = advised

    def as_(self, trouble: Trouble, *, message: str | None = None) -> "RemoteError":
        """The same error, understood as another trouble, or told in other words."""
        return RemoteError(
            trouble,
            self.message if message is None else message,
            code=self.code,
            param=self.param,
            line=self.line,
            status=self.status,
            retry_after=self.retry_after,
            limit=self.limit,
            credit=self.credit,
            advised=self.advised,
        )
