"""The lines of a shard: reading them, for both ways of running it, and a compact table of them.

Owns what is known of each line of a job between submission and the last result. A native shard may
have hundreds of thousands of lines, so the table holds some twenty bytes and the custom_id for each
of them, and what is said of many lines alike once.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Final

from batchway.domain.line_set import LineSet
from batchway.domain.shard import Shard
from batchway.lines.envelope import LineReader, Request
from batchway.lines.pieces import Piece, read_pieces
from batchway.ports import BlobReader, Dialect, Encoded, Unfaithful

_PIECE_BYTES: Final = 512 << 10
_MOST_KNOWN: Final = 1_000  # contexts that are recognised; beyond them, each is kept by itself

OPEN: Final = 0  # no result yet
ANSWERED: Final = 1  # committed, or on its way there
LEFT: Final = 2  # the provider's result is one that the line is better off without
ELSEWHERE: Final = 3  # not in this job: in an earlier one of its shard, or in one that follows


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The lines of a shard that one job holds: those without a result from `first` to the one
    before `before` (0-based lines of the file, `None`: to the end).
    """

    first: int = 0
    before: int | None = None

    def __contains__(self, line: int) -> bool:
        return line >= self.first and (self.before is None or line < self.before)


WHOLE: Final = Part()


class ShardReader:
    """One pass over the lines of a shard, in input order.

    Lines in `done` are left out, undecoded. A line that was good when the file was checked, and is
    not by the rules of today, goes to `unreadable` with its number and its custom_id (empty where
    not even that can be read); without `unreadable` it ends the pass with `ValueError`.
    """

    def __init__(
        self,
        blobs: BlobReader,
        key: str,
        shard: Shard,
        *,
        reader: LineReader,
        piece_bytes: int = _PIECE_BYTES,
        done: Collection[int] = (),
        unreadable: Callable[[int, str], None] | None = None,
    ) -> None:
        self._shard = shard
        self._reader = reader
        self._done = done
        self._unreadable = unreadable
        self._models = None if shard.models is None else frozenset(shard.models)
        self._members = (
            None if shard.members is None else LineSet(shard.members, first=shard.first_line)
        )
        self._seen = 0
        self._read_to = shard.start
        self._pieces = read_pieces(
            blobs,
            key,
            start=shard.start,
            end=shard.end,
            first_line=shard.first_line,
            # Validation was the place for a limit; one that was lowered since must not lose a line.
            max_line_bytes=shard.end - shard.start,
            piece_bytes=piece_bytes,
        )

    @property
    def ended(self) -> bool:
        """Whether every byte was read: `next` blocks no more."""
        return self._read_to == self._shard.end

    def next(self) -> Iterator[tuple[int, Request]] | None:
        """The numbered lines of the next piece, all of which are to be taken; `None` at the end.

        Blocks for as long as a piece takes to read; a line is decoded when it is taken. Raises
        `ValueError` at the end when the input is not what was validated.
        """
        piece = next(self._pieces, None)
        if piece is not None:
            self._read_to = piece.start + sum(piece.sizes)
            members = self._members
            return self._lines(piece) if members is None else self._chosen(piece, members)
        if self._seen != self._shard.lines:
            raise ValueError(
                f"shard {self._shard.number} was planned with {self._shard.lines} lines and has "
                f"{self._seen}: the input file was changed in the blob store"
            )
        return None

    def _lines(self, piece: Piece) -> Iterator[tuple[int, Request]]:
        read, models, done = self._reader.read, self._models, self._done
        line = piece.first_line - 1
        for data in piece.lines:
            line += 1
            if line in done:
                self._seen += 1
                continue
            if not data or data.isspace():
                continue
            request = read(data)
            if request is None:
                self._tell(line, data)
            elif models is None or request.model in models:
                self._seen += 1
                yield line, request

    def _chosen(self, piece: Piece, members: LineSet) -> Iterator[tuple[int, Request]]:
        """As `_lines`, of a shard that says which lines are its own."""
        for line, data in enumerate(piece.lines, piece.first_line):
            if line not in members:
                continue
            if line in self._done:
                self._seen += 1
                continue
            request = self._reader.read(data)
            if request is None:
                self._tell(line, data)
            else:
                self._seen += 1
                yield line, request

    def _tell(self, line: int, data: bytes) -> None:
        if self._unreadable is None:
            raise ValueError(f"line {line + 1} of a validated file cannot be read")
        custom_id, model = self._reader.glimpse(data)
        # One that does not even name its model is no shard's: the count at the end says so.
        if self._members is not None or self._models is None or model in self._models:
            self._seen += 1
            self._unreadable(line, custom_id)


