"""Twenty random kills over batches of the real data: part of `make test`."""

from pathlib import Path

import pytest
from tests.chaos.trial import trial


@pytest.mark.timeout(400)  # a minute and a half on two idle cores; `make test` keeps both busy
def test_nothing_is_lost_doubled_or_mixed_up_by_twenty_kills(tmp_path: Path) -> None:
    result = trial(tmp_path, kills=20, at_work=2, patience=150)
    print(result.text)
    assert result.found == []
    assert result.wasted <= result.allowed
