"""Ids of our lines: written in one way, read in every way in which they come back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchway.dialects.line_ids import (
    MOST_LINES,
    MOST_PARTS,
    line_id,
    read_line_id,
    read_line_id_in,
)


@pytest.mark.parametrize(
    ("line", "part", "written"),
    [
        (0, 0, b"r0000000000"),
        (42, 0, b"r0000000042"),
        (9_999_999_999, 0, b"r9999999999"),
        (42, 1, b"p000002a001"),
        (0, 4_095, b"p0000000fff"),
        (268_435_455, 4_095, b"pffffffffff"),
    ],
)
def test_an_id_is_read_as_it_was_written(line: int, part: int, written: bytes) -> None:
    assert line_id(line, part) == written
    assert read_line_id(written.decode()) == (line, part)
    assert read_line_id_in(b'"%b"' % written) == (line, part)


@given(st.integers(0, MOST_LINES - 1), st.integers(0, MOST_PARTS - 1))
def test_every_id_is_legal_everywhere_and_one_bodys_alone(line: int, part: int) -> None:
    written = line_id(line, part)
    assert re.fullmatch(rb"[a-z][a-z0-9]{10}", written)
    assert read_line_id(written.decode()) == (line, part)
    assert read_line_id(written.decode().upper()) == (line, part)


@pytest.mark.parametrize(("line", "part"), [(0, MOST_PARTS), (MOST_LINES, 1)])
def test_bodies_that_cannot_be_told_apart_have_no_id(line: int, part: int) -> None:
    with pytest.raises(ValueError, match="told apart"):
        line_id(line, part)


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (b'"R42"', (42, 0)),
        (b'"P000002A003"', (42, 3)),
        (b'" r0000000042 "', (42, 0)),
        (b'" p000002a003 "', (42, 3)),
        (b'"0000000042"', (42, 0)),
        (b"42", (42, 0)),
        (b"42.0", (42, 0)),
        (b"42.5", None),
        (b"-42", None),
        (b'"r42-03"', None),
        (b'"000002a003"', None),
        (b'"p2a003"', None),
        (b'"r99999999999"', None),
        (b'"somebody"', None),
        ('"r٤٢"'.encode(), None),
        (b"null", None),
        (b"", None),
    ],
)
def test_what_an_importer_makes_of_an_id(raw: bytes, number: tuple[int, int] | None) -> None:
    assert read_line_id_in(raw) == number


@pytest.mark.parametrize(
    "text",
    ["42", "r", "r99999999999", "x42", "r42-1", "r42 ", "r٤٢", "p2a1", "prompt", "p٤00000a001"],
)
def test_texts_that_are_no_ids(text: str) -> None:
    assert read_line_id(text) is None
