"""`results.segments`: what goes in comes out in order, and damage is noticed."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.fakes import a_result, a_segment, store

from batchway.domain.shard import Claim, Mode, Segment, Shard
from batchway.ports import Blobs
from batchway.results.line_result import LineResult
from batchway.results.segments import (
    SegmentDamagedError,
    done_lines,
    encode,
    intact,
    merged,
    read_index,
)
from batchway.storage.blobs.local import LocalBlobs

SHARD = Shard(
    batch_id="b", number=0, group="g", mode=Mode.MANAGED, start=0, end=9, first_line=0, lines=9
)
CLAIM = Claim(shard=SHARD, fence=1)
HEAD = 8 + 13  # bytes of the index of a segment with one record


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return LocalBlobs(tmp_path / "blobs")


def stored(blobs: Blobs, name: str, results: Sequence[LineResult]) -> Segment:
    data = encode(results)
    segment = a_segment(CLAIM, results, name, len(data))
    store(blobs, segment.blob, data)
    return segment


def test_the_bytes_of_a_segment() -> None:
    results = [a_result(258, ok=False, record=b"late"), a_result(1, record=b"x")]
    assert encode(results) == (
        b"BWS1\x02\0\0\0\x01\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0\x01\x00\x01\0\0\0\x04\0\0\0xlate"
    )
    assert encode([]) == b"BWS1\0\0\0\0"


def test_the_index_tells_what_is_done(blobs: Blobs) -> None:
    first = stored(blobs, "a", [a_result(5), a_result(2, ok=False)])
    second = stored(blobs, "b", [a_result(3)])
    index = read_index(blobs, first)
    assert (list(index.lines), index.ok, list(index.sizes)) == ([2, 5], b"\x00\x01", [10, 10])
    assert index.data_start == 8 + 2 * 13
    assert done_lines(blobs, [first, second]) == {2, 3, 5}
    assert done_lines(blobs, []) == set()


RESULTS = st.dictionaries(
    st.integers(0, 2**40), st.tuples(st.booleans(), st.binary(max_size=20)), max_size=12
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    results=RESULTS,
    order=st.randoms(use_true_random=False),
    way=st.tuples(st.integers(1, 4), st.sampled_from((0, 10, 200, 64 << 20))),
)
def test_segments_merge_in_input_order(
    blobs: Blobs,
    results: dict[int, tuple[bool, bytes]],
    order: Random,
    way: tuple[int, int],
) -> None:
    parts, ahead = way
    given = [a_result(line, ok=ok, record=record) for line, (ok, record) in results.items()]
    order.shuffle(given)
    committed = [stored(blobs, str(n), given[n::parts]) for n in range(parts)]
    assert list(merged(blobs, committed, ahead_bytes=ahead)) == [
        (line, *results[line]) for line in sorted(results)
    ]


def test_results_are_read_as_far_ahead_as_told(blobs: Blobs) -> None:
    segment = stored(blobs, "a", [a_result(n, record=b"x" * 500) for n in range(4)])
    reading = merged(blobs, [segment], ahead_bytes=1_000)
    assert next(reading) == (0, True, b"x" * 500)
    blobs.delete(segment.blob)  # proof that two of them have been read, and not the rest
    assert next(reading) == (1, True, b"x" * 500)
    with pytest.raises(SegmentDamagedError, match="is gone"):
        next(reading)


GOOD = encode([a_result(1, record=b"12345")])


@pytest.mark.parametrize("ahead", [0, 64 << 20])
@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (None, "is gone"),
        (b"", "is cut short"),
        (GOOD[:6], "is cut short"),
        (GOOD[: HEAD - 1], "is cut short"),
        (GOOD[:HEAD], "is cut short"),
        (GOOD[:-1], "is cut short"),
        (b"X" + GOOD[1:], "does not begin as it was written"),
        (GOOD[:4] + b"\x02" + GOOD[5:], "does not begin as it was written"),
        (GOOD[: HEAD - 4] + b"\x06" + GOOD[HEAD - 3 :], "is not as long as it was written"),
    ],
)
def test_damage_is_noticed(
    blobs: Blobs,
    data: bytes | None,
    complaint: str,
    ahead: int,
) -> None:
    segment = stored(blobs, "a", [a_result(1, record=b"12345")])
    assert list(merged(blobs, [segment], ahead_bytes=ahead)) == [(1, True, b"12345")]
    if data is None:
        blobs.delete(segment.blob)
    else:
        store(blobs, segment.blob, data)
    with pytest.raises(SegmentDamagedError, match=complaint):
        list(merged(blobs, [segment], ahead_bytes=ahead))
    with pytest.raises(SegmentDamagedError, match=complaint) as caught:
        done_lines(blobs, [segment])
    assert caught.value.segment == segment
    assert intact(blobs, []) == ([], [])
    whole, [damage] = intact(blobs, [segment])
    assert (whole, damage.segment) == ([], segment)
