"""Shards and segments: how a batch is cut for execution, and how its results are kept.

A shard is a byte range of the input file. It names its lines by position, never by content: when
a file's lines go to more than one destination each destination gets shards of its own over the
same bytes, and `models` or `members` tell which lines of the range belong to this one.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from batchway.domain.batch import Usage


class Mode(StrEnum):
    """The two ways to run a shard."""

    MANAGED = "managed"
    NATIVE = "native"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A planned run of lines of one batch.

    `number` counts from 0 within the batch; `first_line` is the 0-based line number of the first
    line in the byte range [`start`, `end`); `lines` is how many lines of the range are this
    shard's; `models` limits the shard to lines whose `body.model` is among them, `None` means
    every line. Where lines of one model go different ways, `members` says which are the shard's, in
    place of `models` (`line_set.LineSet` reads it). `group` names the destination and orders
    shards: shards of one group never overlap.
    """

    batch_id: str
    number: int
    group: str
    mode: Mode
    start: int
    end: int
    first_line: int
    lines: int
    models: tuple[str, ...] | None = None
    members: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to run a shard: a result is accepted only under the newest fence of its shard."""

    shard: Shard
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """An immutable piece of a shard's results, committed once.

    `blob` names its bytes; `lines` is how many records it holds, of which `completed` answered
    2xx and `failed` did not.
    """

    batch_id: str
    shard: int
    fence: int
    blob: str
    bytes: int
    lines: int
    completed: int
    failed: int
    usage: Usage = field(default_factory=Usage)
