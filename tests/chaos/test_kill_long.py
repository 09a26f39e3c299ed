"""Two hundred random kills over batches of the real data: `make chaos`."""

from pathlib import Path

import pytest
from tests.chaos.trial import trial

PHASES = frozenset(
    {
        "starting",
        "recovering",
        "uploading",
        "input file without its row",
        "creating",
        "right after create",
        "validating",
        "in_progress",
        "writing a segment",
        "segment without its row",
        "cancel",
        "cancelling",
        "finalizing",
        "cleaning up",
        "paused",
    }
)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nothing_is_lost_doubled_or_mixed_up_by_two_hundred_kills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = trial(tmp_path, kills=200, at_work=4, patience=300, marathon=3957)
    with capsys.disabled():
        print(f"\n{result.text}")
    assert result.found == []
    assert result.wasted <= result.allowed
    assert result.kills >= 200
    assert PHASES - result.phases.keys() == set()
    # The engine gives a workflow up after a hundred recoveries: the batch must go on all the same.
    assert result.longest > 100
