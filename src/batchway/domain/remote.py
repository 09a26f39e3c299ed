"""Remote jobs: batches that run on a provider's own batch API.

    JobOrder      what is asked of a provider: one shard as one job
    RemoteJob     what the provider says of a job, in OpenAI's words
    RemoteFile    what it says of a file
    RemoteRow     one decoded line of a job's results
    Reading       how far a job's results were read
    JobRecord     what the ledger remembers of a shard's job
    NativeTraits  what a provider's batch API takes

Pure values. Times are Unix seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from batchway.domain.batch import BatchError, RequestCounts, Usage
from batchway.domain.status import BatchStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeTraits:
    """What a provider's batch API takes.

    `endpoints` are the endpoints it runs (`/v1/chat/completions`, ...); `max_lines` and
    `max_bytes` bound one job's input; `windows` are the completion windows it knows in seconds,
    ascending (empty: it takes none); `enqueued_tokens` bounds the estimated tokens of a job,
    `embedding_inputs` the texts that all lines of an embeddings job hold together; both are
    `None` when there is no such limit or it is not known. A job of fewer than `min_lines` is not
    taken.
    """

    endpoints: frozenset[str]
    max_lines: int
    max_bytes: int
    windows: tuple[int, ...] = (86_400,)
    enqueued_tokens: int | None = None
    embedding_inputs: int | None = None
    min_lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """One job to submit.

    `tag` finds the job again after a crash, whatever of the submission got through: it is put
    into the name of the input file and, where the provider keeps them, into the job's metadata.
    `path` is the encoded input, complete, of `size` bytes and `lines` lines. `window` is seconds.
    `resumed` tells that a submission under this tag may have been started before.
    """

    tag: str
    endpoint: str
    model: str
    path: Path
    size: int
    lines: int
    window: int
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJob:
    """A job as the provider describes it, in OpenAI's words.

    `counts` is `None` while the provider does not say; empty ids of files are `None`.
    """

    id: str
    status: BatchStatus
    endpoint: str = ""
    completion_window: str = "24h"
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    model: str | None = None
    created_at: int | None = None
    in_progress_at: int | None = None
    expires_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    counts: RequestCounts | None = None
    usage: Usage | None = None
    errors: tuple[BatchError, ...] | None = None
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file as the provider describes it. `status` is the provider's word, OpenAI's by default."""

    id: str
    bytes: int
    filename: str
    purpose: str
    created_at: int | None = None
    expires_at: int | None = None
    status: str = "processed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRow:
    """One line of results: an HTTP answer (`status` and `body`), or none (`code` and `message`).

    `line` is the 0-based line of our input file; `body` is one line of valid JSON.
    """

    line: int
    status: int | None = None
    request_id: str | None = None
    body: bytes = b""
    code: str = ""
    message: str = ""
    usage: Usage = field(default_factory=Usage)


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

    Kept by whoever reads, marked by whoever transfers.
    """

    def __init__(self) -> None:
        self._files: dict[str, FileMark] = {}

    def mark(self, file_id: str) -> FileMark:
        """The mark of a file."""
        return self._files.setdefault(file_id, FileMark())

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

    intended --> submitting --> submitted --> collected --> ended
       ^             |              |
       +-- refused for now, failed for want of room, or too large; or the job was a part of its
           shard and the rest follows (a new attempt, a new tag)
    """

    INTENDED = "intended"  # nothing has been sent under this tag
    SUBMITTING = "submitting"  # the provider may or may not have the job: look before sending
    SUBMITTED = "submitted"  # `remote_id` is known
    COLLECTED = "collected"  # everything it gave is committed; its files may be half removed
    ENDED = "ended"  # nothing is left to do with the job


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """The job of one native shard, as the ledger keeps it (also after the batch has ended).

    `provider` and `model` are where it goes; `completed` and `failed` are lines that the provider
    reports as done and that are not committed yet; the ids are the provider's. `submitted_at` is
    when the submission under this tag was first tried. The job holds the shard's lines without a
    result from `first_line` to the one before `before_line` (0-based lines of the file, `None`: to
    the end): the rest follows when it has ended. `tokens` is its estimated size.
    """

    batch_id: str
    shard: int
    attempt: int
    tag: str
    provider: str
    model: str
    stage: JobStage = JobStage.INTENDED
    remote_id: str | None = None
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    submitted_at: int | None = None
    completed: int = 0
    failed: int = 0
    first_line: int = 0
    before_line: int | None = None
    tokens: int = 0


class Trouble(StrEnum):
    """Why a call to a provider's batch API gave nothing."""

    REFUSED = "refused"  # the request is wrong: asking again draws the same answer
    DENIED = "denied"  # 401, 402, 403: the account is not let in
    NOT_FOUND = "not_found"  # no such job or file (any more)
    BUSY = "busy"  # 429 or no room in a quota: nothing was done, ask again later
    UNREACHABLE = "unreachable"  # never sent: refused connection, DNS, TLS
    UNCERTAIN = "uncertain"  # sent; a timeout, a 5xx or a broken connection: it may have happened


class RemoteError(Exception):
    """A call to a provider failed.

    `message` is a sentence for the batch's owner: it names the provider and repeats the provider's
    own words, and never a credential. `code`, `param` and `line` (1-based) are the provider's,
    `retry_after` is in seconds.
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
    ) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.message = message
        self.code = code
        self.param = param
        self.line = line
        self.status = status
        self.retry_after = retry_after
