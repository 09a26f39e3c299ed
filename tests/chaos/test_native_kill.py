"""Random kills over native batches of the real data; a hundred of them are part of `make chaos`."""

from pathlib import Path

import pytest
from tests.chaos.native_aftermath import native_trial
from tests.chaos.native_appointments import BEDROCK_DECK, BEDROCK_SHORT, SHORT
from tests.chaos.native_arena import BEDROCK

PHASES = frozenset(
    {
        "starting",
        "recovering",
        "validating",
        "in_progress",
        "waiting to submit",
        "encoding or uploading",
        "brought",
        "submitting",
        "created and not stored",
        "job running",
        "job ended, not collected",
        "collecting",
        "tidying the provider",
        "rescuing",
        "no room",
        "refused",
        "finalizing",
        "cancel",
        "cancelling",
        "before expiring",
        "account bad",
        "providers renamed",
    }
)


@pytest.mark.timeout(240)  # half a minute on two idle cores; `make test` keeps both busy
def test_no_job_is_paid_for_twice_and_no_line_lost_by_a_few_kills(tmp_path: Path) -> None:
    result = native_trial(tmp_path, kills=len(SHORT), at_work=0, patience=60, deck=SHORT)
    print(result.text)
    assert result.found == []


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_no_job_is_paid_for_twice_and_no_line_lost_by_a_hundred_kills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = native_trial(tmp_path, kills=100, at_work=2, patience=200)
    with capsys.disabled():
        print(f"\n{result.text}")
    assert result.found == []
    assert result.kills >= 100
    assert PHASES - result.phases.keys() == set()


@pytest.mark.timeout(240)
def test_no_job_of_bedrock_is_paid_for_twice_by_a_few_kills(tmp_path: Path) -> None:
    result = native_trial(
        tmp_path,
        kills=len(BEDROCK_SHORT),
        at_work=0,
        patience=60,
        deck=BEDROCK_SHORT,
        accounts=BEDROCK,
    )
    print(result.text)
    assert result.found == []


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_no_job_of_bedrock_is_paid_for_twice_by_a_hundred_kills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = native_trial(
        tmp_path, kills=100, at_work=2, patience=200, deck=BEDROCK_DECK, accounts=BEDROCK
    )
    with capsys.disabled():
        print(f"\n{result.text}")
    assert result.found == []
    assert result.kills >= 100
    assert PHASES - {"no room", "refused"} - result.phases.keys() == set()
