"""Reading a JSONL blob as numbered lines, in pieces of bounded size.

Owns line ends (LF, CRLF, a missing last newline), a UTF-8 byte order mark at the start, and lines
that are too long to hold. Does not look inside a line.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from batchway.ports import BlobReader

PIECE_BYTES: Final = 1 << 20
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(slots=True, kw_only=True)
class Piece:
    """Consecutive whole lines. Line `i` of `lines` is line `first_line + i` of the file.

    `start` is the byte offset of the first line and `sizes` gives each line's bytes on file, its
    newline included, so that `start + sum(sizes)` is where the next piece starts. A line over the
    limit is an empty entry of `lines`; `too_long` has its length, without line end, by index.
    """

    first_line: int
    start: int
    lines: list[bytes]
    sizes: list[int]
    too_long: dict[int, int] = field(default_factory=dict[int, int])


def read_pieces(
    blobs: BlobReader,
    key: str,
    *,
    start: int = 0,
    end: int | None = None,
    first_line: int = 0,
    max_line_bytes: int,
    piece_bytes: int = PIECE_BYTES,
) -> Iterator[Piece]:
    """Lines of the byte range [`start`, `end`), which must begin at a line's start.

    `max_line_bytes` counts a line without its end. Blocks; call it in a thread. Holds at most one
    piece and one line of `max_line_bytes`.
    """
    offset = start  # of the next byte to read
    piece_start = start
    line_number = first_line
    carry: list[bytes] = []  # the beginning of a line whose end has not been read
    carried = 0  # its bytes
    skipped = 0  # bytes already dropped of a line that is too long
    while end is None or offset < end:
        want = piece_bytes if end is None else min(piece_bytes, end - offset)
        data = blobs.read(key, offset, want)
        offset += len(data)
        last = len(data) < want or offset == end
        cut = data.rfind(b"\n") + 1
        if cut == 0 and not last:
            carry.append(data)
            carried += len(data)
            # The last byte may be the CR of the line's end: it neither counts yet nor is dropped.
            if carried > max_line_bytes + 1:
                skipped += carried - 1
                carry, carried = [data[-1:]], 1
            continue
        whole = data if last else data[:cut]
        piece = _split(
            head=carry,
            skipped=skipped,
            data=whole,
            start=piece_start,
            first_line=line_number,
            max_line_bytes=max_line_bytes,
        )
        carry = [] if last else [data[cut:]]
        carried = len(data) - cut
        skipped = 0
        line_number += len(piece.lines)
        piece_start += sum(piece.sizes)
        if piece.lines:
            yield piece
        if last:
            return


def _split(
    *,
    head: list[bytes],
    skipped: int,
    data: bytes,
    start: int,
    first_line: int,
    max_line_bytes: int,
) -> Piece:
    """Cut `skipped` dropped bytes + `head` + `data` into lines; only the last may be unended.

    `head` is emptied: of a line of many MiB there are as few copies at a time as can be.
    """
    text = b"".join((*head, data)) if head else data
    head.clear()
    lines = text.split(b"\n")
    sizes = [len(line) + 1 for line in lines]
    if lines[-1]:
        sizes[-1] -= 1  # the last line has no newline
    else:
        lines.pop()
        sizes.pop()
    if b"\r" in text:
        lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
    too_long: dict[int, int] = {}
    if skipped:
        sizes[0] += skipped
        too_long[0] = skipped + len(lines[0])
        lines[0] = b""
    if max(sizes, default=0) > max_line_bytes:
        for index, line in enumerate(lines):
            if len(line) > max_line_bytes:
                too_long[index] = len(line)
                lines[index] = b""
    if start == 0 and lines and lines[0].startswith(_BOM):
        lines[0] = lines[0][len(_BOM) :]
    return Piece(first_line=first_line, start=start, lines=lines, sizes=sizes, too_long=too_long)
