"""`plan.custom_ids`: every repeated id is found, colliding hashes or not, in little memory."""

import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchway.domain.errors import Unavailable
from batchway.workflows.plan import custom_ids
from batchway.workflows.plan.custom_ids import CustomIds

SPREAD: Callable[[str], int] = hash
COLLIDING: Callable[[str], int] = len


def duplicates(ids: Sequence[str]) -> list[int]:
    """Lines of `ids` that the search names."""
    with CustomIds() as search:
        for line, custom_id in enumerate(ids):
            search.add(custom_id, line)
        return sorted(search.duplicates(lambda one, other: ids[one] == ids[other]))


def reference(ids: Sequence[str]) -> list[int]:
    return [line for line, custom_id in enumerate(ids) if custom_id in ids[:line]]


@pytest.mark.parametrize("hashing", [SPREAD, COLLIDING])
@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], []),
        (["a"], []),
        (["a", "b", "c"], []),
        (["a", "b", "a"], [2]),
        (["a", "a", "a"], [1, 2]),
        (["a", "b", "b"], [2]),  # hidden by `a` when all three collide
        (["a", "b", "c", "b", "c", "a"], [3, 4, 5]),
        (["", "\0", "\0\0", "\0"], [3]),
    ],
)
def test_duplicates(
    ids: list[str],
    expected: list[int],
    hashing: Callable[[str], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(custom_ids, "hash", hashing, raising=False)
    assert duplicates(ids) == expected


@given(st.lists(st.text("ab", max_size=4), max_size=30), st.sampled_from([SPREAD, COLLIDING]))
def test_any_ids(ids: list[str], hashing: Callable[[str], int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(custom_ids, "hash", hashing, raising=False)
        patch.setattr(custom_ids, "_SPILL_AT", 2)
        assert duplicates(ids) == reference(ids)


def test_duplicates_are_found_across_spills() -> None:
    ids = [f"id-{number}" for number in range(300_000)]
    ids[299_999] = ids[0]
    ids[150_000] = ids[149_999]
    assert duplicates(ids) == [150_000, 299_999]


@pytest.mark.parametrize("custom_id", ["id-{}", "same"])
def test_memory_is_that_of_a_partition(custom_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when all lines have one id, and so fall into one partition. Unbounded it were 6 MB."""
    monkeypatch.setattr(custom_ids, "_SPILL_AT", 64)
    monkeypatch.setattr(custom_ids, "_PARTITIONS", 16)
    with CustomIds() as search:
        tracemalloc.start()
        for line in range(60_000):
            search.add(custom_id.format(line), line)
        found = sum(1 for _ in search.duplicates(lambda one, other: one != other))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert found == (59_999 if custom_id == "same" else 0)
    assert peak < 1 << 20


def test_a_failing_temporary_directory_is_storage_that_failed(tmp_path: Path) -> None:
    with CustomIds(directory=str(tmp_path / "absent")) as search:
        for line in range(4_095):
            search.add("same", line)
        with pytest.raises(Unavailable, match="temporary directory failed: No such file"):
            search.add("same", 4_095)
