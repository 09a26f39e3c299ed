"""The bytes of a segment: an index of lines, then their records.

    "BWS1"  count:u32  line:u64 * count  ok:u8 * count  size:u32 * count  record * count

Little-endian, sorted by line. The index alone tells a restarted shard what is done, and finalize
where each record lies. A segment is immutable and its size and count are also in the ledger, so a
damaged one is noticed rather than merged.
"""

import heapq
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from batchway.domain.shard import Segment
from batchway.ports import Blobs
from batchway.results.line_result import LineResult

_MAGIC: Final = b"BWS1"
_ENTRY_BYTES: Final = 8 + 1 + 4
_HEAD_BYTES: Final = len(_MAGIC) + 4
_AHEAD_BYTES: Final = 16 << 20
_PIECE_BYTES: Final = 1 << 20  # of one segment; more than that makes reading no faster


class SegmentDamagedError(Exception):
    """A segment's bytes are not what was committed: the disk or somebody changed them."""

    def __init__(self, segment: Segment, complaint: str) -> None:
        super().__init__(f"segment {segment.blob} {complaint}")
        self.segment = segment


def encode(results: Sequence[LineResult]) -> bytes:
    """A segment of these results, which may come in any order."""
    ordered = sorted(results, key=lambda result: result.line)
    return b"".join(
        (
            _MAGIC,
            _packed("I", [len(ordered)]),
            _packed("Q", [result.line for result in ordered]),
            bytes(1 if result.ok else 0 for result in ordered),
            _packed("I", [len(result.record) for result in ordered]),
            *(result.record for result in ordered),
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What a segment holds: for entry `i` its line, whether it succeeded, and where it lies.

    Quoted annotations: before Python 3.12 `array` takes no subscript.
    """

    lines: "array[int]"
    ok: bytes
    sizes: "array[int]"
    data_start: int


def read_index(blobs: Blobs, segment: Segment) -> Index:
    """The index of a committed segment. Blocks. Raises `SegmentDamagedError`."""
    index = _parse(_read(blobs, segment, 0, _HEAD_BYTES + segment.lines * _ENTRY_BYTES), segment)
    # What the index promises must be there too, or its lines would pass for done.
    if (blobs.size(segment.blob) or 0) < segment.bytes:
        raise SegmentDamagedError(segment, "is cut short")
    return index


def intact(
    blobs: Blobs, segments: Sequence[Segment]
) -> tuple[list[Segment], list[SegmentDamagedError]]:
    """Segments that can be merged, and what is wrong with each of the others. Blocks.

    A damaged segment counts as lost whole: what else of it the disk got wrong is not known.
    """
    whole: list[Segment] = []
    damage: list[SegmentDamagedError] = []
    for segment in segments:
        try:
            read_index(blobs, segment)
        except SegmentDamagedError as error:
            damage.append(error)
        else:
            whole.append(segment)
    return whole, damage


def done_lines(blobs: Blobs, segments: Sequence[Segment]) -> set[int]:
    """Lines with a committed result. Blocks. Raises `SegmentDamagedError`."""
    done: set[int] = set()
    for segment in segments:
        done.update(read_index(blobs, segment).lines)
    return done


def merged(
    blobs: Blobs, segments: Sequence[Segment], *, ahead_bytes: int = _AHEAD_BYTES
) -> Iterator[tuple[int, bool, bytes]]:
    """(line, ok, record) of one shard's segments in input order. Blocks.

    Each segment is read from its start to its end, so many bytes of all of them ahead, or a record
    where that is longer: the memory in use stays the same however long the answers are. Raises
    `SegmentDamagedError`.
    """
    indexes = [read_index(blobs, segment) for segment in segments]
    ahead = ahead_bytes // max(1, len(segments))
    readings = [
        _reading(blobs, segment, index, min(ahead, _PIECE_BYTES))
        for segment, index in zip(segments, indexes, strict=True)
    ]
    return readings[0] if len(readings) == 1 else heapq.merge(*readings)


def _reading(
    blobs: Blobs, segment: Segment, index: Index, ahead: int
) -> Iterator[tuple[int, bool, bytes]]:
    """The entries of one segment, which are in input order."""
    data, at, offset = b"", 0, index.data_start
    for line, size, ok in zip(index.lines, index.sizes, index.ok, strict=True):
        if at + size > len(data):
            wanted = max(ahead, at + size - len(data))
            read = _read(blobs, segment, offset, min(wanted, segment.bytes - offset))
            data, at, offset = data[at:] + read, 0, offset + len(read)
        yield line, ok == 1, data[at : at + size]
        at += size


def _read(blobs: Blobs, segment: Segment, start: int, length: int) -> bytes:
    try:
        data = blobs.read(segment.blob, start, length)
    except KeyError as error:
        raise SegmentDamagedError(segment, "is gone") from error
    if len(data) < length:
        raise SegmentDamagedError(segment, "is cut short")
    return data


def _parse(head: bytes, segment: Segment) -> Index:
    count = segment.lines
    if head[:4] != _MAGIC or _unpacked("I", head[4:8]) != array("I", [count]):
        raise SegmentDamagedError(segment, "does not begin as it was written")
    at = _HEAD_BYTES
    lines = _unpacked("Q", head[at : at + 8 * count])
    at += 8 * count
    ok = head[at : at + count]
    at += count
    sizes = _unpacked("I", head[at : at + 4 * count])
    at += 4 * count
    if at + sum(sizes) != segment.bytes:
        raise SegmentDamagedError(segment, "is not as long as it was written")
    return Index(lines=lines, ok=ok, sizes=sizes, data_start=at)


def _packed(code: str, values: list[int]) -> bytes:
    packed = array(code, values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _unpacked(code: str, data: bytes) -> "array[int]":
    values = array(code)
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values
