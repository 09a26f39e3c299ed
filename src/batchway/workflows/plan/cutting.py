"""Cutting the lines of one destination into shards, while they are read.

    managed    by lines and bytes: small ones first, so that a short batch spreads
    native     as large as the provider takes one job, and none smaller than it does

A shard is a range of the file, so lines are never held: what is known of a shard is where it begins
and ends, and how much it holds. Owns where shards end, and what becomes of fewer lines than a
provider takes. Does not own which lines there are (`scan`).
"""

import sys
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from batchway.domain.group import Group
from batchway.domain.line_set import LineSet, pack
from batchway.domain.remote import NativeTraits
from batchway.domain.shard import Mode, Shard
from batchway.ports import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanLimits:
    """Limits of an input file (sizes in bytes) and of a shard.

    `native_lines` bounds native shards whose provider would take more: what merging a shard's
    results holds in memory grows with its lines.
    """

    max_lines: int = 10_000_000
    max_line_bytes: int = 32 << 20
    max_errors: int | None = 1_000
    shard_lines_min: int = 1_000
    shard_lines_max: int = 10_000
    shard_bytes: int = 64 << 20
    native_lines: int = 200_000


@dataclass(slots=True, kw_only=True)
class OpenShard:
    """A shard being planned; it is closed at `most_rows`.

    `bytes` are those of the file (managed) or of the encoded rows (native), of which a line may
    have several. Where its job may go to several targets, `rows` are the most that one of them gets
    of each line, and `fewest` the fewest. `members` are its lines, counted from the first, where
    not every line of the range may be one; `packed` are these, once it is closed.
    """

    start: int
    first_line: int
    most_rows: int
    end: int = 0
    members: "array[int] | None" = None
    packed: bytes | None = None
    lines: int = 0
    rows: int = 0
    fewest: int = 0
    bytes: int = 0
    tokens: int = 0
    inputs: int = 0


class _Place(NamedTuple):
    """Where a line stands in the file, behind how many of its shard, and what it adds to that."""

    offset: int
    line: int
    before: int
    rows: int
    fewest: int
    bytes: int
    tokens: int
    inputs: int


