"""The bytes of a segment: an index of lines, then their records.

    "BWS1"  count:u32  line:u64 * count  ok:u8 * count  size:u32 * count  record * count

Little-endian, sorted by line. The index alone tells a restarted shard what is done, and finalize
where each record lies. A segment is immutable and its size and count are also in the ledger, so a
damaged one is noticed rather than merged.
"""

import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from batchway.domain.shard import Segment
from batchway.ports import Blobs, LineResult

_MAGIC: Final = b"BWS1"
_ENTRY_BYTES: Final = 8 + 1 + 4
_HEAD_BYTES: Final = len(_MAGIC) + 4
_WHOLE_BYTES: Final = 32 << 20  # a shard's results up to this size are merged in memory


class SegmentDamagedError(Exception):
    """A segment's bytes are not what was committed: the disk or somebody changed them."""


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
    return _parse(_read(blobs, segment, 0, _HEAD_BYTES + segment.lines * _ENTRY_BYTES), segment)


def done_lines(blobs: Blobs, segments: Sequence[Segment]) -> set[int]:
    """Lines with a committed result. Blocks."""
    done: set[int] = set()
    for segment in segments:
        done.update(read_index(blobs, segment).lines)
    return done


def merged(
    blobs: Blobs, segments: Sequence[Segment], *, whole_bytes: int = _WHOLE_BYTES
) -> Iterator[tuple[int, bool, bytes]]:
    """(line, ok, record) of one shard's segments in input order. Blocks.

    Results of ordinary size are read whole; larger ones record by record, so that the memory in
    use stays the same however long the answers are. Raises `SegmentDamagedError`.
    """
    indexes = [read_index(blobs, segment) for segment in segments]
    entries: list[tuple[int, int, int, int, bool]] = []
    for source, index in enumerate(indexes):
        offset = index.data_start
        for line, size, ok in zip(index.lines, index.sizes, index.ok, strict=True):
            entries.append((line, source, offset, size, ok == 1))
            offset += size
    entries.sort()
    if sum(segment.bytes for segment in segments) <= whole_bytes:
        whole = [_read(blobs, segment, 0, segment.bytes) for segment in segments]
        for line, source, offset, size, ok in entries:
            yield line, ok, whole[source][offset : offset + size]
        return
    for line, source, offset, size, ok in entries:
        yield line, ok, _read(blobs, segments[source], offset, size)


def _read(blobs: Blobs, segment: Segment, start: int, length: int) -> bytes:
    try:
        data = blobs.read(segment.blob, start, length)
    except KeyError as error:
        raise SegmentDamagedError(f"segment {segment.blob} is gone") from error
    if len(data) < length:
        raise SegmentDamagedError(f"segment {segment.blob} is cut short")
    return data


def _parse(head: bytes, segment: Segment) -> Index:
    count = segment.lines
    if head[:4] != _MAGIC or _unpacked("I", head[4:8]) != array("I", [count]):
        raise SegmentDamagedError(f"segment {segment.blob} does not begin as it was written")
    at = _HEAD_BYTES
    lines = _unpacked("Q", head[at : at + 8 * count])
    at += 8 * count
    ok = head[at : at + count]
    at += count
    sizes = _unpacked("I", head[at : at + 4 * count])
    at += 4 * count
    if at + sum(sizes) != segment.bytes:
        raise SegmentDamagedError(f"segment {segment.blob} is not as long as it was written")
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
