"""`domain.status` against its drawing: every (status, event) pair."""

import pytest

from batchway.domain.status import (
    CANCELLABLE,
    MOVES,
    TERMINAL,
    TIMESTAMP,
    BatchStatus,
    may_move,
    sources_of,
)

S = BatchStatus
# Rows: from; columns: to. Written from the drawing, not from the code.
#                   val fail prog fin  comp exp  cing ced
DRAWING = {
    S.VALIDATING:  "-   X    X    -    -    X    X    -",
    S.FAILED:      "-   -    -    -    -    -    -    -",
    S.IN_PROGRESS: "-   X    -    X    -    X    X    -",
    S.FINALIZING:  "-   -    -    -    X    X    -    -",
    S.COMPLETED:   "-   -    -    -    -    -    -    -",
    S.EXPIRED:     "-   -    -    -    -    -    -    -",
    S.CANCELLING:  "-   -    -    -    -    -    -    X",
    S.CANCELLED:   "-   -    -    -    -    -    -    -",
}  # fmt: skip
EDGES = {
    (before, after)
    for before, row in DRAWING.items()
    for after, mark in zip(S, row.split(), strict=True)
    if mark == "X"
}


@pytest.mark.parametrize("before", S)
@pytest.mark.parametrize("after", S)
def test_moves(before: BatchStatus, after: BatchStatus) -> None:
    assert may_move(before, after) is ((before, after) in EDGES)
    assert (before in sources_of(after)) is ((before, after) in EDGES)


def test_the_words_are_openais() -> None:
    assert [status.value for status in S] == [
        "validating",
        "failed",
        "in_progress",
        "finalizing",
        "completed",
        "expired",
        "cancelling",
        "cancelled",
    ]


def test_groups_of_statuses() -> None:
    assert {S.FAILED, S.COMPLETED, S.EXPIRED, S.CANCELLED} == TERMINAL
    assert {S.VALIDATING, S.IN_PROGRESS} == CANCELLABLE
    assert set(MOVES) == set(S)


def test_every_move_has_its_timestamp() -> None:
    assert {status: f"{status.value}_at" for status in S if status is not S.VALIDATING} == TIMESTAMP
