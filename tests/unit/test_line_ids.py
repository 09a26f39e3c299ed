"""Ids of our lines: written in one way, read in every way in which they come back."""

import pytest

from batchway.dialects.line_ids import line_id, read_line_id, read_line_id_in


@pytest.mark.parametrize(
    ("line", "part", "written"),
    [
        (0, 0, b"r0000000000"),
        (42, 0, b"r0000000042"),
        (42, 1, b"r0000000042-1"),
        (9_999_999_999, 99_999, b"r9999999999-99999"),
    ],
)
def test_an_id_is_read_as_it_was_written(line: int, part: int, written: bytes) -> None:
    assert line_id(line, part) == written
    assert read_line_id(written.decode()) == (line, part)
    assert read_line_id_in(b'"%b"' % written) == (line, part)


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (b'"R42"', (42, 0)),
        (b'"r42-03"', (42, 3)),
        (b'" r0000000042 "', (42, 0)),
        (b'"0000000042"', (42, 0)),
        (b"42", (42, 0)),
        (b"42.0", (42, 0)),
        (b"42.5", None),
        (b"-42", None),
        (b'"r99999999999"', None),
        (b'"somebody"', None),
        ('"r٤٢"'.encode(), None),
        (b"null", None),
        (b"", None),
    ],
)
def test_what_an_importer_makes_of_an_id(raw: bytes, number: tuple[int, int] | None) -> None:
    assert read_line_id_in(raw) == number


@pytest.mark.parametrize("text", ["42", "r", "r99999999999", "x42", "r42-", "r42 ", "r٤٢"])
def test_texts_that_are_no_ids(text: str) -> None:
    assert read_line_id(text) is None