@dataclass(slots=True, kw_only=True)
class GroupPlan:
    """The shards of one group. `may_go_online` is that of its destination; `divided` whether lines
    of its models may stand in another plan (`lots`).

    Of a native group `overhead` is what a job adds to the body of a row, in bytes, estimated from
    above, and `measure` tells the size of a line where a job is bounded by it.
    """

    group: Group
    limits: ScanLimits
    may_go_online: bool = False
    divided: bool = False
    overhead: int = 0
    measure: Callable[[bytes], Size] | None = None
    # What one job holds at most, of a native group.
    most_bytes: int = sys.maxsize
    most_rows: int = sys.maxsize
    most_tokens: int = sys.maxsize
    most_inputs: int = sys.maxsize
    models: set[str] = field(default_factory=set[str])
    lines: int = 0
    open: OpenShard | None = None
    _closed: list[OpenShard] = field(default_factory=list[OpenShard])
    # The last lines of the open shard and of the one before: enough to fill up a last one.
    _tail: deque[_Place] = field(default_factory=deque[_Place])
    _tail_before: deque[_Place] = field(default_factory=deque[_Place])

    def __post_init__(self) -> None:
        traits = self.traits
        if traits is not None:
            self.most_bytes = traits.max_bytes
            self.most_rows = min(traits.max_lines, self.limits.native_lines)
            self.most_tokens = traits.enqueued_tokens or sys.maxsize
            self.most_inputs = traits.embedding_inputs or sys.maxsize
            self._tail = deque(maxlen=traits.min_lines)

    @property
    def _least(self) -> int:
        """Rows that a job has at least: of a native group what its provider takes."""
        return 0 if self.traits is None else self.traits.min_lines

    @property
    def traits(self) -> NativeTraits | None:
        """What one job may hold, of a native group."""
        return self.group.traits

    @property
    def holds_lines(self) -> bool:
        """Whether any line was put into it."""
        return bool(self._closed) or self.open is not None

    def beside(self, group: Group) -> "GroupPlan":
        """An empty plan for others of the same lines, such as this one's in all but its group."""
        return GroupPlan(
            group=group,
            limits=self.limits,
            may_go_online=self.may_go_online,
            divided=True,
            overhead=self.overhead,
            measure=self.measure,
            models=self.models,
        )

    def begin(self, offset: int, line: int, *, lines_before: int) -> OpenShard:
        """Open a managed shard. `lines_before` are those of the file, of every destination."""
        # Small shards first, so that a short batch spreads; larger ones later, so that a long
        # batch does not need a row for every thousand lines.
        limits = self.limits
        most = min(max(lines_before // 10, limits.shard_lines_min), limits.shard_lines_max)
        self.open = self._new(offset, line, most)
        return self.open

    def add_managed(self, *, line: int, start: int, size: int, lines_before: int) -> None:
        """Put a line into a managed shard: so many bytes of the file."""
        shard = self.open or self.begin(start, line, lines_before=lines_before)
        shard.lines += 1
        shard.bytes += size
        shard.end = start + size
        if shard.members is not None:
            shard.members.append(line - shard.first_line)
        if shard.lines >= shard.most_rows or shard.bytes >= self.limits.shard_bytes:
            self.close()

    def add_native(
        self,
        body: bytes,
        *,
        line: int,
        start: int,
        end: int,
        rows: int = 1,
        fewest: int = 1,
        encoded: int | None = None,
    ) -> bool:
        """Put a line into a shard that is taken as one job; `False` when it is too long for any.

        `start` and `end` are its bytes in the file; its bodies are so many `rows` at most, and
        `fewest` at least (`OpenShard`), together of `encoded` bytes where that is not what `body`
        has.
        """
        more = (len(body) if encoded is None else encoded) + rows * self.overhead
        if more > self.most_bytes:
            return False
        tokens = inputs = 0
        if rows and self.measure is not None:
            size = self.measure(body)
            tokens, inputs = size.tokens, size.inputs
        shard = self.open
        if shard is not None and (
            shard.bytes + more > self.most_bytes
            or shard.rows + rows > self.most_rows
            or shard.tokens + tokens > self.most_tokens
            or shard.inputs + inputs > self.most_inputs
        ):
            self.close()
            shard = None
        if shard is None:
            shard = self.open = self._new(start, line, self.most_rows)
        shard.lines += 1
        if shard.members is not None:
            shard.members.append(line - shard.first_line)
        shard.rows += rows
        shard.fewest += fewest
        shard.bytes += more
        shard.tokens += tokens
        shard.inputs += inputs
        shard.end = end
        if rows and self._tail.maxlen:
            place = _Place(start, line, shard.lines - 1, rows, fewest, more, tokens, inputs)
            self._tail.append(place)
        if shard.rows >= self.most_rows:
            self.close()
        return True

    def close(self) -> None:
        """End the open shard. Harmless without one."""
        shard = self.open
        if shard is None:
            return
        self.open = None
        if shard.members is not None:
            shard.packed, shard.members = pack(shard.members), None
        self._closed.append(shard)
        self.lines += shard.lines
        self._tail_before, self._tail = self._tail, deque(maxlen=self._tail.maxlen)

    @property
    def fewest(self) -> int:
        """Rows of the smallest shard: lines, but for those of several requests or none."""
        return min((shard.fewest for shard in self._closed), default=0)

    def finish(self) -> bool:
        """End the plan; `False` when a job would have fewer rows than the provider takes.

        In `auto` those lines run managed: all of the group when it has too few, a last shard that
        cannot be filled up from the one before, one that is full of long lines before it has
        enough of them.
        """
        # A last shard that is closed was full: the tail at hand is its own.
        before = deque[_Place]() if self.open is None else self._tail_before
        self.close()
        least = self._least
        if len(self._closed) > 1 and self._closed[-1].fewest < least:
            self._fill_up(least, before)
        return self.may_go_online or not self._closed or self.fewest >= least

    def shards(self, batch_id: str) -> list[Shard]:
        """The shards, numbered from 0; of every line in their ranges if they are not `divided`."""
        return [
            Shard(
                batch_id=batch_id,
                number=number,
                group=self.group.name,
                mode=Mode.MANAGED if shard.fewest < self._least else self.group.mode,
                start=shard.start,
                end=shard.end,
                first_line=shard.first_line,
                lines=shard.lines,
                members=shard.packed if self.divided else None,
            )
            for number, shard in enumerate(self._closed)
        ]

    def decided(self) -> Group:
        """The group as it is written: managed, where that is what its lines have come to."""
        if self.traits is not None and all(shard.fewest < self._least for shard in self._closed):
            return replace(self.group, mode=Mode.MANAGED, traits=None, rescue=False)
        return self.group

    def _new(self, start: int, line: int, most_rows: int) -> OpenShard:
        members = array("I") if self.divided else None
        return OpenShard(start=start, first_line=line, most_rows=most_rows, members=members)

    def _fill_up(self, least: int, before: "deque[_Place]") -> None:
        """Move lines from the end of the last shard but one to the last, if both can be jobs."""
        full, last = self._closed[-2:]
        moved: deque[_Place] = deque()
        fewest = last.fewest
        while fewest < least and before:
            moved.appendleft(before.pop())
            fewest += moved[0].fewest
        given = sum(place.bytes for place in moved)
        rows = last.rows + sum(place.rows for place in moved)
        if (
            fewest < least
            or full.fewest + last.fewest - fewest < least
            or rows > self.most_rows
            or last.bytes + given > self.most_bytes
            or last.tokens + sum(place.tokens for place in moved) > self.most_tokens
            or last.inputs + sum(place.inputs for place in moved) > self.most_inputs
        ):
            return
        first, missing = moved[0], full.lines - moved[0].before
        if full.packed is not None and last.packed is not None:
            own = list(LineSet(full.packed, first=full.first_line))
            own, theirs = own[:-missing], own[-missing:]
            theirs += LineSet(last.packed, first=last.first_line)
            full.packed = pack([line - full.first_line for line in own])
            last.packed = pack([line - first.line for line in theirs])
        full.rows, last.rows = full.rows + last.rows - rows, rows
        full.fewest, last.fewest = full.fewest + last.fewest - fewest, fewest
        full.bytes, last.bytes = full.bytes - given, last.bytes + given
        full.lines -= missing
        full.end = last.start = first.offset
        last.first_line = first.line
        last.lines += missing