def read_requests(
    blobs: BlobReader, key: str, shard: Shard, *, reader: LineReader
) -> Iterator[list[tuple[int, Request]]]:
    """The shard's lines with their numbers, in pieces of bounded size. Blocks.

    Raises `ValueError` when the input is not what was validated, or a line of it cannot be read.
    """
    lines = ShardReader(blobs, key, shard, reader=reader)
    while (piece := lines.next()) is not None:
        yield list(piece)


class LineTable:
    """Numbers, custom_ids and marks of a shard's lines, in input order.

    `dialect` is the one that the lines are sent in. In one that takes every line as it is, as one
    body, nothing more is kept; in any other, what it makes of each open line is, by index: its
    `parts`, its `context`, or why it cannot be said (`unfaithful`).
    """

    def __init__(self, dialect: Dialect | None = None) -> None:
        self._lines = array("Q")
        self._ends = array("Q")
        self._ids = bytearray()
        self._encode = None if dialect is None or dialect.faithful else dialect.encode
        self.marks = bytearray()
        self.parts: dict[int, int] = {}  # how many bodies, of lines with several
        self.unfaithful: dict[int, Unfaithful] = {}
        # Lines of a file mostly leave out the same parameters: 200,000 contexts were 30 MB by line.
        self._contexts: list[bytes] = [b""]
        self._known: dict[bytes, int] = {b"": 0}
        self._context_of = array("I")  # by index, as far as any was not empty

    def __len__(self) -> int:
        return len(self._lines)

    def add(
        self, requests: list[tuple[int, Request]], done: Collection[int], part: Part = WHOLE
    ) -> None:
        """Append lines; those in `done` have a committed result, those out of `part` are not asked
        for.
        """
        for line, request in requests:
            self._lines.append(line)
            self._ids += request.custom_id.encode()
            self._ends.append(len(self._ids))
            mark = ANSWERED if line in done else OPEN
            self.marks.append(mark if line in part else ELSEWHERE)
            if self._encode is not None and self.marks[-1] == OPEN:
                self._note(self._encode(request.body, named=request.model))

    def _note(self, encoded: Encoded | Unfaithful) -> None:
        index = len(self._lines) - 1
        if isinstance(encoded, Unfaithful):
            self.unfaithful[index] = encoded
            return
        if len(encoded.bodies) > 1:
            self.parts[index] = len(encoded.bodies)
        if encoded.context:
            codes = self._context_of
            codes.extend(repeat(0, index - len(codes)))
            codes.append(self._code(encoded.context))

    def _code(self, context: bytes) -> int:
        code = self._known.get(context)
        if code is None:
            code = len(self._contexts)
            self._contexts.append(context)
            if code < _MOST_KNOWN:
                self._known[context] = code
        return code

    def context(self, index: int) -> bytes:
        """What the dialect must know to read the answer of an open line."""
        codes = self._context_of
        return self._contexts[codes[index]] if index < len(codes) else b""

    def find(self, line: int) -> int | None:
        """The index of a line of the file, `None` when it is not one of the shard's."""
        lines = self._lines
        if not lines:
            return None
        index = line - lines[0]  # right wherever no other shard's lines stand in between
        if not 0 <= index < len(lines) or lines[index] != line:
            index = bisect_left(lines, line)
            if index == len(lines) or lines[index] != line:
                return None
        return index

    def line(self, index: int) -> int:
        """The 0-based number in the input file."""
        return self._lines[index]

    def custom_id(self, index: int) -> str:
        """The user's own id."""
        start = self._ends[index - 1] if index else 0
        return self._ids[start : self._ends[index]].decode()

    def marked(self, mark: int) -> Iterator[int]:
        """Indexes with a mark, ascending; marks may change meanwhile."""
        index = self.marks.find(mark)
        while index != -1:
            yield index
            index = self.marks.find(mark, index + 1)
