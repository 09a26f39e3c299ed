"""`domain.line_set`: sets of lines, as they are kept in the rows of shards."""

from hypothesis import given, settings
from hypothesis import strategies as st

from batchway.domain.line_set import LineSet, pack


@given(st.sets(st.integers(0, 3_000), min_size=1), st.integers(0, 1 << 40))
@settings(max_examples=100, deadline=None)
def test_a_set_of_lines_comes_back(indexes: set[int], first: int) -> None:
    lines = LineSet(pack(sorted(indexes)), first=first)
    assert list(lines) == [first + index for index in sorted(indexes)]
    for index in range(-1, 3_010):
        assert (first + index in lines) == (index in indexes)


def test_a_set_of_lines_is_small() -> None:
    assert len(pack([0, 9_999_999])) < 2_000
    assert len(pack(range(200_000))) < 100
    assert len(pack(range(0, 200_000, 2))) < 100
