"""`lines.pieces`: line ends, limits and positions, whatever the size of the pieces."""

from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.fakes import MemoryBlob

from batchway.lines.pieces import Piece, read_pieces

BOM = b"\xef\xbb\xbf"
LIMIT = 8


@dataclass(frozen=True)
class Row:
    """A line as read: number, offset, size on file, text (`None` when too long), true length."""

    number: int
    start: int
    size: int
    text: bytes | None
    length: int


def rows(
    data: bytes,
    *,
    piece_bytes: int = 1 << 20,
    limit: int = LIMIT,
    start: int = 0,
    end: int | None = None,
    first_line: int = 0,
) -> list[Row]:
    """Every line that `read_pieces` gives, with the promises of `Piece` checked on the way."""
    found: list[Row] = []
    line, offset = first_line, start
    for piece in read_pieces(
        MemoryBlob(data),
        "input",
        start=start,
        end=end,
        first_line=first_line,
        max_line_bytes=limit,
        piece_bytes=piece_bytes,
    ):
        assert piece.lines
        assert (piece.first_line, piece.start) == (line, offset)
        for index, (text, size) in enumerate(zip(piece.lines, piece.sizes, strict=True)):
            length = piece.too_long.get(index)
            if length is not None:
                assert text == b""
            found.append(Row(line, offset, size, None if length else text, length or len(text)))
            line += 1
            offset += size
    return found


def reference(data: bytes, limit: int = LIMIT) -> list[Row]:
    """The same by the plainest means."""
    found: list[Row] = []
    offset = 0
    for number, line in enumerate(_cut(data)):
        text = line.removesuffix(b"\n").removesuffix(b"\r")
        length = len(text)
        long = length > limit
        if number == 0 and not long:
            text = text.removeprefix(BOM)
            length = len(text)
        found.append(Row(number, offset, len(line), None if long else text, length))
        offset += len(line)
    return found


def _cut(data: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def ok(number: int, start: int, size: int, text: bytes) -> Row:
    return Row(number, start, size, text, len(text))


def long(number: int, start: int, size: int, length: int) -> Row:
    return Row(number, start, size, None, length)


LAST = long(3, 1_005, 1_000, 1_000)
CASES: dict[str, tuple[bytes, list[Row]]] = {
    "empty file": (b"", []),
    "one newline": (b"\n", [ok(0, 0, 1, b"")]),
    "LF": (b"a\nb\n", [ok(0, 0, 2, b"a"), ok(1, 2, 2, b"b")]),
    "CRLF": (b"a\r\nb\r\n", [ok(0, 0, 3, b"a"), ok(1, 3, 3, b"b")]),
    "mixed ends": (b"a\r\nb\nc", [ok(0, 0, 3, b"a"), ok(1, 3, 2, b"b"), ok(2, 5, 1, b"c")]),
    "no last newline": (b"a\nb", [ok(0, 0, 2, b"a"), ok(1, 2, 1, b"b")]),
    "CR before the end": (b"a\r", [ok(0, 0, 2, b"a")]),
    "CR within a line": (b"a\rb\n", [ok(0, 0, 4, b"a\rb")]),
    "blank lines": (
        b"\na\n\n\r\n",
        [ok(0, 0, 1, b""), ok(1, 1, 2, b"a"), ok(2, 3, 1, b""), ok(3, 4, 2, b"")],
    ),
    "BOM": (BOM + b"a\n" + BOM + b"\n", [ok(0, 0, 5, b"a"), ok(1, 5, 4, BOM)]),
    "only a BOM": (BOM, [ok(0, 0, 3, b"")]),
    "exactly the limit": (b"x" * 8 + b"\ny\n", [ok(0, 0, 9, b"x" * 8), ok(1, 9, 2, b"y")]),
    "exactly the limit, CRLF": (b"x" * 8 + b"\r\n", [ok(0, 0, 10, b"x" * 8)]),
    "exactly the limit, unended": (b"y\n" + b"x" * 8, [ok(0, 0, 2, b"y"), ok(1, 2, 8, b"x" * 8)]),
    "one over": (b"x" * 9 + b"\ny\n", [long(0, 0, 10, 9), ok(1, 10, 2, b"y")]),
    "one over, CRLF": (b"x" * 9 + b"\r\ny\n", [long(0, 0, 11, 9), ok(1, 11, 2, b"y")]),
    "one over, unended": (b"y\n" + b"x" * 9, [ok(0, 0, 2, b"y"), long(1, 2, 9, 9)]),
    "larger than many pieces": (
        b"a\n" + b"x" * 1_000 + b"\nb\n" + b"z" * 1_000,
        [ok(0, 0, 2, b"a"), long(1, 2, 1_001, 1_000), ok(2, 1_003, 2, b"b"), LAST],
    ),
}


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 4, 7, 8, 9, 10, 64, 1 << 20])
@pytest.mark.parametrize("name", CASES)
def test_lines_are_the_same_for_every_size_of_pieces(name: str, piece_bytes: int) -> None:
    data, expected = CASES[name]
    assert rows(data, piece_bytes=piece_bytes) == expected


FRAGMENTS = st.one_of(
    st.sampled_from([b"\n", b"\r", b"\r\n", BOM, b"x" * 7, b"x" * 8, b"x" * 9, b"y" * 30]),
    st.binary(max_size=12),
)
FILES = st.lists(FRAGMENTS, max_size=20).map(b"".join)


@given(data=FILES, piece_bytes=st.integers(1, 64), limit=st.integers(1, 12))
@example(data=b"x" * 8 + b"\r\n", piece_bytes=9, limit=8)
@example(data=b"x" * 9 + b"\r\n", piece_bytes=10, limit=8)
def test_any_bytes_read_as_a_plain_split(data: bytes, piece_bytes: int, limit: int) -> None:
    assert rows(data, piece_bytes=piece_bytes, limit=limit) == reference(data, limit)


@given(data=FILES, piece_bytes=st.integers(1, 64), cuts=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_range_of_lines_reads_as_the_same_lines_of_the_whole(
    data: bytes, piece_bytes: int, cuts: tuple[float, float]
) -> None:
    whole = reference(data)
    first, last = sorted(round(cut * len(whole)) for cut in cuts)
    chosen = whole[first:last]
    start = chosen[0].start if chosen else len(data)
    end = chosen[-1].start + chosen[-1].size if chosen else len(data)
    assert rows(data, piece_bytes=piece_bytes, start=start, end=end, first_line=first) == chosen


def test_memory_is_bounded_by_a_piece_and_a_line() -> None:
    blob = MemoryBlob(b"x" * 1_000_000 + b"\n")
    pieces = list(read_pieces(blob, "input", max_line_bytes=100, piece_bytes=64))
    assert pieces == [
        Piece(first_line=0, start=0, lines=[b""], sizes=[1_000_001], too_long={0: 1_000_000})
    ]
    assert blob.longest == 64


def test_an_unknown_blob_is_a_key_error() -> None:
    class Nothing:
        def read(self, key: str, start: int, length: int) -> bytes:
            raise KeyError(key)

    with pytest.raises(KeyError):
        next(read_pieces(Nothing(), "input", max_line_bytes=1))
